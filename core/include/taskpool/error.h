/* SPDX-License-Identifier: MIT */
/** @file
 * Errors: the detail behind a status, and how a task fails.
 */
#ifndef TASKPOOL_ERROR_H
#define TASKPOOL_ERROR_H

#include <taskpool/status.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The detail of a failure. Every pointer is valid as long as the error itself; none of the strings is ever NULL, an
 *  unknown one is "".
 *  `task`, `node` and `worker` are those of the task in which the error arose; tp_try passes them on. They are unknown
 *  for a call that failed outside tasks. `node` and `worker` are unknown for a task that was cancelled or ran out of
 *  time (on a cluster; in a local pool the worker alone), which may not have begun, and for one that no node took;
 *  `worker` for one whose node was lost, and for one that was parked when its process died of another. */
typedef struct tp_error {
    tp_status status;
    int worker;            /**< index of the worker that ran the task, -1: unknown or none */
    const char *message;   /**< what happened, to what, and what to do; without a line end */
    const char *task;      /**< name of the task */
    const char *node;      /**< name of the node that ran the task; "local" for a local pool */
    const char *backtrace; /**< where the error was raised, a frame a line, innermost first */
} tp_error;

/** The last failure of a TaskPool call in the current green thread (outside one: in the current OS thread). Never NULL;
 *  before any failure its status is TP_OK. Valid until the next failure in the same green thread, or its end. Does not
 *  yield. */
const tp_error *tp_last_error(void);

/** Ends the current task with an error: its promise is rejected with TP_E_TASK and the message, formatted as by printf
 *  and cut at 4,095 bytes. Runs the functions given to tp_defer and, where the code was compiled with -fexceptions, its
 *  cleanup variables (tp_with, tp_auto). Outside a task it prints the message and aborts.
 *  A second tp_raise out of one of those cleanups keeps the first error and skips the cleanup variables that are
 *  left. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void tp_raise(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/** Inside a task: does nothing if `status` is TP_OK; otherwise ends the task with the last error, whose status, message
 *  and origin become those of this task's promise. Outside a task it prints the error and aborts. */
void tp_try(tp_status status);

/** Calls `function(argument)` when the current task ends, however it ends, in the reverse order of registration.
 *  Returns TP_E_ARGUMENT outside a task or for NULL, TP_E_NOMEM. */
tp_status tp_defer(void (*function)(void *argument), void *argument);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
