/* SPDX-License-Identifier: MIT */
/** @file
 * How many tasks a pool handle has that are not resolved, and waiting until none is: the drain.
 *
 * Design notes
 *
 * Counting is hot and draining rare, so each worker counts in a shard of its own with plain stores, and a drain sums
 * up. A drain waits for what was submitted before it and not for what comes later: tasks carry one bit, the epoch in
 * which they were submitted; a drain first waits until the epoch that is not current has none left (stragglers of the
 * last drain), makes it current, and then waits for the other. Sums read all completions before all submissions, so
 * that "equal" was true at one moment (the idea of SRCU's grace periods: McKenney, "Is Parallel Programming Hard",
 * 9.5).
 *
 * So that a million completions do not sum a million times, each round of a drain gives every worker a quota, a quarter
 * of an equal share of what remains: while none has used it up, something must remain. Who uses it up starts the next
 * round.
 */
#ifndef TP_RUNTIME_TALLY_H
#define TP_RUNTIME_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <taskpool/status.h>

#include "runtime/wait.h"

struct tp__executor;
struct tp__tally;

/** The tally of a whole pool, in which each worker has a shard; NULL without memory. Freed with the executor. */
struct tp__tally *tp__tally_new_root(struct tp__executor *executor, size_t worker_count)
    __attribute__((warn_unused_result));
/** Of a handle that a task of the pool opened, `parent` being that task's tally. What it counts counts in the root as
 *  well. NULL without memory. */
struct tp__tally *tp__tally_new(struct tp__executor *executor, struct tp__tally *parent)
    __attribute__((warn_unused_result));
/** Gives up the handle's part in the tally, which is freed when the last task that was counted in it is over; the root:
 *  no worker may run any more. */
void tp__tally_release(struct tp__tally *tally);

/** In which epochs a task was submitted. */
struct tp__epochs {
    uint8_t own : 1;
    uint8_t root : 1;
};

/** Counts a task before anyone can run it. */
struct tp__epochs tp__tally_submitted(struct tp__tally *tally);

/** A task is resolved between these two, and counted by the second: whoever has seen it resolved does not find it
 *  pending any more. `is_over`: nothing of the task runs any more, so that it needs the tally no longer. */
void tp__tally_resolving(struct tp__tally *tally);
void tp__tally_completed(struct tp__tally *tally, struct tp__epochs epochs, bool is_over);
/** Instead of the second: the task turned out to be resolved and counted by another. */
void tp__tally_resolved_elsewhere(struct tp__tally *tally, bool is_over);

size_t tp__tally_pending(struct tp__tally *tally);

/** Waits for every task counted before the call. TP_OK, TP_E_CANCELLED, TP_E_NOMEM. */
tp_status tp__tally_drain(struct tp__tally *tally, enum tp__wait_mode mode);

struct tp__executor *tp__tally_executor(const struct tp__tally *tally);

/** True if `tally` is `ancestor`, or was opened by a task that it counts, directly or not. */
bool tp__tally_descends(const struct tp__tally *tally, const struct tp__tally *ancestor);

#endif
