/* SPDX-License-Identifier: MIT */
#include "runtime/wait.h"

#include "runtime/loop.h"

struct time_limit {
    struct tp__timer timer;
    struct tp__fiber *fiber;
};

tp_status tp__wait_init(struct tp__wait *wait, tp__withdraw_fn *withdraw)
{
    struct tp__loop *loop = tp__loop_current();
    if (tp__unlikely(!loop))
        return tp_last_error()->status;
    wait->fiber = loop->current;
    wait->withdraw = withdraw;
    return TP_OK;
}

void tp__wait_give_up(struct tp__fiber *fiber, tp_status outcome)
{
    if (!fiber->wait || !fiber->wait->withdraw(fiber->wait))
        return; /* not parked, or woken already */
    fiber->wait = NULL;
    fiber->wait_outcome = outcome;
    tp__loop_push_ready(fiber->loop, fiber);
}

static void time_is_up(struct tp__timer *timer)
{
    tp__wait_give_up(((struct time_limit *)timer)->fiber, TP_E_TIMEOUT);
}

static __attribute__((cold, noinline)) tp_status cancelled(const struct tp__fiber *fiber)
{
    return tp__fail(TP_E_CANCELLED, "task '%s' was cancelled while it waited", fiber->task->definition->name);
}

static void leave(struct tp__loop *loop, struct tp_promise *start)
{
    if (start)
        tp__loop_start_and_leave(loop, start);
    else
        tp__loop_leave(loop);
}

static __attribute__((noinline)) void leave_until(struct tp__loop *loop, struct tp__fiber *fiber, int64_t deadline_ns,
                                                  struct tp_promise *start)
{
    struct time_limit limit = {.timer = {.deadline_ns = deadline_ns, .fire = time_is_up}, .fiber = fiber};
    tp__timers_add(&loop->timers, &limit.timer);
    leave(loop, start);
    if (tp__timer_is_armed(&limit.timer))
        tp__timers_remove(&loop->timers, &limit.timer);
}

static __attribute__((cold, noinline)) tp_status timed_out(void)
{
    return tp__fail(TP_E_TIMEOUT, "what was waited for did not happen within the time limit");
}

static inline tp_status park_until(struct tp__wait *wait, int64_t deadline_ns, enum tp__wait_mode mode,
                                   struct tp_promise *start)
{
    struct tp__fiber *fiber = wait->fiber;
    struct tp__loop *loop = fiber->loop;
    fiber->wait = wait;
    fiber->wait_is_cancellable = mode != TP__WAIT_UNCANCELLABLE;
    fiber->wait_outcome = TP_OK;
    if (tp__likely(deadline_ns == TP__NEVER))
        leave(loop, start);
    else
        leave_until(loop, fiber, deadline_ns, start);
    if (tp__likely(fiber->wait_outcome == TP_OK))
        return TP_OK;
    if (fiber->wait_outcome == TP_E_CANCELLED)
        return cancelled(fiber);
    return mode == TP__WAIT_SLEEPING ? TP_OK : timed_out();
}

static bool is_stopped(const struct tp__fiber *fiber)
{
    return fiber->task && atomic_load_explicit(&fiber->task->stop, memory_order_relaxed);
}

bool tp__wait_is_stopping(const struct tp__wait *wait)
{
    return is_stopped(wait->fiber);
}

tp_status tp__wait_park(struct tp__wait *wait, int64_t deadline_ns, enum tp__wait_mode mode)
{
    struct tp__fiber *fiber = wait->fiber;
    if (tp__unlikely(mode != TP__WAIT_UNCANCELLABLE && is_stopped(fiber))) {
        if (wait->withdraw(wait))
            return cancelled(fiber);
        deadline_ns = TP__NEVER; /* somebody is about to wake it */
    }
    return park_until(wait, deadline_ns, mode, NULL);
}

tp_status tp__wait_park_starting(struct tp__wait *wait, int64_t deadline_ns, struct tp_promise *task)
{
    return park_until(wait, deadline_ns, TP__WAIT_CANCELLABLE, task);
}

void tp__wait_wake(struct tp__wait *wait)
{
    struct tp__fiber *fiber = wait->fiber;
    struct tp__loop *loop = fiber->loop;
    if (tp__likely(loop == tp__loop_of_thread)) {
        fiber->wait = NULL;
        tp__loop_push_ready(loop, fiber);
    } else {
        tp__loop_wake_remote(loop, fiber);
    }
}
