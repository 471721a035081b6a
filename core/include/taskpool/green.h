/* SPDX-License-Identifier: MIT */
/** @file
 * Green threads: what a task may do with its own, and tp_async for one on the current OS thread.
 *
 * A green thread never leaves its OS thread. It yields only in the calls that say so. Called outside a task, a call
 * that yields runs the green threads of the calling OS thread while it waits.
 */
#ifndef TASKPOOL_GREEN_H
#define TASKPOOL_GREEN_H

#include <taskpool/promise.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Lets the other green threads of this OS thread run. TP_OK or TP_E_CANCELLED. Yields. */
tp_status tp_yield(void);

/** Parks the green thread for at least `ms` milliseconds. TP_OK, TP_E_CANCELLED, TP_E_ARGUMENT (negative). Yields. */
tp_status tp_sleep_ms(int64_t ms);

/** What tp_wait_fd waits for. */
enum { TP_FD_READ = 1, TP_FD_WRITE = 2 };

/** Parks the green thread until the descriptor is readable or writable (as asked), has an error or is hung up. At most
 *  one green thread of an OS thread may wait for a descriptor. `timeout_ms` may be TP_FOREVER. TP_OK, TP_E_TIMEOUT,
 *  TP_E_CANCELLED, TP_E_ARGUMENT, TP_E_BUSY (another one waits for it), TP_E_SYSTEM (epoll refused; the message has
 *  errno's text; regular files are always ready and give TP_OK). Yields. */
tp_status tp_wait_fd(int fd, int events, int64_t timeout_ms);

/** True in a task whose promise was cancelled or timed out. Does not yield. */
bool tp_cancelled(void);

/** The index of the worker that runs the current task, 0 to tp_pool_size() - 1; -1 outside a pool. Does not yield. */
int tp_worker_index(void);

/** The name of the current task; "" outside a task. */
const char *tp_task_name(void);

/* Behind tp_async. */
tp_promise *tp__async(const tp_task_definition *definition, const void *captures) __attribute__((warn_unused_result));

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
