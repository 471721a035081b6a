/* SPDX-License-Identifier: MIT */
/* Waiting for promises: one, any, all.
 *
 * Design notes. A waiter is linked into the promise's list by compare-and-swap; who resolves takes the whole list. A
 * deadline or cancellation must take one waiter out of the middle: it locks the list for a moment. While it is unlocked
 * and the promise unresolved, a waiter is in the list; once resolved, its wake is on the way.
 */
#include "base/alloc.h"
#include "base/kind_name.h"
#include "closure/payload.h"
#include "runtime/executor.h"
#include "runtime/promise.h"
#include "runtime/tally.h"

#include <string.h>

static struct tp__promise_waiter *first_waiter(uintptr_t state)
{
    return (struct tp__promise_waiter *)(state & ~(uintptr_t)TP__STATE_BITS);
}

/* False if the promise is resolved. */
static bool link_waiter(struct tp_promise *promise, struct tp__promise_waiter *waiter)
{
    uintptr_t state;
    do {
        state = tp__promise_state(promise);
        if (tp__state_is_resolved(state))
            return false;
        waiter->next = first_waiter(state);
        /* release: the waiter */
    } while (!atomic_compare_exchange_weak_explicit(&promise->state, &state,
                                                    (uintptr_t)waiter | (state & TP__STATE_BITS), memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

/* False if the promise is resolved, and with it the waiter taken. */
static bool unlink_waiter(struct tp__promise_waiter *waiter)
{
    struct tp_promise *promise = waiter->promise;
    uintptr_t state;
    do {
        state = tp__promise_state(promise);
        if (tp__state_is_resolved(state))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&promise->state, &state, state | TP__LOCKED, memory_order_acq_rel,
                                                    memory_order_relaxed));
    struct tp__promise_waiter *first = first_waiter(state);
    struct tp__promise_waiter **link = &first;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    /* Unlock. Meanwhile others may have set ABANDONED or moved QUEUED to RUNNING, never the list. */
    uintptr_t locked = atomic_load_explicit(&promise->state, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&promise->state, &locked,
                                                  (uintptr_t)first | (locked & TP__STATE_BITS & ~(uintptr_t)TP__LOCKED),
                                                  memory_order_release, memory_order_relaxed)) {
    }
    return true;
}

static bool withdraw_waiter(struct tp__wait *wait)
{
    return unlink_waiter((struct tp__promise_waiter *)wait);
}

/* Starts an awaited task that has not started at once, on this worker. True if it did; then the waiter was woken by the
 * task's end, by its deadline, or by a cancellation, and `*status` says which. */
static bool start_awaited(struct tp_promise *promise, struct tp__promise_waiter *waiter, int64_t deadline_ns,
                          tp_status *status)
{
    struct tp__loop *loop = tp__loop_of_thread;
    struct tp__worker *worker = loop ? loop->worker : NULL;
    if (!worker || !loop->current->task)
        return false;
    if (tp__phase_of(atomic_load_explicit(&promise->state, memory_order_relaxed)) != TP__QUEUED || !promise->tally ||
        tp__tally_executor(promise->tally) != worker->executor)
        return false;
    if (atomic_load_explicit(&loop->current->task->stop, memory_order_relaxed))
        return false; /* cancelled: it does not wait any more */
    if (promise->bound && atomic_load_explicit(&promise->loop_id, memory_order_relaxed) != loop->id)
        return false;
    if (!tp__worker_claim_awaited(worker, promise, waiter))
        return false;
    *status = tp__wait_park_starting(&waiter->wait, deadline_ns, promise);
    return true;
}

static tp_status check_will_resolve(const struct tp_promise *promise)
{
    if (promise == tp__current_task())
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): tp__await refuses NULL */
        return tp__fail(TP_E_DEADLOCK, "task '%s' awaits itself", promise->definition->name);
    if (tp__unlikely(tp__promise_is_forked(promise)))
        return tp__fail(TP_E_FORKED, "task '%s' runs in the parent process of this fork", promise->definition->name);
    return TP_OK;
}

static tp_status wait_until(struct tp_promise *promise, int64_t deadline_ns)
{
    struct tp__promise_waiter waiter = {.promise = promise};
    tp_status status = check_will_resolve(promise);
    if (status == TP_OK)
        status = tp__wait_init(&waiter.wait, withdraw_waiter);
    if (status != TP_OK)
        return status;
    if (start_awaited(promise, &waiter, deadline_ns, &status))
        return status;
    if (!link_waiter(promise, &waiter))
        return TP_OK;
    return tp__wait_park(&waiter.wait, deadline_ns, TP__WAIT_CANCELLABLE);
}

static tp_status type_mismatch(const struct tp_promise *promise, tp_kind kind, size_t size)
{
    const tp_task_definition *task = promise->definition;
    return tp__fail(TP_E_TYPE,
                    "the result of task '%s' is %s of %u bytes, and the variable that awaits it %s of %zu bytes",
                    task->name, tp__kind_name(task->result_kind), task->result_size, tp__kind_name(kind), size);
}

