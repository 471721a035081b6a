/* SPDX-License-Identifier: MIT */
/** @file
 * The inside of a channel, and clauses: one operation on one channel that is done now or waits. tp__send and tp__recv
 * wait with one clause, tp_select with several.
 *
 * Who waits, and when. Receivers wait only while no message does: a message that arrives is handed to the first of them.
 * Senders wait only while a bounded channel is full: a message that leaves makes room for the first of them, whose
 * message enters the queue at once. So never do both wait, and whatever can be done has been done when the lock is let
 * go. A waiting receiver that cannot take the message's type is woken with TP_E_TYPE and the next one is tried.
 *
 * Who decides. Whoever takes a clause out of its list under the channel's lock has decided it, if the clause is alone.
 * The clauses of a select lie in several lists, under several locks: there its atomic `fired` decides.
 */
#ifndef TP_RUNTIME_CHANNEL_H
#define TP_RUNTIME_CHANNEL_H

#include "base/cpu.h"
#include "base/spinlock.h"
#include "closure/channel_ref.h"
#include "runtime/message.h"
#include "runtime/wait.h"
#include "runtime/wait_list.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <taskpool/channel.h>

struct tp_channel {
    /* What every operation touches, all in one cache line. */
    alignas(TP__CACHE_LINE) tp__spinlock lock;
    bool closed;
    bool named;        /**< one of a pool's channels */
    uint32_t capacity; /**< 0: unbounded */
    struct tp__wait_list receivers;
    struct tp__wait_list senders;
    struct tp__message_queue queue;

    alignas(TP__CACHE_LINE) atomic_size_t references;
    struct tp_channel *next_in_bucket; /**< in struct tp__channels, under its lock */
    size_t name_hash;
    size_t name_length;
    char name[];
};

struct tp__select {
    struct tp__wait wait;
    atomic_bool fired; /**< set by whoever decides: a waker, the deadline, a cancellation, or the select itself */
    struct tp__clause *chosen; /**< stored by a waker before it wakes */
};

struct tp__clause {
    struct tp__wait_link link;
    tp_channel *channel;
    struct tp__wait *wait;
    struct tp__select *select; /**< NULL if the clause is alone */
    union {
        void *out;                 /**< of a receiver */
        union tp__content content; /**< of a sender: packed */
    } data;
    void *block; /**< a large message that was handed to the receiver, who copies and frees it */
    uint32_t size;
    uint32_t found_size; /**< with TP_E_TYPE: of the message that the receiver could not take */
    uint8_t kind;        /**< a tp_kind */
    uint8_t found_kind;
    uint8_t status; /**< a tp_status: how it ended */
    bool send;
};

/** Waits for the lock of a busy channel; see the notes in channel.c. */
void tp__channel_lock_wait(tp_channel *channel) __attribute__((cold));

static inline void tp__channel_lock(tp_channel *channel)
{
    /* acquire: pairs with the release in tp__spinlock_unlock */
    if (tp__unlikely(atomic_exchange_explicit(&channel->lock.held, true, memory_order_acquire)))
        tp__channel_lock_wait(channel);
}

/** A channel with one reference. NULL on TP_E_NOMEM, TP_E_LIMIT. The name is copied; length 0: no name. */
tp_channel *tp__channel_new(size_t capacity, const char *name, size_t name_length);
/** Drops the messages that are left. */
void tp__channel_clear(tp_channel *channel);

/** Locks the clause's channel and tells whether the operation can be done at once: then tp__clause_perform cannot fail
 *  to end it. False with status TP_E_NOMEM: then it is not locked. The other functions let the lock go. */
bool tp__clause_lock(struct tp__clause *clause, bool may_wait);
void tp__clause_perform(struct tp__clause *clause);
void tp__clause_enlist(struct tp__clause *clause);
void tp__clause_unlock(struct tp__clause *clause);
/** Takes the clause out of its channel's list: true if it was still there. */
bool tp__clause_withdraw(struct tp__clause *clause);
/** In the caller's context, when the clause has ended: unpacks or zeroes what was received, stores the error, and returns
 *  the clause's status. `name` is the channel's: the channel itself may be gone. */
tp_status tp__clause_finish(struct tp__clause *clause, const char *name, const char *function);

/** For messages after a wait: the name of a channel that may be gone by then if it has none. */
static inline const char *tp__channel_lasting_name(const tp_channel *channel)
{
    return channel->named ? channel->name : "";
}

#endif
