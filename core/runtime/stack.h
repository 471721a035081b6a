/* SPDX-License-Identifier: MIT */
/** @file
 * The stacks of one OS thread's green threads.
 *
 *     high addresses   +--------------------+
 *                      | canary             |  TP__STACK_TOP_BYTES
 *                      | gap                |  differs from stack to stack, so that tops do not share cache sets
 *                      | struct tp__fiber   |
 *                      | frames, downwards  |
 *                      |  ...               |  not backed by memory until touched
 *                      | guard page         |
 *     low addresses    +--------------------+
 *
 * Stacks are cut from slabs of address space and reused last-freed-first, still in the cache. A guard is a
 * MADV_GUARD_INSTALL marker where the kernel has it (Linux 6.13; it splits no mapping), else mprotect while the process
 * can afford mappings, else the canary of the stack below, which is checked when its neighbour parks or ends.
 * Owned and used by one OS thread.
 */
#ifndef TP_RUNTIME_STACK_H
#define TP_RUNTIME_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tp__fiber;
struct tp__stack_slab;

enum {
    TP__STACK_MINIMUM_BYTES = 16 << 10,
    TP__STACK_DEFAULT_BYTES = 64 << 10,
    TP__STACK_SIZES = 17, /* powers of two from the minimum to 1 GiB */
};

/** The stacks of one size. */
struct tp__stack_class {
    size_t stack_bytes;
    struct tp__stack_slab *slabs; /* the newest first */
    struct tp__fiber **free;      /* used before; the last is the warmest */
    size_t free_count, free_capacity;
    size_t forgotten; /* the first so many of `free` have given their memory back */
    size_t in_use;
    bool has_unguarded; /* the process ran out of guard pages: canaries count */
};

struct tp__stacks {
    struct tp__stack_class classes[TP__STACK_SIZES];
};

/** The size that a wish of `bytes` gives (0: the default): a power of two. 0 if the wish cannot be had. */
size_t tp__stack_round_bytes(size_t bytes);

/** A stack of `stack_bytes` (from tp__stack_round_bytes) with its fiber, whose `stack_base` and `stack_bytes` are set;
 *  the rest of it is zero or as the last user left it. NULL without memory. */
struct tp__fiber *tp__stack_take(struct tp__stacks *stacks, size_t stack_bytes) __attribute__((warn_unused_result));
void tp__stack_give(struct tp__stacks *stacks, struct tp__fiber *fiber);

/** Gives the memory of stacks that a burst left unused back to the system. */
void tp__stacks_trim(struct tp__stacks *stacks);

void tp__stacks_fini(struct tp__stacks *stacks); /* none may be in use */

/** Calls `visit` with every fiber that has been handed out or given back, used or not. */
void tp__stacks_each(struct tp__stacks *stacks, void (*visit)(struct tp__fiber *fiber));

/** False if a frame has overwritten the canary below the stack of an `unguarded` fiber. */
bool tp__stack_is_intact(const struct tp__fiber *fiber);

/** True if a fault at `address` is one of this fiber's stack, which it has outgrown: of its guard page, or of a frame
 *  that begins beyond that. `pointer` is the stack pointer at the fault, `machine` what a signal's handler got. */
bool tp__stack_was_left(const struct tp__fiber *fiber, const void *address, uintptr_t pointer);
uintptr_t tp__stack_pointer_of(const void *machine);

#endif
