/* SPDX-License-Identifier: MIT */
/** @file
 * How a session and a node come together: Offer, Accept, Use, Forget.
 */
#ifndef COORDINATOR_OFFERS_H
#define COORDINATOR_OFFERS_H

#include "state.h"

void offers_received(struct peer *peer, const Taskpool__Offer *offer);
void offers_accept_received(struct peer *peer, const Taskpool__Accept *accept);
void offers_use_received(struct peer *peer, const Taskpool__Use *message);
void offers_forget_received(struct peer *peer, const Taskpool__Forget *message);
/** Sends all sessions' offers to a node that has come. */
void offers_send_all(struct coordinator *coordinator, struct node *node);

#endif
