/* SPDX-License-Identifier: MIT */
/** @file
 * The driver's session with a cluster: the state machine that is the authority on every task of the session. No
 * sockets, threads, clock or files: events come in as calls, actions go out through `struct tp__session_actions`. The
 * shell (driver.c) feeds it on one thread.
 *
 * docs/protocol.md is what it implements.
 */
#ifndef TP_CLUSTER_SESSION_H
#define TP_CLUSTER_SESSION_H

#include "trust/offer.h"
#include "wire/record.h"

struct tp__session;

/** Names one open channel operation of a running task. */
struct tp__session_operation {
    uint64_t task;
    uint32_t dispatch;
    uint32_t operation;
};

struct tp__session_error {
    tp_status status;
    const char *message; /**< 0-terminated, all of them; never NULL */
    const char *task;
    const char *node;
    const char *backtrace;
    int worker; /**< -1: none */
};

struct tp__session_actions {
    void (*transmit)(void *context, const uint8_t *bytes, size_t size);
    /** link/link.h; may be NULL. */
    void (*transmit_block)(void *context, void *block, const uint8_t *bytes, size_t size);
    /** Closes the socket and opens a new one; tp__session_connected follows. */
    void (*reconnect)(void *context);
    /** A task has ended, once for each that was submitted with a tag and not cancelled: a value's encoding, or an
     *  error. */
    void (*result)(void *context, void *tag, const uint8_t *value, size_t size);
    void (*failure)(void *context, void *tag, const struct tp__session_error *error);
    /** A child began, ended: for the pool's count of pending tasks. */
    void (*child_began)(void *context, uint64_t sequence);
    void (*child_ended)(void *context, uint64_t sequence);
    /** Performs a channel operation: `body` is that of TP__RECORD_OPERATION. tp__session_reply follows, once, perhaps
     *  in the call, unless it is dropped before. */
    void (*operation)(void *context, const struct tp__session_operation *operation, const uint8_t *body, size_t size);
    /** Takes it back if it still waits; tp__session_reply (TP_E_TIMEOUT if it was taken back) follows in any case. */
    void (*withdraw)(void *context, const struct tp__session_operation *operation);
    /** Its received message was taken for good. */
    void (*confirmed)(void *context, const struct tp__session_operation *operation);
    /** The attempt is gone: take it back without a reply, or put the received message back to its channel. True if it
     *  may have sent a message, of which the session was not told yet: that is an effect. */
    bool (*dropped)(void *context, const struct tp__session_operation *operation);
    void (*output)(void *context, const char *node, const char *task, int descriptor, uint32_t dropped_bytes,
                   const uint8_t *bytes, size_t size);
    /** Chunk `index` of the program, valid until the next call; NULL if it cannot be read any more. */
    const uint8_t *(*chunk)(void *context, uint32_t index, size_t *size);
    const char *(*task_name)(void *context, uint32_t index);
    /** The number of workers of all used nodes has changed. */
    void (*workers)(void *context, size_t count);
    void *context;
};

struct tp__session_options {
    const struct tp__key *key;
    const struct tp__authorized
        *authorized; /**< nodes that are believed, until tp__session_authorize; both must stay */
    struct tp__hash program;
    uint64_t program_length;
    const struct tp__hash *chunk_hashes; /**< must stay */
    char machine[16];
    char program_name[TP__NAME_LIMIT + 1];
    bool strict;          /**< TP_ROUND_ROBIN_STRICT */
    uint32_t stack_kib;   /**< of tasks that say none; 0: the default */
    uint64_t limit_tasks; /**< unresolved; 0: 16,777,216 */
    uint64_t limit_bytes; /**< of their captures; 0: 1 GiB */
    uint32_t
        limit_depth; /**< of tasks that wait for tasks that they submitted; 0: TP__DEPTH_LIMIT, which is the most */
};

/** NULL without memory. */
struct tp__session *tp__session_new(const struct tp__session_options *options,
                                    const struct tp__session_actions *actions, int64_t now_ms);
void tp__session_free(struct tp__session *session);

/** The socket is new. Also once at the start. */
void tp__session_connected(struct tp__session *session, int64_t now_ms);
void tp__session_receive(struct tp__session *session, const uint8_t *bytes, size_t size, int64_t now_ms);
int64_t tp__session_tick(struct tp__session *session, int64_t now_ms);
/** Sends what was submitted, cancelled and replied since: call it after a batch of those calls. */
void tp__session_flush(struct tp__session *session, int64_t now_ms);

struct tp__session_task {
    void *tag;      /**< handed back with the result; not NULL */
    uint32_t task;  /**< index in the program's table */
    uint32_t flags; /**< TP__LEAF_AT_MOST_ONCE, TP__LEAF_ISOLATED */
    int worker;     /**< -1, or the one that it is pinned to */
    uint32_t stack_kib;
    uint32_t max_attempts;  /**< 0: 3 */
    const uint8_t *payload; /**< the closure's encoding; copied, unless: */
    uint8_t *owned_payload; /**< the same, from malloc: taken over if the submit succeeds; NULL: it is copied */
    size_t length;
};
/** Returns its sequence; 0 with `*status` TP_E_NOMEM, TP_E_SESSION_LOST (the session has failed), TP_E_ARGUMENT (no
 *  such worker). */
uint64_t tp__session_submit(struct tp__session *session, const struct tp__session_task *task, tp_status *status);
bool tp__session_is_full(const struct tp__session *session);
/** How many tasks have not ended. */
uint64_t tp__session_unresolved(const struct tp__session *session);
/** The task's promise was resolved here: forgets it, and has it stopped wherever it is. Its tag is not used again. */
void tp__session_cancel(struct tp__session *session, uint64_t sequence);

/** The list of keys was read again (the former one is not looked at any more): nodes that are not in it any more are
 *  given up, those that were refused for that and are in it now are asked again. */
void tp__session_authorize(struct tp__session *session, const struct tp__authorized *authorized, int64_t now_ms);
/** Nobody is believed to be its coordinator any more, or the like: ends it, and every task fails with this. */
void tp__session_give_up(struct tp__session *session, tp_status status, const char *why, int64_t now_ms);

/** The answer to actions.operation: `body` as TP__RECORD_REPLY's. `took`: a message was received, and is confirmed or
 *  dropped later. `sent`: a message was accepted. */
void tp__session_reply(struct tp__session *session, const struct tp__session_operation *operation, const uint8_t *body,
                       size_t size, bool took, bool sent);

/** Tells everyone that the session ends. */
void tp__session_close(struct tp__session *session, int64_t now_ms);

/** Is the coordinator's Welcome there? False with `*error` filled if it was refused. */
enum tp__session_state { TP__SESSION_CONNECTING, TP__SESSION_OPEN, TP__SESSION_FAILED };
enum tp__session_state tp__session_state(const struct tp__session *session, struct tp__problem *problem);

/** Is there a link on which the coordinator has welcomed the session? It may be lost and come back. */
bool tp__session_is_linked(const struct tp__session *session);
/** Has the coordinator welcomed the session, and every node that was there then has accepted or refused it? */
bool tp__session_is_answered(const struct tp__session *session);

struct tp__session_counts {
    uint64_t unresolved, waiting, queued, placed, memory_bytes;
    size_t nodes, workers;
    uint64_t dispatches, lost, refused;
};
struct tp__session_counts tp__session_count(const struct tp__session *session);

#endif
