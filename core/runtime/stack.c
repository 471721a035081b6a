/* SPDX-License-Identifier: MIT */
#include "runtime/stack.h"

#include "base/alloc.h"
#include "base/cpu.h"
#include "runtime/fiber.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13; newer than Debian 12's headers */
#endif

enum {
    PAGE_BYTES = 4096,
    CANARY_BYTES = 16,
    GAPS = 16,       /* different gaps below the canary */
    GAP_BYTES = 128, /* between one and the next: all of them within the top page */
    SMALLEST_SLAB_BYTES = 4 << 20,
    LARGEST_SLAB_BYTES = 1 << 30,
    KEPT_FREE = 1024,       /* stacks that a trim leaves backed by memory */
    MPROTECT_LIMIT = 12000, /* each takes two mappings of the 65,530 that Linux gives a process by default */
};

static const uint64_t canary_value = 0x7461736b706f6f6cU; /* "taskpool" */

/* One mapping: a page that is never accessible, then `count` stacks. */
struct tp__stack_slab {
    struct tp__stack_slab *next;
    char *block; /* what was mapped */
    size_t mapped_bytes;
    char *stacks; /* the lowest one */
    size_t count;
    size_t carved;  /* in use or in the free list; the rest is untouched */
    size_t guarded; /* have their guard: at least `carved` */
};

size_t tp__stack_round_bytes(size_t bytes)
{
    if (bytes == 0)
        return TP__STACK_DEFAULT_BYTES;
    size_t rounded = TP__STACK_MINIMUM_BYTES;
    for (int i = 0; i < TP__STACK_SIZES; i++, rounded *= 2)
        if (bytes <= rounded)
            return bytes < TP__STACK_MINIMUM_BYTES ? 0 : rounded;
    return 0;
}

static struct tp__stack_class *class_of(struct tp__stacks *stacks, size_t stack_bytes)
{
    return &stacks->classes[__builtin_ctzl(stack_bytes / TP__STACK_MINIMUM_BYTES)];
}

static void set_bounds(struct tp__fiber *fiber, const struct tp__stack_class *class)
{
    fiber->stack_base = (char *)((uintptr_t)fiber & ~(class->stack_bytes - 1));
    fiber->stack_bytes = class->stack_bytes;
    *(uint64_t *)(void *)(fiber->stack_base + class->stack_bytes - CANARY_BYTES) = canary_value;
}

/* The kernel's refusal of guard markers is remembered; mprotect is counted, because the process has few mappings. */
static bool guard(char *page)
{
    static atomic_bool markers_refused;
    static atomic_int protected_pages;
    if (!atomic_load_explicit(&markers_refused, memory_order_relaxed)) {
        if (madvise(page, PAGE_BYTES, MADV_GUARD_INSTALL) == 0)
            return true;
        atomic_store_explicit(&markers_refused, true, memory_order_relaxed);
    }
    return atomic_fetch_add_explicit(&protected_pages, 1, memory_order_relaxed) < MPROTECT_LIMIT &&
           mprotect(page, PAGE_BYTES, PROT_NONE) == 0;
}

static bool add_slab(struct tp__stack_class *class)
{
    size_t bytes = class->slabs ? class->slabs->count * class->stack_bytes * 2 : SMALLEST_SLAB_BYTES;
    if (bytes > LARGEST_SLAB_BYTES)
        bytes = LARGEST_SLAB_BYTES;
    if (bytes < class->stack_bytes)
        bytes = class->stack_bytes;
    struct tp__stack_slab *slab = tp__alloc(sizeof *slab);
    if (!slab)
        return false;
    const size_t count = bytes / class->stack_bytes;
    struct tp__fiber **list = tp__realloc(class->free, (class->free_capacity + count) * sizeof(struct tp__fiber *));
    if (!list) {
        tp__free(slab);
        return false;
    }
    class->free = list;
    /* Stacks are aligned to their size, so that a fiber's address tells its base, and begin after an inaccessible
     * page. */
    const size_t mapped_bytes = (count + 1) * class->stack_bytes + PAGE_BYTES;
    char *block = tp__map_memory(mapped_bytes);
    if (!block) {
        tp__free(slab);
        return false;
    }
    class->free_capacity += count;
    const uintptr_t lowest = ((uintptr_t)block + PAGE_BYTES + class->stack_bytes - 1) & ~(class->stack_bytes - 1);
    char *stacks = (char *)lowest;
    (void)madvise(block, mapped_bytes, MADV_NOHUGEPAGE);
    (void)mprotect(stacks - PAGE_BYTES, PAGE_BYTES, PROT_NONE);
    *slab = (struct tp__stack_slab){
        .next = class->slabs, .block = block, .mapped_bytes = mapped_bytes, .stacks = stacks, .count = count};
    class->slabs = slab;
    return true;
}

/* The slab that has untouched stacks: the newest, or an older one after a trim. */
static struct tp__stack_slab *slab_with_room(struct tp__stack_class *class)
{
    for (struct tp__stack_slab *slab = class->slabs; slab; slab = slab->next)
        if (slab->carved < slab->count)
            return slab;
    return add_slab(class) ? class->slabs : NULL;
}

