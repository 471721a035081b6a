/* SPDX-License-Identifier: MIT */
/** @file
 * A queue of tasks that any thread may fill and empty: first in, first out, without a limit.
 *
 * It holds pointers in chunks and not links in the tasks, so that whoever empties it reads ahead instead of missing the
 * cache once a task, and takes many under one lock.
 */
#ifndef TP_RUNTIME_INJECTOR_H
#define TP_RUNTIME_INJECTOR_H

#include "base/cpu.h"
#include "base/spinlock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct tp_promise;
struct tp__injector_chunk;

struct tp__injector {
    _Alignas(TP__CACHE_PAIR) tp__spinlock lock;
    unsigned read;  /* next slot of the first chunk */
    unsigned write; /* next free slot of the last chunk */
    struct tp__injector_chunk *first, *last, *spare;
    atomic_size_t count; /* written under the lock, read by anyone */
};

void tp__injector_fini(struct tp__injector *injector); /* must be empty */

/** False without memory. */
bool tp__injector_push(struct tp__injector *injector, struct tp_promise *task) __attribute__((warn_unused_result));

/** Takes up to `limit` of the oldest tasks; returns how many. */
size_t tp__injector_take(struct tp__injector *injector, struct tp_promise **tasks, size_t limit);

/** Takes the oldest task if it is `task`. */
bool tp__injector_take_exactly(struct tp__injector *injector, const struct tp_promise *task);

static inline size_t tp__injector_count(struct tp__injector *injector)
{
    return atomic_load_explicit(&injector->count, memory_order_relaxed);
}

#endif
