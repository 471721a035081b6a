/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <errno.h>
#include <unistd.h>

bool events_open(struct events *events, struct tp__problem *problem)
{
    *events = (struct events){.descriptor = epoll_create1(EPOLL_CLOEXEC)};
    return events->descriptor >= 0 || tp__problem_errno(problem, TP_E_SYSTEM, "cannot wait for events");
}

void events_close(struct events *events)
{
    if (events->descriptor >= 0)
        close(events->descriptor);
    events->descriptor = -1;
}

bool events_add(struct events *events, struct event_source *source, int descriptor, uint32_t wanted,
                void (*ready)(struct event_source *, uint32_t), struct tp__problem *problem)
{
    *source = (struct event_source){descriptor, wanted, ready};
    struct epoll_event event = {.events = wanted, .data.ptr = source};
    if (epoll_ctl(events->descriptor, EPOLL_CTL_ADD, descriptor, &event) == 0)
        return true;
    source->descriptor = -1;
    return tp__problem_errno(problem, TP_E_SYSTEM, "cannot watch a descriptor");
}

void events_want(struct events *events, struct event_source *source, uint32_t wanted)
{
    if (source->descriptor < 0 || source->wanted == wanted)
        return;
    source->wanted = wanted;
    struct epoll_event event = {.events = wanted, .data.ptr = source};
    (void)epoll_ctl(events->descriptor, EPOLL_CTL_MOD, source->descriptor, &event);
}

void events_remove(struct events *events, struct event_source *source)
{
    if (source->descriptor < 0)
        return;
    (void)epoll_ctl(events->descriptor, EPOLL_CTL_DEL, source->descriptor, NULL);
    source->descriptor = -1;
    events->removed = true;
}

void events_wait(struct events *events, int timeout_ms)
{
    struct epoll_event happened[64];
    const int count = epoll_wait(events->descriptor, happened, sizeof happened / sizeof happened[0], timeout_ms);
    events->removed = false;
    /* After a removal the rest may point to what is gone; it is level-triggered, so the next round tells again. */
    for (int i = 0; i < count && !events->removed; i++) {
        struct event_source *source = happened[i].data.ptr;
        source->ready(source, happened[i].events);
    }
}
