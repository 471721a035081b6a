/* SPDX-License-Identifier: MIT */
/** @file
 * What the code needs to know of the processor. Linux on x86-64 and AArch64.
 */
#ifndef TP_BASE_CPU_H
#define TP_BASE_CPU_H

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))
#error "TaskPool runs on Linux, on x86-64 or AArch64"
#endif

/** Data written by different threads is kept this far apart: a cache line, and the neighbour that is fetched with
 *  it. */
enum { TP__CACHE_LINE = 64, TP__CACHE_PAIR = 128 };

#define tp__likely(condition) __builtin_expect(!!(condition), 1)
#define tp__unlikely(condition) __builtin_expect(!!(condition), 0)

/** A function of the hot path, into which whatever it calls is compiled: a task costs some hundred instructions, of
 *  which calls and returns would be a third (measured with fork-join fib). Works across files in unity builds. */
#define TP__HOT __attribute__((flatten))

static inline void tp__cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
