/* SPDX-License-Identifier: MIT */
#include "runtime/promise.h"

#include "base/alloc.h"
#include "closure/payload.h"
#include "runtime/executor.h"
#include "runtime/foreign.h"
#include "runtime/monitor.h"
#include "runtime/remote.h"
#include "runtime/slab.h"
#include "runtime/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *pointer_of(uintptr_t state)
{
    return (void *)(state & ~(uintptr_t)TP__STATE_BITS);
}

struct tp_promise *tp__promise_new(const tp_task_definition *definition)
{
    const size_t captures = definition->captures_size;
    const size_t result = definition->result_size;
    const size_t payload =
        definition->plain ? (captures > result ? captures : result) : ((captures + 15) & ~15UL) + result;
    uint8_t size_class;
    struct tp_promise *promise = tp__slab_alloc(sizeof *promise + payload, &size_class);
    if (tp__unlikely(!promise)) {
        tp__fail_nomem("a task");
        return NULL;
    }
    atomic_init(&promise->state, TP__QUEUED);
    promise->definition = definition;
    promise->tally = NULL;
    promise->fiber = NULL;
    promise->extra = NULL;
    atomic_init(&promise->references, 1);
    atomic_init(&promise->loop_id, 0);
    promise->size_class = size_class & 15U;
    promise->epoch = 0;
    promise->root_epoch = 0;
    promise->bound = 0;
    promise->is_served = 0;
    atomic_init(&promise->stop, false);
    return promise;
}

struct tp__task_extra *tp__promise_extra(struct tp_promise *promise)
{
    if (promise->extra)
        return promise->extra;
    uint8_t size_class;
    struct tp__task_extra *extra = tp__slab_alloc(sizeof *extra, &size_class);
    if (!extra)
        return NULL;
    memset(extra, 0, sizeof *extra);
    extra->size_class = size_class;
    extra->promise = promise;
    promise->extra = extra;
    return extra;
}

static void free_extra(struct tp__task_extra *extra)
{
    if (extra) {
        tp__error_release(extra->timeout_error);
        tp__slab_free(extra, extra->size_class);
    }
}

void tp__promise_discard(struct tp_promise *promise, bool has_captures)
{
    if (has_captures && !promise->definition->plain)
        tp__captures_drop(promise->definition, promise->payload);
    atomic_store_explicit(&promise->references, 0, memory_order_relaxed);
    free_extra(promise->extra);
    tp__slab_free(promise, promise->size_class);
}

/* Resolved, and nobody has a reference any more. */
static void destroy(struct tp_promise *promise)
{
    const uintptr_t state = atomic_load_explicit(&promise->state, memory_order_acquire);
    if (tp__unlikely(tp__phase_of(state) == TP__FAILED))
        tp__error_release(pointer_of(state));
    else if (tp__unlikely(!promise->definition->plain))
        tp__value_drop(promise->definition->result_kind, promise->definition->result_size, tp__promise_result(promise));
    if (tp__unlikely(promise->extra != NULL))
        free_extra(promise->extra);
    atomic_store_explicit(&promise->references, 0, memory_order_relaxed);
    tp__slab_free(promise, promise->size_class);
}

tp_promise *tp_promise_retain(tp_promise *promise)
{
    if (promise)
        atomic_fetch_add_explicit(&promise->references, 1, memory_order_relaxed);
    return promise;
}

static __attribute__((cold, noreturn)) void released_too_often(const struct tp_promise *promise)
{
    fprintf(stderr, "taskpool: a promise was released more often than it was retained (%p)\n", (const void *)promise);
    abort();
}

static void release_slowly(struct tp_promise *promise)
{
    const unsigned before = atomic_fetch_sub_explicit(&promise->references, 1, memory_order_acq_rel);
    if (before == 0)
        released_too_often(promise);
    if (before > 1)
        return;
    uintptr_t state = atomic_load_explicit(&promise->state, memory_order_acquire);
    while (!tp__state_is_resolved(state))
        if (atomic_compare_exchange_weak_explicit(&promise->state, &state, state | TP__ABANDONED, memory_order_acq_rel,
                                                  memory_order_acquire))
            return; /* who resolves it frees it */
    destroy(promise);
}

