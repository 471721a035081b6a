/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <stddef.h>

static sigset_t received;

void tp__thread_receive(const int *signals, size_t count)
{
    sigemptyset(&received);
    for (size_t i = 0; i < count; i++)
        sigaddset(&received, signals[i]);
}

void tp__thread_block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&blocked, faults[i]);
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&received, number) == 1)
            sigdelset(&blocked, number);
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

int tp__thread_start(pthread_t *thread, const char *name, void *(*run)(void *argument), void *argument)
{
    sigset_t before;
    tp__thread_block_signals(&before); /* the new thread inherits it from its first instruction on */
    const int error = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        (void)pthread_setname_np(*thread, name);
    return error;
}
