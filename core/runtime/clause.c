/* SPDX-License-Identifier: MIT */
#include "runtime/clause.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/kind_name.h"
#include "closure/payload.h"

#include <inttypes.h>

/* True if the caller, who has taken the clause out of its list, decides how the wait ends. */
static bool clause_wins(struct tp__clause *clause)
{
    struct tp__select *select = clause->select;
    if (!select)
        return true;
    /* acq_rel: pairs with the others who try to decide; the chosen clause reaches the selector through the wake */
    if (atomic_exchange_explicit(&select->fired, true, memory_order_acq_rel))
        return false;
    select->chosen = clause;
    return true;
}

/* The first of the list who still waits, taken out. A cancelled task, which would lose what it is given, is passed over
 * unless `cancelled_too`: it takes itself out. */
static struct tp__clause *take_first(struct tp__wait_list *list, bool cancelled_too)
{
    struct tp__wait_link *link = list->first;
    while (link) {
        struct tp__wait_link *next = tp__wait_list_next(list, link);
        struct tp__clause *clause = tp__clause_of(link);
        if (cancelled_too || !clause->wait->fiber || tp__likely(!tp__wait_is_stopping(clause->wait))) {
            tp__wait_list_remove(list, link);
            if (clause_wins(clause))
                return clause;
        }
        link = next;
    }
    return NULL;
}

/* Those to be woken when the lock has been let go, chained by link.next. */
struct woken {
    struct tp__clause *first;
    struct tp__clause *last;
};

static void woken_add(struct woken *woken, struct tp__clause *clause, tp_status status)
{
    clause->status = (uint8_t)status;
    clause->link.next = NULL;
    if (woken->last)
        woken->last->link.next = &clause->link;
    else
        woken->first = clause;
    woken->last = clause;
}

static void woken_wake(const struct woken *woken)
{
    struct tp__clause *clause = woken->first;
    while (clause) {
        struct tp__wait_link *next = clause->link.next; /* the clause is gone with the wake */
        tp__clause_wake(clause);
        clause = next ? tp__clause_of(next) : NULL;
    }
}

/* Stores a message where the receiver wants it. False if it has another type. */
static bool deliver(struct tp__clause *receiver, tp_kind kind, size_t size, union tp__content content)
{
    if (tp__likely(receiver->kind == kind && receiver->size == size)) {
        tp__clause_deliver(receiver, size, content);
        return true;
    }
    if (tp__value_converts(receiver->kind, receiver->size, kind, size)) {
        tp__value_convert(receiver->kind, receiver->size, receiver->data.out, kind, size, content.bytes);
        receiver->found_kind = (uint8_t)kind;
        receiver->found_size = (uint32_t)size;
        return true;
    }
    receiver->found_kind = (uint8_t)kind;
    receiver->found_size = (uint32_t)size;
    return false;
}

/* Hands a message to the first waiting receiver that can take it. */
static bool hand_over(tp_channel *channel, tp_kind kind, size_t size, union tp__content content, struct woken *woken)
{
    struct tp__clause *receiver;
    while ((receiver = take_first(&channel->receivers, false))) {
        const bool fits = deliver(receiver, kind, size, content);
        woken_add(woken, receiver, fits ? TP_OK : TP_E_TYPE);
        if (fits)
            return true;
    }
    return false;
}

struct tp__clause *tp__clause_refill(tp_channel *channel)
{
    if (channel->closed || tp__message_queue_count(&channel->queue) >= channel->capacity)
        return NULL;
    struct tp__clause *sender = take_first(&channel->senders, false);
    if (sender) {
        tp__message_queue_push(&channel->queue, sender->kind, sender->size, sender->data.content);
        sender->status = TP_OK;
    }
    return sender;
}

/* Lock held. Makes sure that the queue has the rings that the operation needs, and lets the lock go for that. False if
 * there is no memory for them; the lock is held in any case. */
