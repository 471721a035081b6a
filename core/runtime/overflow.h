/* SPDX-License-Identifier: MIT */
/** @file
 * A green thread that outgrows its stack is reported with the task's name before the process dies of it.
 */
#ifndef TP_RUNTIME_OVERFLOW_H
#define TP_RUNTIME_OVERFLOW_H

struct tp__fiber;

/** Installs the handler of SIGSEGV and SIGBUS, once a process; faults elsewhere go on to the handler that was there
 *  before. An application that installs its own afterwards replaces it. */
void tp__overflow_install(void);

/** Gives the calling thread, which runs green threads, a signal stack. Without memory faults are not reported. */
void tp__overflow_thread_init(void);
void tp__overflow_thread_fini(void);

/** Reports the overflow of this fiber's stack on standard error and aborts. */
_Noreturn void tp__overflow_report(const struct tp__fiber *fiber);

#endif
