/* SPDX-License-Identifier: MIT */
/** @file
 * A list of those who wait, first come first served. The links lie in the waiters' frames, so that a million may wait
 * on one object and each can be taken out in constant time. The object's lock guards its list and the links in it.
 */
#ifndef TP_RUNTIME_WAIT_LIST_H
#define TP_RUNTIME_WAIT_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tp__wait_link {
    struct tp__wait_link *next; /**< the next one in the circle; free for other use once taken out */
    struct tp__wait_link *prev; /**< NULL when it is in no list */
};

struct tp__wait_list {
    struct tp__wait_link *first; /**< NULL when empty; first->prev is the last */
};

static inline bool tp__wait_link_is_linked(const struct tp__wait_link *link)
{
    return link->prev != NULL;
}

/** The one behind `link`, NULL behind the last. */
static inline struct tp__wait_link *tp__wait_list_next(const struct tp__wait_list *list,
                                                       const struct tp__wait_link *link)
{
    return link->next == list->first ? NULL : link->next;
}

static inline void tp__wait_list_append(struct tp__wait_list *list, struct tp__wait_link *link)
{
    struct tp__wait_link *const first = list->first;
    if (!first) {
        link->next = link->prev = link;
        list->first = link;
        return;
    }
    link->next = first;
    link->prev = first->prev;
    first->prev->next = link;
    first->prev = link;
}

static inline void tp__wait_list_remove(struct tp__wait_list *list, struct tp__wait_link *link)
{
    if (link->next == link) {
        list->first = NULL;
    } else {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        if (list->first == link)
            list->first = link->next;
    }
    link->prev = NULL;
}

#endif
