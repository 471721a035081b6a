/* SPDX-License-Identifier: MIT */
/*
 * Design notes. The common cases, an integer into or out of the queue or to one who waits, are written out in tp__send
 * and tp__recv: one lock, no allocation. Everything else goes through a clause and the slower functions.
 *
 * A busy lock is left alone for a microsecond or more, not watched: the holder's next operations find the channel in its
 * cache then, and a sender and a receiver on two processors work in turns of dozens of messages instead of fetching the
 * cache line from each other for each (measured: twice the messages per second in a pipeline).
 *
 * Nothing of a channel is touched after its lock has been let go: who received the last message may free it at once.
 * Nothing is allocated, freed or woken while the lock is held.
 */
#include "runtime/channel.h"

#include "base/alloc.h"
#include "base/context.h"
#include "base/error.h"
#include "base/kind_name.h"
#include "closure/payload.h"

#include <inttypes.h>
#include <sched.h>

_Static_assert(offsetof(struct tp_channel, references) == TP__CACHE_LINE, "one line for the lock and what it guards");

enum {
    WAKES_A_LOCK = 64, /* a million waiters are woken in portions, so that nobody spins for long */
    PAUSES_FIRST = 32, /* between the looks at a busy lock; doubled each time */
    PAUSES_MOST = 128,
    LOOKS_BEFORE_YIELD = 16, /* then the holder was preempted: it needs a processor more than we do */
};

/* A wait for one operation. */
struct single {
    struct tp__wait wait;
    struct tp__clause clause;
};

void tp__channel_lock_wait(tp_channel *channel)
{
    int pauses = PAUSES_FIRST;
    int looks = 0;
    do {
        if (++looks > LOOKS_BEFORE_YIELD)
            sched_yield();
        for (int i = 0; i < pauses; i++)
            tp__cpu_relax();
        pauses = pauses < PAUSES_MOST ? 2 * pauses : PAUSES_MOST;
    } while (atomic_exchange_explicit(&channel->lock.held, true, memory_order_acquire));
}

static struct tp__clause *clause_of(struct tp__wait_link *link)
{
    return (struct tp__clause *)(void *)((char *)link - offsetof(struct tp__clause, link));
}

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

/* The first of the list who still waits, taken out. */
static struct tp__clause *take_first(struct tp__wait_list *list)
{
    struct tp__wait_link *link;
    while ((link = list->first)) {
        tp__wait_list_remove(list, link);
        if (clause_wins(clause_of(link)))
            return clause_of(link);
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
        tp__wait_wake(clause->wait);
        clause = next ? clause_of(next) : NULL;
    }
}

/* Stores a message of the type that the receiver wants. */
static inline void deliver_exact(struct tp__clause *receiver, size_t size, union tp__content content)
{
    if (tp__unlikely(tp__message_is_boxed(size)))
        receiver->block = content.block;
    else
        tp__message_copy_bytes(receiver->data.out, content.bytes, size);
}

/* Stores a message where the receiver wants it. False if it has another type. */
static bool deliver(struct tp__clause *receiver, tp_kind kind, size_t size, union tp__content content)
{
    if (tp__likely(receiver->kind == kind && receiver->size == size)) {
        deliver_exact(receiver, size, content);
        return true;
    }
    if (tp__value_converts(receiver->kind, receiver->size, kind, size)) {
        tp__value_convert(receiver->kind, receiver->size, receiver->data.out, kind, size, content.bytes);
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
    while ((receiver = take_first(&channel->receivers))) {
        const bool fits = deliver(receiver, kind, size, content);
        woken_add(woken, receiver, fits ? TP_OK : TP_E_TYPE);
        if (fits)
            return true;
    }
    return false;
}

/* A message has left: the first waiting sender's enters. Returns who is to be woken. */
static struct tp__clause *refill(tp_channel *channel)
{
    if (channel->closed)
        return NULL;
    struct tp__clause *sender = take_first(&channel->senders);
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
            sender = refill(channel);
        }
    }
    tp__spinlock_unlock(&channel->lock);
    tp__message_rings_free(retired);
    if (sender)
        tp__wait_wake(sender->wait);
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
        return clause_fail(clause, name, function);
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

