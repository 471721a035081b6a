/* SPDX-License-Identifier: MIT */
/** @file
 * The first frame of a link: who may enter, as what; and the last one of a peer that leaves.
 */
#ifndef COORDINATOR_HELLO_H
#define COORDINATOR_HELLO_H

#include "state.h"

/** Welcomes the peer or refuses it. */
void hello_received(struct peer *peer, const Taskpool__Hello *hello);
void hello_bye_received(struct peer *peer, const Taskpool__Bye *bye);

#endif
