/* SPDX-License-Identifier: MIT */
/** @file
 * Descriptors to wait for: a thin coat over epoll, level-triggered, for one thread.
 */
#ifndef NODE_EVENTS_H
#define NODE_EVENTS_H

#include "wire/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct events {
    int descriptor;
    bool removed; /**< a source went while a round was under way */
};

/** What is called when the descriptor is ready; embedded in what it belongs to. */
struct event_source {
    int descriptor; /**< -1: not watched */
    uint32_t wanted;
    void (*ready)(struct event_source *source, uint32_t happened);
};

/** The structure that a source is embedded in. */
#define EVENTS_OWNER(source, type, member) ((type *)(void *)((char *)(source)-offsetof(type, member)))

bool events_open(struct events *events, struct tp__problem *problem);
void events_close(struct events *events);

/** The source must stay until events_remove. */
bool events_add(struct events *events, struct event_source *source, int descriptor, uint32_t wanted,
                void (*ready)(struct event_source *, uint32_t), struct tp__problem *problem);
/** Waits for other things from now on. Cheap if they are the same. */
void events_want(struct events *events, struct event_source *source, uint32_t wanted);
/** Does not close the descriptor. Does nothing if it is not watched. */
void events_remove(struct events *events, struct event_source *source);

/** Waits until something happens or the time is over, and calls whom it concerns. -1: no limit. */
void events_wait(struct events *events, int timeout_ms);

#endif
