/* SPDX-License-Identifier: MIT */
/** @file
 * Promises: the result of a task, now or later.
 *
 * A promise resolves exactly once, to a value or to an error. Any number of green threads and OS threads may wait for
 * it at once. Whoever got it from tp_submit, tp_async or tp_promise_retain owns one reference and gives it back with
 * tp_promise_release; a promise whose task is still running may be released, the task runs on. A reference lasts until
 * whoever waits by it has returned, also a cancelled task, which runs on for a while.
 *
 * Every function here may be called from any OS thread and any green thread.
 */
#ifndef TASKPOOL_PROMISE_H
#define TASKPOOL_PROMISE_H

#include <taskpool/detail/kinds.h>
#include <taskpool/error.h>
#include <taskpool/kind.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct tp_promise tp_promise;

/** A time limit in milliseconds that never ends. */
#define TP_FOREVER ((int64_t)-1)

/** True once the promise has resolved, to a value or an error. Never blocks. False for NULL. */
bool tp_promise_ready(const tp_promise *promise);

/** The error of a rejected promise, valid until the promise is released; an error of status TP_OK while it is
 *  unresolved or when it holds a value. For NULL: tp_last_error(). Never NULL. */
const tp_error *tp_promise_error(const tp_promise *promise);

/** Takes one more reference and returns `promise`. NULL gives NULL. */
tp_promise *tp_promise_retain(tp_promise *promise);

/** Gives a reference back; the last one frees the promise once its task has ended. NULL is allowed. In debug builds a
 *  release too many is reported and aborts. */
void tp_promise_release(tp_promise *promise);

/** Cancels the task: the promise is rejected with TP_E_CANCELLED at once and for good. A queued task never runs; a
 *  parked one finds its blocking call, and each later one, returning TP_E_CANCELLED; a running one is told by
 *  tp_cancelled(). Returns TP_OK also when the promise had resolved before (nothing changes then), TP_E_ARGUMENT for
 *  NULL, TP_E_NOMEM. Does not yield. */
tp_status tp_cancel(tp_promise *promise);

/** Waits until one of `count` promises has resolved and stores its index in `*index`: the lowest one of those resolved.
 *  `timeout_ms` as in tp_await_for. Returns TP_OK, TP_E_ARGUMENT (none, or a NULL among them), TP_E_TIMEOUT,
 *  TP_E_CANCELLED, TP_E_NOMEM. Yields. */
tp_status tp_wait_any(tp_promise *const *promises, size_t count, int64_t timeout_ms, size_t *index);

/** Waits until all of `count` promises have resolved. Returns TP_OK if all hold values, else the status of the first
 *  (by index) that was rejected; TP_E_TIMEOUT, TP_E_CANCELLED or TP_E_ARGUMENT as in tp_wait_any. Yields. */
tp_status tp_wait_all(tp_promise *const *promises, size_t count, int64_t timeout_ms);

/** tp_status tp_await(tp_promise *promise, result *out): waits until the promise has resolved and stores the value in
 *  `*out`, whose kind and size must be those of the task's result (TP_E_TYPE: the value stays). `out` may be NULL. Each
 *  waiter gets the value. Returns TP_OK, the status of the error with which the promise was rejected (which is then the
 *  last error), TP_E_CANCELLED when the waiting task itself is cancelled, TP_E_DEADLOCK when it would wait for itself,
 *  TP_E_ARGUMENT for a NULL promise, TP_E_NOMEM. `*out` is zero after a failure. Yields. */
#define tp_await(promise, out) TP__AWAIT(TP__UNIQUE, "tp_await", promise, out, TP_FOREVER)

/** The same with a time limit in milliseconds, which may be TP_FOREVER: TP_E_TIMEOUT when it runs out; 0 only looks. */
#define tp_await_for(promise, out, timeout_ms) TP__AWAIT(TP__UNIQUE, "tp_await_for", promise, out, timeout_ms)

/* Behind tp_await and tp_await_for: waits, then copies the value to `out` (which may be NULL: the value stays). */
tp_status tp__await(tp_promise *promise, void *out, tp_kind kind, size_t size, int64_t timeout_ms);

#pragma GCC visibility pop

#define TP__AWAIT(name, what, promise, out, timeout_ms) \
    TP__WITH_OUTPUT(name, what, out, tp__await((promise), TP__OUTPUT_ARGUMENTS(name), (timeout_ms)))

#ifdef __cplusplus
}
#endif
#endif
