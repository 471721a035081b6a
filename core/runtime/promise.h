/* SPDX-License-Identifier: MIT */
/** @file
 * A task and its promise: one object, one cache line for a task of up to 16 bytes of captures and result.
 *
 * Design notes
 *
 * `state` is one word: a phase, two flags, and a pointer that depends on the phase.
 *
 *     QUEUED   waiters   has not started; whoever moves it to RUNNING (or resolves it) has *claimed* it
 *     RUNNING  waiters   a fiber runs it
 *     DONE     -         resolved to a value, in the payload
 *     FAILED   error     resolved to an error, of which the promise owns a reference
 *
 *     QUEUED -> RUNNING -> DONE | FAILED       QUEUED -> FAILED (cancelled, timed out)
 *
 * A task of a remote pool stays QUEUED until its result is there: who brings that claims the task as a worker does, for
 * the moment in which it is resolved. It has no captures of its own: they are borrowed until they have been encoded.
 *
 * Each move is one compare-and-swap, so a promise resolves exactly once. Who resolves takes all waiters and wakes them.
 * LOCKED is set for a moment by who takes one waiter out of the middle (a deadline, a cancellation).
 *
 * References: each handle has one. A task that is not resolved needs none: ABANDONED tells who resolves it that no
 * handle is left. Two more parties may hold a reference for a while: a queue whose entry was claimed by someone who
 * came another way (it meets the entry later, sees that it is not QUEUED, and drops the reference), and a fiber whose
 * task was resolved before it ended.
 */
#ifndef TP_RUNTIME_PROMISE_H
#define TP_RUNTIME_PROMISE_H

#include "base/cpu.h"
#include "base/error.h"
#include "runtime/tally.h"
#include "runtime/timer.h"
#include "runtime/wait.h"

#include <stdatomic.h>
#include <stdint.h>
#include <taskpool/pool.h>

struct tp__fiber;
struct tp__foreign_task;

enum tp__phase { TP__QUEUED = 0, TP__RUNNING = 1, TP__DONE = 2, TP__FAILED = 3 };

enum {
    TP__PHASE_MASK = 3,
    TP__LOCKED = 4,
    TP__ABANDONED = 8,
    TP__STATE_BITS = 15, /* the rest is a pointer, aligned to 16 */
};

/** Several promises of which one is waited for. */
struct tp__promise_group {
    struct tp__wait wait;
    atomic_bool fired; /* set by whoever decides: the first to resolve, or a deadline or cancellation */
};

/** Lies in the waiter's frame. */
struct tp__promise_waiter {
    _Alignas(16) struct tp__wait wait; /* unused in a group */
    struct tp__promise_waiter *next;
    struct tp_promise *promise;
    struct tp__promise_group *group; /* NULL: waits for this promise alone */
    atomic_bool left;                /* in a group: who resolved the promise will not touch this any more */
};

/** A cancellation on its way to the loop that runs the task. Holds a reference to it. */
struct tp__stop {
    struct tp__stop *next;
    struct tp_promise *task;
    bool is_allocated; /* else it is part of the task */
};

/** Which task of somebody elsewhere it is. */
struct tp__foreign_identity {
    uint64_t sequence; /**< never 0 */
    uint32_t dispatch;
    uint32_t index; /**< of the task in the program's table */
};

enum tp__foreign_part {
    TP__FOREIGN_NONE,
    TP__FOREIGN_TASK,  /* it runs here for somebody elsewhere */
    TP__FOREIGN_HELPER /* a green thread that such a task made */
};

/** What only few tasks have. */
struct tp__task_extra {
    size_t stack_bytes;                     /* 0: the pool's */
    struct tp__error_record *timeout_error; /* made with the task: time runs out without memory, too */
    struct tp__stop timeout_stop;
    bool timeout_is_over;         /* the task has been resolved; guarded by the monitor */
    uint8_t size_class;           /* of this object: runtime/slab.h */
    uint8_t foreign_part;         /* a tp__foreign_part: says which member of `foreign` counts */
    struct tp__timer timeout;     /* in the monitor, which guards it; while armed it has a reference to the promise */
    struct tp__monitor *monitor;  /* NULL: no time limit */
    struct tp_pool *async_target; /* a task of tp_async starts with its maker's */
    struct tp_promise *promise;
    union {
        struct tp__foreign_task *task;        /* until it has ended */
        struct tp__foreign_identity identity; /* of a helper: its maker's, copied, for the maker may end first */
    } foreign;
};

