/* SPDX-License-Identifier: MIT */
/** @file
 * Child processes that do not outlive this one, and the signals that tell of them.
 */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include "wire/problem.h"

#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

struct child {
    const char *path; /**< of the program; without a slash it is looked for in $PATH */
    char **arguments;
    char *const *variables; /**< NAME=VALUE, set in its environment; NULL at the end */
    int output;             /**< its standard output and error; -1: those of this process, and its input too */
    int kept;               /**< a descriptor that it inherits; -1: none */
    bool is_apart;          /**< in a process group of its own: a terminal's ^C does not reach it */
    const sigset_t *mask;   /**< its signal mask */
};

/** Returns the process id, -1 on failure. One that cannot run its program says so and ends with 126 or 127. */
pid_t child_start(const struct child *child, const char *command, struct tp__problem *problem);

/** Replaces this process; returns only if that fails, with the exit code, after having said why. */
int child_become(const char *command, const char *path, char **arguments);

/** Waits for a signal of the descriptor, at most until `end_ms` of child_now_ms (-1: no end), or until `other`
 *  (-1: none) can be read. 1: a signal; 0: none. */
int child_wait_signal(int signals, int other, int64_t end_ms, struct signalfd_siginfo *info);
int64_t child_now_ms(void);

#endif
