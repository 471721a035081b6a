/* SPDX-License-Identifier: MIT */
/** @file
 * A handle on a pool. The one that opened the pool owns its workers; tasks may open more on their own pool, which
 * count and drain what was submitted through them.
 */
#ifndef TP_RUNTIME_POOL_H
#define TP_RUNTIME_POOL_H

#include "runtime/executor.h"
#include "runtime/tally.h"

enum tp__pool_phase {
    TP__POOL_OPEN,
    TP__POOL_CLOSING, /* accepts tasks from its own tasks only */
    TP__POOL_SHUT,    /* accepts none */
};

struct tp_pool {
    struct tp__executor *executor; /* one reference */
    struct tp__tally *tally;
    atomic_int phase;
    bool owns_workers;
};

/** TP_OK if the handle can be used: TP_E_ARGUMENT for NULL, TP_E_FORKED in a forked child. */
tp_status tp__pool_check(const char *function, const tp_pool *pool);

/** Submits a task whose payload is filled. NULL on failure (the error is stored): then the task was discarded. `worker`
 *  binds it to that one; -1 leaves the choice to the pool. */
struct tp_promise *tp__pool_submit(tp_pool *pool, struct tp_promise *task, const tp_task_options *options, int worker)
    __attribute__((warn_unused_result));

/** A new task with a copy of `captures`. NULL on failure (the error is stored). */
struct tp_promise *tp__pool_make_task(tp_pool *pool, const tp_task_definition *definition, const void *captures)
    __attribute__((warn_unused_result));

#endif
