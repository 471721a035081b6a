/* SPDX-License-Identifier: MIT */
/** @file
 * Waiting for descriptors: an epoll instance a loop, made when the first green thread waits for one.
 */
#ifndef TP_RUNTIME_POLLER_H
#define TP_RUNTIME_POLLER_H

#include <stddef.h>
#include <stdint.h>
#include <taskpool/status.h>

struct tp__poller {
    int epoll_fd;   /* valid if `is_open` */
    int wake_fd;    /* an eventfd in it */
    int watched_fd; /* valid if `has_watched`: in it, armed by tp__poller_watch for one event */
    size_t waiting; /* descriptors in it, without wake_fd and watched_fd */
    _Bool is_open;
    _Bool has_watched;
    _Bool is_watching; /* watched_fd ends the next poll */
};

/** Is there a descriptor to sleep on? */
static inline _Bool tp__poller_is_needed(const struct tp__poller *poller)
{
    return poller->is_open && (poller->waiting > 0 || poller->is_watching);
}

void tp__poller_fini(struct tp__poller *poller);
/** In the child of a fork: what the descriptors refer to is the parent's. The copies of fibers that wait wait on. */
void tp__poller_forked(struct tp__poller *poller);

/** Wakes the fibers whose descriptors are ready; sleeps until one is, until tp__poller_interrupt or until the deadline
 *  (a deadline that has passed: looks and returns). */
void tp__poller_poll(struct tp__poller *poller, int64_t deadline_ns);

/** The next tp__poller_poll also ends when this descriptor is readable; what it waited for before, too. False if there
 *  is no epoll to be had. */
_Bool tp__poller_watch(struct tp__poller *poller, int fd);
void tp__poller_unwatch(struct tp__poller *poller);

/** From any thread: ends a tp__poller_poll that sleeps, or the next one. */
void tp__poller_interrupt(struct tp__poller *poller);

#endif