TP__HOT void tp_promise_release(tp_promise *promise)
{
    if (!promise)
        return;
    const uintptr_t state = atomic_load_explicit(&promise->state, memory_order_acquire);
    /* acquire: what the others did with it before they let go */
    if (tp__likely(tp__state_is_resolved(state)) &&
        tp__likely(atomic_load_explicit(&promise->references, memory_order_acquire) == 1))
        destroy(promise);
    else
        release_slowly(promise);
}

/* Moves to a resolved state from `expected` phases; false if it was resolved before. `*before` is the state that was
 * left: waiters and flags. */
static bool move_to(struct tp_promise *promise, uintptr_t resolved, uintptr_t *before)
{
    uintptr_t state;
    do {
        state = tp__promise_state(promise);
        if (tp__unlikely(tp__state_is_resolved(state)))
            return false;
        /* release: the value in the payload; acquire: the waiters */
    } while (!atomic_compare_exchange_weak_explicit(&promise->state, &state, resolved, memory_order_acq_rel,
                                                    memory_order_relaxed));
    *before = state;
    return true;
}

static struct tp__fiber *wake_waiters(uintptr_t before, const struct tp__fiber *favoured)
{
    struct tp__fiber *found = NULL;
    struct tp__promise_waiter *waiter = pointer_of(before);
    while (waiter) {
        struct tp__promise_waiter *next = waiter->next; /* the waiter may be gone once it is awake */
        if (tp__unlikely(waiter->group != NULL)) {
            if (!atomic_exchange_explicit(&waiter->group->fired, true, memory_order_acq_rel))
                tp__wait_wake(&waiter->group->wait);
            atomic_store_explicit(&waiter->left, true, memory_order_release);
        } else if (waiter->wait.fiber == favoured && !found) {
            found = waiter->wait.fiber;
            found->wait = NULL; /* NOLINT(clang-analyzer-core.NullDereference): every waiter has a fiber */
        } else {
            tp__wait_wake(&waiter->wait);
        }
        waiter = next;
    }
    return found;
}

static void drop_time_limit(struct tp_promise *promise, struct tp__task_extra *extra)
{
    if (extra->monitor && tp__monitor_disarm(extra->monitor, extra))
        tp_promise_release(promise);
}

static __attribute__((noinline)) void end_extra(struct tp_promise *promise, const struct tp__error_record *error)
{
    drop_time_limit(promise, promise->extra);
    if (promise->extra->foreign_part != TP__FOREIGN_NONE)
        tp__foreign_end(promise, error);
}

struct tp__fiber *tp__promise_resolve(struct tp_promise *promise, struct tp__error_record *error,
                                      struct tp__fiber *favoured)
{
    struct tp__tally *tally = promise->tally;
    const struct tp__epochs epochs = tp__promise_epochs(promise);
    if (tp__unlikely(promise->extra != NULL))
        end_extra(promise, error);
    if (tp__likely(tally != NULL))
        tp__tally_resolving(tally);
    uintptr_t before;
    const uintptr_t resolved = error ? (uintptr_t)error | TP__FAILED : TP__DONE;
    if (tp__unlikely(!move_to(promise, resolved, &before))) {
        /* It was cancelled while it ran: the value stays unseen, and the fiber's reference goes. */
        if (tally)
            tp__tally_resolved_elsewhere(tally, true);
        if (error)
            tp__error_release(error);
        else if (!promise->definition->plain)
            tp__value_drop(promise->definition->result_kind, promise->definition->result_size,
                           tp__promise_result(promise));
        tp_promise_release(promise);
        return NULL;
    }
    /* From here on the promise belongs to its handles. */
    if (tp__unlikely(before & TP__ABANDONED))
        destroy(promise);
    if (tp__likely(tally != NULL))
        tp__tally_completed(tally, epochs, true);
    return wake_waiters(before, favoured);
}

