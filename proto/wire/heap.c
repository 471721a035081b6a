/* SPDX-License-Identifier: MIT */
#include "wire/heap.h"

#include <malloc.h>
#include <stdlib.h>

void tp__heap_keep_freed(void)
{
    /* Setting one of the two ends glibc's own adjusting of both (mallopt(3)). */
    (void)mallopt(M_MMAP_THRESHOLD,
                  32 << 20); /* the largest it takes; larger ones are mapped, and unmapped when freed */
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

void tp__heap_expect_large(void)
{
    enum { LARGE_BYTES = 16 << 20 };
    void *volatile block = malloc(LARGE_BYTES); /* volatile: a compiler may leave out a block that nobody uses */
    free(block);
}
