/* SPDX-License-Identifier: MIT */
#include "runtime/message.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/payload.h"

#include <stdio.h>

_Static_assert(sizeof(struct tp__message) == 32, "two messages a cache line");

/* Says in the error that is stored which channel it is about, if it has a name. */
static tp_status name_channel(const char *channel, tp_status status)
{
    char message[400];
    if (status == TP_E_NOMEM || channel[0] == '\0')
        return status;
    snprintf(message, sizeof message, "%s", tp_last_error()->message);
    return tp__fail(status, "channel '%s': %s", channel, message);
}

tp_status tp__message_pack(const char *channel, tp_kind kind, size_t size, const void *value, unsigned char *loose,
                           union tp__content *out)
{
    if (size > TP__MESSAGE_LIMIT_BYTES) {
        tp__fail(TP_E_LIMIT, "tp_send: a message of %zu bytes is larger than the limit of %d", size,
                 (int)TP__MESSAGE_LIMIT_BYTES);
        return name_channel(channel, TP_E_LIMIT);
    }
    void *to = loose;
    if (tp__message_is_boxed(size)) {
        to = tp__alloc(size);
        if (!to)
            return tp__fail_nomem("a message");
    }
    if (tp__kind_is_counted(kind)) {
        const tp_status status = tp__value_copy(kind, size, to, value);
        if (status != TP_OK) {
            if (to != loose)
                tp__free(to);
            return name_channel(channel, status);
        }
    } else {
        memcpy(to, value, size);
    }
    out->block = to;
    return TP_OK;
}

void tp__message_drop(tp_kind kind, size_t size, union tp__content content)
{
    if (tp__kind_is_counted(kind))
        tp__value_drop(kind, size, content.block);
    if (tp__message_is_boxed(size))
        tp__free(content.block);
}

static uint32_t power_of_two(size_t at_least)
{
    uint32_t slots = 1;
    while (slots < at_least && slots < TP__RING_SLOTS_LIMIT)
        slots *= 2;
    return slots;
}

uint32_t tp__message_ring_full_slots(uint32_t capacity)
{
    return power_of_two(capacity);
}

uint32_t tp__message_queue_next_slots(const struct tp__message_queue *queue, uint32_t capacity)
{
    size_t wanted = TP__RING_SLOTS_FIRST;
    if (queue->in && queue->room == 0)
        wanted = 2 * ((size_t)queue->in->mask + 1);
    else if (2 * (tp__message_queue_count(queue) + 1) > wanted)
        wanted = 2 * (tp__message_queue_count(queue) + 1);
    return power_of_two(capacity > 0 && wanted > capacity ? capacity : wanted);
}

bool tp__message_queue_can_refill(const struct tp__message_queue *queue, uint32_t capacity)
{
    return queue->out == queue->in || queue->in->mask >= capacity - 1;
}

struct tp__message_ring *tp__message_ring_new(uint32_t slots)
{
    struct tp__message_ring *ring =
        tp__alloc_aligned(TP__CACHE_LINE, sizeof *ring + (size_t)slots * sizeof ring->slots[0]);
    if (ring) {
        ring->next = NULL;
        ring->mask = slots - 1;
        ring->end = 0;
        ring->start = 0;
    }
    return ring;
}

void tp__message_rings_free(struct tp__message_ring *rings)
{
    while (rings) {
        struct tp__message_ring *ring = rings;
        rings = ring->next;
        tp__free(ring);
    }
}

/* The chain of rings before `in` that are empty, taken out of the queue. */
static struct tp__message_ring *take_empty_rings(struct tp__message_queue *queue)
{
    struct tp__message_ring *empty = NULL;
    while (queue->out != queue->in && queue->out_position == queue->out->end) {
        struct tp__message_ring *ring = queue->out;
        queue->out = ring->next;
        queue->out_position = queue->out->start;
        ring->next = empty;
        empty = ring;
    }
    return empty;
}

static void forget_rings(struct tp__message_queue *queue)
{
    queue->out = queue->in = NULL;
    queue->out_position = queue->in_position = queue->room = queue->low = 0;
}

struct tp__message_ring *tp__message_queue_retire(struct tp__message_queue *queue)
{
    struct tp__message_ring *retired = take_empty_rings(queue);
    if (tp__message_queue_count(queue) == 0 && queue->out->mask >= TP__RING_SLOTS_KEPT) {
        queue->out->next = retired;
        retired = queue->out;
        forget_rings(queue);
    }
    return retired;
}

struct tp__message_ring *tp__message_queue_add(struct tp__message_queue *queue, struct tp__message_ring *ring)
{
    if (queue->in) {
        queue->in->end = queue->in_position;
        queue->in->next = ring;
    } else {
        queue->out = ring;
        queue->out_position = 0;
    }
    queue->in = ring;
    queue->in_position = 0;
    queue->room = ring->mask + 1;
    queue->low = ring->mask < TP__RING_SLOTS_KEPT ? 0 : ring->mask / 16;
    return take_empty_rings(queue);
}

bool tp__message_queue_has_front_room(const struct tp__message_queue *queue)
{
    if (queue->out == queue->in)
        return queue->room > 0; /* 0 without a ring */
    return queue->out->end - queue->out_position <= queue->out->mask;
}

void tp__message_queue_push_front(struct tp__message_queue *queue, tp_kind kind, size_t size, union tp__content content)
{
    struct tp__message *slot = &queue->out->slots[--queue->out_position & queue->out->mask];
    if (queue->out == queue->in)
        queue->room--;
    atomic_store_explicit(&queue->count, tp__message_queue_count(queue) + 1, memory_order_relaxed);
    slot->size = (uint32_t)size;
    slot->kind = kind;
    if (tp__message_is_boxed(size))
        slot->in.block = content.block;
    else
        memcpy(slot->in.bytes, content.bytes, size);
}

void tp__message_queue_add_front(struct tp__message_queue *queue, struct tp__message_ring *ring)
{
    if (!queue->out) {
        (void)tp__message_queue_add(queue, ring); /* the first: there is none to be freed */
        return;
    }
    queue->out->start = queue->out_position;
    ring->next = queue->out;
    ring->end = ring->mask + 1; /* it is filled from its end */
    queue->out = ring;
    queue->out_position = ring->end;
}

void tp__message_queue_fini(struct tp__message_queue *queue)
{
    while (tp__message_queue_count(queue) > 0) {
        const struct tp__message *message = tp__message_queue_front(queue);
        /* The slot's own bytes are loose: dropping them is what empties it. */
        tp__message_drop(message->kind, message->size, tp__message_content(message));
        tp__message_rings_free(tp__message_queue_pop(queue));
    }
    tp__message_rings_free(queue->out);
    forget_rings(queue);
}
