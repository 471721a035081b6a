/* SPDX-License-Identifier: MIT */
/* From a call of tp_submit to a task in a queue. */
#include "base/alloc.h"
#include "base/barrier.h"
#include "base/kind_name.h"
#include "closure/closure.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "closure/program.h"
#include "runtime/monitor.h"
#include "runtime/pool.h"
#include "runtime/remote.h"

#include <stdio.h>
#include <string.h>

#ifdef TP_ROUND_TRIP
/* In test builds every task goes through its encoded form, as it would to another machine. */
static tp_status round_trip(tp_pool *pool, struct tp_promise *task)
{
    const tp_task_definition *definition = task->definition;
    uint32_t index;
    if (!tp__program_index(definition, &index))
        return TP_OK; /* a task of a shared library has no name that another process would know */
    struct tp__encoded encoded;
    tp_status status = tp__closure_encode(definition, task->payload, &encoded);
    if (status != TP_OK)
        return status;
    const tp_task_definition *decoded;
    void *captures;
    status = tp__closure_decode(encoded.bytes, encoded.size, pool->executor->channels, &decoded, &captures);
    tp__encoded_free(&encoded);
    if (status != TP_OK)
        return status;
    if (!definition->plain)
        tp__captures_drop(definition, task->payload);
    if (captures)
        memcpy(task->payload, captures, definition->captures_size);
    tp__free(captures);
    return TP_OK;
}
#else
static inline tp_status round_trip(tp_pool *pool, struct tp_promise *task)
{
    (void)pool, (void)task;
    return TP_OK;
}
#endif

/* A task of a remote pool borrows what it captures from the caller of submit: it is encoded before submit returns. */
static inline bool borrows(const tp_pool *pool)
{
    return tp__unlikely(pool->executor->remote != NULL);
}

struct tp_promise *tp__pool_make_task(tp_pool *pool, const tp_task_definition *definition, const void *captures)
{
    struct tp_promise *task = tp__promise_new(definition);
    if (tp__unlikely(!task))
        return NULL;
    const size_t size = definition->captures_size;
    if (tp__likely(definition->plain)) {
        if (size == 8) /* a move, not a call */
            memcpy(task->payload, captures, 8);
        else if (size == 4)
            memcpy(task->payload, captures, 4);
        else if (size)
            memcpy(task->payload, captures, size);
    } else if (borrows(pool)) {
        memcpy(task->payload, captures, size);
    } else if (tp__captures_copy(definition, task->payload, captures) != TP_OK) {
        tp__promise_discard(task, false);
        return NULL;
    }
    if (!borrows(pool) && tp__unlikely(round_trip(pool, task) != TP_OK)) {
        tp__promise_discard(task, true);
        return NULL;
    }
    return task;
}

static __attribute__((noinline)) tp_status add_options(tp_pool *pool, struct tp_promise *task,
                                                       const tp_task_options *options, int *worker)
{
    if (options->timeout_ms < 0)
        return tp__fail(TP_E_ARGUMENT, "task '%s': timeout_ms is %lld", task->definition->name,
                        (long long)options->timeout_ms);
    if (options->max_attempts < 0)
        return tp__fail(TP_E_ARGUMENT, "task '%s': max_attempts is %d", task->definition->name, options->max_attempts);
    if (options->pinned) {
        const size_t workers = tp__executor_size(pool->executor);
        if (options->worker < 0 || (size_t)options->worker >= workers)
            return tp__fail(TP_E_ARGUMENT, "task '%s' is pinned to worker %d; the pool has %zu workers, from 0",
                            task->definition->name, options->worker, workers);
        *worker = options->worker;
    }
    if (options->stack_bytes == 0 && options->timeout_ms == 0)
        return TP_OK;
    const size_t stack_bytes = options->stack_bytes ? tp__stack_round_bytes(options->stack_bytes) : 0;
    if (options->stack_bytes && !stack_bytes)
        return tp__fail(TP_E_ARGUMENT, "task '%s': a stack of %zu bytes; it has %d bytes to 1 GiB",
                        task->definition->name, options->stack_bytes, TP__STACK_MINIMUM_BYTES);
    struct tp__task_extra *extra = tp__promise_extra(task);
    if (!extra)
        return tp__fail_nomem("the options of a task");
    extra->stack_bytes = stack_bytes;
    if (options->timeout_ms > 0) {
        char message[160];
        snprintf(message, sizeof message, "task '%.90s' did not end within %lld ms", task->definition->name,
                 (long long)options->timeout_ms);
        const struct tp__origin origin = {
            .task = task->definition->name, .node = tp__executor_node(pool->executor), .worker = -1};
        extra->timeout_error = tp__error_new(TP_E_TIMEOUT, &origin, message);
        if (tp__error_view(extra->timeout_error)->status != TP_E_TIMEOUT)
            return tp__fail_nomem("the options of a task");
        extra->timeout.deadline_ns = tp__deadline_ns(options->timeout_ms);
        extra->monitor = pool->executor->monitor;
    }
    return TP_OK;
}