static struct tp__fiber *fiber_at(const struct tp__stack_slab *slab, const struct tp__stack_class *class, size_t index)
{
    const uintptr_t top =
        (uintptr_t)slab->stacks + (index + 1) * class->stack_bytes - CANARY_BYTES - index % GAPS * GAP_BYTES;
    return (struct tp__fiber *)((top - sizeof(struct tp__fiber)) & ~(uintptr_t)(TP__CACHE_LINE - 1));
}

static __attribute__((noinline)) struct tp__fiber *carve(struct tp__stack_class *class)
{
    struct tp__stack_slab *slab = slab_with_room(class);
    if (!slab)
        return NULL;
    const size_t index = slab->carved++;
    struct tp__fiber *fiber = fiber_at(slab, class, index);
    if (slab->guarded < slab->carved) {
        slab->guarded = slab->carved;
        fiber->unguarded = !guard((char *)((uintptr_t)fiber & ~(class->stack_bytes - 1))) &&
                           index > 0; /* below the lowest lies the slab's own guard */
        class->has_unguarded |= fiber->unguarded;
    }
    set_bounds(fiber, class);
    return fiber;
}

struct tp__fiber *tp__stack_take(struct tp__stacks *stacks, size_t stack_bytes)
{
    struct tp__stack_class *class = class_of(stacks, stack_bytes);
    class->stack_bytes = stack_bytes;
    class->in_use++;
    if (tp__likely(class->free_count > class->forgotten))
        return class->free[--class->free_count];
    struct tp__fiber *fiber = NULL;
    if (class->free_count) {
        fiber = class->free[--class->free_count];
        class->forgotten = class->free_count;
        set_bounds(fiber, class);
    } else {
        fiber = carve(class);
        class->in_use -= fiber == NULL;
    }
    return fiber;
}

void tp__stack_give(struct tp__stacks *stacks, struct tp__fiber *fiber)
{
    struct tp__stack_class *class = class_of(stacks, fiber->stack_bytes);
    class->free[class->free_count++] = fiber; /* the list was made as long as there are stacks */
    class->in_use--;
}

/* Nothing of this size is in use: forget all, so that the stacks are carved anew. Guards survive MADV_DONTNEED. */
static void forget_all(struct tp__stack_class *class)
{
    for (struct tp__stack_slab *slab = class->slabs; slab; slab = slab->next) {
        (void)madvise(slab->stacks, slab->carved * class->stack_bytes, MADV_DONTNEED);
        slab->carved = 0;
    }
    class->free_count = class->forgotten = 0;
}

/* Some are in use: the coldest of the others give their memory back, and their fibers with it. */
static void forget_coldest(struct tp__stack_class *class)
{
    for (; class->forgotten + KEPT_FREE < class->free_count; class->forgotten++) {
        const uintptr_t base = (uintptr_t) class->free[class->forgotten] & ~(class->stack_bytes - 1);
        (void)madvise((char *)base, class->stack_bytes, MADV_DONTNEED);
    }
}

void tp__stacks_trim(struct tp__stacks *stacks)
{
    if (TP__STACKS_HAVE_SHADOW)
        return;
    for (int i = 0; i < TP__STACK_SIZES; i++) {
        struct tp__stack_class *class = &stacks->classes[i];
        if (class->free_count - class->forgotten <= KEPT_FREE || class->has_unguarded)
            continue;
        if (class->in_use == 0)
            forget_all(class);
        else
            forget_coldest(class);
    }
}

void tp__stacks_fini(struct tp__stacks *stacks)
{
    for (int i = 0; i < TP__STACK_SIZES; i++) {
        struct tp__stack_class *class = &stacks->classes[i];
        for (size_t k = 0; k < class->free_count; k++)
            tp__sanitizer_stack_fini(&class->free[k]->sanitizer);
        while (class->slabs) {
            struct tp__stack_slab *slab = class->slabs;
            class->slabs = slab->next;
            tp__unmap_memory(slab->block, slab->mapped_bytes);
            tp__free(slab);
        }
        tp__free(class->free);
        *class = (struct tp__stack_class){0};
    }
}

void tp__stacks_each(struct tp__stacks *stacks, void (*visit)(struct tp__fiber *fiber))
{
    for (int i = 0; i < TP__STACK_SIZES; i++)
        for (const struct tp__stack_slab *slab = stacks->classes[i].slabs; slab; slab = slab->next)
            for (size_t k = 0; k < slab->carved; k++)
                visit(fiber_at(slab, &stacks->classes[i], k));
}

bool tp__stack_is_intact(const struct tp__fiber *fiber)
{
    const uint64_t below = *(const uint64_t *)(const void *)(fiber->stack_base - CANARY_BYTES);
    return below == canary_value || below == 0; /* 0: that stack was never used */
}

bool tp__stack_was_left(const struct tp__fiber *fiber, const void *address, uintptr_t pointer)
{
    if (!fiber->stack_base)
        return false;
    const uintptr_t place = (uintptr_t)address;
    const uintptr_t guard = (uintptr_t)fiber->stack_base;
    const uintptr_t end = guard + PAGE_BYTES;
    /* A call stores below the stack pointer. */
    return place < end && (place >= guard || (pointer < guard && place >= pointer - PAGE_BYTES));
}

uintptr_t tp__stack_pointer_of(const void *machine)
{
    const ucontext_t *context = machine;
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#else
    return (uintptr_t)context->uc_mcontext.sp;
#endif
}
