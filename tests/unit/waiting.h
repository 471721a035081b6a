/* SPDX-License-Identifier: MIT */
/** @file
 * How tests know that others wait: they look into the list. No sleep makes a test believe it.
 */
#ifndef TESTS_UNIT_WAITING_H
#define TESTS_UNIT_WAITING_H

#include "runtime/clause.h"

#include <sched.h>

static inline size_t list_length(const struct tp__wait_list *list)
{
    size_t length = 0;
    const struct tp__wait_link *link = list->first;
    while (link) {
        length++;
        link = link->next == list->first ? NULL : link->next;
    }
    return length;
}

static inline size_t count_receivers(tp_channel *channel)
{
    tp__spinlock_lock(&channel->lock);
    const size_t length = list_length(&channel->receivers);
    tp__spinlock_unlock(&channel->lock);
    return length;
}

static inline size_t count_senders(tp_channel *channel)
{
    tp__spinlock_lock(&channel->lock);
    const size_t length = list_length(&channel->senders);
    tp__spinlock_unlock(&channel->lock);
    return length;
}

static inline void until_receivers(tp_channel *channel, size_t count)
{
    while (count_receivers(channel) != count)
        sched_yield();
}

static inline void until_senders(tp_channel *channel, size_t count)
{
    while (count_senders(channel) != count)
        sched_yield();
}

#endif
