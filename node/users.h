/* SPDX-License-Identifier: MIT */
/** @file
 * Another user for every worker process, so that none can read, trace or signal another one, or the agent.
 *
 * The default range is 70000 to 74095: Debian's policy gives 0-999 to the system, 1000-59999 to people, 60000-64999 to
 * packages and leaves 65536 and up to the administrator; systemd takes 61184-65519 for its own, and subordinate ids of
 * containers begin at 100000. Users need no line in /etc/passwd. Agents that can see each other's processes must not
 * share a user, as its last process ends all others of it: each one in use is locked by the name of a socket, which all
 * agents of a network namespace have in common, whatever their settings. (Any program could take such a name: then that
 * user is not used.)
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

struct users *users_open(uid_t base, uint32_t count, struct tp__problem *problem);
void users_close(struct users *users); /**< NULL is allowed */

/** One that nobody has; as late as possible one that was had before. */
bool users_take(struct users *users, uid_t *user, struct tp__problem *problem);
/** Nothing of that user runs any more. */
void users_give_back(struct users *users, uid_t user);

#endif
