/* SPDX-License-Identifier: MIT */
/** @file
 * A node in the simulation: the agent's state machine, its processes, its cache of programs.
 */
#ifndef TESTS_SIMULATION_MACHINE_H
#define TESTS_SIMULATION_MACHINE_H

#include "network.h"
#include "process.h"

struct cached {
    struct tp__hash root;
    uint64_t stored; /**< chunks */
    bool whole;
};

struct machine {
    struct station station;
    struct agent *agent; /**< NULL: it is down */
    struct tp__authorized *authorized;
    uint32_t workers;
    struct process *processes; /**< the newest first */
    struct cached *cache;      /**< it survives a crash */
    size_t cache_count, cache_capacity;
    bool draining;
};

void machine_init(struct machine *machine, struct world *world, uint32_t number);
void machine_start(struct machine *machine);
/** All of it dies at once. */
void machine_crash(struct machine *machine);
void machine_drain(struct machine *machine);
void machine_fini(struct machine *machine);
/** Events of processes. */
void machine_process_said(struct machine *machine, uint32_t process, const uint8_t *bytes, size_t size);
void machine_process_ended(struct machine *machine, struct process *process, const struct agent_crash *crash);

#endif