/* Resolves to the error if the state is still `state`. */
static bool stop_from(struct tp_promise *promise, uintptr_t state, struct tp__error_record *error)
{
    const bool is_over = tp__phase_of(state) == TP__QUEUED; /* it will never run */
    struct tp__tally *tally = promise->tally;
    if (tally)
        tp__tally_resolving(tally);
    if (!atomic_compare_exchange_strong_explicit(&promise->state, &state, (uintptr_t)error | TP__FAILED,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        if (tally)
            tp__tally_resolved_elsewhere(tally, false);
        return false;
    }
    if (tally) {
        struct tp__executor *executor = tp__tally_executor(tally);
        if (executor->remote && is_over) /* before it counts as completed: then the remote may be closed */
            executor->remote->class->stopped(executor->remote, promise);
        tp__tally_completed(tally, tp__promise_epochs(promise), is_over);
    }
    wake_waiters(state, NULL);
    return true;
}

static tp_status stop_queued(struct tp_promise *promise, uintptr_t state, struct tp__error_record *error, bool *done)
{
    /* A remote pool's task has none; afterwards that pool may be closed. */
    const bool has_captures =
        !promise->definition->plain && !(promise->tally && tp__tally_executor(promise->tally)->remote);
    /* One reference for the queue's entry, one for this function. */
    atomic_fetch_add_explicit(&promise->references, 2, memory_order_relaxed);
    *done = stop_from(promise, state, error);
    if (!*done) {
        atomic_fetch_sub_explicit(&promise->references, 2, memory_order_relaxed);
        return TP_OK;
    }
    if (has_captures)
        tp__captures_drop(promise->definition, promise->payload);
    tp_promise_release(promise);
    return TP_OK;
}

void tp__promise_stop_arrived(struct tp__stop *stop)
{
    struct tp_promise *task = stop->task;
    if (stop->is_allocated)
        tp__free(stop);
    tp_promise_release(task);
}

static tp_status stop_running(struct tp_promise *promise, uintptr_t state, struct tp__error_record *error,
                              struct tp__stop *given, bool *done)
{
    struct tp__stop *stop = given ? given : tp__alloc(sizeof *stop);
    if (!stop)
        return tp__fail_nomem("the message that cancels a task");
    /* One reference for the fiber that runs on, one for the message. */
    atomic_fetch_add_explicit(&promise->references, 2, memory_order_relaxed);
    *done = stop_from(promise, state, error);
    if (!*done) {
        atomic_fetch_sub_explicit(&promise->references, 2, memory_order_relaxed);
        if (!given)
            tp__free(stop);
        return TP_OK;
    }
    atomic_store_explicit(&promise->stop, true, memory_order_relaxed);
    /* Who claimed it stores the id right after: this waits for a few instructions of a thread that runs. */
    uint16_t loop_id;
    while ((loop_id = atomic_load_explicit(&promise->loop_id, memory_order_acquire)) == 0)
        tp__cpu_relax();
    *stop = (struct tp__stop){.task = promise, .is_allocated = !given};
    tp__loop_send_stop(loop_id, stop);
    return TP_OK;
}

tp_status tp__promise_stop(struct tp_promise *promise, struct tp__error_record *error, struct tp__stop *stop)
{
    bool done = false;
    tp_status status = TP_OK;
    while (!done && status == TP_OK) {
        const uintptr_t state = tp__promise_state(promise);
        if (tp__state_is_resolved(state))
            break;
        if (tp__phase_of(state) == TP__QUEUED)
            status = stop_queued(promise, state, error, &done);
        else
            status = stop_running(promise, state, error, stop, &done);
    }
    if (!done)
        tp__error_release(error);
    else if (promise->extra)
        drop_time_limit(promise, promise->extra);
    return status;
}

tp_status tp_cancel(tp_promise *promise)
{
    if (!promise)
        return tp__fail(TP_E_ARGUMENT, "tp_cancel: the promise is NULL");
    if (tp_promise_ready(promise))
        return TP_OK;
    char message[160];
    snprintf(message, sizeof message, "task '%.100s' was cancelled", promise->definition->name);
    const struct tp__origin origin = {.task = promise->definition->name,
                                      .node = promise->tally ? tp__executor_node(tp__tally_executor(promise->tally))
                                                             : "local",
                                      .worker = -1};
    return tp__promise_stop(promise, tp__error_new(TP_E_CANCELLED, &origin, message), NULL);
}

bool tp__promise_is_forked(const struct tp_promise *promise)
{
    return promise->tally && atomic_load_explicit(&tp__tally_executor(promise->tally)->forked, memory_order_relaxed);
}

bool tp_promise_ready(const tp_promise *promise)
{
    return promise && tp__state_is_resolved(atomic_load_explicit(&promise->state, memory_order_acquire));
}

const tp_error *tp_promise_error(const tp_promise *promise)
{
    if (!promise)
        return tp_last_error();
    const uintptr_t state = atomic_load_explicit(&promise->state, memory_order_acquire);
    return tp__error_view(tp__phase_of(state) == TP__FAILED ? pointer_of(state) : NULL);
}
