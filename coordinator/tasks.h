/* SPDX-License-Identifier: MIT */
/** @file
 * Batches and payloads come from drivers. What is wrong with one ends the driver's link: its tasks must not vanish
 * without a word.
 */
#ifndef COORDINATOR_TASKS_H
#define COORDINATOR_TASKS_H

#include "state.h"

void tasks_received(struct peer *peer, const Taskpool__Tasks *tasks);
void tasks_payload_received(struct peer *peer, const Taskpool__Payload *payload);
/** Drops all that is queued for a session. */
void tasks_drop(struct coordinator *coordinator, struct session *session);

#endif
