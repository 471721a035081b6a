/* SPDX-License-Identifier: MIT */
/** @file
 * A worker's own queue of tasks that have not started: its owner pushes and takes at the young end, others take at the
 * old end.
 *
 * Chase and Lev, "Dynamic circular work-stealing deque" (SPAA 2005), in the C11 form of Lê et al. (PPoPP 2013), of
 * fixed size, and with the owner's fence replaced by an asymmetric barrier: whoever takes at the old end pays for it.
 */
#ifndef TP_RUNTIME_DEQUE_H
#define TP_RUNTIME_DEQUE_H

#include "base/barrier.h"
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tp_promise;

enum { TP__DEQUE_CAPACITY = 256, TP__DEQUE_MASK = TP__DEQUE_CAPACITY - 1 };

struct tp__deque {
    _Alignas(TP__CACHE_PAIR) atomic_int_fast64_t old_end;   /* moved forward by whoever takes the oldest */
    _Alignas(TP__CACHE_PAIR) atomic_int_fast64_t young_end; /* written by the owner only */
    _Atomic(struct tp_promise *) slots[TP__DEQUE_CAPACITY];
};

/** Owner only. False if the deque is full. */
static inline bool tp__deque_push(struct tp__deque *deque, struct tp_promise *task)
{
    const int_fast64_t young = atomic_load_explicit(&deque->young_end, memory_order_relaxed);
    const int_fast64_t old = atomic_load_explicit(&deque->old_end, memory_order_acquire);
    if (tp__unlikely(young - old >= TP__DEQUE_CAPACITY))
        return false;
    atomic_store_explicit(&deque->slots[young & TP__DEQUE_MASK], task, memory_order_relaxed);
    /* release: whoever acquires young_end sees the slot and the task behind it */
    atomic_store_explicit(&deque->young_end, young + 1, memory_order_release);
    return true;
}

/** Owner only. The youngest task, NULL if there is none. */
static inline struct tp_promise *tp__deque_pop(struct tp__deque *deque)
{
    const int_fast64_t young = atomic_load_explicit(&deque->young_end, memory_order_relaxed) - 1;
    int_fast64_t old = atomic_load_explicit(&deque->old_end, memory_order_relaxed);
    if (old > young)
        return NULL; /* empty: the old end only ever grows */
    atomic_store_explicit(&deque->young_end, young, memory_order_relaxed);
    tp__barrier_light(); /* pairs with the heavy barrier before tp__deque_take */
    old = atomic_load_explicit(&deque->old_end, memory_order_relaxed);
    struct tp_promise *task = NULL;
    if (tp__likely(old <= young)) {
        task = atomic_load_explicit(&deque->slots[young & TP__DEQUE_MASK], memory_order_relaxed);
        if (old < young)
            return task;
        /* The last one: another thread may be taking it. */
        if (!atomic_compare_exchange_strong_explicit(&deque->old_end, &old, old + 1, memory_order_seq_cst,
                                                     memory_order_relaxed))
            task = NULL;
    }
    atomic_store_explicit(&deque->young_end, young + 1, memory_order_relaxed);
    return task;
}

/** Owner only: the task that tp__deque_pop would give, if nobody takes it meanwhile. */
static inline struct tp_promise *tp__deque_youngest(struct tp__deque *deque)
{
    const int_fast64_t young = atomic_load_explicit(&deque->young_end, memory_order_relaxed) - 1;
    if (atomic_load_explicit(&deque->old_end, memory_order_relaxed) > young)
        return NULL;
    return atomic_load_explicit(&deque->slots[young & TP__DEQUE_MASK], memory_order_relaxed);
}

/** Owner only: the oldest task, which others may be taking. */
static inline struct tp_promise *tp__deque_oldest(struct tp__deque *deque)
{
    const int_fast64_t old = atomic_load_explicit(&deque->old_end, memory_order_relaxed);
    if (old >= atomic_load_explicit(&deque->young_end, memory_order_relaxed))
        return NULL;
    return atomic_load_explicit(&deque->slots[old & TP__DEQUE_MASK], memory_order_relaxed);
}

/** Any thread: how many tasks there seem to be. */
static inline size_t tp__deque_count(struct tp__deque *deque)
{
    const int_fast64_t old = atomic_load_explicit(&deque->old_end, memory_order_relaxed);
    const int_fast64_t young = atomic_load_explicit(&deque->young_end, memory_order_relaxed);
    return young > old ? (size_t)(young - old) : 0;
}

static inline bool tp__deque_looks_empty(struct tp__deque *deque)
{
    return tp__deque_count(deque) == 0;
}

/** Any thread but the owner: takes the oldest task, NULL if there is none or another thread was faster. */
static inline struct tp_promise *tp__deque_take(struct tp__deque *deque)
{
    int_fast64_t old = atomic_load_explicit(&deque->old_end, memory_order_acquire);
    tp__barrier_heavy();
    const int_fast64_t young = atomic_load_explicit(&deque->young_end, memory_order_acquire);
    if (old >= young)
        return NULL;
    struct tp_promise *task = atomic_load_explicit(&deque->slots[old & TP__DEQUE_MASK], memory_order_relaxed);
    return atomic_compare_exchange_strong_explicit(&deque->old_end, &old, old + 1, memory_order_seq_cst,
                                                   memory_order_relaxed)
               ? task
               : NULL;
}

/** Owner only: takes the oldest task without a barrier. */
static inline struct tp_promise *tp__deque_take_own(struct tp__deque *deque)
{
    int_fast64_t old = atomic_load_explicit(&deque->old_end, memory_order_acquire);
    if (old >= atomic_load_explicit(&deque->young_end, memory_order_relaxed))
        return NULL;
    struct tp_promise *task = atomic_load_explicit(&deque->slots[old & TP__DEQUE_MASK], memory_order_relaxed);
    return atomic_compare_exchange_strong_explicit(&deque->old_end, &old, old + 1, memory_order_seq_cst,
                                                   memory_order_relaxed)
               ? task
               : NULL;
}

#endif
