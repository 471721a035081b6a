/* SPDX-License-Identifier: MIT */
/** @file
 * Starting an OS thread of the library: named, and without the application's signals.
 */
#ifndef TP_BASE_THREAD_H
#define TP_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/** Threads that are started from now on receive these signals too, `count` of them: in a process whose signals are the
 *  library's own. Before the first thread. */
void tp__thread_receive(const int *signals, size_t count);

/** Blocks every signal in the calling thread but those of its own faults, and those of tp__thread_receive. Stores which
 *  were blocked before. */
void tp__thread_block_signals(sigset_t *before);

/** Starts a thread whose name (at most 15 bytes) `top -H` shows, and which receives no signal but those of its own
 *  faults. Returns 0 or an errno value. */
int tp__thread_start(pthread_t *thread, const char *name, void *(*run)(void *argument), void *argument);

#endif
