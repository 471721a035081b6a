/* SPDX-License-Identifier: MIT */
/** @file
 * Drivers' sessions: from a driver's first Hello until it says Bye, or has been silent for the length of its lease.
 * What is queued for a session goes when its link breaks: the driver finds out by itself what was lost.
 */
#ifndef COORDINATOR_SESSIONS_H
#define COORDINATOR_SESSIONS_H

#include "state.h"

/** A driver says Hello: false if it was refused. */
bool session_hello(struct peer *peer, const struct tp__id *id, const char *key_name, const Taskpool__Hello *hello);
/** A frame of it came. */
void session_heard(struct coordinator *coordinator, struct session *session);
/** Its link has ended. */
void session_unlinked(struct coordinator *coordinator, struct session *session);
/** Tells its nodes, and remembers it as ended. With a status other than TP_OK its driver is told, too. Frees it. */
void session_finish(struct coordinator *coordinator, struct session *session, tp_status status, const char *reason);

/** A frame for the driver, after all that it must have been told before. False if its link is gone. */
bool session_send(struct coordinator *coordinator, struct session *session, Taskpool__Frame *frame);
void session_send_node_state(struct coordinator *coordinator, struct session *session, const struct tp__id *incarnation,
                             Taskpool__NodeCondition condition, const char *reason);
/** Tells a node that is back which sessions have ended since it was heard last, and shortly before. */
void sessions_send_ended(struct coordinator *coordinator, struct node *node);

/** Notices silence, and ends sessions whose lease is over. Returns when it is due again. */
int64_t sessions_tick(struct coordinator *coordinator);
/** Ends those whose key is not authorized any more. */
void sessions_authorize(struct coordinator *coordinator);
void sessions_free(struct coordinator *coordinator);
/** What is remembered about sessions and their uses, without what is queued. */
uint64_t sessions_bytes(const struct coordinator *coordinator);

#endif
