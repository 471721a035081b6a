/* SPDX-License-Identifier: MIT */
/** @file
 * The one mechanism below every blocking call: a wait, which lies in the waiter's frame.
 *
 * How to block on an object that a lock guards (channel.c and sync.c are the examples):
 *
 *     lock; if what is wanted is there: take it, unlock, done.
 *     tp__wait_init(&w.wait, withdraw); put w into the object's list; unlock;
 *     status = tp__wait_park(&w.wait, deadline_ns, TP__WAIT_CANCELLABLE);
 *
 * How to wake: under the lock take w out of the list and store what it gets; unlock; tp__wait_wake(&w.wait). The
 * waiter's frame may be gone at once, so nothing of w is read after that call.
 *
 * Who decides: whoever takes w out of the list, under the object's lock. A deadline and a cancellation are handled on
 * the waiter's own OS thread, which calls `withdraw`: under the lock it takes w out and returns true, or finds that a
 * waker has taken it and returns false; then the wake is on its way and tp__wait_park returns TP_OK.
 *
 * A wake may come before the park: it stays pending until the waiter has parked.
 */
#ifndef TP_RUNTIME_WAIT_H
#define TP_RUNTIME_WAIT_H

#include "base/clock.h"

#include <stdbool.h>
#include <taskpool/status.h>

struct tp__fiber;
struct tp__wait;
struct tp_promise;

/** Takes the wait out of its object: true if it was still there. Called on the waiter's OS thread; must not yield. */
typedef bool tp__withdraw_fn(struct tp__wait *wait);

/** Told instead of a fiber that is made ready, by clauses alone (tp__clause_wake): on the waker's thread, while no lock
 *  is held. The wait is gone with it. */
typedef void tp__woken_fn(struct tp__wait *wait);

struct tp__wait {
    struct tp__fiber *fiber; /**< who waits; NULL: nobody does, and `woken` is called */
    union {
        tp__withdraw_fn *withdraw; /**< how to give up */
        tp__woken_fn *woken;
    };
};

enum tp__wait_mode {
    TP__WAIT_CANCELLABLE,
    TP__WAIT_UNCANCELLABLE,
    TP__WAIT_SLEEPING, /**< cancellable, and the deadline is what is waited for: TP_OK */
};

/** Binds the wait to the current green thread, or to the OS thread outside tasks. Fails with TP_E_NOMEM only (an OS
 *  thread's first wait makes its event loop). */
tp_status tp__wait_init(struct tp__wait *wait, tp__withdraw_fn *withdraw);

/** Parks until tp__wait_wake: TP_OK. Or until the deadline or a cancellation made `withdraw` succeed: TP_E_TIMEOUT,
 *  TP_E_CANCELLED (the error is stored). When the task has been cancelled before, it withdraws at once. */
tp_status tp__wait_park(struct tp__wait *wait, int64_t deadline_ns, enum tp__wait_mode mode);

/** The same for a waiter of a task that the caller has claimed: starts it at once, on a fiber of its own. */
tp_status tp__wait_park_starting(struct tp__wait *wait, int64_t deadline_ns, struct tp_promise *task);

/** Gives up the wait of a fiber of the calling thread if it is parked and still can: it goes on with `outcome`. */
void tp__wait_give_up(struct tp__fiber *fiber, tp_status outcome);

/** True if the waiter was told to stop, so that it will not go on with what it is given: whoever gives something passes
 *  it over. It takes itself out of the list. Under the object's lock, and for waits of fibers that are cancellable. */
bool tp__wait_is_stopping(const struct tp__wait *wait);

/** Makes the waiter, which has a fiber, ready. Exactly once a wait, by whoever took it out of its list, from any
 *  thread. */
void tp__wait_wake(struct tp__wait *wait);

#endif
