/* SPDX-License-Identifier: MIT */
#include "runtime/poller.h"

#include "base/clock.h"
#include "base/error.h"
#include "runtime/loop.h"

#include <errno.h>
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

void tp__poller_poll(struct tp__poller *poller, int64_t deadline_ns)
{
    const int saved = errno;
    struct epoll_event events[EVENTS_AT_ONCE];
    struct timespec limit = {0};
    if (deadline_ns != TP__NEVER) {
        const int64_t left = deadline_ns - tp__now_ns();
        if (left > 0)
            limit = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    }
    const int count =
        epoll_pwait2(poller->epoll_fd, events, EVENTS_AT_ONCE, deadline_ns == TP__NEVER ? NULL : &limit, NULL);
    for (int i = 0; i < count; i++) {
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