static bool prepare_to_send(tp_channel *channel, bool may_wait, struct tp__message_ring **garbage)
{
    struct tp__message_queue *queue = &channel->queue;
    struct tp__message_ring *ring = NULL;
    bool prepared = true;
    while (!channel->closed) {
        const bool full = channel->capacity > 0 && tp__message_queue_count(queue) >= channel->capacity;
        if (full ? !may_wait || tp__message_queue_can_refill(queue, channel->capacity)
                 : tp__message_queue_is_fit(queue))
            break;
        if (ring) {
            struct tp__message_ring *retired = tp__message_queue_add(queue, ring);
            ring = NULL;
            while (retired) {
                struct tp__message_ring *next = retired->next;
                retired->next = *garbage;
                *garbage = retired;
                retired = next;
            }
            continue;
        }
        const uint32_t slots = full ? tp__message_ring_full_slots(channel->capacity)
                                    : tp__message_queue_next_slots(queue, channel->capacity);
        tp__spinlock_unlock(&channel->lock);
        ring = tp__message_ring_new(slots);
        tp__channel_lock(channel);
        if (!ring && (full || queue->room == 0)) {
            prepared = false;
            break;
        }
        if (!ring)
            queue->low = 0; /* too large a ring is no reason to fail */
    }
    if (ring) {
        ring->next = *garbage;
        *garbage = ring;
    }
    return prepared;
}

/* Lock held. True if the operation can be done now. */
static bool is_possible(const struct tp__clause *clause)
{
    const tp_channel *channel = clause->channel;
    const size_t count = tp__message_queue_count(&channel->queue);
    if (channel->closed)
        return true;
    return clause->send ? channel->capacity == 0 || count < channel->capacity : count > 0;
}

bool tp__clause_lock(struct tp__clause *clause, bool may_wait)
{
    tp_channel *channel = clause->channel;
    struct tp__message_ring *garbage = NULL;
    bool possible;
    do {
        tp__message_rings_free(garbage);
        garbage = NULL;
        tp__channel_lock(channel);
        if (clause->send && !prepare_to_send(channel, may_wait, &garbage)) {
            tp__spinlock_unlock(&channel->lock);
            tp__message_rings_free(garbage);
            clause->status = TP_E_NOMEM;
            return false;
        }
        possible = is_possible(clause);
        if (tp__unlikely(garbage != NULL))
            tp__spinlock_unlock(&channel->lock);
    } while (tp__unlikely(garbage != NULL));
    return possible;
}

static void perform_send(struct tp__clause *clause)
{
    tp_channel *channel = clause->channel;
    struct woken woken = {.first = NULL};
    if (channel->closed) {
        clause->status = TP_E_CLOSED;
    } else {
        clause->status = TP_OK;
        if (!hand_over(channel, clause->kind, clause->size, clause->data.content, &woken))
            tp__message_queue_push(&channel->queue, clause->kind, clause->size, clause->data.content);
    }
    tp__spinlock_unlock(&channel->lock);
    woken_wake(&woken);
}

static void perform_receive(struct tp__clause *clause)
{
    tp_channel *channel = clause->channel;
    struct tp__message_ring *retired = NULL;
    struct tp__clause *sender = NULL;
    clause->status = TP_E_CLOSED;
    if (tp__message_queue_count(&channel->queue) > 0) {
        const struct tp__message *message = tp__message_queue_front(&channel->queue);
        clause->status = TP_E_TYPE;
        if (deliver(clause, message->kind, message->size, tp__message_content(message))) {
            clause->status = TP_OK;
            retired = tp__message_queue_pop(&channel->queue);
            sender = tp__clause_refill(channel);
        }
    }
    tp__spinlock_unlock(&channel->lock);
    tp__message_rings_free(retired);
    if (sender)
        tp__clause_wake(sender);
}

void tp__clause_perform(struct tp__clause *clause)
{
    if (clause->send)
        perform_send(clause);
    else
        perform_receive(clause);
}

void tp__clause_enlist(struct tp__clause *clause)
{
    tp_channel *channel = clause->channel;
    tp__wait_list_append(clause->send ? &channel->senders : &channel->receivers, &clause->link);
    tp__spinlock_unlock(&channel->lock);
}

void tp__clause_unlock(struct tp__clause *clause)
{
    tp__spinlock_unlock(&clause->channel->lock);
}

