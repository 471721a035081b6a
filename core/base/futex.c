/* SPDX-License-Identifier: MIT */
#include "base/futex.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void tp__futex_wait(atomic_int *word, int expected, int64_t deadline_ns)
{
    const int saved = errno;
    const struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    /* FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock; FUTEX_WAIT a relative one. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                  deadline_ns == TP__NEVER ? NULL : &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    errno = saved;
}

void tp__futex_wake(atomic_int *word)
{
    const int saved = errno;
    (void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
    errno = saved;
}
