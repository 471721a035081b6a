/* SPDX-License-Identifier: MIT */
/** @file
 * Sleeping on a word of memory: futex(2).
 */
#ifndef TP_BASE_FUTEX_H
#define TP_BASE_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/** Sleeps while `*word == expected`, until tp__futex_wake, or until the deadline (monotonic; TP__NEVER). May return
 *  early: the caller looks at the word again. Keeps errno. */
void tp__futex_wait(atomic_int *word, int expected, int64_t deadline_ns);

/** Wakes one sleeper. Keeps errno. */
void tp__futex_wake(atomic_int *word);

#endif
