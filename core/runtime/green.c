/* SPDX-License-Identifier: MIT */
#include <taskpool/green.h>

#include "base/error.h"
#include "runtime/loop.h"

static bool is_told_to_stop(void)
{
    const struct tp_promise *task = tp__current_task();
    return task && atomic_load_explicit(&task->stop, memory_order_relaxed);
}

bool tp_cancelled(void)
{
    return is_told_to_stop();
}

const char *tp_task_name(void)
{
    const struct tp_promise *task = tp__current_task();
    return task ? task->definition->name : "";
}

tp_status tp_yield(void)
{
    struct tp__loop *loop = tp__loop_current();
    if (!loop)
        return tp_last_error()->status;
    if (is_told_to_stop())
        return tp__fail(TP_E_CANCELLED, "task '%s' was cancelled", tp_task_name());
    tp__loop_push_ready(loop, loop->current);
    loop->yielding = true;
    tp__loop_leave(loop);
    return TP_OK;
}

/* Nobody else knows of a sleeper. */
static bool withdraw_sleeper(struct tp__wait *wait)
{
    (void)wait;
    return true;
}

tp_status tp_sleep_ms(int64_t ms)
{
    if (ms < 0)
        return tp__fail(TP_E_ARGUMENT, "tp_sleep_ms: %lld ms is negative", (long long)ms);
    struct tp__wait wait;
    const tp_status status = tp__wait_init(&wait, withdraw_sleeper);
    return status != TP_OK ? status : tp__wait_park(&wait, tp__deadline_ns(ms), TP__WAIT_SLEEPING);
}
