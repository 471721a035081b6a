/* SPDX-License-Identifier: MIT */
/** @file
 * Links, found by routing id. A frame counts only if it comes from the key that made the link.
 *
 * A link that has ended is not freed in the middle of an event, but by peers_sweep at its end: until then nothing goes
 * to it, and whoever holds a pointer to it may keep it.
 */
#ifndef COORDINATOR_PEERS_H
#define COORDINATOR_PEERS_H

#include "state.h"

/** A message from a peer: finds or makes its link, and hands the frames that arrive in order to coordinator.c. */
void peers_receive(struct coordinator *coordinator, const struct tp__peer *id, const struct tp__public_key *sender,
                   const uint8_t *bytes, size_t size);
/** Heartbeats; ends links that do not read, and those of tools that are silent. Returns when it is due again. */
int64_t peers_tick(struct coordinator *coordinator);
/** Forgets the links that have ended, and tells nodes.c and sessions.c. */
void peers_sweep(struct coordinator *coordinator);
/** Ends those of tools whose key is not authorized any more. */
void peers_authorize(struct coordinator *coordinator);
void peers_say_bye(struct coordinator *coordinator, const char *reason);
void peers_free(struct coordinator *coordinator);
/** What links hold. */
uint64_t peers_bytes(const struct coordinator *coordinator);

/** Queues a frame; a link that cannot take it ends. False if the peer is NULL or has ended. */
bool peer_send(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame);
/** How many of the bulk_bytes are not waiting any more. */
uint64_t peer_bulk_gone(const struct peer *peer);
int64_t peer_heard_ms(const struct peer *peer);

/** Ends a link: with a Refusal that says why, with a Bye, with a Reset, or without a word. */
void peer_refuse(struct peer *peer, tp_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void peer_say_bye(struct peer *peer, const char *reason);
void peer_reset(struct peer *peer, const char *reason);
void peer_drop(struct peer *peer, const char *reason);

#endif
