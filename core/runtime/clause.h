/* SPDX-License-Identifier: MIT */
/** @file
 * Clauses: one operation on one channel that is done now or waits. tp__send and tp__recv wait with one clause,
 * tp_select with several.
 *
 * Who waits, and when. Receivers wait only while no message does: a message that arrives is handed to the first of
 * them. Senders wait only while a bounded channel is full: a message that leaves makes room for the first of them,
 * whose message enters the queue at once. So never do both wait, and whatever can be done has been done when the lock
 * is let go. A waiting receiver that cannot take the message's type is woken with TP_E_TYPE and the next one is tried.
 *
 * A message that is put back enters at the front, also of a full channel, which then stays full until as many have
 * left.
 *
 * Who decides. Whoever takes a clause out of its list under the channel's lock has decided it, if the clause is alone.
 * The clauses of a select lie in several lists, under several locks: there its atomic `fired` decides.
 */
#ifndef TP_RUNTIME_CLAUSE_H
#define TP_RUNTIME_CLAUSE_H

#include "runtime/channel.h"
#include "runtime/wait.h"

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
    uint32_t found_size; /**< of the message, if the receiver took it as a wider type, or with TP_E_TYPE: could not */
    uint8_t kind;        /**< a tp_kind */
    uint8_t found_kind;
    uint8_t status; /**< a tp_status: how it ended */
    bool send;
    bool kept; /**< closed while it waited: it holds a reference to the channel until tp__clause_finish */
};

static inline struct tp__clause *tp__clause_of(struct tp__wait_link *link)
{
    return (struct tp__clause *)(void *)((char *)link - offsetof(struct tp__clause, link));
}

/** Stores a message of the type that the receiver wants. */
static inline void tp__clause_deliver(struct tp__clause *receiver, size_t size, union tp__content content)
{
    if (tp__unlikely(tp__message_is_boxed(size)))
        receiver->block = content.block;
    else
        tp__message_copy_bytes(receiver->data.out, content.bytes, size);
}

/** Tells whoever waits with the clause that it has ended. The clause may be gone afterwards. */
static inline void tp__clause_wake(struct tp__clause *clause)
{
    struct tp__wait *wait = clause->wait;
    if (tp__unlikely(!wait->fiber))
        wait->woken(wait);
    else
        tp__wait_wake(wait);
}

/** Locks the clause's channel and tells whether the operation can be done at once: then tp__clause_perform cannot fail
 *  to end it. False with status TP_E_NOMEM: then it is not locked. The other functions let the lock go. */
bool tp__clause_lock(struct tp__clause *clause, bool may_wait);
void tp__clause_perform(struct tp__clause *clause);
void tp__clause_enlist(struct tp__clause *clause);
void tp__clause_unlock(struct tp__clause *clause);
/** Takes the clause out of its channel's list: true if it was still there. */
bool tp__clause_withdraw(struct tp__clause *clause);
/** In the caller's context, when the clause has ended: unpacks or zeroes what was received, stores the error, and
 *  returns the clause's status. `name` is the channel's: the channel itself may be gone. */
tp_status tp__clause_finish(struct tp__clause *clause, const char *name, const char *function);

/** Lock held, and a message has left: the first waiting sender's enters. Returns who is to be woken, or NULL. */
struct tp__clause *tp__clause_refill(tp_channel *channel);

/** Puts a message that was received back to the front, or hands it to the first receiver who waits and can take it. It
 *  is dropped if nobody will look for it. TP_E_NOMEM (no error stored): it is still the caller's. */
tp_status tp__channel_put_back(tp_channel *channel, tp_kind kind, size_t size, union tp__content content);

/** Closes the channel and wakes at most `limit` of those who wait, with TP_E_CLOSED. True if some are left; if not, the
 *  channel may be gone. */
bool tp__clauses_close(tp_channel *channel, int limit);

#endif
