/* SPDX-License-Identifier: MIT */
/** @file
 * Reference-counted blocks: what strings, bytes, lists, maps and closures have behind them, and the list of those that
 * belong to a task.
 */
#ifndef TP_CLOSURE_BLOCK_H
#define TP_CLOSURE_BLOCK_H

#include "base/context.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <taskpool/status.h>
#include <taskpool/value.h>

enum tp__block_type { TP__BLOCK_DATA, TP__BLOCK_LIST, TP__BLOCK_MAP, TP__BLOCK_CLOSURE };

struct tp__block {
    alignas(16) atomic_uint references;
    atomic_uint owned_at; /**< where it probably is in the list of the task that it belongs to; only ever a hint */
    uint8_t type;         /**< enum tp__block_type */
    /** Levels of nesting: of a list or map that can be changed its own, counted from the outermost, which is 1; of
     *  anything else how many there are from this block down. */
    uint8_t depth;
    bool changeable; /**< a list or map with a single owner; everything else is shared and never changed */
};

static inline void tp__block_init(struct tp__block *block, enum tp__block_type type)
{
    atomic_init(&block->references, 1);
    atomic_init(&block->owned_at, 0);
    block->type = (uint8_t)type;
    block->depth = 1;
    block->changeable = false;
}

/** False for NULL and for the owners that are no block. */
static inline bool tp__owner_is_block(const struct tp__block *owner)
{
    return (uintptr_t)owner > (uintptr_t)TP__OWNER_FAILED;
}

/** A block for `size` bytes and a 0 byte behind them, with one reference. NULL without memory (no error stored). */
struct tp__block *tp__block_new_data(size_t size, char **data) __attribute__((warn_unused_result));

static inline void tp__block_retain(struct tp__block *block)
{
    /* relaxed: whoever retains has a reference already */
    atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
}

/** Gives one reference back; the last one frees the block and all that it holds. */
void tp__block_release(struct tp__block *block);

/** Makes the caller's reference one of the current task, or of the current scope; outside of both it stays the
 *  caller's. TP_E_NOMEM: then it is released. */
tp_status tp__owned_give_block(struct tp__block *block);
tp_status tp__owned_give_channel(struct tp_channel *channel);

/** True in a task or scope, where values are collected. */
bool tp__owned_collects(void);

/** Releases what a user gives back: in a task or scope only if it is in the list, outside always. */
void tp__owned_take_back_block(struct tp__block *block);
void tp__owned_take_back_channel(struct tp_channel *channel);

/** How many entries a context's lists have: for tests. */
size_t tp__owned_count(const struct tp__context *context);

/** Opens a scope: until it is closed, what is given belongs to the scope, in a task or not. Scopes nest; those that a
 *  raised error leaves open are freed with their task. TP_E_NOMEM. */
tp_status tp__owned_scope_open(void);
/** Frees all that belongs to the innermost scope, and the scope. */
void tp__owned_scope_close(void);

#endif
