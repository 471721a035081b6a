/* SPDX-License-Identifier: MIT */
#include "runtime/timer.h"

/* Both are roots or NULL. Of two with the same deadline the first stays above: first armed, first fired. */
static struct tp__timer *meld(struct tp__timer *first, struct tp__timer *second)
{
    if (!first)
        return second;
    if (!second)
        return first;
    if (second->deadline_ns < first->deadline_ns) {
        struct tp__timer *swap = first;
        first = second;
        second = swap;
    }
    second->sibling = first->child;
    if (first->child)
        first->child->previous = second;
    second->previous = first;
    first->child = second;
    return first;
}

/* Melds a list of siblings into one heap, in two passes: pairs from left to right, then all from right to left. */
static struct tp__timer *meld_list(struct tp__timer *list)
{
    struct tp__timer *pairs = NULL; /* linked by sibling, the last pair first */
    while (list) {
        struct tp__timer *left = list;
        struct tp__timer *right = left->sibling;
        list = right ? right->sibling : NULL;
        left->sibling = NULL;
        if (right)
            right->sibling = NULL;
        struct tp__timer *pair = meld(left, right);
        pair->sibling = pairs;
        pairs = pair;
    }
    struct tp__timer *heap = NULL;
    while (pairs) {
        struct tp__timer *next = pairs->sibling;
        pairs->sibling = NULL;
        heap = meld(pairs, heap);
        pairs = next;
    }
    return heap;
}

static void set_root(struct tp__timers *timers, struct tp__timer *root)
{
    timers->root = root;
    if (root) {
        root->previous = root;
        root->sibling = NULL;
    }
}

void tp__timers_add(struct tp__timers *timers, struct tp__timer *timer)
{
    timer->child = timer->sibling = NULL;
    set_root(timers, meld(timers->root, timer));
}

void tp__timers_remove(struct tp__timers *timers, struct tp__timer *timer)
{
    struct tp__timer *children = meld_list(timer->child);
    if (timers->root == timer) {
        set_root(timers, children);
    } else {
        if (timer->previous->child == timer)
            timer->previous->child = timer->sibling;
        else
            timer->previous->sibling = timer->sibling;
        if (timer->sibling)
            timer->sibling->previous = timer->previous;
        set_root(timers, meld(timers->root, children));
    }
    timer->child = timer->sibling = timer->previous = NULL;
}

struct tp__timer *tp__timers_take_due(struct tp__timers *timers, int64_t now_ns)
{
    struct tp__timer *timer = timers->root;
    if (!timer || timer->deadline_ns > now_ns)
        return NULL;
    tp__timers_remove(timers, timer);
    return timer;
}