static tp_status refusal(tp_pool *pool)
{
    const int phase = atomic_load_explicit(&pool->phase, memory_order_relaxed);
    if (tp__likely(phase == TP__POOL_OPEN) &&
        tp__likely(!atomic_load_explicit(&pool->executor->stopped, memory_order_relaxed)))
        return TP_OK;
    if (phase == TP__POOL_CLOSING && tp__executor_current_worker(pool->executor))
        return TP_OK; /* the drain waits for what tasks submit */
    return tp__fail(TP_E_SHUTDOWN, "the pool is shut down: the task was not submitted");
}

/* Tells the pool that a counted task will not come. */
static struct tp_promise *take_back(tp_pool *pool, struct tp_promise *task)
{
    const struct tp__epochs epochs = tp__promise_epochs(task);
    tp__promise_discard(task, !borrows(pool));
    tp__tally_resolving(pool->tally);
    tp__tally_completed(pool->tally, epochs, true);
    return NULL;
}

static __attribute__((noinline)) bool submit_elsewhere(struct tp__remote *remote, struct tp_promise *task,
                                                       const tp_task_options *options, int worker)
{
    static const tp_task_options none = {0};
    if (tp__loop_of_thread)
        tp__loop_of_thread->waits_elsewhere = true;
    return remote->class->submit(remote, task, options ? options : &none, worker);
}

/* False with the error stored. */
static bool queue(struct tp__executor *executor, struct tp_promise *task, const tp_task_options *options, int worker)
{
    if (tp__unlikely(executor->remote != NULL))
        return submit_elsewhere(executor->remote, task, options, worker);
    const bool queued = tp__likely(worker < 0) ? tp__executor_submit(executor, task)
                                               : tp__loop_submit_bound(&executor->workers[worker].loop, task);
    if (tp__unlikely(!queued))
        tp__fail_nomem("the queue of a worker");
    return queued;
}

struct tp_promise *tp__pool_submit(tp_pool *pool, struct tp_promise *task, const tp_task_options *options, int worker)
{
    if (tp__unlikely(options != NULL) && add_options(pool, task, options, &worker) != TP_OK) {
        tp__promise_discard(task, !borrows(pool));
        return NULL;
    }
    task->tally = pool->tally;
    const struct tp__epochs epochs = tp__tally_submitted(pool->tally);
    task->epoch = epochs.own;
    task->root_epoch = epochs.root;
    tp__barrier_light(); /* counted first, then looked: a shutdown does it the other way round */
    if (tp__unlikely(refusal(pool) != TP_OK))
        return take_back(pool, task);
    struct tp__task_extra *extra = task->extra;
    struct tp__monitor *monitor = tp__unlikely(extra != NULL) ? extra->monitor : NULL;
    if (tp__unlikely(monitor != NULL))
        atomic_fetch_add_explicit(&task->references, 1, memory_order_relaxed); /* for the time limit */
    if (tp__unlikely(!queue(pool->executor, task, options, worker)))
        return take_back(pool, task);
    /* Only now: a time limit must not resolve a task that may yet have to be taken back. Without one the task is not
     * touched any more: a foreign task gives the caller's reference back when it ends, which may have been already. */
    if (tp__unlikely(monitor != NULL) && !tp__monitor_arm(monitor, extra))
        tp_promise_release(task);
    return task;
}

static inline tp_promise *submit(tp_pool *pool, const tp_task_definition *task, const void *captures,
                                 const tp_task_options *options, bool is_served)
{
    struct tp_promise *promise = tp__pool_make_task(pool, task, captures);
    if (tp__unlikely(!promise))
        return NULL;
    if (is_served)
        promise->is_served = true;
    return tp__pool_submit(pool, promise, options, -1);
}

TP__HOT tp_promise *tp__submit(tp_pool *pool, const tp_task_definition *task, const void *captures,
                               const tp_task_options *options)
{
    if (tp__unlikely(tp__pool_check("tp_submit", pool) != TP_OK))
        return NULL;
    return submit(pool, task, captures, options, false);
}

/* The pool's remote, if there is one and this thread can serve it: nobody else needs the thread while it waits. */
static struct tp__remote *remote_to_serve(const tp_pool *pool)
{
    struct tp__remote *remote = pool->executor->remote;
    const bool is_free = !tp__loop_of_thread || tp__loop_is_bare(tp__loop_of_thread);
    return remote && remote->class->serve && is_free ? remote : NULL;
}

static tp_status finish_run(struct tp__remote *remote, tp_promise *promise, void *result, tp_kind kind, size_t size)
{
    if (remote)
        remote->class->serve(remote, promise);
    const tp_status status = tp__await(promise, result, kind, size, TP_FOREVER);
    tp_promise_release(promise);
    return status;
}

