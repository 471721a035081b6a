/* SPDX-License-Identifier: MIT */
/** @file
 * Lists in a ring, whose links lie inside what is listed: taking something off needs nothing but itself.
 */
#ifndef TP_CLUSTER_SESSION_RING_H
#define TP_CLUSTER_SESSION_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    struct ring *next, *previous;
};

/** What the link lies in. */
#define TP__RING_OF(link, type, member) ((type *)((uintptr_t)(link)-offsetof(type, member)))

static inline void tp__ring_init(struct ring *ring)
{
    ring->next = ring->previous = ring;
}
static inline bool tp__ring_is_empty(const struct ring *ring)
{
    return ring->next == ring;
}
/** Puts `link` before `place`: at the end of the list that begins at `place`. */
static inline void tp__ring_append(struct ring *place, struct ring *link)
{
    link->previous = place->previous;
    link->next = place;
    place->previous->next = link;
    place->previous = link;
}
static inline void tp__ring_prepend(struct ring *place, struct ring *link)
{
    tp__ring_append(place->next, link);
}
/** Takes it off; it is a ring of its own then. */
static inline void tp__ring_remove(struct ring *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    tp__ring_init(link);
}
/** Moves all of `from` to the end of `to`. */
static inline void tp__ring_splice(struct ring *to, struct ring *from)
{
    if (tp__ring_is_empty(from))
        return;
    from->next->previous = to->previous;
    from->previous->next = to;
    to->previous->next = from->next;
    to->previous = from->previous;
    tp__ring_init(from);
}

#endif
