/* SPDX-License-Identifier: MIT */
/** @file
 * The cluster of one run: who is in it.
 */
#ifndef TESTS_SIMULATION_CLUSTER_H
#define TESTS_SIMULATION_CLUSTER_H

#include "driver.h"
#include "head.h"
#include "machine.h"

struct loot;

struct cluster {
    struct world *world;
    struct tp__authorized *everybody; /**< the coordinators' list */
    struct head heads[2];
    bool split; /**< who connects finds either of them */
    struct machine *machines;
    uint32_t machine_count;
    struct driver *drivers;
    uint32_t driver_count;
    struct loot *loot; /**< of a lying coordinator */
    struct program *programs;
    uint32_t program_count;
    uint64_t processes_started;
    uint64_t processes_killed; /**< for no reason of their own */
    bool healed;               /**< nothing goes wrong any more */
};

struct cluster *cluster_new(struct world *world);
void cluster_free(struct cluster *cluster);
/** The coordinator that a connection finds now; NULL: none. */
struct head *cluster_pick_head(struct cluster *cluster);

/** A program of drivers: what nodes need to have before they run it. */
struct program {
    uint8_t *bytes;
    uint64_t length;
    struct tp__hash root;
    struct tp__hash *chunk_hashes;
    uint32_t chunk_count;
};

#endif
