/* SPDX-License-Identifier: MIT */
/** @file
 * Questions of people: how things are, why a task waits, drain a node.
 */
#ifndef COORDINATOR_QUERY_H
#define COORDINATOR_QUERY_H

#include "state.h"

/** A tool asks. */
void query_received(struct peer *peer, const Taskpool__Query *query);
/** A driver answers what it was asked. */
void query_answer_received(struct peer *peer, const Taskpool__Answer *answer);
/** A driver will not answer any more; a tool does not wait any more. */
void query_session_left(struct coordinator *coordinator, const struct session *session);
void query_peer_left(struct coordinator *coordinator, const struct peer *peer);
/** Answers for drivers that do not. Returns when it is due again. */
int64_t query_tick(struct coordinator *coordinator);
void query_free(struct coordinator *coordinator);

#endif
