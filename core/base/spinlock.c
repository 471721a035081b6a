/* SPDX-License-Identifier: MIT */
#include "base/spinlock.h"

#include "base/cpu.h"

#include <sched.h>

enum { SPINS_BEFORE_YIELD = 128 };

void tp__spinlock_wait(tp__spinlock *lock)
{
    int spins = 0;
    do {
        /* Reading without writing keeps the line shared until the holder lets go. */
        while (atomic_load_explicit(&lock->held, memory_order_relaxed)) {
            if (++spins < SPINS_BEFORE_YIELD)
                tp__cpu_relax();
            else
                sched_yield(); /* the holder was preempted: it needs a processor more than we do */
        }
    } while (atomic_exchange_explicit(&lock->held, true, memory_order_acquire));
}
