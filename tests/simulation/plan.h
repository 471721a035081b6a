/* SPDX-License-Identifier: MIT */
/** @file
 * What a seed stands for: how large the cluster is, what its drivers want, what goes wrong, and until when.
 */
#ifndef TESTS_SIMULATION_PLAN_H
#define TESTS_SIMULATION_PLAN_H

#include "world.h"

/** What may go wrong, or be asked for, in this run. */
enum plan_flag {
    PLAN_LOSS = 1 << 0,            /**< single frames are lost */
    PLAN_RESET = 1 << 1,           /**< connections break */
    PLAN_PARTITION = 1 << 2,       /**< a peer is cut off for a while */
    PLAN_NODE_CRASH = 1 << 3,      /**< a node dies with all its processes, and comes back with a new life */
    PLAN_NODE_PAUSE = 1 << 4,      /**< a node stands still for a while, perhaps for so long that it is lost */
    PLAN_COORDINATOR = 1 << 5,     /**< the coordinator dies and comes back */
    PLAN_TWO = 1 << 6,             /**< for a while there are two coordinators */
    PLAN_DRIVER_CRASH = 1 << 7,    /**< a driver dies */
    PLAN_DRIVER_PAUSE = 1 << 8,    /**< a driver stands still for longer than its lease */
    PLAN_PROCESS = 1 << 9,         /**< worker processes die for no reason of their own */
    PLAN_LIAR = 1 << 10,           /**< the coordinator lies, until it is replaced by an honest one */
    PLAN_ROGUE = 1 << 11,          /**< one trusted node forges records */
    PLAN_DRAIN = 1 << 12,          /**< a node is drained */
    PLAN_CRASHES = 1 << 13,        /**< some tasks crash */
    PLAN_CHANNELS = 1 << 14,       /**< some tasks use channels */
    PLAN_CHILDREN = 1 << 15,       /**< some tasks submit tasks */
    PLAN_ONCE = 1 << 16,           /**< some tasks run at most once */
    PLAN_LARGE = 1 << 17,          /**< some payloads and results are large */
    PLAN_CANCEL = 1 << 18,         /**< some tasks are cancelled */
    PLAN_PINNED = 1 << 19,         /**< some tasks are for one worker, or the whole pool is strict */
    PLAN_ISOLATED = 1 << 20,       /**< some tasks are isolated */
    PLAN_FULL = 1 << 21,           /**< limits are small */
    PLAN_SHIP = 1 << 22,           /**< nodes do not have the programs */
    PLAN_SILENT_WORKERS = 1 << 23, /**< worker processes tell nonsense */
    PLAN_BIG = 1 << 24,            /**< a thousand nodes */
    PLAN_LONG = 1 << 25,           /**< tasks and troubles take a minute, and drivers die */
    PLAN_TREES = 1 << 26           /**< tasks submit tasks, many levels deep, and nodes hold few */
};

struct plan {
    unsigned flags;
    uint32_t nodes, drivers;
    uint32_t trusted;   /**< how many drivers a node accepts */
    uint32_t workers;   /**< of a node, at most */
    uint32_t tasks;     /**< of a driver */
    int64_t latency_us; /**< of a connection, about */
    uint32_t loss;      /**< frames in a million */
    int64_t submit_us;  /**< tasks are submitted during that time */
    int64_t faults_us;  /**< after that time nothing goes wrong any more */
    uint32_t fault_count;
    uint64_t queue_limit_bytes, limit_tasks;
    uint32_t node_tasks; /**< of a session that a node holds; 0: its default */
    uint32_t program_bytes;
};

void plan_make(struct plan *plan, struct random *random, unsigned without, unsigned with);
bool plan_has(const struct world *world, unsigned flags);

#endif
