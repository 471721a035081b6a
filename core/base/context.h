/* SPDX-License-Identifier: MIT */
/** @file
 * What belongs to one task and follows it through every switch: its last error, the values that it owns, and the target
 * of tp_parallel_async.
 *
 * The runtime points `tp__context_of_task` at the running task's context at each switch and at NULL outside tasks; then
 * the OS thread's own context counts. A green thread never changes its OS thread, so the pointer needs no
 * synchronization.
 */
#ifndef TP_BASE_CONTEXT_H
#define TP_BASE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tp__error_record;
struct tp__owned;
struct tp_pool;
struct tp_async_pool;

struct tp__context {
    uint64_t id;                    /**< of the task or OS thread: never given twice */
    struct tp__error_record *error; /**< the last failure, NULL if none; one reference */
    struct tp__owned *owned;        /**< the values made or received in this task, freed when it ends; see closure/ */
    struct tp_pool *async_target;   /**< where tp_parallel_async submits, NULL if nowhere; not owned */
    struct tp_async_pool *async_pools; /**< the open async pools, the newest first; not owned */
};

extern _Thread_local struct tp__context *tp__context_of_task;

/** The context that counts now. Never NULL. */
struct tp__context *tp__context_current(void);

/** True inside a task, where values belong to the task. */
static inline bool tp__context_is_task(void)
{
    return tp__context_of_task != NULL;
}

#endif
