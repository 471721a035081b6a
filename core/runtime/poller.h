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
    size_t waiting; /* descriptors in it, without wake_fd */
    _Bool is_open;
};

void tp__poller_fini(struct tp__poller *poller);

/** Wakes the fibers whose descriptors are ready; sleeps until one is, until tp__poller_interrupt or until the deadline
 *  (a deadline that has passed: looks and returns). */
void tp__poller_poll(struct tp__poller *poller, int64_t deadline_ns);

/** From any thread: ends a tp__poller_poll that sleeps, or the next one. */
void tp__poller_interrupt(struct tp__poller *poller);

#endif