tp_status tp__run(tp_pool *pool, const tp_task_definition *task, const void *captures, void *result,
                  const tp_task_options *options)
{
    struct tp__remote *remote = NULL;
    tp_promise *promise = NULL;
    if (tp__pool_check("tp_run", pool) == TP_OK) {
        remote = remote_to_serve(pool);
        promise = submit(pool, task, captures, options, remote != NULL);
    }
    if (!promise) {
        if (result)
            memset(result, 0, task->result_size);
        return tp_last_error()->status;
    }
    return finish_run(remote, promise, result, task->result_kind, task->result_size);
}

/* The argument takes the place of the first capture. */
static tp_status fill_from_closure(const tp_pool *pool, struct tp_promise *task, tp_closure closure,
                                   const void *argument, tp_kind kind, size_t size)
{
    const tp_task_definition *definition = task->definition;
    const tp_parameter *first = &definition->parameters[0];
    unsigned char *place = task->payload + first->offset;
    const bool is_counted = tp__kind_is_counted(first->kind);
    tp_status status = TP_OK;
    if (borrows(pool)) {
        memcpy(task->payload, tp__closure_captures(closure), definition->captures_size);
        if (is_counted)
            memcpy(place, argument, first->size);
    } else {
        status = tp__captures_copy_rest(definition, task->payload, tp__closure_captures(closure));
        if (status == TP_OK && is_counted)
            status = tp__value_copy(first->kind, first->size, place, argument);
        if (status != TP_OK && !definition->plain)
            tp__captures_drop(definition, task->payload); /* what is not there is zero */
    }
    if (status == TP_OK && !is_counted)
        tp__value_convert(first->kind, first->size, place, kind, size, argument);
    return status;
}

/* A task with the closure's captures, and the argument in the place of the first if it takes one. */
static struct tp_promise *make_task_of_closure(tp_pool *pool, tp_closure closure, const void *argument, tp_kind kind,
                                               size_t size)
{
    const tp_task_definition *definition = tp__closure_task(closure);
    if (!definition) {
        tp__fail(TP_E_ARGUMENT, "tp_submit_closure: there is no closure");
        return NULL;
    }
    if (tp__closure_takes_argument(closure) != (argument != NULL)) {
        tp__fail(TP_E_ARGUMENT,
                 argument ? "the closure of task '%s' takes no argument" : "the closure of task '%s' takes an argument",
                 definition->name);
        return NULL;
    }
    if (!argument)
        return tp__pool_make_task(pool, definition, tp__closure_captures(closure));
    const tp_parameter *first = &definition->parameters[0];
    if (!tp__value_converts(first->kind, first->size, kind, size)) {
        tp__fail(TP_E_TYPE, "the argument does not fit parameter '%s' of task '%s', which is %s (%s) of %u bytes",
                 first->name, definition->name, first->type_name, tp__kind_name(first->kind), first->size);
        return NULL;
    }
    struct tp_promise *task = tp__promise_new(definition);
    if (!task)
        return NULL;
    if (fill_from_closure(pool, task, closure, argument, kind, size) != TP_OK) {
        tp__promise_discard(task, false);
        return NULL;
    }
    if (!borrows(pool) && round_trip(pool, task) != TP_OK) {
        tp__promise_discard(task, true);
        return NULL;
    }
    return task;
}

static tp_promise *submit_closure(tp_pool *pool, tp_closure closure, const void *argument, tp_kind kind, size_t size,
                                  const tp_task_options *options, bool is_served)
{
    struct tp_promise *task = make_task_of_closure(pool, closure, argument, kind, size);
    if (!task)
        return NULL;
    task->is_served = is_served;
    return tp__pool_submit(pool, task, options, -1);
}

tp_promise *tp__submit_closure(tp_pool *pool, tp_closure closure, const void *argument, tp_kind kind, size_t size,
                               const tp_task_options *options)
{
    if (tp__pool_check("tp_submit_closure", pool) != TP_OK)
        return NULL;
    return submit_closure(pool, closure, argument, kind, size, options, false);
}

tp_status tp__run_closure(tp_pool *pool, tp_closure closure, const void *argument, tp_kind kind, size_t size, void *out,
                          tp_kind out_kind, size_t out_size)
{
    struct tp__remote *remote = NULL;
    tp_promise *promise = NULL;
    if (tp__pool_check("tp_run_closure", pool) == TP_OK) {
        remote = remote_to_serve(pool);
        promise = submit_closure(pool, closure, argument, kind, size, NULL, remote != NULL);
    }
    if (!promise) {
        if (out)
            memset(out, 0, out_size);
        return tp_last_error()->status;
    }
    return finish_run(remote, promise, out, out_kind, out_size);
}
