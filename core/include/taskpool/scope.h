/* SPDX-License-Identifier: MIT */
/** @file
 * Scopes: what is opened here is closed at the end of the block, however the block is left.
 *
 * Both forms know tp_pool, tp_async_pool, tp_promise, tp_channel, tp_mutex, tp_cond, tp_semaphore (a variable of these
 * is a pointer) and tp_closure, tp_str, tp_bytes, tp_value.
 */
#ifndef TASKPOOL_SCOPE_H
#define TASKPOOL_SCOPE_H

#include <taskpool/async_pool.h>
#include <taskpool/channel.h>
#include <taskpool/closure.h>
#include <taskpool/detail/count.h>
#include <taskpool/pool.h>
#include <taskpool/sync.h>
#include <taskpool/value.h>

/** tp_with (tp_pool, pool, tp_pool_open(NULL)) { ... } else { ... }: a block that runs once with the variable `pool`,
 *  which is closed (released) at its end: also on break, continue, return, goto out and when the task ends inside.
 *  break and continue leave this block, not a loop around it. When the expression failed (NULL; a failed value) the
 *  block is skipped and the `else`, which may be left out, runs, with the reason in tp_last_error(). */
#define tp_with(type, variable, ...) TP__SCOPE_WITH(TP__UNIQUE, type, variable, (__VA_ARGS__))

/** tp_auto(tp_pool) pool = tp_pool_open(NULL); declares a variable that is closed (released) at the end of its scope.
 *  It must be initialized. */
#define tp_auto(type) __attribute__((__cleanup__(tp__leave_##type))) tp__scoped_##type

#define TP__SCOPE_WITH(once, type, variable, value)          \
    for (int once = 1; once; once = 0)                       \
        for (tp_auto(type) variable = value; once; once = 0) \
            if (tp__entered_##type(variable))

/* For each type: the variable's type, whether it holds something, how it is left. */
#define TP__SCOPED(type, variable_type, holds, leave)                 \
    typedef variable_type tp__scoped_##type;                          \
    static inline bool tp__entered_##type(variable_type tp__variable) \
    {                                                                 \
        return holds;                                                 \
    }                                                                 \
    static inline void tp__leave_##type(variable_type *tp__variable)  \
    {                                                                 \
        (void)leave(*tp__variable);                                   \
    }
TP__SCOPED(tp_pool, tp_pool *, tp__variable != NULL, tp_pool_close)
TP__SCOPED(tp_async_pool, tp_async_pool *, tp__variable != NULL, tp_async_pool_close)
TP__SCOPED(tp_promise, tp_promise *, tp__variable != NULL, tp_promise_release)
TP__SCOPED(tp_channel, tp_channel *, tp__variable != NULL, tp_channel_release)
TP__SCOPED(tp_mutex, tp_mutex *, tp__variable != NULL, tp_mutex_release)
TP__SCOPED(tp_cond, tp_cond *, tp__variable != NULL, tp_cond_release)
TP__SCOPED(tp_semaphore, tp_semaphore *, tp__variable != NULL, tp_semaphore_release)
TP__SCOPED(tp_closure, tp_closure, tp__variable.closure != NULL, tp_closure_release)
TP__SCOPED(tp_str, tp_str, tp__variable.owner != TP__OWNER_FAILED, tp_str_release)
TP__SCOPED(tp_bytes, tp_bytes, tp__variable.owner != TP__OWNER_FAILED, tp_bytes_release)
TP__SCOPED(tp_value, tp_value, tp__variable.type != TP_VALUE_FAILED, tp_value_release)
#undef TP__SCOPED

#endif
