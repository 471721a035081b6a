/* SPDX-License-Identifier: MIT */
/** @file
 * The driver's side of what tasks on nodes do with named channels, which live here; and the count of their children.
 * All of it belongs to who has the session's turn (driver.h).
 */
#ifndef TP_CLUSTER_OPERATIONS_H
#define TP_CLUSTER_OPERATIONS_H

#include "cluster/inbox.h"
#include "cluster/session.h"
#include "runtime/tally.h"

struct tp__channels;
struct tp__operation;

struct tp__operations {
    struct tp__session *session;
    struct tp__channels *channels;
    struct tp__inbox *inbox; /* where operations that are done are put */
    struct tp__operation **buckets;
    size_t bucket_count; /* a power of 2 */
    size_t count;
};

void tp__operations_fini(struct tp__operations *operations);

/** `body` is that of a TP__RECORD_OPERATION, from a node: anything. The reply follows. */
void tp__operations_begin(struct tp__operations *operations, const struct tp__session_operation *key,
                          const uint8_t *body, size_t size);
/** One that was put into the inbox is done: replies. */
void tp__operations_done(struct tp__operations *operations, struct tp__operation *operation);
void tp__operations_withdraw(struct tp__operations *operations, const struct tp__session_operation *key);
void tp__operations_confirm(struct tp__operations *operations, const struct tp__session_operation *key);
/** True if it may have sent a message. */
bool tp__operations_drop(struct tp__operations *operations, const struct tp__session_operation *key);

/** A child counts in the pool's tally. */
void tp__operations_child_began(struct tp__operations *operations, struct tp__tally *tally, uint64_t sequence);
void tp__operations_child_ended(struct tp__operations *operations, struct tp__tally *tally, uint64_t sequence);

#endif