bool tp__clause_withdraw(struct tp__clause *clause)
{
    tp_channel *channel = clause->channel;
    tp__channel_lock(channel);
    const bool waits = tp__wait_link_is_linked(&clause->link);
    if (waits)
        tp__wait_list_remove(clause->send ? &channel->senders : &channel->receivers, &clause->link);
    tp__spinlock_unlock(&channel->lock);
    return waits;
}

static __attribute__((cold, noinline)) tp_status clause_fail(const struct tp__clause *clause, const char *name,
                                                             const char *function)
{
    const char *open = name[0] ? "channel \"" : "the channel";
    const char *close = name[0] ? "\"" : "";
    const tp_status status = (tp_status)clause->status;
    switch (status) {
    case TP_E_CLOSED:
        return tp__fail(status, "%s: %s%s%s is closed%s", function, open, name, close,
                        clause->send ? "" : " and holds no more messages");
    case TP_E_FULL:
        return tp__fail(status, "%s: %s%s%s is full", function, open, name, close);
    case TP_E_EMPTY:
        return tp__fail(status, "%s: %s%s%s is empty", function, open, name, close);
    case TP_E_TYPE:
        return tp__fail(status,
                        "%s: the next message of %s%s%s is %s of %" PRIu32
                        " bytes and cannot be received as %s of %" PRIu32 " bytes; it stays in the channel",
                        function, open, name, close, tp__kind_name(clause->found_kind), clause->found_size,
                        tp__kind_name(clause->kind), clause->size);
    case TP_E_NOMEM:
        return tp__fail_nomem("a channel's queue of messages");
    default:
        return status;
    }
}

tp_status tp__clause_finish(struct tp__clause *clause, const char *name, const char *function)
{
    tp_status status = (tp_status)clause->status;
    if (tp__unlikely(status != TP_OK)) {
        if (!clause->send)
            memset(clause->data.out, 0, clause->size);
        clause_fail(clause, name, function);
        if (clause->kept)
            tp__channel_unref(clause->channel);
        return status;
    }
    if (clause->send)
        return TP_OK;
    if (tp__unlikely(clause->block != NULL)) {
        memcpy(clause->data.out, clause->block, clause->size);
        tp__free(clause->block);
    }
    if (tp__unlikely(tp__kind_is_counted(clause->kind)))
        status = tp__value_give(clause->kind, clause->size, clause->data.out);
    return status;
}

tp_status tp__channel_put_back(tp_channel *channel, tp_kind kind, size_t size, union tp__content content)
{
    struct tp__message_queue *queue = &channel->queue;
    struct tp__message_ring *ring = NULL;
    bool lost = false;
    for (bool placed = false; !placed;) {
        struct woken woken = {.first = NULL};
        tp__channel_lock(channel);
        lost = channel->given_up;
        placed = lost || hand_over(channel, kind, size, content, &woken);
        if (!placed && !tp__message_queue_has_front_room(queue) && ring) {
            tp__message_queue_add_front(queue, ring);
            ring = NULL;
        }
        if (!placed && tp__message_queue_has_front_room(queue)) {
            tp__message_queue_push_front(queue, kind, size, content);
            placed = true;
        }
        tp__spinlock_unlock(&channel->lock);
        woken_wake(&woken);
        if (!placed && !(ring = tp__message_ring_new(TP__RING_SLOTS_FIRST)))
            return TP_E_NOMEM;
    }
    tp__message_rings_free(ring);
    if (lost)
        tp__message_drop(kind, size, content);
    return TP_OK;
}

bool tp__clauses_close(tp_channel *channel, int limit)
{
    struct woken woken = {.first = NULL};
    tp__channel_lock(channel);
    channel->closed = true;
    for (int count = 0; count < limit; count++) {
        struct tp__clause *clause = take_first(&channel->receivers, true);
        if (!clause)
            clause = take_first(&channel->senders, true);
        if (!clause)
            break;
        woken_add(&woken, clause, TP_E_CLOSED);
        /* A cancellation that is on its way to the task makes it look at the channel, which may be released by then. */
        tp__channel_retain(channel);
        clause->kept = true;
    }
    const bool left = channel->receivers.first || channel->senders.first;
    tp__spinlock_unlock(&channel->lock);
    woken_wake(&woken);
    return left;
}
