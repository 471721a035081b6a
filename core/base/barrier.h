/* SPDX-License-Identifier: MIT */
/** @file
 * Asymmetric memory barriers: both sides of a "store mine, then look at yours" handshake need a full barrier, but where
 * one side is hot and the other rare, membarrier(2) lets the rare side pay for both.
 *
 *     hot side:   store A; tp__barrier_light(); load B        a compiler barrier, 0 ns
 *     rare side:  store B; tp__barrier_heavy(); load A        a system call, about 2 us
 *
 * At least one side sees the other's store. Where the kernel refuses membarrier, both are full fences.
 * The idea is known from Folly's asymmetricThreadFence and liburcu's "memb" flavour.
 */
#ifndef TP_BASE_BARRIER_H
#define TP_BASE_BARRIER_H

#include "base/cpu.h"
#include "base/sanitized.h"

#include <stdatomic.h>
#include <stdbool.h>

/** Whether membarrier works here; set before main, never changed by a running pool. */
extern bool tp__barrier_is_asymmetric;

static inline void tp__barrier_full(void)
{
#if defined(TP__THREAD_SANITIZER) && defined(__x86_64__)
    /* The sanitizer does not model fences. These order a store before a load and publish nothing, so it need not
     * know. */
    __asm__ volatile("mfence" ::: "memory");
#elif defined(TP__THREAD_SANITIZER)
    __asm__ volatile("dmb ish" ::: "memory");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void tp__barrier_light(void)
{
    if (tp__likely(tp__barrier_is_asymmetric))
        atomic_signal_fence(memory_order_seq_cst);
    else
        tp__barrier_full();
}

void tp__barrier_heavy(void);

#endif
