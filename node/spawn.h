/* SPDX-License-Identifier: MIT */
/** @file
 * Starting a process that shares nothing with the agent but the descriptors that it is given: of another user, without
 * capabilities or a way to get any, in a session of its own, with a clean environment. It dies with the agent.
 */
#ifndef NODE_SPAWN_H
#define NODE_SPAWN_H

#include "link/gathering.h"
#include "wire/problem.h"

#include <sys/types.h>

enum { SPAWN_DESCRIPTORS_LIMIT = 8 };

/** In place of a user: the agent's own. */
#define SPAWN_SAME_USER ((uid_t)-1)

struct spawn_options {
    int program; /**< this very descriptor is executed */
    char *const *arguments;
    char *const *environment;
    const int *descriptors; /**< they become 0, 1, 2 ...; everything else is closed */
    size_t descriptor_count;
    uid_t user;                              /**< and the group of the same number; SPAWN_SAME_USER */
    const char *new_directory;               /**< made, mode 0700, by that user, and the working directory; NULL: "/" */
    unsigned descriptor_limit;               /**< RLIMIT_NOFILE; 0: as many as are allowed */
    unsigned cpu_seconds;                    /**< RLIMIT_CPU; 0: none */
    const struct tp__processors *processors; /**< where it may run; NULL: where the caller may at the moment */
    bool alone;                              /**< every other process of `user` is killed first; needs a user */
};

struct spawned {
    pid_t pid;
    int pidfd;
};

/** Returns when the program has been executed, or could not be: then false, with the step that failed. The caller's
 *  thread must live as long as the process is to live. */
bool spawn(const struct spawn_options *options, struct spawned *spawned, struct tp__problem *problem);

#endif
