/* SPDX-License-Identifier: MIT */
/** @file
 * The inside of a channel, and its life.
 */
#ifndef TP_RUNTIME_CHANNEL_H
#define TP_RUNTIME_CHANNEL_H

#include "base/cpu.h"
#include "base/spinlock.h"
#include "closure/channel_ref.h"
#include "runtime/message.h"
#include "runtime/wait_list.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <taskpool/channel.h>

struct tp__remote;

struct tp_channel {
    /* What every operation touches, all in one cache line. */
    alignas(TP__CACHE_LINE) tp__spinlock lock;
    bool closed;
    bool named;        /**< one of a pool's channels */
    bool elsewhere;    /**< a proxy, for good: see proxy.h. It is `closed`, so that only the slow paths look at this */
    uint32_t capacity; /**< 0: unbounded */
    struct tp__wait_list receivers;
    struct tp__wait_list senders;
    struct tp__message_queue queue;

    alignas(TP__CACHE_LINE) atomic_size_t references;
    bool given_up;                       /**< its pool is closed: nobody will look for messages */
    _Atomic(struct tp__remote *) remote; /**< where a proxy's operations go; NULL once its pool is closed */
    struct tp_channel *next_in_bucket;   /**< in struct tp__channels, under its lock */
    size_t name_hash;
    size_t name_length;
    char name[];
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
/** The channel's pool is closed: drops the messages that are left, and those that come back later. */
void tp__channel_give_up(tp_channel *channel);

/** For messages after a wait: the name of a channel that may be gone by then if it has none. */
static inline const char *tp__channel_lasting_name(const tp_channel *channel)
{
    return channel->named ? channel->name : "";
}

#endif
