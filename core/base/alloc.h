/* SPDX-License-Identifier: MIT */
/** @file
 * The one seam through which libtaskpool takes memory, so that tests can refuse the N-th request.
 * Every function returns NULL when memory is refused; callers turn that into TP_E_NOMEM.
 */
#ifndef TP_BASE_ALLOC_H
#define TP_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *tp__alloc(size_t size) __attribute__((malloc, warn_unused_result));
void *tp__alloc_zeroed(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *tp__alloc_aligned(size_t alignment, size_t size) __attribute__((malloc, warn_unused_result));
/** As realloc: on failure the old block stays. */
void *tp__realloc(void *block, size_t size) __attribute__((warn_unused_result));
void tp__free(void *block);

/** Reserves address space for stacks and slabs (read-write, lazily committed, not counted against the commit limit).
 *  NULL on failure. */
void *tp__map_memory(size_t size) __attribute__((warn_unused_result));
void tp__unmap_memory(void *block, size_t size);

/** Tests set this to refuse requests: return true to refuse. May be called from any thread at once. NULL in
 *  production. */
typedef bool tp__alloc_refuse_fn(size_t size);
void tp__alloc_set_refuse(tp__alloc_refuse_fn *refuse);

#endif
