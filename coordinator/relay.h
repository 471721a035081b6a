/* SPDX-License-Identifier: MIT */
/** @file
 * Streams between drivers and nodes: sealed, and relayed as they are.
 */
#ifndef COORDINATOR_RELAY_H
#define COORDINATOR_RELAY_H

#include "state.h"

void relay_stream_received(struct peer *peer, const Taskpool__StreamFrame *stream);

#endif
