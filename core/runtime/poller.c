/* SPDX-License-Identifier: MIT */
#include "runtime/poller.h"

#include "base/clock.h"
#include "base/error.h"
#include "runtime/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <taskpool/green.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 64 };

/* Lies in the frame of tp_wait_fd. */
struct descriptor_wait {
    struct tp__wait wait;
    struct tp__poller *poller;
    int fd;
};

static void close_keeping_errno(int fd)
{
    const int saved = errno;
    close(fd);
    errno = saved;
}

static bool open_poller(struct tp__poller *poller)
{
    if (poller->is_open)
        return true;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0)
        return false;
    poller->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}; /* data.ptr NULL: the interrupt */
    if (poller->wake_fd >= 0 && epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->wake_fd, &event) == 0) {
        poller->is_open = true;
        return true;
    }
    if (poller->wake_fd >= 0)
        close_keeping_errno(poller->wake_fd);
    close_keeping_errno(poller->epoll_fd);
    return false;
}

void tp__poller_fini(struct tp__poller *poller)
{
    if (!poller->is_open)
        return;
    close_keeping_errno(poller->wake_fd);
    close_keeping_errno(poller->epoll_fd);
    *poller = (struct tp__poller){0};
}

void tp__poller_forked(struct tp__poller *poller)
{
    const size_t waiting = poller->waiting;
    const _Bool was_open = poller->is_open;
    tp__poller_fini(poller);
    poller->waiting = waiting;
    if (was_open)
        (void)open_poller(poller); /* who needs it tries again */
}

/* The event of watched_fd: all that it does is to end the poll. */
static char watched_event;

_Bool tp__poller_watch(struct tp__poller *poller, int fd)
{
    if (!open_poller(poller))
        return false;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = &watched_event};
    const bool is_same = poller->has_watched && poller->watched_fd == fd;
    if (epoll_ctl(poller->epoll_fd, is_same ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
        return false;
    poller->has_watched = poller->is_watching = true;
    poller->watched_fd = fd;
    return true;
}

void tp__poller_unwatch(struct tp__poller *poller)
{
    poller->is_watching = false; /* an event that comes now ends another poll, which does no harm */
}

static bool forget(struct descriptor_wait *self)
{
    if (self->fd < 0)
        return false;
    const int saved = errno;
    (void)epoll_ctl(self->poller->epoll_fd, EPOLL_CTL_DEL, self->fd, NULL); /* the user may have closed it */
    errno = saved;
    self->poller->waiting--;
    self->fd = -1;
    return true;
}

static bool withdraw_descriptor(struct tp__wait *wait)
{
    return forget((struct descriptor_wait *)wait);
}

/* To the nanosecond where the kernel can (Linux 5.11), else rounded up to the millisecond. */
static int wait_for_events(int epoll_fd, struct epoll_event *events, int64_t deadline_ns)
{
    static atomic_bool only_milliseconds;
    const int64_t left_ns = deadline_ns == TP__NEVER ? 0 : deadline_ns - tp__now_ns();
    const struct timespec limit = {.tv_sec = left_ns > 0 ? left_ns / 1000000000 : 0,
                                   .tv_nsec = left_ns > 0 ? left_ns % 1000000000 : 0};
    if (!atomic_load_explicit(&only_milliseconds, memory_order_relaxed)) {
        const int count =
            epoll_pwait2(epoll_fd, events, EVENTS_AT_ONCE, deadline_ns == TP__NEVER ? NULL : &limit, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count;
        atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
    }
    const int64_t left_ms = left_ns > 0 ? (left_ns + 999999) / 1000000 : 0;
    return epoll_wait(epoll_fd, events, EVENTS_AT_ONCE,
                      deadline_ns == TP__NEVER ? -1 : (int)(left_ms < INT_MAX ? left_ms : INT_MAX));
}

void tp__poller_poll(struct tp__poller *poller, int64_t deadline_ns)
{
    const int saved = errno;
    struct epoll_event events[EVENTS_AT_ONCE];
    const int count = wait_for_events(poller->epoll_fd, events, deadline_ns);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &watched_event)
            continue;
        struct descriptor_wait *waiter = events[i].data.ptr;
        if (waiter) {
            forget(waiter);
            tp__wait_wake(&waiter->wait);
        } else {
            uint64_t interrupts;
            (void)!read(poller->wake_fd, &interrupts, sizeof interrupts);
        }
    }
    errno = saved;
}

void tp__poller_interrupt(struct tp__poller *poller)
{
    const int saved = errno;
    const uint64_t one = 1;
    (void)!write(poller->wake_fd, &one, sizeof one); /* full: then an interrupt is pending already */
    errno = saved;
}

tp_status tp_wait_fd(int fd, int events, int64_t timeout_ms)
{
    if (fd < 0)
        return tp__fail(TP_E_ARGUMENT, "tp_wait_fd: %d is not a descriptor", fd);
    if (events == 0 || (events & ~(TP_FD_READ | TP_FD_WRITE)))
        return tp__fail(TP_E_ARGUMENT, "tp_wait_fd: events is %d; give TP_FD_READ, TP_FD_WRITE or both", events);
    struct descriptor_wait self = {.fd = fd};
    const tp_status status = tp__wait_init(&self.wait, withdraw_descriptor);
    if (status != TP_OK)
        return status;
    self.poller = &tp__loop_of_thread->poller;
    if (!open_poller(self.poller))
        return tp__fail_errno(TP_E_SYSTEM, "tp_wait_fd: epoll cannot be had");
    struct epoll_event event = {.events = (events & TP_FD_READ ? EPOLLIN | EPOLLRDHUP : 0) |
                                          (events & TP_FD_WRITE ? EPOLLOUT : 0),
                                .data.ptr = &self};
    if (epoll_ctl(self.poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        if (errno == EPERM)
            return TP_OK; /* a regular file or directory: always ready */
        if (errno == EEXIST)
            return tp__fail(TP_E_BUSY, "tp_wait_fd: another green thread of this OS thread waits for descriptor %d",
                            fd);
        return tp__fail_errno(errno == EBADF ? TP_E_ARGUMENT : TP_E_SYSTEM, "tp_wait_fd: descriptor %d", fd);
    }
    self.poller->waiting++;
    return tp__wait_park(&self.wait, tp__deadline_ns(timeout_ms), TP__WAIT_CANCELLABLE);
}
