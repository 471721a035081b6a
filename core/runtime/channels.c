/* SPDX-License-Identifier: MIT */
#include "runtime/channels.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/spinlock.h"
#include "runtime/channel.h"
#include "runtime/proxy.h"

enum { BUCKETS_FIRST = 16 };

struct tp__channels {
    struct tp__remote *remote; /* where they are, NULL if here */
    tp__spinlock lock;
    size_t count;
    size_t bucket_count; /* a power of 2 */
    tp_channel **buckets;
};

/* FNV-1a. */
static size_t hash_of(const char *name, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325U;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 0x100000001B3U;
    return (size_t)(hash ^ (hash >> 32));
}

struct tp__channels *tp__channels_new(struct tp__remote *remote)
{
    struct tp__channels *channels = tp__alloc_zeroed(1, sizeof *channels);
    if (channels) {
        channels->remote = remote;
        channels->bucket_count = BUCKETS_FIRST;
        channels->buckets = tp__alloc_zeroed(BUCKETS_FIRST, sizeof(tp_channel *));
    }
    if (!channels || !channels->buckets) {
        tp__free(channels);
        tp__fail_nomem("a pool's channels");
        return NULL;
    }
    return channels;
}

static tp_channel *find(const struct tp__channels *channels, size_t hash, const char *name, size_t length)
{
    tp_channel *channel = channels->buckets[hash & (channels->bucket_count - 1)];
    while (channel &&
           !(channel->name_hash == hash && channel->name_length == length && memcmp(channel->name, name, length) == 0))
        channel = channel->next_in_bucket;
    return channel;
}

static void insert(tp_channel **buckets, size_t bucket_count, tp_channel *channel)
{
    tp_channel **bucket = &buckets[channel->name_hash & (bucket_count - 1)];
    channel->next_in_bucket = *bucket;
    *bucket = channel;
}

/* Doubles the table when it is crowded. Without memory it stays crowded. */
static void make_room(struct tp__channels *channels)
{
    tp__spinlock_lock(&channels->lock);
    const size_t old_count = channels->bucket_count;
    const bool crowded = channels->count > old_count;
    tp__spinlock_unlock(&channels->lock);
    tp_channel **buckets = crowded ? tp__alloc_zeroed(old_count * 2, sizeof *buckets) : NULL;
    if (!buckets)
        return;
    tp__spinlock_lock(&channels->lock);
    if (channels->bucket_count == old_count) {
        for (size_t i = 0; i < old_count; i++) {
            tp_channel *channel = channels->buckets[i];
            while (channel) {
                tp_channel *next = channel->next_in_bucket;
                insert(buckets, old_count * 2, channel);
                channel = next;
            }
        }
        tp_channel **old = channels->buckets;
        channels->buckets = buckets;
        channels->bucket_count = old_count * 2;
        buckets = old;
    }
    tp__spinlock_unlock(&channels->lock);
    tp__free(buckets);
}

/* The channel of that name, made with that capacity if there is none; `channels` keeps the reference. */
static tp_channel *get(struct tp__channels *channels, const char *name, size_t length, size_t capacity)
{
    if (length == 0 || length > TP__CHANNEL_NAME_LIMIT || memchr(name, '\0', length)) {
        tp__fail(TP_E_ARGUMENT, "a channel's name has 1 to %d bytes, none of them 0; this one has %zu",
                 (int)TP__CHANNEL_NAME_LIMIT, length);
        return NULL;
    }
    const size_t hash = hash_of(name, length);
    tp__spinlock_lock(&channels->lock);
    tp_channel *channel = find(channels, hash, name, length);
    tp__spinlock_unlock(&channels->lock);
    if (channel)
        return channel;
    tp_channel *made = tp__channel_new(capacity, name, length);
    if (!made)
        return NULL;
    made->name_hash = hash;
    if (channels->remote)
        tp__proxy_init(made, channels->remote);
    make_room(channels);
    tp__spinlock_lock(&channels->lock);
    channel = find(channels, hash, name, length);
    if (!channel) {
        channel = made;
        made = NULL;
        insert(channels->buckets, channels->bucket_count, channel);
        channels->count++;
    }
    tp__spinlock_unlock(&channels->lock);
    tp__channel_unref(made);
    return channel;
}

tp_channel *tp__channels_get(struct tp__channels *channels, const char *name)
{
    if (!name) {
        tp__fail(TP_E_ARGUMENT, "tp_pool_channel: the name is NULL");
        return NULL;
    }
    return get(channels, name, strlen(name), 0);
}

tp_channel *tp__channels_get_with(struct tp__channels *channels, const char *name, size_t capacity)
{
    if (!name) {
        tp__fail(TP_E_ARGUMENT, "tp_pool_channel_with: the name is NULL");
        return NULL;
    }
    tp_channel *channel = get(channels, name, strlen(name), capacity);
    if (channel && channel->elsewhere)
        return tp__proxy_open(channel, capacity) == TP_OK ? channel : NULL;
    if (channel && channel->capacity != capacity) {
        tp__fail(TP_E_ARGUMENT, "tp_pool_channel_with: channel \"%s\" exists with a capacity of %zu, not %zu", name,
                 (size_t)channel->capacity, capacity);
        return NULL;
    }
    return channel;
}

tp_channel *tp__channels_resolve(struct tp__channels *channels, const char *name, size_t length)
{
    if (!channels) {
        tp__fail(TP_E_DECODE, "a channel cannot be decoded here: there is no pool whose channel it could be");
        return NULL;
    }
    tp_channel *channel = get(channels, name, length, 0);
    return channel ? tp__channel_retain(channel) : NULL;
}

static void close_and_give_up(tp_channel *channel)
{
    if (!channel->elsewhere)
        tp_channel_close(channel);
    tp__channel_give_up(channel);
}

static void for_each(const struct tp__channels *channels, void (*function)(tp_channel *channel))
{
    for (size_t i = 0; i < channels->bucket_count; i++) {
        tp_channel *channel = channels->buckets[i];
        while (channel) {
            tp_channel *next = channel->next_in_bucket;
            function(channel);
            channel = next;
        }
    }
}

void tp__channels_free(struct tp__channels *channels)
{
    if (!channels)
        return;
    /* All are emptied before the first is given up: messages may hold channels of this pool, even the one they lie
     * in. */
    for_each(channels, close_and_give_up);
    for_each(channels, tp__channel_unref);
    tp__free(channels->buckets);
    tp__free(channels);
}
