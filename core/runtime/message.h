/* SPDX-License-Identifier: MIT */
/** @file
 * Messages, and the queue in which a channel keeps them. Without a lock: the channel's guards it.
 *
 * A message is a kind, a size and up to 24 bytes; a larger one lies in a block. Integers and floats cost no allocation.
 *
 * The queue is a chain of rings. Messages enter the last one and leave the first. When the last is full a larger one is
 * linked behind it, and the first is freed once it is empty: growing and shrinking never move a message, however long
 * the queue is. Rings are allocated and freed by the caller, while it does not hold the lock.
 */
#ifndef TP_RUNTIME_MESSAGE_H
#define TP_RUNTIME_MESSAGE_H

#include "base/cpu.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <taskpool/kind.h>
#include <taskpool/status.h>

enum {
    TP__MESSAGE_INLINE_BYTES = 24,
    TP__MESSAGE_LIMIT_BYTES = 16 << 20,
    TP__RING_SLOTS_FIRST = 8,
    TP__RING_SLOTS_KEPT = 256 /**< a larger ring is given up when it is empty, or nearly so */
};

/** No ring, and so no bounded channel, has more slots: positions are 32 bits wide. */
#define TP__RING_SLOTS_LIMIT (UINT32_C(1) << 31)

/** Where a message's bytes are: at `bytes`, or, if there are more than fit into a slot, in `block` from tp__alloc. */
union tp__content {
    const void *bytes;
    void *block;
};

struct tp__message {
    union {
        alignas(8) unsigned char bytes[TP__MESSAGE_INLINE_BYTES];
        void *block; /**< of messages that are larger */
    } in;
    uint32_t size;
    tp_kind kind;
};

struct tp__message_ring {
    struct tp__message_ring *next;
    uint32_t mask;  /**< slots - 1 */
    uint32_t end;   /**< the position behind its last message; counts once another ring follows */
    uint32_t start; /**< the position of its first message, while it is not the one that messages leave */
    alignas(32) struct tp__message slots[];
};

struct tp__message_queue {
    struct tp__message_ring *out; /**< messages leave here; NULL before the first one */
    struct tp__message_ring *in;  /**< messages enter here; often the same ring */
    uint32_t out_position;
    uint32_t in_position;
    uint32_t room;       /**< free slots of `in` */
    uint32_t low;        /**< with fewer messages than this, `in` is far too large */
    atomic_size_t count; /**< messages in all; written under the lock, read without by tp_channel_size */
};

static inline bool tp__message_is_boxed(size_t size)
{
    return size > TP__MESSAGE_INLINE_BYTES;
}

/** Copies up to TP__MESSAGE_INLINE_BYTES bytes. */
static inline void tp__message_copy_bytes(void *to, const void *from, size_t size)
{
    switch (size) { /* constant sizes: a register each instead of a call */
    case 8:
        memcpy(to, from, 8);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    case 24:
        memcpy(to, from, 24);
        break;
    default:
        memcpy(to, from, size);
    }
}

/** Gets a value ready to be sent: loose, and in a block if it is large. A small one is copied to `loose`. `channel` is
 *  the name of the one that it is for, or "". TP_E_NOMEM, TP_E_LIMIT, TP_E_ARGUMENT as tp__value_copy. */
tp_status tp__message_pack(const char *channel, tp_kind kind, size_t size, const void *value, unsigned char *loose,
                           union tp__content *out);
/** Drops what was packed and not sent. */
void tp__message_drop(tp_kind kind, size_t size, union tp__content content);

static inline size_t tp__message_queue_count(const struct tp__message_queue *queue)
{
    return atomic_load_explicit(&queue->count, memory_order_relaxed);
}

/** True if a message can be pushed and the ring has a fitting size. */
static inline bool tp__message_queue_is_fit(const struct tp__message_queue *queue)
{
    return queue->room > 0 && tp__message_queue_count(queue) >= queue->low;
}

/** Queues a message; there must be room. */
static inline void tp__message_queue_push(struct tp__message_queue *queue, tp_kind kind, size_t size,
                                          union tp__content content)
{
    struct tp__message *slot = &queue->in->slots[queue->in_position++ & queue->in->mask];
    queue->room--;
    /* relaxed: the lock orders it for those who act on it */
    atomic_store_explicit(&queue->count, tp__message_queue_count(queue) + 1, memory_order_relaxed);
    slot->size = (uint32_t)size;
    slot->kind = kind;
    if (tp__unlikely(tp__message_is_boxed(size)))
        slot->in.block = content.block;
    else
        tp__message_copy_bytes(slot->in.bytes, content.bytes, size);
}

/** The message that is next to leave; there must be one. */
static inline struct tp__message *tp__message_queue_front(const struct tp__message_queue *queue)
{
    return &queue->out->slots[queue->out_position & queue->out->mask];
}

static inline union tp__content tp__message_content(const struct tp__message *message)
{
    if (tp__unlikely(tp__message_is_boxed(message->size)))
        return (union tp__content){.block = message->in.block};
    return (union tp__content){.bytes = message->in.bytes};
}

/** Takes the rings that are done with out of the queue: a chain. */
struct tp__message_ring *tp__message_queue_retire(struct tp__message_queue *queue);

/** Takes the front out. Returns rings to be freed, mostly NULL. */
static inline struct tp__message_ring *tp__message_queue_pop(struct tp__message_queue *queue)
{
    const size_t count = tp__message_queue_count(queue) - 1;
    atomic_store_explicit(&queue->count, count, memory_order_relaxed); /* as in tp__message_queue_push */
    queue->out_position++;
    if (tp__likely(queue->out == queue->in)) {
        queue->room++;
        if (tp__likely(count > 0 || queue->out->mask < TP__RING_SLOTS_KEPT))
            return NULL;
    } else if (queue->out_position != queue->out->end) {
        return NULL;
    }
    return tp__message_queue_retire(queue);
}

/** True if a message can be pushed before the front. */
bool tp__message_queue_has_front_room(const struct tp__message_queue *queue);
/** Puts a message before the front; there must be room. */
void tp__message_queue_push_front(struct tp__message_queue *queue, tp_kind kind, size_t size,
                                  union tp__content content);
/** Links a new ring before the front, which makes room there. */
void tp__message_queue_add_front(struct tp__message_queue *queue, struct tp__message_ring *ring);

/** How many slots the next ring needs, in a channel of that capacity (0: unbounded). */
uint32_t tp__message_queue_next_slots(const struct tp__message_queue *queue, uint32_t capacity);
/** The slots of a ring that holds everything that a bounded channel can. */
uint32_t tp__message_ring_full_slots(uint32_t capacity);
/** True if, while a bounded channel is full, each message that leaves makes room for another without a new ring. */
bool tp__message_queue_can_refill(const struct tp__message_queue *queue, uint32_t capacity);

struct tp__message_ring *tp__message_ring_new(uint32_t slots) __attribute__((warn_unused_result));
/** Frees a chain of rings, not the messages in them. NULL is allowed. */
void tp__message_rings_free(struct tp__message_ring *rings);
/** Links a new ring; returns rings to be freed, mostly NULL. */
struct tp__message_ring *tp__message_queue_add(struct tp__message_queue *queue, struct tp__message_ring *ring);

/** Drops all messages and frees everything. The queue is empty then, and usable. */
void tp__message_queue_fini(struct tp__message_queue *queue);

#endif
