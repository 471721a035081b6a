/* SPDX-License-Identifier: MIT */
/* Ending a task before its last line.
 *
 * Design notes. tp_raise unwinds the task's frames as pthread_exit does, by _Unwind_ForcedUnwind, so that cleanup
 * variables run where the code was compiled with -fexceptions; at the base, or where the unwinder finds no tables to go
 * on with, it jumps. A cleanup may park: the unwinder's state lies on this stack. A cleanup or deferred function that
 * raises again keeps the first error and jumps to the base at once.
 */
#include "runtime/raise.h"

#include "base/alloc.h"
#include "base/error.h"
#include "runtime/loop.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/green.h>
#include <unwind.h>

enum { BACKTRACE_FRAMES = 32, BACKTRACE_BYTES = 2048 };

struct tp__defer {
    struct tp__defer *next;
    void (*function)(void *argument);
    void *argument;
};

void tp__run_defers(struct tp__fiber *fiber)
{
    struct tp__defer *defer;
    while ((defer = fiber->defers)) {
        fiber->defers = defer->next;
        const struct tp__defer copy = *defer;
        tp__free(defer);
        copy.function(copy.argument);
    }
}

tp_status tp_defer(void (*function)(void *argument), void *argument)
{
    if (!function)
        return tp__fail(TP_E_ARGUMENT, "tp_defer: the function is NULL");
    if (!tp__current_task())
        return tp__fail(TP_E_ARGUMENT, "tp_defer: called outside a task, which alone ends by itself");
    struct tp__defer *defer = tp__alloc(sizeof *defer);
    if (!defer)
        return tp__fail_nomem("a deferred function");
    struct tp__fiber *fiber = tp__loop_of_thread->current;
    *defer = (struct tp__defer){.next = fiber->defers, .function = function, .argument = argument};
    fiber->defers = defer;
    return TP_OK;
}

/* One line a frame, innermost first; "" without memory. The caller frees it. */
static char *backtrace_text(void)
{
    void *frames[BACKTRACE_FRAMES];
    const int count = backtrace(frames, BACKTRACE_FRAMES);
    char **symbols = backtrace_symbols(frames, count);
    char *text = tp__alloc(BACKTRACE_BYTES);
    if (text) {
        size_t used = 0;
        text[0] = '\0';
        for (int i = 2; symbols && i < count && used < BACKTRACE_BYTES; i++) { /* not this function and tp_raise */
            const int written = snprintf(text + used, BACKTRACE_BYTES - used, "%s%s", used ? "\n" : "", symbols[i]);
            used += written > 0 ? (size_t)written : 0;
        }
    }
    free(symbols); /* glibc's own allocation */
    return text;
}

static _Unwind_Reason_Code stop_at_base(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                                        struct _Unwind_Exception *exception, struct _Unwind_Context *context,
                                        void *argument)
{
    (void)version, (void)class, (void)exception;
    struct tp__fiber *fiber = argument;
    /* Stacks grow down: whoever is above the base frame's address is the base itself. */
    if ((actions & _UA_END_OF_STACK) || _Unwind_GetCFA(context) > fiber->base_frame)
        longjmp(fiber->base, 1);
    return _URC_NO_REASON;
}

static _Noreturn void unwind(struct tp__fiber *fiber, struct tp__error_record *error)
{
    if (fiber->raised) {
        tp__error_release(error);
        longjmp(fiber->base, 1);
    }
    fiber->raised = error;
    fiber->unwinding = (struct _Unwind_Exception){.exception_class = 0};
    (void)_Unwind_ForcedUnwind(&fiber->unwinding, stop_at_base, fiber);
    longjmp(fiber->base, 1); /* it returns only if it cannot unwind */
}

static _Noreturn void die(const char *message)
{
    fprintf(stderr, "taskpool: raised outside a task: %s\n", message);
    abort();
}

struct tp__error_record *tp__result_error(const tp_task_definition *task)
{
    const tp_error *why = tp_last_error();
    char message[512];
    snprintf(message, sizeof message, "the result of task '%.100s': %.380s", task->name, why->message);
    const struct tp__origin origin = {.task = task->name, .node = "local", .worker = tp_worker_index()};
    return tp__error_new(why->status, &origin, message);
}

void tp_raise(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const struct tp_promise *task = tp__current_task();
    char *backtrace_of_task = task ? backtrace_text() : NULL;
    const struct tp__origin origin = {.task = task ? task->definition->name : "",
                                      .node = "local",
                                      .worker = tp_worker_index(),
                                      .backtrace = backtrace_of_task};
    struct tp__error_record *error = tp__error_newv(TP_E_TASK, &origin, format, arguments);
    va_end(arguments);
    tp__free(backtrace_of_task);
    if (!task)
        die(tp__error_view(error)->message);
    unwind(tp__loop_of_thread->current, error);
}

void tp_try(tp_status status)
{
    if (status == TP_OK)
        return;
    const tp_error *last = tp_last_error();
    const struct tp_promise *task = tp__current_task();
    /* The last error is of another call if its status differs: then the status alone is known. */
    const bool known = last->status == status;
    const char *message = known ? last->message : tp_status_text(status);
    if (!task)
        die(message);
    const bool has_origin = known && last->task[0] != '\0';
    char *backtrace_of_task = has_origin ? NULL : backtrace_text();
    const struct tp__origin origin = {.task = has_origin ? last->task : task->definition->name,
                                      .node = has_origin ? last->node : "local",
                                      .worker = has_origin ? last->worker : tp_worker_index(),
                                      .backtrace = has_origin ? last->backtrace : backtrace_of_task};
    struct tp__error_record *error = tp__error_new(status, &origin, message);
    tp__free(backtrace_of_task);
    unwind(tp__loop_of_thread->current, error);
}
