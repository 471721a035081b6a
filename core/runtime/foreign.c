/* SPDX-License-Identifier: MIT */
#include "runtime/foreign.h"

#include "base/context.h"
#include "runtime/executor.h"
#include "runtime/remote.h"

static struct tp__foreign_identity identity_of(const struct tp_promise *task)
{
    const struct tp__task_extra *extra = task ? task->extra : NULL;
    switch (extra ? extra->foreign_part : TP__FOREIGN_NONE) {
    case TP__FOREIGN_TASK:
        return extra->foreign.task->identity;
    case TP__FOREIGN_HELPER:
        return extra->foreign.identity;
    default:
        return (struct tp__foreign_identity){.sequence = 0};
    }
}

bool tp__foreign_attach(struct tp_promise *task, struct tp__foreign_task *foreign)
{
    struct tp__task_extra *extra = tp__promise_extra(task);
    if (!extra)
        return false;
    extra->foreign_part = TP__FOREIGN_TASK;
    extra->foreign.task = foreign;
    return true;
}

bool tp__foreign_inherit(struct tp_promise *helper)
{
    const struct tp__foreign_identity maker = tp__foreign_current();
    if (maker.sequence == 0)
        return true;
    struct tp__task_extra *extra = tp__promise_extra(helper);
    if (!extra)
        return false;
    extra->foreign_part = TP__FOREIGN_HELPER;
    extra->foreign.identity = maker;
    return true;
}

struct tp__foreign_identity tp__foreign_current(void)
{
    return identity_of(tp__current_task());
}

void tp__foreign_publish(struct tp__executor *executor, const struct tp__foreign_slot *slots)
{
    for (size_t i = 0; i < executor->worker_count; i++) {
        executor->workers[i].slot = slots[i];
        /* The first task, which makes it look, is queued after this. */
        executor->workers[i].loop.publishes = executor->workers[i].loop.root.is_special = true;
    }
}

void tp__foreign_show(struct tp__loop *loop, const struct tp_promise *task)
{
    /* Whoever reads the slot reads it when this thread is dead: only the order of the stores counts. In between the
     * thread has no task. */
    const struct tp__foreign_slot *slot = &loop->worker->slot;
    const struct tp__foreign_identity shown = identity_of(task);
    atomic_store_explicit(slot->task, 0, memory_order_relaxed);
    if (shown.sequence == 0)
        return;
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(slot->dispatch, shown.dispatch, memory_order_relaxed);
    atomic_store_explicit(slot->index, shown.index, memory_order_relaxed);
    atomic_store_explicit(slot->task, shown.sequence, memory_order_release);
}

bool tp__foreign_start(struct tp__loop *loop, const struct tp_promise *task)
{
    if (loop->publishes)
        tp__foreign_show(loop, task);
    struct tp__foreign_task *foreign = task->extra->foreign_part == TP__FOREIGN_TASK ? task->extra->foreign.task : NULL;
    return !foreign || !foreign->started || foreign->started(foreign, loop->worker->index);
}

static void tell_end(struct tp_promise *task, const struct tp__error_record *error)
{
    struct tp__foreign_task *foreign = task->extra->foreign.task;
    struct tp__context *context = tp__context_of_task;
    task->extra->foreign_part = TP__FOREIGN_NONE;
    tp__context_of_task = NULL;
    foreign->ended(foreign, task, error);
    tp__context_of_task = context;
}

void tp__foreign_end(struct tp_promise *task, const struct tp__error_record *error)
{
    if (task->extra->foreign_part == TP__FOREIGN_TASK)
        tell_end(task, error);
    /* Until now it was to blame: its value is looked at above. */
    struct tp__loop *loop = tp__loop_of_thread;
    if (loop && loop->publishes)
        tp__foreign_show(loop, loop->current->task);
}
