/* SPDX-License-Identifier: MIT */
/** @file
 * Tasks: functions that can be submitted to a pool, and the calls that take one.
 *
 *     TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base)) { return x + base; }
 *
 * defines a function `add_base`, which can be called as any other, and the task of that name. Up to 16 parameters, each
 * `(type, name)`; the result type comes second and may be void.
 *
 * *Types* of parameters and results: any C scalar, enum or pointer-free struct, copied by value; tp_str, tp_bytes,
 * tp_value, tp_closure; tp_channel * of a named channel. Any other pointer does not compile. Pointers inside a struct
 * are not seen: the user's word.
 *
 * *Captures* in the calls below are the task's arguments: positional (`fib, 30`), named (`fib, .n = 30`) or both, each
 * exactly once; one missing or too many does not compile. Each is evaluated once, in no particular order. A value that
 * has commas goes in parentheses: `.p = ((point){1, 2, 3})`. In C++ captures are positional.
 *
 * The calls may be made from any OS thread and any green thread.
 */
#ifndef TASKPOOL_TASK_H
#define TASKPOOL_TASK_H

#include <taskpool/async_pool.h>
#include <taskpool/channel.h>
#include <taskpool/closure.h>
#include <taskpool/detail/call.h>
#include <taskpool/green.h>
#include <taskpool/pool.h>
#include <taskpool/promise.h>
#include <taskpool/value.h>

/** TP_TASK(name, result, (type, parameter)...) { body }: a task that belongs to its source file. A header may hold a
 *  whole one. */
#define TP_TASK(task, ...) TP__TASK(TP_TASK, STATIC, task, __VA_ARGS__)

/** The same for tp_async alone: it stays on its OS thread and shares its memory, so it may capture pointers (not return
 *  them). Submitting it to a pool does not compile. Its channels are captured as pointers: no reference is taken. */
#define TP_LOCAL_TASK(task, ...) TP__TASK(TP_LOCAL_TASK, LOCAL, task, __VA_ARGS__)

/** One task for several source files: TP_TASK_DECLARE(name, result, (type, parameter)...); in a header, and the same
 *  with TP_TASK_DEFINE and a body in one file that includes it. */
#define TP_TASK_DECLARE(task, ...) TP__TASK(TP_TASK_DECLARE, DECLARE, task, __VA_ARGS__)
#define TP_TASK_DEFINE(task, ...) TP__TASK(TP_TASK_DEFINE, DEFINE, task, __VA_ARGS__)

/** tp_promise *tp_submit(tp_pool *pool, task, captures...): the promise of the task's result, owned by the caller:
 *  tp_promise_release. NULL on failure: TP_E_SHUTDOWN, TP_E_NOMEM, TP_E_ARGUMENT (a NULL pool, a channel without a
 *  name), TP_E_FORKED. Does not yield. In a cluster also TP_E_LIMIT, TP_E_UNSUPPORTED (a task that is not in the main
 *  program) and, inside a task, TP_E_FULL; outside tasks it waits while too much is queued. */
#define tp_submit(pool, ...) TP__SUBMIT(pool, NULL, __VA_ARGS__)
/** tp_submit_with(pool, options, task, captures...): `options` is tp_task_options(.timeout_ms = 500, ...) or a variable
 *  of type tp_task_options. */
#define tp_submit_with(pool, options, ...) TP__SUBMIT(pool, TP__OPTIONS(tp_task_options, options), __VA_ARGS__)

/** tp_status tp_run(tp_pool *pool, task, result *out, captures...): submits, awaits and releases. `out` has the task's
 *  result type (checked when compiling) or is NULL; it is zero after a failure. The statuses of tp_submit and tp_await.
 *  Yields. On a cluster an OS thread that runs no green threads does the session's work meanwhile, which takes 64 KiB
 *  of its stack; it is not cancelled by pthread_cancel before that has ended. */
#define tp_run(pool, ...) TP__RUN(pool, NULL, __VA_ARGS__)
#define tp_run_with(pool, options, ...) TP__RUN(pool, TP__OPTIONS(tp_task_options, options), __VA_ARGS__)

