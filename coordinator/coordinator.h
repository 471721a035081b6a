/* SPDX-License-Identifier: MIT */
/** @file
 * The coordinator's state machine: who is here, what is queued, where it goes. No sockets, threads, clock or files:
 * events come in as calls, actions go out through `struct coordinator_actions`. The shell in main.c feeds it from
 * ZeroMQ, the simulation in tests/ from a virtual network.
 *
 * It runs and decodes no closure, decides no outcome, and remembers nothing after it has dispatched it.
 */
#ifndef COORDINATOR_COORDINATOR_H
#define COORDINATOR_COORDINATOR_H

#include "link/socket.h"

struct coordinator;

enum { COORDINATOR_TICK_MS = 100 };

enum coordinator_level { COORDINATOR_DEBUG, COORDINATOR_INFO, COORDINATOR_WARNING };

struct coordinator_actions {
    /** Hands a message to a peer. Must not call back. A peer that is gone is noticed by its silence. */
    void (*transmit)(void *context, const struct tp__peer *peer, const uint8_t *bytes, size_t size);
    /** link/link.h; may be NULL. */
    void (*transmit_block)(void *context, const struct tp__peer *peer, void *block, const uint8_t *bytes, size_t size);
    /** One structured line: `event` is a word, `text` is "key=value key=value". */
    void (*log)(void *context, enum coordinator_level level, const char *event, const char *text);
    void *context;
};

struct coordinator_options {
    char name[TP__NAME_LIMIT + 1];
    struct tp__id life;         /**< none: a random one */
    uint64_t queue_limit_bytes; /**< a session; 0: 256 MiB */
    uint32_t sessions_per_key;  /**< 0: 16 */
    int64_t session_lease_ms;   /**< 0: 30,000 */
};

/** `authorized` must stay until the next coordinator_authorize or the end. NULL without memory. */
struct coordinator *coordinator_new(const struct coordinator_options *options, const struct tp__authorized *authorized,
                                    const struct coordinator_actions *actions, int64_t now_ms);
void coordinator_free(struct coordinator *coordinator);

/** A message from a peer whose key the door-keeper has found. */
void coordinator_receive(struct coordinator *coordinator, const struct tp__peer *peer,
                         const struct tp__public_key *sender, const uint8_t *bytes, size_t size, int64_t now_ms);
/** Passing time. Returns when it wants to be called next, at the latest; after a message, that is within
 *  COORDINATOR_TICK_MS. INT64_MAX: only after a message. */
int64_t coordinator_tick(struct coordinator *coordinator, int64_t now_ms);

/** A new list: links of keys that are not in it any more end. */
void coordinator_authorize(struct coordinator *coordinator, const struct tp__authorized *authorized, int64_t now_ms);
/** Says Bye to everyone. */
void coordinator_stop(struct coordinator *coordinator, int64_t now_ms);

/** For people, tests and the simulation's invariants. */
struct coordinator_counts {
    size_t links, nodes, sessions;
    uint64_t queued_tasks, queued_bytes, memory_bytes; /**< memory: everything that grows with load */
    uint64_t placed_tasks, refused_frames;
};
struct coordinator_counts coordinator_count(const struct coordinator *coordinator);
/** There is no driver, or only one. */
bool coordinator_is_alone(const struct coordinator *coordinator);

#endif
