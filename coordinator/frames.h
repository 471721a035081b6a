/* SPDX-License-Identifier: MIT */
/** @file
 * Gives a frame that has arrived in order to the room that deals with it, if its sender may send it at all.
 */
#ifndef COORDINATOR_FRAMES_H
#define COORDINATOR_FRAMES_H

#include "state.h"

void frames_received(struct peer *peer, const Taskpool__Frame *frame);

#endif
