/* SPDX-License-Identifier: MIT */
/** @file
 * The node's time, in ms. Time that passes while the machine sleeps counts: what authorizes a session grows old then
 * too.
 */
#ifndef NODE_CLOCK_H
#define NODE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t node_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
