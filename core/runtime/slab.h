/* SPDX-License-Identifier: MIT */
/** @file
 * Memory for tasks: blocks of a few sizes, taken in one thread and given back in another.
 *
 * Each OS thread keeps a short list of free blocks of each size; what is too many goes back, and what is missing comes,
 * in batches through a shared depot, so that the threads meet once in TP__SLAB_BATCH blocks ("magazines": Bonwick and
 * Adams, "Magazines and Vmem", USENIX 2001). Memory is kept for later tasks and not returned to the system.
 */
#ifndef TP_RUNTIME_SLAB_H
#define TP_RUNTIME_SLAB_H

#include <stddef.h>
#include <stdint.h>

/** A block of at least `size` bytes, aligned to 64, not cleared; NULL without memory. Stores the class in
 *  `*size_class`, which the free needs. Usable from any thread. */
void *tp__slab_alloc(size_t size, uint8_t *size_class) __attribute__((warn_unused_result));
void tp__slab_free(void *block, uint8_t size_class);

#endif
