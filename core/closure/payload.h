/* SPDX-License-Identifier: MIT */
/** @file
 * Captures, results and messages in memory: copying, dropping and handing over values of any kind.
 *
 * A value is *loose* when whoever holds the struct owns what is behind it (a reference to an immutable shared block).
 * Copying a loose value takes references and no memory, so it succeeds always. Values of kinds that are not counted
 * (integers, floats, plain structs) are simply bytes.
 */
#ifndef TP_CLOSURE_PAYLOAD_H
#define TP_CLOSURE_PAYLOAD_H

#include "base/context.h"

#include <taskpool/kind.h>
#include <taskpool/status.h>

/** True for kinds whose values own something: TP_KIND_STR to TP_KIND_CHANNEL. */
static inline bool tp__kind_is_counted(tp_kind kind)
{
    return kind >= TP_KIND_STR;
}

/** Makes `to` a loose copy of `from` (the caller's, a task's or loose); both may be the same memory. TP_E_NOMEM;
 *  TP_E_ARGUMENT for what cannot leave its task (no closure, a channel without a name, a value whose making failed);
 *  TP_E_LIMIT for what is longer than TP__ENCODED_LIMIT_BYTES. On failure nothing of `to` is owned and it is zero. */
tp_status tp__value_copy(tp_kind kind, size_t size, void *to, const void *from);
/** Drops a loose value. */
void tp__value_drop(tp_kind kind, size_t size, void *value);
/** Hands a loose value to the caller of the current public function: inside a task it becomes the task's, outside the
 *  caller's (a channel stays its pool's). TP_E_NOMEM: then it is dropped and zero. */
tp_status tp__value_give(tp_kind kind, size_t size, void *value);

/** The same for a task's whole captures; errors name the parameter. A TP_LOCAL_TASK may capture any channel and
 *  none. */
tp_status tp__captures_copy(const tp_task_definition *task, void *to, const void *from);
void tp__captures_drop(const tp_task_definition *task, void *captures);
/** The same, but for the first parameter, whose bytes are zero in `to`. */
tp_status tp__captures_copy_rest(const tp_task_definition *task, void *to, const void *from);

/** Copies a message into `out` of another kind or size if no value of the message's type can be lost: integers and
 *  floats widen. False (and `out` untouched) otherwise. The result is loose; `from`, which is loose, stays as it is. */
bool tp__value_converts(tp_kind to_kind, size_t to_size, tp_kind from_kind, size_t from_size);
void tp__value_convert(tp_kind to_kind, size_t to_size, void *to, tp_kind from_kind, size_t from_size,
                       const void *from);

/** Frees all that a task owns; called by the runtime when it ends. */
void tp__owned_free(struct tp__context *context);

#endif
