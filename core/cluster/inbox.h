/* SPDX-License-Identifier: MIT */
/** @file
 * What many threads give to the one that runs a state machine: entries back to back in a buffer that it takes whole.
 * The thread sleeps in poll on a descriptor, which is written only when it has said that it sleeps.
 */
#ifndef TP_CLUSTER_INBOX_H
#define TP_CLUSTER_INBOX_H

#include "base/spinlock.h"
#include "wire/record.h"

#include <stdatomic.h>
#include <taskpool/status.h>

struct tp__inbox {
    tp__spinlock lock;
    struct tp__buffer entries; /* guarded by the lock */
    struct tp__buffer taken;   /* the reader's */
    atomic_bool sleeping;
    atomic_bool nudged; /* the reader looks once more before it sleeps */
    int descriptor;     /* an eventfd: what the reader polls */
};

/** TP_E_SYSTEM (the error is stored). */
tp_status tp__inbox_init(struct tp__inbox *inbox);
void tp__inbox_fini(struct tp__inbox *inbox);

/** Appends an entry of two parts. False without memory. Stores how much waits. `wakes` false: the reader, if it sleeps,
 *  sleeps on, and something else sees to it that the entry is taken. */
bool tp__inbox_put(struct tp__inbox *inbox, const void *head, size_t head_size, const void *body, size_t body_size,
                   bool wakes, size_t *waiting);

/** Appends a record in its layout. */
bool tp__inbox_put_record(struct tp__inbox *inbox, const struct tp__record *record, bool wakes);

/** The reader takes all that is there: valid until the next call. */
struct tp__reader tp__inbox_take(struct tp__inbox *inbox);
/** Nothing waits that was put before; ordered by the caller. */
bool tp__inbox_is_empty(struct tp__inbox *inbox);
/** The reader is about to sleep: false if something is there, or it was nudged since the last time. `is_blocked` (NULL:
 *  never): while that is true the reader can take nothing, and sleeps whatever is there. */
bool tp__inbox_announce_sleep(struct tp__inbox *inbox, const atomic_bool *is_blocked);
/** The reader is awake again. */
void tp__inbox_awake(struct tp__inbox *inbox);
/** Makes the reader look, whatever for: also if it is about to sleep and has looked already. */
void tp__inbox_nudge(struct tp__inbox *inbox);

#endif
