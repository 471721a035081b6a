/* SPDX-License-Identifier: MIT */
/** @file
 * How things are, for people: an Answer about the coordinator, its nodes and its sessions.
 */
#ifndef COORDINATOR_STATUS_H
#define COORDINATOR_STATUS_H

#include "state.h"

void status_answer(struct peer *peer, uint64_t id);
/** Measures rates, once a second. */
void status_tick(struct coordinator *coordinator);

#endif