struct tp_promise {
    _Atomic(uintptr_t) state;
    const tp_task_definition *definition;
    struct tp__tally *tally;       /* who counts it; NULL for a task of tp_async */
    struct tp__fiber *fiber;       /* what runs it; touched by the OS thread that runs it alone */
    struct tp__task_extra *extra;  /* NULL for most */
    atomic_uint references;        /* see above */
    atomic_uint_least16_t loop_id; /* of the OS thread that runs it (or alone may start it); 0 while that is open */
    uint8_t size_class : 4;        /* of this object: runtime/slab.h. The others here never change after the submit */
    uint8_t epoch : 1;             /* of the tally */
    uint8_t root_epoch : 1;        /* of the pool's tally */
    uint8_t bound : 1;             /* only the OS thread of loop_id may start it */
    uint8_t is_served : 1;         /* who submits it calls its remote's `serve` then */
    atomic_bool stop;              /* told to stop: tp_cancelled() */
    /** A task whose values are plain: captures before and result after the run, in the same place. Else: captures, and
     *  behind them the result. */
    _Alignas(16) unsigned char payload[];
};

enum { TP__PROMISE_HEADER_BYTES = 48 };
_Static_assert(sizeof(struct tp_promise) == TP__PROMISE_HEADER_BYTES,
               "a task with 16 bytes of payload fills one cache line");

/** The state, when nobody is taking a waiter out of the list. */
static inline uintptr_t tp__promise_state(const struct tp_promise *promise)
{
    uintptr_t state;
    /* acquire: the value or error, if it is resolved; the waiters, if not */
    while ((state = atomic_load_explicit(&promise->state, memory_order_acquire)) & TP__LOCKED)
        tp__cpu_relax();
    return state;
}

static inline struct tp__epochs tp__promise_epochs(const struct tp_promise *promise)
{
    return (struct tp__epochs){.own = promise->epoch, .root = promise->root_epoch};
}

static inline enum tp__phase tp__phase_of(uintptr_t state)
{
    return (enum tp__phase)(state & TP__PHASE_MASK);
}

static inline bool tp__state_is_resolved(uintptr_t state)
{
    return (state & TP__PHASE_MASK) >= TP__DONE;
}

/** Where the result of a task lies. */
static inline void *tp__promise_result(struct tp_promise *promise)
{
    const tp_task_definition *definition = promise->definition;
    return definition->plain ? promise->payload : promise->payload + ((definition->captures_size + 15U) & ~15U);
}

/** A new task, QUEUED, with one reference and its payload not yet filled. NULL without memory (the error is stored). */
struct tp_promise *tp__promise_new(const tp_task_definition *definition) __attribute__((warn_unused_result));
/** What only few tasks have, made if this one has it not yet. NULL without memory (no error stored). */
struct tp__task_extra *tp__promise_extra(struct tp_promise *promise) __attribute__((warn_unused_result));
/** Frees one that was never submitted, its captures with it if it `has_captures`. */
void tp__promise_discard(struct tp_promise *promise, bool has_captures);

/** Moves a QUEUED task to RUNNING. False if another came first: then the caller, whose queue held the task, drops the
 *  queue's reference with tp_promise_release. */
static inline bool tp__promise_claim(struct tp_promise *promise)
{
    uintptr_t state = TP__QUEUED; /* mostly without waiters: then one operation is all */
    /* acquire: the captures; release: pairs with who cancels it */
    while (!atomic_compare_exchange_weak_explicit(&promise->state, &state, state | TP__RUNNING, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
        state = tp__promise_state(promise);
        if (tp__phase_of(state) != TP__QUEUED)
            return false;
    }
    return true;
}

/** True if the task is one of a pool of the parent process, and this is a forked child: it will not resolve. */
bool tp__promise_is_forked(const struct tp_promise *promise);

/** Resolves a task that ran to its end: to the value in its payload (`error` NULL), or to the error, whose reference is
 *  taken over. Wakes the waiters, save that `favoured` is not woken but returned if it is among them. Does nothing but
 *  drop the error and the fiber's reference if the task was resolved before. The promise may be gone afterwards. */
struct tp__fiber *tp__promise_resolve(struct tp_promise *promise, struct tp__error_record *error,
                                      struct tp__fiber *favoured);

/** Resolves a task that may not have ended, to an error whose reference is taken over: the cancellation of a queued or
 *  running task. The caller has a reference. `stop` is the message for a running one, NULL to allocate it. TP_E_NOMEM:
 *  nothing happened. */
tp_status tp__promise_stop(struct tp_promise *promise, struct tp__error_record *error, struct tp__stop *stop);
/** Lets a message go that has arrived. */
void tp__promise_stop_arrived(struct tp__stop *stop);

#endif
