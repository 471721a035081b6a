/* SPDX-License-Identifier: MIT */
/** @file
 * A fiber: one stack and what is running on it. At most one task at a time; a task that ends without parking hands its
 * fiber to the next.
 *
 * Everything of a fiber is touched by the OS thread that owns it and by no other, save `next_wake` (see loop.h).
 */
#ifndef TP_RUNTIME_FIBER_H
#define TP_RUNTIME_FIBER_H

#include "base/context.h"
#include "runtime/sanitizer.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <taskpool/kind.h>
#include <taskpool/status.h>
#include <unwind.h>

struct tp_promise;
struct tp__loop;
struct tp__wait;
struct tp__defer;

/* What the monitor, another thread, may look at. */
struct tp__watched_task {
    _Atomic(const tp_task_definition *) definition; /* of the task that runs or ran last */
    atomic_uint_fast64_t start_turn;                /* when it started, in its worker's count of turns */
};

struct tp__fiber {
    void *machine;           /* where it was left: runtime/machine.h; NULL if it never ran since its memory was fresh */
    struct tp__fiber *next;  /* in the loop's list of ready fibers, or in its list of wakes */
    struct tp__loop *loop;   /* the OS thread that it belongs to */
    struct tp_promise *task; /* what it runs; NULL for the root of a loop */
    struct tp__watched_task watched;

    struct tp__wait *wait; /* what it is parked for, NULL while it is not */
    bool wait_is_cancellable;
    tp_status wait_outcome;      /* set by a deadline or a cancellation */
    struct tp__fiber *return_to; /* the waiter that started this task; it goes on when the task ends */

    struct tp__context context;         /* of the task */
    struct tp__defer *defers;           /* the newest first */
    struct tp__error_record *raised;    /* by tp_raise, on its way to the base */
    struct _Unwind_Exception unwinding; /* not in a frame: the frames that are unwound may hold it no longer */
    jmp_buf base;                       /* in the entry function, below all frames of the task */
    uintptr_t base_frame;               /* its address */

    char *stack_base; /* the lowest address, the guard's; NULL for a root */
    size_t stack_bytes;
    bool unguarded;  /* no guard page could be had: the canary below counts */
    bool is_special; /* there is something to do when it is left: it is unguarded, or its loop publishes what runs */
    struct tp__sanitizer_stack sanitizer;
};

#endif