static tp_status read_result(struct tp_promise *promise, void *out, tp_kind kind, size_t size)
{
    const uintptr_t state = atomic_load_explicit(&promise->state, memory_order_acquire);
    const tp_task_definition *task = promise->definition;
    if (tp__unlikely(tp__phase_of(state) == TP__FAILED)) {
        if (out)
            memset(out, 0, size);
        return tp__error_set((struct tp__error_record *)(state & ~(uintptr_t)TP__STATE_BITS));
    }
    if (!out)
        return TP_OK;
    if (tp__unlikely(kind != task->result_kind || size != task->result_size)) {
        memset(out, 0, size);
        return type_mismatch(promise, kind, size);
    }
    if (tp__likely(size == 8)) { /* most results: a move, not a call */
        memcpy(out, tp__promise_result(promise), 8);
        if (tp__likely(!tp__kind_is_counted(kind)))
            return TP_OK;
    }
    if (!tp__kind_is_counted(kind)) {
        memcpy(out, tp__promise_result(promise), size);
        return TP_OK;
    }
    const tp_status status = tp__value_copy(kind, size, out, tp__promise_result(promise));
    return status == TP_OK ? tp__value_give(kind, size, out) : status;
}

TP__HOT tp_status tp__await(tp_promise *promise, void *out, tp_kind kind, size_t size, int64_t timeout_ms)
{
    if (!promise) {
        if (out)
            memset(out, 0, size);
        /* What made the promise NULL says more than that it is. */
        const tp_error *last = tp_last_error();
        return last->status != TP_OK ? last->status : tp__fail(TP_E_ARGUMENT, "tp_await: the promise is NULL");
    }
    if (!tp_promise_ready(promise)) {
        const tp_status status =
            timeout_ms == 0
                ? tp__fail(TP_E_TIMEOUT, "task '%s' has not ended, and the time limit is 0", promise->definition->name)
                : wait_until(promise, tp__deadline_ns(timeout_ms));
        if (status != TP_OK) {
            if (out)
                memset(out, 0, size);
            return status;
        }
    }
    return read_result(promise, out, kind, size);
}

static tp_status check_list(const char *function, tp_promise *const *promises, size_t count)
{
    if (!promises || count == 0)
        return tp__fail(TP_E_ARGUMENT, "%s: there is no promise to wait for", function);
    for (size_t i = 0; i < count; i++) {
        if (!promises[i])
            return tp__fail(TP_E_ARGUMENT, "%s: promise %zu of %zu is NULL", function, i, count);
        const tp_status status = tp_promise_ready(promises[i]) ? TP_OK : check_will_resolve(promises[i]);
        if (status != TP_OK)
            return status;
    }
    return TP_OK;
}

tp_status tp_wait_all(tp_promise *const *promises, size_t count, int64_t timeout_ms)
{
    tp_status status = check_list("tp_wait_all", promises, count);
    if (status != TP_OK)
        return status;
    const int64_t deadline_ns = tp__deadline_ns(timeout_ms);
    for (size_t i = 0; i < count; i++) {
        if (!tp_promise_ready(promises[i])) {
            status = wait_until(promises[i], deadline_ns);
            if (status != TP_OK)
                return status;
        }
    }
    for (size_t i = 0; i < count; i++) {
        status = read_result(promises[i], NULL, TP_KIND_VOID, 0);
        if (status != TP_OK)
            return status;
    }
    return TP_OK;
}

static bool withdraw_group(struct tp__wait *wait)
{
    return !atomic_exchange_explicit(&((struct tp__promise_group *)wait)->fired, true, memory_order_acq_rel);
}

static size_t first_ready(tp_promise *const *promises, size_t count)
{
    size_t i = 0;
    while (i < count && !tp_promise_ready(promises[i]))
        i++;
    return i;
}

/* Links a waiter into each promise until one turns out to be resolved, waits, and takes all of them out again. */
static tp_status wait_for_first(tp_promise *const *promises, size_t count, int64_t deadline_ns,
                                struct tp__promise_waiter *waiters)
{
    struct tp__promise_group group = {.fired = false};
    tp_status status = tp__wait_init(&group.wait, withdraw_group);
    if (status != TP_OK)
        return status;
    size_t linked = 0;
    while (linked < count) {
        struct tp__promise_waiter *waiter = &waiters[linked];
        *waiter = (struct tp__promise_waiter){.promise = promises[linked], .group = &group};
        if (!link_waiter(promises[linked], waiter))
            break;
        linked++;
    }
    /* Where one was resolved already nobody may wake this fiber; if somebody has decided to, the wake is on its way. */
    if (linked == count || !withdraw_group(&group.wait))
        status = tp__wait_park(&group.wait, deadline_ns, TP__WAIT_CANCELLABLE);
    for (size_t i = 0; i < linked; i++)
        if (!unlink_waiter(&waiters[i]))
            while (!atomic_load_explicit(&waiters[i].left, memory_order_acquire))
                tp__cpu_relax(); /* who resolved it is about to leave the waiter */
    return status;
}

tp_status tp_wait_any(tp_promise *const *promises, size_t count, int64_t timeout_ms, size_t *index)
{
    if (index)
        *index = 0;
    tp_status status = check_list("tp_wait_any", promises, count);
    if (status != TP_OK)
        return status;
    if (!index)
        return tp__fail(TP_E_ARGUMENT, "tp_wait_any: there is no place for the index");
    size_t first = first_ready(promises, count);
    if (first == count && timeout_ms == 0)
        return tp__fail(TP_E_TIMEOUT, "tp_wait_any: none of %zu promises has resolved, and the time limit is 0", count);
    if (first == count) {
        struct tp__promise_waiter *waiters =
            count > SIZE_MAX / sizeof *waiters ? NULL : tp__alloc_aligned(16, count * sizeof *waiters);
        if (!waiters)
            return tp__fail_nomem("waiting for several promises");
        status = wait_for_first(promises, count, tp__deadline_ns(timeout_ms), waiters);
        tp__free(waiters);
        first = first_ready(promises, count);
        if (status != TP_OK && first == count)
            return status;
    }
    *index = first;
    return TP_OK;
}
