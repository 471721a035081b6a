/* SPDX-License-Identifier: MIT */
/** @file
 * The event loop of one OS thread: its fibers, who of them is ready, its timers and descriptors, and the mailbox
 * through which other threads reach it.
 *
 * Every OS thread that runs or waits for green threads has one: a worker from its start, any other from its first wait
 * or tp_async. The thread's own stack is the *root*: it waits like a fiber, and while it waits, or when no fiber has
 * anything to do, the loop idles on it.
 *
 * Design notes: what crosses threads
 *
 *     wakes    fibers of this loop that another thread made ready: a stack of `next` links, taken whole; or the token
 *              ASLEEP while the thread sleeps. Who replaces the token wakes the thread; nobody else touches the loop
 *              after the push, for the fiber may end, and with it the thread, before the push returns
 *     stops    tasks running here that another thread cancelled, likewise
 *     bound    tasks that only this loop may start
 *     parked   this thread sleeps, or is about to: whoever gives it something else and sees that, wakes it
 *
 * For the latter the order "store what I give; tp__barrier_light; look at parked" here and "store parked;
 * tp__barrier_heavy; look at what was given" there loses no wake.
 */
#ifndef TP_RUNTIME_LOOP_H
#define TP_RUNTIME_LOOP_H

#include "runtime/fiber.h"
#include "runtime/injector.h"
#include "runtime/poller.h"
#include "runtime/promise.h"
#include "runtime/stack.h"
#include "runtime/timer.h"

struct tp__worker;

struct tp__loop {
    struct tp__fiber *current;
    struct tp__fiber *ready_first, *ready_last;
    struct tp__worker *worker; /* NULL for an OS thread that is none */
    size_t live;               /* tasks that have started and not ended */
    size_t draining;           /* those of them that wait for tasks which a serial worker may have to run itself */
    bool is_serial;            /* starts a task only when none is live but those that drain */
    unsigned tick;             /* counts what was picked to run */
    int *errno_place;          /* of this OS thread; asked for once */
    _Atomic(struct tp__fiber *) watched_fiber; /* the current one, for the monitor */
    atomic_uint_fast64_t turns;                /* grows whenever something else begins to run, likewise */
    bool idling;                               /* the root was switched to because nothing else was ready */
    bool yielding;                             /* the current fiber lets others run: new tasks, too */
    bool attend_next;                          /* the root was switched to because it is time to attend to that */
    bool waits_elsewhere;                      /* what it waits for next comes from another machine: not soon */
    bool is_ending;                            /* the OS thread ends: no new green threads */
    bool publishes;                            /* its worker's slot shows what runs: runtime/foreign.h */
    uint64_t last_task_id;                     /* given to a task as its identity; the upper bits are the loop's id */
    uint16_t id;                               /* in the table of loops; never 0 */
    size_t stack_bytes;                        /* of its fibers */
    struct tp__fiber root;
    struct tp__timers timers;
    struct tp__poller poller;
    struct tp__stacks stacks;
    struct tp__injector bound;

    _Alignas(TP__CACHE_PAIR) _Atomic(struct tp__fiber *) wakes;
    _Atomic(struct tp__stop *) stops;
    atomic_int parked;
    atomic_bool is_occupied;   /* serial, and has a live task */
    atomic_bool token_is_back; /* who replaced the token has woken the thread and left the loop */
};

/** An id that no loop has: of a task that is resolved without one. */
enum { TP__NO_LOOP = UINT16_MAX };

extern _Thread_local struct tp__loop *tp__loop_of_thread; /* NULL until the thread needs one */

/** The calling thread's loop, made if need be. NULL without memory or ids (the error is stored). */
struct tp__loop *tp__loop_current(void);

/** Prepares and registers a loop for the calling thread. TP_E_NOMEM, TP_E_LIMIT. */
tp_status tp__loop_init(struct tp__loop *loop, struct tp__worker *worker, size_t stack_bytes);
/** No fiber may be live. */
void tp__loop_fini(struct tp__loop *loop);

/** The task that runs on the calling thread now, NULL outside tasks. */
static inline struct tp_promise *tp__current_task(void)
{
    return tp__loop_of_thread ? tp__loop_of_thread->current->task : NULL;
}

/** True in an OS thread that runs no task and has none, not even one that waits to be started. */
static inline bool tp__loop_is_bare(struct tp__loop *loop)
{
    return !loop->worker && loop->current == &loop->root && loop->live == 0 && tp__injector_count(&loop->bound) == 0;
}

/** Appends to the ready fibers of the calling thread's loop. */
static inline void tp__loop_push_ready(struct tp__loop *loop, struct tp__fiber *fiber)
{
    fiber->next = NULL;
    if (loop->ready_first)
        loop->ready_last->next = fiber;
    else
        loop->ready_first = fiber;
    loop->ready_last = fiber;
}

/** After `live` or `draining` has changed. */
static inline void tp__loop_note_live(struct tp__loop *loop)
{
    if (tp__unlikely(loop->is_serial))
        atomic_store_explicit(&loop->is_occupied, loop->live > loop->draining, memory_order_relaxed);
}

/** Leaves the current fiber until it is made ready; runs whatever else is there meanwhile, idles if there is
 *  nothing. */
void tp__loop_leave(struct tp__loop *loop);

/** What a fiber does whose task has ended: it goes on with `to`, or else with whatever is ready. If that is a new task,
 *  the fiber itself runs it: this returns with `fiber->task` set. */
void tp__loop_next_task(struct tp__loop *loop, struct tp__fiber *fiber, struct tp__fiber *to);

/** Starts a task that the caller has claimed on a fiber of its own at once, leaving the current fiber, which has
 *  registered as a waiter of it and goes on when it ends (or when it is made ready another way). */
void tp__loop_start_and_leave(struct tp__loop *loop, struct tp_promise *task);

/** Cancels every task of the loop, started or not. */
void tp__loop_cancel_all(struct tp__loop *loop);

/** Fires the timers that are due, and looks at the descriptors. */
void tp__loop_poll(struct tp__loop *loop);

/** Sleeping, in three steps: announce it (false if a wake has come; then whoever gives something will wake it), look
 *  once more, and sleep until woken, or the next timer, or a descriptor; or retract. */
bool tp__loop_announce_sleep(struct tp__loop *loop);
bool tp__loop_has_events(struct tp__loop *loop);
void tp__loop_sleep(struct tp__loop *loop);
void tp__loop_retract_sleep(struct tp__loop *loop);

/** Spins until `found(argument)` or something was given to the loop, for some microseconds. True if so. */
bool tp__loop_spin(struct tp__loop *loop, bool (*found)(void *argument), void *argument);

/** Makes a fiber of another thread's loop ready. */
void tp__loop_wake_remote(struct tp__loop *loop, struct tp__fiber *fiber);

/** Wakes the thread if it sleeps: after something was given to it. True if it slept. */
bool tp__loop_unpark(struct tp__loop *loop);

/** Sends a cancellation to the loop with that id; takes the message and its reference over. */
void tp__loop_send_stop(uint16_t loop_id, struct tp__stop *stop);

/** Gives a bound task to a loop that the caller knows to be there. False without memory. */
bool tp__loop_submit_bound(struct tp__loop *loop, struct tp_promise *task) __attribute__((warn_unused_result));

#endif
