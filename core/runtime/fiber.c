/* SPDX-License-Identifier: MIT */
/* Fibers: switching, and what runs on them.
 *
 * Design notes. A fiber that was used stays inside its entry function when its task has ended, and waits on its free
 * stack for the next task: starting one is a plain switch. A raise jumps to the base, which the entry function set
 * once.
 */
#include "base/error.h"
#include "closure/payload.h"
#include "runtime/executor.h"
#include "runtime/fiber_switch.h"
#include "runtime/foreign.h"
#include "runtime/loop.h"
#include "runtime/machine.h"
#include "runtime/overflow.h"
#include "runtime/raise.h"

#include <stdio.h>
#include <string.h>

/* For the monitor: something else runs now. */
static uint64_t next_turn(struct tp__loop *loop)
{
    const uint64_t turn = atomic_load_explicit(&loop->turns, memory_order_relaxed) + 1;
    atomic_store_explicit(&loop->turns, turn, memory_order_relaxed);
    return turn;
}

static void make_current(struct tp__loop *loop, struct tp__fiber *fiber)
{
    loop->current = fiber;
    atomic_store_explicit(&loop->watched_fiber, fiber, memory_order_relaxed);
    next_turn(loop);
    tp__context_of_task = fiber->stack_base ? &fiber->context : NULL;
}

/* What few switches have to do. */
static __attribute__((noinline)) void switch_specially(const struct tp__fiber *from, const struct tp__fiber *to)
{
    if (from->unguarded && !tp__stack_is_intact(from))
        tp__overflow_report(from);
    if (from->loop->publishes)
        tp__foreign_show(from->loop, to->task);
}

void tp__fiber_switch(struct tp__fiber *from, struct tp__fiber *to)
{
    struct tp__loop *const loop = from->loop;
    const int saved_errno = *loop->errno_place;
    if (tp__unlikely(from->is_special))
        switch_specially(from, to);
    make_current(loop, to);
    tp__sanitizer_leave(&from->sanitizer, &to->sanitizer);
    struct tp__fiber *left = tp__machine_switch(&from->machine, to->machine, from);
    tp__sanitizer_arrive(&from->sanitizer, &left->sanitizer);
    *loop->errno_place = saved_errno;
}

/* Copies the result out of what the task owns. Returns the error, NULL if there is none. */
static struct tp__error_record *keep_result(struct tp_promise *task)
{
    const tp_task_definition *definition = task->definition;
    if (!tp__kind_is_counted(definition->result_kind))
        return NULL;
    unsigned char copy[64];
    void *result = tp__promise_result(task);
    if (tp__value_copy(definition->result_kind, definition->result_size, copy, result) != TP_OK)
        return tp__result_error(definition);
    memcpy(result, copy, definition->result_size);
    return NULL;
}

/* The rest of a task that raised an error, failed somewhere, owns something or deferred something. */
static __attribute__((noinline)) struct tp__error_record *end_slowly(struct tp__fiber *fiber)
{
    struct tp_promise *task = fiber->task;
    tp__run_defers(fiber); /* may raise: then this function begins anew, with the defers that are left */
    struct tp__error_record *error = fiber->raised;
    fiber->raised = NULL;
    if (!task->definition->plain) {
        if (!error)
            error = keep_result(task);
        tp__owned_free(&fiber->context);
        tp__captures_drop(task->definition, task->payload);
    } else {
        tp__owned_free(&fiber->context);
    }
    tp__error_release(fiber->context.error);
    return error;
}

/* Ends the task of the fiber. Returns the waiter that started it, if it is to go on now. */
static TP__HOT struct tp__fiber *end_task(struct tp__fiber *fiber)
{
    struct tp_promise *task = fiber->task;
    struct tp__error_record *error = NULL;
    if (tp__unlikely(fiber->defers || fiber->raised || fiber->context.error || fiber->context.owned ||
                     !task->definition->plain))
        error = end_slowly(fiber);
    if (tp__unlikely(fiber->unguarded) && !tp__stack_is_intact(fiber))
        tp__overflow_report(fiber);
    fiber->context = (struct tp__context){0};
    struct tp__fiber *waiter = fiber->return_to;
    fiber->return_to = NULL;
    fiber->task = NULL;
    task->fiber = NULL;
    fiber->loop->live--;
    tp__loop_note_live(fiber->loop);
    return tp__promise_resolve(task, error, waiter);
}

static void run_task(struct tp__fiber *fiber)
{
    struct tp_promise *task = fiber->task;
    atomic_store_explicit(&fiber->watched.definition, task->definition, memory_order_relaxed);
    atomic_store_explicit(&fiber->watched.start_turn, next_turn(fiber->loop), memory_order_relaxed);
    fiber->context.id = ++fiber->loop->last_task_id;
    if (tp__unlikely(task->extra != NULL)) {
        fiber->context.async_target = task->extra->async_target;
        if (task->extra->foreign_part != TP__FOREIGN_NONE && !tp__foreign_start(fiber->loop, task)) {
            fiber->raised = tp__error_new(TP_E_CANCELLED, NULL, "it did not start");
            return;
        }
    }
    task->definition->call(task->payload, tp__promise_result(task));
}

static void entry(void *message)
{
    struct tp__fiber *left = message;
    struct tp__loop *const loop = left->loop;
    struct tp__fiber *const fiber = loop->current;
    tp__sanitizer_arrive(&fiber->sanitizer, &left->sanitizer);
#if defined(__x86_64__)
    __asm__ volatile(".cfi_undefined rip"); /* debuggers and unwinders stop here: nobody called this function */
#else
    __asm__ volatile(".cfi_undefined x30");
#endif
    fiber->base_frame = (uintptr_t)__builtin_frame_address(0);
    if (_setjmp(fiber->base) == 0)
        run_task(fiber);
    for (;;) {
        tp__loop_next_task(loop, fiber, end_task(fiber));
        run_task(fiber);
    }
}

void tp__fiber_init(struct tp__fiber *fiber, struct tp__loop *loop)
{
    fiber->loop = loop;
    fiber->is_special = fiber->unguarded || loop->publishes;
    tp__sanitizer_stack_init(&fiber->sanitizer, fiber->stack_base, (size_t)((char *)fiber - fiber->stack_base));
    fiber->machine = tp__machine_prepare(fiber, entry); /* the frames begin right below the fiber itself */
}
