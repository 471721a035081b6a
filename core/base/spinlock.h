/* SPDX-License-Identifier: MIT */
/** @file
 * A lock for critical sections of a few dozen instructions that never block, call out or yield.
 *
 * Unlocking is a plain store, which is what makes an uncontended pair cost one atomic operation. A holder that was
 * preempted makes the others give their processor away instead of spinning.
 */
#ifndef TP_BASE_SPINLOCK_H
#define TP_BASE_SPINLOCK_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct tp__spinlock {
    atomic_bool held;
} tp__spinlock;

void tp__spinlock_wait(tp__spinlock *lock) __attribute__((cold));

static inline void tp__spinlock_lock(tp__spinlock *lock)
{
    /* acquire: pairs with the release in tp__spinlock_unlock */
    if (__builtin_expect(atomic_exchange_explicit(&lock->held, true, memory_order_acquire), 0))
        tp__spinlock_wait(lock);
}

static inline void tp__spinlock_unlock(tp__spinlock *lock)
{
    atomic_store_explicit(&lock->held, false, memory_order_release);
}

#endif