static bool withdraw_single(struct tp__wait *wait)
{
    struct single *single = (struct single *)(void *)((char *)wait - offsetof(struct single, wait));
    return tp__clause_withdraw(&single->clause);
}

static tp_status park(struct single *single, int64_t timeout_ms)
{
    tp__clause_enlist(&single->clause);
    return tp__wait_park(&single->wait, tp__deadline_ns(timeout_ms), TP__WAIT_CANCELLABLE);
}

/* An OS thread may wait while others close and free the channel: it keeps it. (Of a pool's tasks the pool's close waits
 * for the end.) */
static tp_status park_thread(struct single *single, int64_t timeout_ms)
{
    tp_channel *channel = tp__channel_retain(single->clause.channel);
    const tp_status status = park(single, timeout_ms);
    tp__channel_unref(channel);
    return status;
}

/* Does the operation, or waits until it is done. */
static __attribute__((noinline)) tp_status operate(struct single *single, int64_t timeout_ms)
{
    struct tp__clause *clause = &single->clause;
    const char *function = clause->send ? "tp_send" : "tp_recv";
    const char *name = tp__channel_lasting_name(clause->channel);
    const bool is_task = tp__context_is_task();
    tp_status status = TP_OK;
    for (bool bound = false;; bound = true) {
        if (tp__clause_lock(clause, timeout_ms != 0)) {
            tp__clause_perform(clause);
            return tp__clause_finish(clause, name, function);
        }
        if (clause->status == TP_E_NOMEM)
            return tp__clause_finish(clause, name, function);
        if (timeout_ms == 0) {
            tp__clause_unlock(clause);
            clause->status = clause->send ? TP_E_FULL : TP_E_EMPTY;
            return tp__clause_finish(clause, name, function);
        }
        if (bound)
            break;
        if (is_task) {
            status = tp__wait_init(&single->wait, withdraw_single);
            if (status != TP_OK)
                tp__clause_unlock(clause);
            break;
        }
        tp__clause_unlock(clause); /* the first wait of an OS thread allocates: not under the lock */
        status = tp__wait_init(&single->wait, withdraw_single);
        if (status != TP_OK)
            break;
    }
    if (status == TP_OK)
        status = is_task ? park(single, timeout_ms) : park_thread(single, timeout_ms);
    if (status == TP_OK)
        return tp__clause_finish(clause, name, function);
    if (!clause->send)
        memset(clause->data.out, 0, clause->size);
    return status;
}

static __attribute__((noinline)) tp_status send_slowly(tp_channel *channel, union tp__content content, tp_kind kind,
                                                       size_t size, int64_t timeout_ms)
{
    struct single single;
    single.clause = (struct tp__clause){.channel = channel,
                                        .wait = &single.wait,
                                        .data.content = content,
                                        .size = (uint32_t)size,
                                        .kind = (uint8_t)kind,
                                        .send = true};
    return operate(&single, timeout_ms);
}

/* `content` is packed; it is the channel's when the result is TP_OK. */
static inline tp_status send_packed(tp_channel *channel, union tp__content content, tp_kind kind, size_t size,
                                    int64_t timeout_ms)
{
    tp__channel_lock(channel);
    if (tp__likely(!channel->closed)) {
        if (channel->receivers.first) {
            struct tp__clause *receiver = clause_of(channel->receivers.first);
            if (tp__likely(!receiver->select && receiver->kind == kind && receiver->size == size)) {
                tp__wait_list_remove(&channel->receivers, &receiver->link);
                deliver_exact(receiver, size, content);
                receiver->status = TP_OK;
                tp__spinlock_unlock(&channel->lock);
                tp__wait_wake(receiver->wait);
                return TP_OK;
            }
        } else if (tp__likely(
                       tp__message_queue_is_fit(&channel->queue) &&
                       (channel->capacity == 0 || tp__message_queue_count(&channel->queue) < channel->capacity))) {
            tp__message_queue_push(&channel->queue, kind, size, content);
            tp__spinlock_unlock(&channel->lock);
            return TP_OK;
        }
    }
    tp__spinlock_unlock(&channel->lock);
    return send_slowly(channel, content, kind, size, timeout_ms);
}

