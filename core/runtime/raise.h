/* SPDX-License-Identifier: MIT */
/** @file
 * How a task ends before its last line: tp_raise, tp_try, and the functions given to tp_defer.
 */
#ifndef TP_RUNTIME_RAISE_H
#define TP_RUNTIME_RAISE_H

#include <taskpool/kind.h>

struct tp__error_record;
struct tp__fiber;

/** Calls the deferred functions of the task, the newest first. One that raises leaves the others in the list. */
void tp__run_defers(struct tp__fiber *fiber);

/** The error of a task whose result cannot leave it, made of the last error, which says why. On the task's thread. */
struct tp__error_record *tp__result_error(const tp_task_definition *task);

#endif
