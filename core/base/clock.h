/* SPDX-License-Identifier: MIT */
/** @file
 * Time: monotonic nanoseconds, and the deadlines on which every blocking call works inside.
 */
#ifndef TP_BASE_CLOCK_H
#define TP_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define TP__NEVER INT64_MAX

static inline int64_t tp__now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/** The deadline of a time limit that starts now; any negative limit is TP_FOREVER. */
static inline int64_t tp__deadline_ns(int64_t timeout_ms)
{
    if (timeout_ms < 0)
        return TP__NEVER;
    const int64_t now = tp__now_ns();
    return timeout_ms > (TP__NEVER - now) / 1000000 ? TP__NEVER : now + timeout_ms * 1000000;
}

#endif
