/* SPDX-License-Identifier: MIT */
/** @file
 * A session on a node: from the node's first answer to the session's offer until either is gone. Within it,
 * incarnations begin with an Accept, are used from the driver's Use on, and end.
 */
#ifndef COORDINATOR_USES_H
#define COORDINATOR_USES_H

#include "state.h"

/** NULL: the node has not answered. */
struct use *use_find(const struct session *session, const struct node *node);
struct use *use_find_incarnation(const struct session *session, const struct tp__id *incarnation);
/** There must be none. NULL without memory. */
struct use *use_make(struct coordinator *coordinator, struct session *session, struct node *node);
void use_free(struct coordinator *coordinator, struct use *use);

/** A new incarnation begins. False without memory. */
bool use_accept(struct use *use, const struct tp__id *incarnation) __attribute__((warn_unused_result));
/** The node says how many tasks it takes: until it says what it takes next. */
void use_limit(struct use *use, const Taskpool__Room *room);
/** Tasks may go there. False without memory. */
bool use_begin(struct use *use) __attribute__((warn_unused_result));
/** The incarnation, if there is one, is over: no task goes there any more. What was queued for it alone is given to the
 *  driver as placed there; with a `reason` it is told LOST, too. */
void use_end(struct coordinator *coordinator, struct use *use, const char *reason);

#endif
