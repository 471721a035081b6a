/* SPDX-License-Identifier: MIT */
#include "runtime/injector.h"

#include "base/alloc.h"

enum { SLOTS = 510 };

struct tp__injector_chunk {
    struct tp__injector_chunk *next;
    struct tp_promise *slots[SLOTS];
};

void tp__injector_fini(struct tp__injector *injector)
{
    struct tp__injector_chunk *chunk = injector->first;
    while (chunk) {
        struct tp__injector_chunk *next = chunk->next;
        tp__free(chunk);
        chunk = next;
    }
    tp__free(injector->spare);
    injector->first = injector->last = injector->spare = NULL;
}

/* Under the lock. */
static bool add_chunk(struct tp__injector *injector)
{
    struct tp__injector_chunk *chunk = injector->spare;
    injector->spare = NULL;
    if (!chunk)
        chunk = tp__alloc(sizeof *chunk);
    if (!chunk)
        return false;
    chunk->next = NULL;
    if (injector->last)
        injector->last->next = chunk;
    else
        injector->first = chunk;
    injector->last = chunk;
    injector->write = 0;
    return true;
}

/* Under the lock. */
static void remove_first_chunk(struct tp__injector *injector)
{
    struct tp__injector_chunk *chunk = injector->first;
    injector->first = chunk->next;
    if (!injector->first)
        injector->last = NULL;
    injector->read = 0;
    if (injector->spare)
        tp__free(chunk);
    else
        injector->spare = chunk;
}

bool tp__injector_push(struct tp__injector *injector, struct tp_promise *task)
{
    tp__spinlock_lock(&injector->lock);
    const bool room = (injector->last && injector->write < SLOTS) || add_chunk(injector);
    if (room) {
        injector->last->slots[injector->write++] = task;
        atomic_store_explicit(&injector->count, tp__injector_count(injector) + 1, memory_order_relaxed);
    }
    tp__spinlock_unlock(&injector->lock);
    return room;
}

/* Under the lock: slots that are filled in the first chunk. */
static unsigned filled(const struct tp__injector *injector)
{
    return injector->first == injector->last ? injector->write : SLOTS;
}

size_t tp__injector_take(struct tp__injector *injector, struct tp_promise **tasks, size_t limit)
{
    size_t taken = 0;
    tp__spinlock_lock(&injector->lock);
    while (taken < limit && injector->first) {
        const unsigned end = filled(injector);
        while (taken < limit && injector->read < end)
            tasks[taken++] = injector->first->slots[injector->read++];
        if (injector->read == end)
            remove_first_chunk(injector);
    }
    if (taken)
        atomic_store_explicit(&injector->count, tp__injector_count(injector) - taken, memory_order_relaxed);
    tp__spinlock_unlock(&injector->lock);
    return taken;
}

bool tp__injector_take_exactly(struct tp__injector *injector, const struct tp_promise *task)
{
    bool found = false;
    tp__spinlock_lock(&injector->lock);
    if (injector->first && injector->first->slots[injector->read] == task) {
        found = true;
        if (++injector->read == filled(injector))
            remove_first_chunk(injector);
        atomic_store_explicit(&injector->count, tp__injector_count(injector) - 1, memory_order_relaxed);
    }
    tp__spinlock_unlock(&injector->lock);
    return found;
}
