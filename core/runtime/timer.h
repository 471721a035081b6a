/* SPDX-License-Identifier: MIT */
/** @file
 * Timers: a pairing heap of nodes that lie in their owners, so that arming one never needs memory.
 *
 * Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap" (Algorithmica 1986): insert O(1), remove O(log n) amortized.
 * Not safe between threads: whoever owns the heap guards it.
 */
#ifndef TP_RUNTIME_TIMER_H
#define TP_RUNTIME_TIMER_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct tp__timer {
    int64_t deadline_ns;
    struct tp__timer *child;    /* the first of its children */
    struct tp__timer *sibling;  /* the next in its parent's list */
    struct tp__timer *previous; /* the one before in that list, the parent for the first; itself for the root */
    void (*fire)(struct tp__timer *timer);
};

struct tp__timers {
    struct tp__timer *root;
};

void tp__timers_add(struct tp__timers *timers, struct tp__timer *timer);
/** Takes an armed timer out. */
void tp__timers_remove(struct tp__timers *timers, struct tp__timer *timer);
/** Takes out the earliest timer if it is due at `now_ns`; NULL otherwise. */
struct tp__timer *tp__timers_take_due(struct tp__timers *timers, int64_t now_ns);

static inline bool tp__timer_is_armed(const struct tp__timer *timer)
{
    return timer->previous != NULL;
}

/** The deadline of the earliest timer, TP__NEVER if there is none. */
static inline int64_t tp__timers_next_ns(const struct tp__timers *timers)
{
    return timers->root ? timers->root->deadline_ns : TP__NEVER;
}

#endif
