/* SPDX-License-Identifier: MIT */
/** @file
 * Tasks that run here for somebody elsewhere: what a worker process of a node needs.
 */
#ifndef TP_RUNTIME_FOREIGN_H
#define TP_RUNTIME_FOREIGN_H

#include "runtime/promise.h"

struct tp__executor;
struct tp__loop;

/** Identity and end of a task that a worker process runs. Lies in the worker's memory until `ended` is called. */
struct tp__foreign_task {
    struct tp__foreign_identity identity;
    /** It starts now, on worker number `worker` of the executor (from 0): before its first instruction. False: it must
     *  not, and ends with TP_E_CANCELLED as if it had. NULL: it may. */
    bool (*started)(struct tp__foreign_task *task, int worker);
    /** The task has ended on this thread: its value is in the promise, or `error` says why there is none (borrowed).
     *  Called once for each that started, also when it was cancelled meanwhile (its promise is resolved then), and
     *  for one that is resolved with tp__promise_resolve without having run; before the promise resolves, in no task's
     *  context; must not yield. Not called for a task that tp__promise_stop resolved before it started. Nothing of
     *  `task` is touched after the call. */
    void (*ended)(struct tp__foreign_task *task, struct tp_promise *promise, const struct tp__error_record *error);
};

/** Makes `foreign` part of a task before it is submitted. False without memory. */
bool tp__foreign_attach(struct tp_promise *task, struct tp__foreign_task *foreign) __attribute__((warn_unused_result));
/** Which task runs here now; of tp_async inside one: its maker's, copied, since the maker may have ended. Sequence 0
 *  where there is none. */
struct tp__foreign_identity tp__foreign_current(void);

/** What a thread publishes about itself, in memory that the node's agent sees: proto/wire/worker_memory.h. */
struct tp__foreign_slot {
    _Atomic(uint64_t) *task;
    _Atomic(uint32_t) *dispatch;
    _Atomic(uint32_t) *index;
};
/** Before the first task: worker number i of the executor publishes in slots[i], which is copied. */
void tp__foreign_publish(struct tp__executor *executor, const struct tp__foreign_slot *slots);

/* For the rest of the runtime. */

/** Makes a new green thread part of the foreign task that runs here, if one does. False without memory. Only a task
 *  with an `extra` can be one. */
bool tp__foreign_inherit(struct tp_promise *helper) __attribute__((warn_unused_result));
/** Publishes that this loop, which does, goes on with that task; NULL: with none. */
void tp__foreign_show(struct tp__loop *loop, const struct tp_promise *task);
/** A task that is foreign, or a helper of one, begins or has ended. False: it must not begin. */
bool tp__foreign_start(struct tp__loop *loop, const struct tp_promise *task);
void tp__foreign_end(struct tp_promise *task, const struct tp__error_record *error);

#endif