/* A value that owns something, or a large one. */
static __attribute__((noinline)) tp_status send_value(tp_channel *channel, const void *message, tp_kind kind,
                                                      size_t size, int64_t timeout_ms)
{
    alignas(8) unsigned char loose[TP__MESSAGE_INLINE_BYTES];
    union tp__content content;
    tp_status status = tp__message_pack(kind, size, message, loose, &content);
    if (status != TP_OK)
        return status;
    status = send_packed(channel, content, kind, size, timeout_ms);
    if (status != TP_OK)
        tp__message_drop(kind, size, content);
    return status;
}

static __attribute__((cold, noinline)) tp_status argument_missing(const char *function, bool channel_missing)
{
    return tp__fail(TP_E_ARGUMENT,
                    channel_missing ? "%s: the channel is NULL" : "%s: the pointer to the message is NULL", function);
}

tp_status tp__send(tp_channel *channel, const void *message, tp_kind kind, size_t size, int64_t timeout_ms)
{
    if (tp__unlikely(!channel || !message))
        return argument_missing("tp_send", !channel);
    if (tp__unlikely(tp__kind_is_counted(kind) || tp__message_is_boxed(size)))
        return send_value(channel, message, kind, size, timeout_ms);
    return send_packed(channel, (union tp__content){.bytes = message}, kind, size, timeout_ms);
}

/* Field by field: a struct that is put together elsewhere and copied would be read before its fields have reached memory. */
static inline void init_receive(struct single *single, tp_channel *channel, void *out, tp_kind kind, size_t size)
{
    struct tp__clause *clause = &single->clause;
    clause->link.prev = NULL;
    clause->channel = channel;
    clause->wait = &single->wait;
    clause->select = NULL;
    clause->data.out = out;
    clause->block = NULL;
    clause->size = (uint32_t)size;
    clause->kind = (uint8_t)kind;
    clause->status = TP_OK;
    clause->send = false;
}

/* Lock held. */
static __attribute__((noinline)) tp_status receive_slowly(tp_channel *channel, void *out, tp_kind kind, size_t size,
                                                          int64_t timeout_ms)
{
    tp__spinlock_unlock(&channel->lock);
    if (size > TP__MESSAGE_LIMIT_BYTES)
        return tp__fail(TP_E_LIMIT, "tp_recv: a message of %zu bytes is larger than the limit of %d", size,
                        (int)TP__MESSAGE_LIMIT_BYTES);
    struct single single;
    init_receive(&single, channel, out, kind, size);
    return operate(&single, timeout_ms);
}

static __attribute__((noinline, cold)) tp_status finish_receive(struct single *single, tp_status status,
                                                                const char *name)
{
    if (status == TP_OK)
        return tp__clause_finish(&single->clause, name, "tp_recv");
    memset(single->clause.data.out, 0, single->clause.size);
    return status;
}

/* Lock held, the channel empty. What a task does that waits for an integer is here, in one frame: each return after a
 * switch is mispredicted. */
static __attribute__((noinline)) tp_status receive_later(tp_channel *channel, void *out, tp_kind kind, size_t size,
                                                         int64_t timeout_ms)
{
    if (tp__unlikely(channel->closed || timeout_ms == 0 || !tp__context_is_task() || size > TP__MESSAGE_LIMIT_BYTES))
        return receive_slowly(channel, out, kind, size, timeout_ms);
    struct single single;
    const char *name = tp__channel_lasting_name(channel);
    init_receive(&single, channel, out, kind, size);
    tp_status status = tp__wait_init(&single.wait, withdraw_single);
    if (tp__unlikely(status != TP_OK)) {
        tp__spinlock_unlock(&channel->lock);
        return finish_receive(&single, status, name);
    }
    tp__wait_list_append(&channel->receivers, &single.clause.link);
    tp__spinlock_unlock(&channel->lock);
    status = tp__wait_park(&single.wait, tp__deadline_ns(timeout_ms), TP__WAIT_CANCELLABLE);
    if (tp__unlikely(status != TP_OK || single.clause.status != TP_OK || tp__kind_is_counted(kind) ||
                     tp__message_is_boxed(size)))
        return finish_receive(&single, status, name);
    return TP_OK;
}

