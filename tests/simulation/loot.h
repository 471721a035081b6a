/* SPDX-License-Identifier: MIT */
/** @file
 * Frames that a lying coordinator has kept, and how it alters one.
 */
#ifndef TESTS_SIMULATION_LOOT_H
#define TESTS_SIMULATION_LOOT_H

#include "network.h"
#include "wire/frame.h"

struct loot;

struct loot *loot_new(void);
void loot_free(struct loot *loot);
void loot_keep(struct loot *loot, struct random *random, enum way way, bool is_node, const uint8_t *bytes, size_t size);
/** One that went that way to or from such a peer; NULL: there is none. */
const uint8_t *loot_pick(const struct loot *loot, struct random *random, enum way way, bool is_node, size_t *size);
/** Changes a number or some bytes of it. False if there is nothing to change. */
bool loot_alter(struct random *random, Taskpool__Frame *frame);

#endif
