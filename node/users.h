/* SPDX-License-Identifier: MIT */
/** @file
 * Another user for every worker process, so that none can read, trace or signal another one, or the agent.
 *
 * The default range is 70000 to 74095: Debian's policy gives 0-999 to the system, 1000-59999 to people, 60000-64999 to
 * packages and leaves 65536 and up to the administrator; systemd takes 61184-65519 for its own, and subordinate ids of
 * containers begin at 100000. Users need no line in /etc/passwd. Two agents of one machine do not share a user: each
 * one in use is locked through a file.
 */
#ifndef NODE_USERS_H
#define NODE_USERS_H

#include "wire/problem.h"

#include <stdint.h>
#include <sys/types.h>

enum { USERS_BASE = 70000, USERS_COUNT = 4096 };

struct users;

/** May this process become those users, and signal them? False with what is missing. */
bool users_possible(uid_t base, uint32_t count, struct tp__problem *problem);

/** `directory`: of the locks; made if it is not there. */
struct users *users_open(const char *directory, uid_t base, uint32_t count, struct tp__problem *problem);
void users_close(struct users *users); /**< NULL is allowed */

/** One that nobody has; as late as possible one that was had before. */
bool users_take(struct users *users, uid_t *user, struct tp__problem *problem);
/** Nothing of that user runs any more. */
void users_give_back(struct users *users, uid_t user);

#endif
