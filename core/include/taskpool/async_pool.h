/* SPDX-License-Identifier: MIT */
/** @file
 * Async pools: the pool behind tp_parallel_async.
 *
 * The target belongs to the current task (outside one: to the OS thread); a green thread made by tp_async starts with
 * the target of the one that made it; a task of a pool starts without.
 */
#ifndef TASKPOOL_ASYNC_POOL_H
#define TASKPOOL_ASYNC_POOL_H

#include <taskpool/pool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct tp_async_pool tp_async_pool;

/** Opens a pool as tp_pool_open does and makes it the target of tp_parallel_async until it is closed. NULL on
 *  failure. */
tp_async_pool *tp_async_pool_open(const char *where) __attribute__((warn_unused_result));

/** Drains, restores the target that was set before the open, shuts the pool down and frees it. Async pools are closed
 *  in the reverse order of opening; out of order, the closed one is taken out and the newest open one stays the target.
 *  NULL is allowed. Statuses as tp_pool_close. Yields. */
tp_status tp_async_pool_close(tp_async_pool *async_pool);

/** The pool itself, owned by the async pool. NULL for NULL. */
tp_pool *tp_async_pool_pool(tp_async_pool *async_pool);

/** As tp_drain, tp_pool_size and tp_pool_pending on the pool itself. */
tp_status tp_async_pool_drain(tp_async_pool *async_pool);
size_t tp_async_pool_size(const tp_async_pool *async_pool);
size_t tp_async_pool_pending(const tp_async_pool *async_pool);

/** Sets the target of tp_parallel_async; NULL clears it. The caller keeps owning the pool. */
void tp_set_async_pool(tp_pool *pool);

/** The target of tp_parallel_async, NULL if none is set. */
tp_pool *tp_get_async_pool(void);

/* Behind tp_parallel_async: NULL with TP_E_NO_POOL when no target is set. */
tp_promise *tp__parallel_async(const tp_task_definition *task, const void *captures)
    __attribute__((warn_unused_result));

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
