/* SPDX-License-Identifier: MIT */
/** @file
 * A driver in the simulation: the session's state machine, and a program that submits tasks, cancels some, talks over
 * channels, and waits for results.
 */
#ifndef TESTS_SIMULATION_DRIVER_H
#define TESTS_SIMULATION_DRIVER_H

#include "home.h"
#include "network.h"

struct driver {
    struct station station;
    struct tp__session *machine; /**< NULL: it is not running */
    struct tp__authorized *authorized;
    const struct program *program;
    struct tp__id session; /**< as it says in its Hello */
    struct home home;
    bool strict;
    int64_t gone_us; /**< when it died; 0: it has not */
    bool is_lost;    /**< its session has failed */
    bool is_closed;
    uint32_t to_submit; /**< tasks for which there is no room yet */
    uint32_t planned;   /**< tasks that it has not come to yet */
    size_t workers;
    struct work **roots; /**< that it has submitted */
    size_t root_count, root_capacity;
    size_t unresolved;
    struct work **by_sequence;
    size_t sequence_capacity;
    bool *slandered; /**< by sequence: a rogue node has named that task */
    size_t slandered_capacity;
    uint64_t children_began, children_ended;
    int64_t resolved_us; /**< when the last task had resolved */
};

const char *driver_task_name(uint32_t index);
/** The task of that number, NULL: not known to have started. */
struct work *driver_work(const struct driver *driver, uint64_t sequence);
void driver_name_work(struct driver *driver, struct work *work, uint64_t sequence);

/** A rogue node names that task: what comes of it from now on proves nothing. */
void driver_slander(struct driver *driver, uint64_t sequence);

void driver_init(struct driver *driver, struct world *world, uint32_t number, const struct program *program);
void driver_start(struct driver *driver);
/** It dies, and says nothing. */
void driver_crash(struct driver *driver);
/** Its program ends. */
void driver_close(struct driver *driver);
/** Everything that it wanted has come to an end. */
bool driver_is_done(const struct driver *driver);
/** Closes all channels, so that nobody waits for messages that will not come. */
void driver_close_channels(struct driver *driver);
void driver_fini(struct driver *driver);

#endif
