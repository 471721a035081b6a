/* SPDX-License-Identifier: MIT */
/** @file
 * Closures as values: a task with captured values, to be called later, here or elsewhere.
 *
 * A tp_closure is passed by value and refers to an immutable, reference-counted block. It may be captured by another
 * closure, returned by a task and sent through a channel. Like every value, one that is made or received inside a task
 * belongs to the task and is freed when it ends; outside a task the caller owns it: tp_closure_release or tp_auto.
 *
 * Every function here may be called from any OS thread and any green thread.
 */
#ifndef TASKPOOL_CLOSURE_H
#define TASKPOOL_CLOSURE_H

#include <taskpool/kind.h>
#include <taskpool/status.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A closure; `closure` is NULL in none (after a failure, or when it is zero). */
typedef struct tp_closure {
    struct tp__closure *closure;
} tp_closure;

/** Takes one more reference and returns `closure`: inside a task it belongs to the task, outside to the caller. None
 *  gives none. Does not yield. */
tp_closure tp_closure_retain(tp_closure closure);

/** Gives a reference back. None is allowed. Inside a task it frees nothing that the task does not own. Does not
 *  yield. */
void tp_closure_release(tp_closure closure);

/* Behind tp_bind: `captures` is the task's whole struct, as for tp__submit; `given` is the number of parameters
 * that are bound: all, or all but the first, which is ignored then. None on failure: TP_E_NOMEM, TP_E_ARGUMENT. */
tp_closure tp__bind(const tp_task_definition *task, const void *captures, int given)
    __attribute__((warn_unused_result));

/* Behind tp_call: `argument` is NULL when none is given, `out` NULL when the result is not wanted. */
tp_status tp__call(tp_closure closure, const void *argument, tp_kind kind, size_t size, void *out, tp_kind out_kind,
                   size_t out_size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
