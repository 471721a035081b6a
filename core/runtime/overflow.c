/* SPDX-License-Identifier: MIT */
#include "runtime/overflow.h"

#include "base/alloc.h"
#include "runtime/loop.h"
#include "runtime/stack.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGNAL_STACK_BYTES = 64 << 10 };

static struct sigaction before_segv, before_bus;
static _Thread_local void *signal_stack;

/* Only what is safe in a signal handler: no stdio, no memory. */
static void write_report(const struct tp__fiber *fiber)
{
    char number[24];
    size_t digits = sizeof number;
    size_t kib = fiber->stack_bytes >> 10;
    do {
        number[--digits] = (char)('0' + kib % 10);
        kib /= 10;
    } while (kib);
    const char *name = fiber->task ? fiber->task->definition->name : "(between tasks)";
    char line[256];
    size_t used = 0;
    const char *parts[] = {"taskpool: task ", name, " overflowed its ", NULL,
                           " KiB stack; give it a larger one with "
                           "tp_task_options(.stack_bytes = ...) or tp_pool_options(.stack_bytes = ...)\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *part = parts[i] ? parts[i] : number + digits;
        size_t length = parts[i] ? strlen(part) : sizeof number - digits;
        if (length > sizeof line - used)
            length = sizeof line - used;
        memcpy(line + used, part, length);
        used += length;
    }
    (void)!write(STDERR_FILENO, line, used);
}

static void on_fault(int signal_number, siginfo_t *info, void *machine)
{
    const struct tp__loop *loop = tp__loop_of_thread;
    const bool overflowed = loop && tp__stack_was_left(loop->current, info->si_addr, tp__stack_pointer_of(machine));
    if (overflowed)
        write_report(loop->current);
    const struct sigaction *before = signal_number == SIGBUS ? &before_bus : &before_segv;
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(signal_number, info, machine);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(signal_number);
    } else {
        /* Back to the default action: the fault happens again when this returns, and ends the process. One that was
         * sent does not. */
        signal(signal_number, SIG_DFL);
        if (info->si_code <= 0)
            raise(signal_number);
    }
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGSEGV, &action, &before_segv);
    (void)sigaction(SIGBUS, &action, &before_bus);
}

void tp__overflow_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}

void tp__overflow_thread_init(void)
{
    stack_t present;
    if (signal_stack)
        return;
    if (sigaltstack(NULL, &present) == 0 && !(present.ss_flags & SS_DISABLE))
        return; /* a sanitizer or the application has given it one */
    signal_stack = tp__alloc(SIGNAL_STACK_BYTES);
    if (!signal_stack)
        return;
    const stack_t stack = {.ss_sp = signal_stack, .ss_size = SIGNAL_STACK_BYTES};
    (void)sigaltstack(&stack, NULL);
}

void tp__overflow_thread_fini(void)
{
    if (!signal_stack)
        return;
    const stack_t none = {.ss_flags = SS_DISABLE};
    (void)sigaltstack(&none, NULL);
    tp__free(signal_stack);
    signal_stack = NULL;
}

void tp__overflow_report(const struct tp__fiber *fiber)
{
    write_report(fiber);
    abort();
}
