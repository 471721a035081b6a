/* SPDX-License-Identifier: MIT */
/** @file
 * What the sanitizers must be told of a switch between stacks. Empty in a normal build.
 */
#ifndef TP_RUNTIME_SANITIZER_H
#define TP_RUNTIME_SANITIZER_H

#include "base/sanitized.h"

#include <stddef.h>

#ifdef TP__ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TP__THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

/** True where stacks that were used keep state in a sanitizer, so that their memory must stay. */
#if defined(TP__ADDRESS_SANITIZER) || defined(TP__THREAD_SANITIZER)
#define TP__STACKS_HAVE_SHADOW 1
#else
#define TP__STACKS_HAVE_SHADOW 0
#endif

/** Kept for each stack. */
struct tp__sanitizer_stack {
#ifdef TP__ADDRESS_SANITIZER
    const void *bottom;
    size_t size;
    void *fake_stack;
#endif
#ifdef TP__THREAD_SANITIZER
    void *thread; /* the sanitizer's idea of this stack */
#endif
    char unused; /* a struct has a member */
};

/** A stack of ours, before its first use. */
static inline void tp__sanitizer_stack_init(struct tp__sanitizer_stack *stack, const void *bottom, size_t size)
{
    (void)stack, (void)bottom, (void)size;
#ifdef TP__ADDRESS_SANITIZER
    /* The memory may have been a stack before, of a pool that is gone, and its last frames never returned. */
    __asan_unpoison_memory_region(bottom, size);
    stack->bottom = bottom;
    stack->size = size;
#endif
#ifdef TP__THREAD_SANITIZER
    if (!stack->thread)
        stack->thread = __tsan_create_fiber(0);
#endif
}

static inline void tp__sanitizer_stack_fini(struct tp__sanitizer_stack *stack)
{
    (void)stack;
#ifdef TP__THREAD_SANITIZER
    if (stack->thread)
        __tsan_destroy_fiber(stack->thread);
    stack->thread = NULL;
#endif
}

/** The stack of an OS thread itself, called on it. */
static inline void tp__sanitizer_stack_init_thread(struct tp__sanitizer_stack *stack)
{
    (void)stack;
#ifdef TP__THREAD_SANITIZER
    stack->thread = __tsan_get_current_fiber();
#endif
}

/** Right before the switch. */
static inline void tp__sanitizer_leave(struct tp__sanitizer_stack *from, const struct tp__sanitizer_stack *to)
{
    (void)from, (void)to;
#ifdef TP__ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
#endif
#ifdef TP__THREAD_SANITIZER
    __tsan_switch_to_fiber(to->thread, 0);
#endif
}

/** Right after it, on the stack that runs now; `from` is the one that was left. */
static inline void tp__sanitizer_arrive(struct tp__sanitizer_stack *now, struct tp__sanitizer_stack *from)
{
    (void)now, (void)from;
#ifdef TP__ADDRESS_SANITIZER
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(now->fake_stack, &bottom, &size);
    if (!from->bottom) { /* an OS thread's own stack, whose bounds only the sanitizer knows */
        from->bottom = bottom;
        from->size = size;
    }
#endif
}

#endif