/** tp_status tp_map(tp_pool *pool, task, const element *in, result *out, size_t count, captures...): runs the task for
 *  each element of `in`, which is its first parameter (the others are captured), and stores the results in `out`, in
 *  order. Types are checked when compiling; `out` may be NULL, or the array `in` itself, whose elements are copied
 *  first (what they own stays the caller's to release). After an element failed the others run on; its result is zero,
 *  and the status of the first (by index) that failed is returned. TP_E_NODE_LOST: strict placement, and a cluster
 *  without a node. Yields. */
#define tp_map(pool, task, in, out, ...) TP__MAP(pool, NULL, task, in, out, __VA_ARGS__)
/** With tp_map_options(.progress = ..., .statuses = ..., .task = {...}), or a variable of that type. */
#define tp_map_with(pool, options, task, in, out, ...) \
    TP__MAP(pool, TP__OPTIONS(tp_map_options, options), task, in, out, __VA_ARGS__)

/** tp_promise *tp_async(task, captures...): runs the task as a green thread of the current OS thread. As tp_submit;
 *  never leaves its OS thread, so a TP_LOCAL_TASK is allowed. */
#define tp_async(...) TP__ASYNC(__VA_ARGS__)

/** tp_promise *tp_parallel_async(task, captures...): submits to the innermost open async pool. As tp_submit;
 *  TP_E_NO_POOL when none is set. */
#define tp_parallel_async(...) TP__PARALLEL_ASYNC(__VA_ARGS__)

/** tp_submit, tp_run and tp_map on the pool of a tp_async_pool. */
#define tp_async_pool_submit(async_pool, ...) tp_submit(tp_async_pool_pool(async_pool), __VA_ARGS__)
#define tp_async_pool_run(async_pool, ...) tp_run(tp_async_pool_pool(async_pool), __VA_ARGS__)
#define tp_async_pool_map(async_pool, ...) tp_map(tp_async_pool_pool(async_pool), __VA_ARGS__)

/** tp_closure tp_bind(task, captures...): a closure of all captures, which takes no argument, or of all but the first,
 *  which takes one. Owned as every value (see closure.h). None on failure: TP_E_NOMEM, TP_E_ARGUMENT (a channel without
 *  a name). Does not yield. */
#define tp_bind(...) TP__BIND(__VA_ARGS__)

/** tp_status tp_call(tp_closure c, result *out[, argument]): calls the closure in the current green thread. `out` may
 *  be NULL. The argument is given if and only if the closure takes one (else TP_E_ARGUMENT); its type, and that of
 *  `out`, are checked at run time (TP_E_TYPE); an error that the closure raises ends the current task. May yield. */
#define tp_call(...) TP__CALL(__VA_ARGS__)

/** tp_promise *tp_submit_closure(tp_pool *pool, tp_closure c[, argument]): as tp_submit, for a closure; the argument as
 *  in tp_call. tp_submit_closure_with(pool, options, c[, argument]) takes tp_task_options. */
#define tp_submit_closure(pool, ...) TP__SUBMIT_CLOSURE(pool, NULL, __VA_ARGS__)
#define tp_submit_closure_with(pool, options, ...) \
    TP__SUBMIT_CLOSURE(pool, TP__OPTIONS(tp_task_options, options), __VA_ARGS__)

/** tp_status tp_run_closure(tp_pool *pool, tp_closure c, result *out[, argument]): submits, awaits and releases. `out`
 *  may be NULL. Yields. */
#define tp_run_closure(pool, ...) TP__RUN_CLOSURE(pool, __VA_ARGS__)

#ifdef __cplusplus
extern "C" {
#endif

/* Tells libtaskpool of this module's tasks: a shared libtaskpool cannot see the section of another module. Weak, so
 * that each module (program or shared library) has one of each; hidden, so that it is the module's own. */
extern const tp_task_definition *const __start_taskpool_tasks[] __attribute__((__weak__, __visibility__("hidden")));
extern const tp_task_definition *const __stop_taskpool_tasks[] __attribute__((__weak__, __visibility__("hidden")));
extern char tp__program_module;
__attribute__((__weak__, __visibility__("hidden"))) char tp__program_module = 0;

__attribute__((__constructor__, __weak__, __visibility__("hidden"))) void tp__program_enroll(void);
__attribute__((__constructor__, __weak__, __visibility__("hidden"))) void tp__program_enroll(void)
{
    if (tp__program_module)
        return;
    tp__program_module = 1;
    tp__program_register(__start_taskpool_tasks, __stop_taskpool_tasks, &tp__program_module);
}

#ifdef __cplusplus
}
#endif

#endif
