/* SPDX-License-Identifier: MIT */
/** @file
 * A coordinator that lies: between its honest state machine and the wire, frames are duplicated, replayed, altered,
 * held back and sent to others than they were for. It keeps the numbers of the link right, as a real one would.
 */
#ifndef TESTS_SIMULATION_LIAR_H
#define TESTS_SIMULATION_LIAR_H

#include "network.h"

struct liar *liar_new(struct world *world, struct connection *connection);
void liar_free(struct liar *liar);
/** A frame that one end sends: passes on what the other end is to get. */
void liar_pass(struct liar *liar, enum way way, const uint8_t *bytes, size_t size);

#endif
