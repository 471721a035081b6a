/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include "base/cpu.h"
#include "base/sanitized.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifdef TP__ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

static _Atomic(tp__alloc_refuse_fn *) refuse_fn;

void tp__alloc_set_refuse(tp__alloc_refuse_fn *refuse)
{
    atomic_store_explicit(&refuse_fn, refuse, memory_order_release);
}

static bool refused(size_t size)
{
    tp__alloc_refuse_fn *refuse = atomic_load_explicit(&refuse_fn, memory_order_acquire);
    return tp__unlikely(refuse != NULL) && refuse(size);
}

void *tp__alloc(size_t size)
{
    return refused(size) ? NULL : malloc(size);
}

void *tp__alloc_zeroed(size_t count, size_t size)
{
    return refused(count * size) ? NULL : calloc(count, size);
}

void *tp__alloc_aligned(size_t alignment, size_t size)
{
    void *block = NULL;
    return refused(size) || posix_memalign(&block, alignment, size) != 0 ? NULL : block;
}

void *tp__realloc(void *block, size_t size)
{
    return refused(size) ? NULL : realloc(block, size);
}

void tp__free(void *block)
{
    free(block);
}

void *tp__map_memory(size_t size)
{
    if (refused(size))
        return NULL;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

void tp__unmap_memory(void *block, size_t size)
{
    const int saved = errno;
#ifdef TP__ADDRESS_SANITIZER
    __asan_unpoison_memory_region(block, size); /* or the next mapping here would inherit the marks of these stacks */
#endif
    munmap(block, size);
    errno = saved;
}
