/* SPDX-License-Identifier: MIT */
#include "runtime/channel.h"

#include "base/alloc.h"
#include "base/error.h"
#include "runtime/clause.h"
#include "runtime/proxy.h"

#include <inttypes.h>
#include <sched.h>

_Static_assert(offsetof(struct tp_channel, references) == TP__CACHE_LINE, "one line for the lock and what it guards");

enum {
    WAKES_A_LOCK = 64, /* a million waiters are woken in portions, so that nobody spins for long */
    PAUSES_FIRST = 32, /* between the looks at a busy lock; doubled each time */
    PAUSES_MOST = 128,
    LOOKS_BEFORE_YIELD = 16, /* then the holder was preempted: it needs a processor more than we do */
};

/* A busy lock is left alone for a microsecond or more, not watched: the holder's next operations find the channel in
 * its cache then, and a sender and a receiver on two processors work in turns of dozens of messages instead of fetching
 * the cache line from each other for each (measured: twice the messages per second in a pipeline). */
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

tp_status tp_channel_close(tp_channel *channel)
{
    if (!channel)
        return tp__fail(TP_E_ARGUMENT, "tp_channel_close: the channel is NULL");
    if (channel->elsewhere)
        return tp__proxy_close(channel);
    while (tp__clauses_close(channel, WAKES_A_LOCK))
        continue;
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

void tp__channel_give_up(tp_channel *channel)
{
    atomic_store_explicit(&channel->remote, NULL, memory_order_release);
    tp__channel_lock(channel);
    channel->given_up = true;
    struct tp__message_queue queue = channel->queue;
    memset(&channel->queue, 0, sizeof channel->queue);
    tp__spinlock_unlock(&channel->lock);
    tp__message_queue_fini(&queue);
}

size_t tp_channel_size(const tp_channel *channel)
{
    if (!channel)
        return 0;
    return tp__unlikely(channel->elsewhere) ? tp__proxy_size(channel) : tp__message_queue_count(&channel->queue);
}

const char *tp_channel_name(const tp_channel *channel)
{
    return channel ? channel->name : "";
}
