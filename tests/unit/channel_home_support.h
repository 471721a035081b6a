/* SPDX-License-Identifier: MIT */
/** @file
 * Operations on channels without a green thread that waits, for the tests of channel_home.h: each with a note of what
 * became of it.
 */
#ifndef TESTS_UNIT_CHANNEL_HOME_SUPPORT_H
#define TESTS_UNIT_CHANNEL_HOME_SUPPORT_H

#include "check.h"

#include "runtime/channel_home.h"

#include <stdatomic.h>

struct large {
    int64_t number;
    char rest[40];
};

/** An operation and what became of it. */
struct order {
    struct tp__home_operation *operation;
    atomic_int done;
};

static inline void note_done(struct tp__home_operation *operation, void *argument)
{
    struct order *order = argument;
    (void)operation;
    order->done++;
}

static inline void begin(struct order *order, const struct tp__home_case *cases, size_t count, bool wait)
{
    order->done = 0;
    order->operation = tp__home_begin(cases, count, wait, note_done, order);
    CHECK_OR_EXIT(order->operation != NULL);
}

static inline struct tp__home_case receive_case(tp_channel *channel, tp_kind kind, uint32_t size)
{
    return (struct tp__home_case){.channel = channel, .kind = kind, .size = size};
}

static inline struct tp__home_case send_case(tp_channel *channel, tp_kind kind, uint32_t size, const void *value)
{
    return (struct tp__home_case){.channel = channel, .send = true, .kind = kind, .size = size, .value = value};
}

static inline void begin_receive(struct order *order, tp_channel *channel)
{
    const struct tp__home_case one = receive_case(channel, TP_KIND_INT, 8);
    begin(order, &one, 1, true);
}

static inline void begin_send(struct order *order, tp_channel *channel, int64_t number)
{
    const struct tp__home_case one = send_case(channel, TP_KIND_INT, 8, &number);
    begin(order, &one, 1, true);
}

static inline const struct tp__home_outcome *outcome_of(const struct order *order)
{
    return tp__home_outcome(order->operation);
}

/** It is done, once, with that status. */
static inline void end_with(struct order *order, tp_status status)
{
    CHECK_INT(order->done, 1);
    CHECK_STATUS(outcome_of(order)->status, status);
    tp__home_end(order->operation);
}

#endif
