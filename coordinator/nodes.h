/* SPDX-License-Identifier: MIT */
/** @file
 * Nodes' lives: from a node's first Hello until it leaves, or has been silent for too long. Its link may break and come
 * back in between.
 */
#ifndef COORDINATOR_NODES_H
#define COORDINATOR_NODES_H

#include "state.h"

/** A node says Hello: false if it was refused. node_welcomed comes next, when it has been answered. */
bool node_hello(struct peer *peer, const struct tp__id *life, const char *key_name, const Taskpool__Hello *hello);
/** Sends it all that a node must know, and tells drivers if it had been here before. */
void node_welcomed(struct node *node);
void node_credit_received(struct node *node, const Taskpool__Credit *credit);
/** Something came from it. */
void node_heard(struct coordinator *coordinator, struct node *node);
/** Its link has ended. */
void node_unlinked(struct coordinator *coordinator, struct node *node);

/** Tells all drivers that use it, and remembers its life as lost. Frees it. */
void node_lost(struct coordinator *coordinator, struct node *node, const char *reason);
/** It has said Bye. */
void node_left(struct coordinator *coordinator, struct node *node, const char *reason);
/** Takes no new tasks, and hands back those that have not started. */
void node_drain(struct coordinator *coordinator, struct node *node);
/** "up", "silent", "draining" */
const char *node_condition(const struct node *node);
/** When it was heard last, over whatever link. */
int64_t node_heard_ms(const struct node *node);

/** Finds silent and lost nodes. Returns when it is due again. */
int64_t nodes_tick(struct coordinator *coordinator);
/** Ends those whose key is not authorized any more. */
void nodes_authorize(struct coordinator *coordinator);
void nodes_free(struct coordinator *coordinator);
/** What is remembered about nodes. */
uint64_t nodes_bytes(const struct coordinator *coordinator);

#endif