tp_status tp__recv(tp_channel *channel, void *out, tp_kind kind, size_t size, int64_t timeout_ms)
{
    if (tp__unlikely(!channel || !out)) {
        if (out)
            memset(out, 0, size);
        return argument_missing("tp_recv", !channel);
    }
    tp__channel_lock(channel);
    if (tp__message_queue_count(&channel->queue) == 0)
        return receive_later(channel, out, kind, size, timeout_ms);
    const struct tp__message *message = tp__message_queue_front(&channel->queue);
    if (tp__unlikely(message->kind != kind || message->size != size || tp__message_is_boxed(size)))
        return receive_slowly(channel, out, kind, size, timeout_ms);
    tp__message_copy_bytes(out, message->in.bytes, size);
    struct tp__message_ring *retired = tp__message_queue_pop(&channel->queue);
    struct tp__clause *sender = channel->senders.first ? refill(channel) : NULL;
    tp__spinlock_unlock(&channel->lock);
    if (tp__unlikely(retired != NULL))
        tp__message_rings_free(retired);
    if (sender)
        tp__wait_wake(sender->wait);
    return tp__likely(!tp__kind_is_counted(kind)) ? TP_OK : tp__value_give(kind, size, out);
}

tp_status tp_channel_close(tp_channel *channel)
{
    if (!channel)
        return argument_missing("tp_channel_close", true);
    int woken_now;
    do {
        struct woken woken = {.first = NULL};
        woken_now = 0;
        tp__channel_lock(channel);
        channel->closed = true;
        while (woken_now < WAKES_A_LOCK) {
            struct tp__clause *clause = take_first(&channel->receivers);
            if (!clause)
                clause = take_first(&channel->senders);
            if (!clause)
                break;
            woken_add(&woken, clause, TP_E_CLOSED);
            woken_now++;
        }
        tp__spinlock_unlock(&channel->lock);
        woken_wake(&woken);
    } while (woken_now == WAKES_A_LOCK);
    return TP_OK;
}

tp_channel *tp__channel_new(size_t capacity, const char *name, size_t name_length)
{
    if (capacity > TP__RING_SLOTS_LIMIT) {
        tp__fail(TP_E_LIMIT,
                 "tp_channel_open: a capacity of %zu is larger than the limit of %" PRIu32
                 "; 0 makes an unbounded channel",
                 capacity, TP__RING_SLOTS_LIMIT);
        return NULL;
    }
    tp_channel *channel = tp__alloc_aligned(TP__CACHE_PAIR, sizeof *channel + name_length + 1);
    if (!channel) {
        tp__fail_nomem("a channel");
        return NULL;
    }
    memset(channel, 0, sizeof *channel);
    channel->capacity = (uint32_t)capacity;
    atomic_init(&channel->references, 1);
    channel->named = name_length > 0;
    channel->name_length = name_length;
    if (name_length > 0)
        memcpy(channel->name, name, name_length);
    channel->name[name_length] = '\0';
    return channel;
}

tp_channel *tp_channel_open(size_t capacity)
{
    return tp__channel_new(capacity, NULL, 0);
}

void tp_channel_release(tp_channel *channel)
{
    if (!channel || channel->named)
        return;
    tp_channel_close(channel);
    tp__channel_unref(channel);
}

tp_channel *tp__channel_retain(tp_channel *channel)
{
    /* relaxed: whoever retains holds a reference already */
    atomic_fetch_add_explicit(&channel->references, 1, memory_order_relaxed);
    return channel;
}

void tp__channel_unref(tp_channel *channel)
{
    /* acq_rel: the last one sees all that the others did */
    if (!channel || atomic_fetch_sub_explicit(&channel->references, 1, memory_order_acq_rel) > 1)
        return;
    tp__message_queue_fini(&channel->queue);
    tp__free(channel);
}

void tp__channel_clear(tp_channel *channel)
{
    tp__channel_lock(channel);
    struct tp__message_queue queue = channel->queue;
    memset(&channel->queue, 0, sizeof channel->queue);
    tp__spinlock_unlock(&channel->lock);
    tp__message_queue_fini(&queue);
}

size_t tp_channel_size(const tp_channel *channel)
{
    return channel ? tp__message_queue_count(&channel->queue) : 0;
}

const char *tp_channel_name(const tp_channel *channel)
{
    return channel ? channel->name : "";
}
