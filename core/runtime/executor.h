/* SPDX-License-Identifier: MIT */
/** @file
 * The workers of one local pool: OS threads with an event loop each, and the queues of tasks that have not started. Or
 * none, for a pool whose workers are elsewhere: runtime/remote.h.
 *
 * A task submitted from outside goes to the workers in turn; one submitted by a task goes to its own worker, whence an
 * idle worker takes the oldest. A worker that runs out of tasks takes from the others, spins for some microseconds, and
 * sleeps; it is woken when something is given to it, or to a busy worker while nobody else is looking.
 */
#ifndef TP_RUNTIME_EXECUTOR_H
#define TP_RUNTIME_EXECUTOR_H

#include "runtime/deque.h"
#include "runtime/exchange.h"
#include "runtime/foreign.h"
#include "runtime/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <taskpool/pool.h>

enum {
    TP__WORKERS_LIMIT = 4096,
    TP__REFILL_BATCH = 128 /* tasks that a worker takes from an injector at once: they fit its empty deque */
};

struct tp__channels;
struct tp__monitor;
struct tp__remote;
struct tp__tally;

struct tp__worker {
    struct tp__loop loop;
    struct tp__deque deque;       /* tasks of tasks, and a batch from the injector */
    struct tp__injector injector; /* tasks from outside, and what the deque had no room for */
    struct tp__executor *executor;
    int index;         /* in this executor */
    atomic_int number; /* what tp_worker_index() says; the same, but in a cluster, where it may change */
    uint32_t random;   /* state of the choice of whom to take from */
    unsigned tick;     /* counts tasks taken from the deque */
    pthread_t thread;
    /* On its way from an injector to the deque. Here, as it may be a parking task's stack that looks for more, and what
     * that touches stays in memory. */
    struct tp_promise *batch[TP__REFILL_BATCH];
    struct tp__foreign_slot slot; /* what loop.published points to, where it does */
};

struct tp__executor {
    size_t worker_count;
    struct tp__worker *workers;
    bool strict;               /* TP_ROUND_ROBIN_STRICT */
    struct tp__remote *remote; /* who has the workers, if they are elsewhere: then there are none here */
    struct tp__tally *tally;   /* of all its tasks; owned */
    struct tp__monitor *monitor;
    struct tp__channels *channels;              /* the named channels; owned by the handle that started the executor */
    atomic_uint references;                     /* handles */
    atomic_bool stopped;                        /* no task is accepted any more, and workers end when theirs have */
    atomic_bool forked;                         /* this is the child of a fork, which has no workers */
    struct tp__executor *next, **link;          /* in the list of all, for fork */
    struct tp__executor *children;              /* where its tasks' own pools are, if not here; not owned */
    _Atomic(struct tp__exchange *) exchange;    /* what its workers attend to; NULL: nothing; not owned */
    _Alignas(TP__CACHE_PAIR) atomic_uint robin; /* the next worker for a task from outside */
    _Alignas(TP__CACHE_PAIR) atomic_int sleeping; /* workers that sleep */
    atomic_int searching;                         /* workers that look for a task */
};

/** Starts the workers. NULL on failure (the error is stored): TP_E_NOMEM, TP_E_SYSTEM, TP_E_LIMIT. */
struct tp__executor *tp__executor_start(size_t worker_count, const tp_pool_options *options)
    __attribute__((warn_unused_result));

/** Ends the workers; each runs what it has to the end first. Once, by the handle that started it. */
void tp__executor_stop(struct tp__executor *executor);

/** The number of workers, wherever they are. */
size_t tp__executor_size(const struct tp__executor *executor);

struct tp__executor *tp__executor_retain(struct tp__executor *executor);
/** The last reference frees it; it must have been stopped. */
void tp__executor_release(struct tp__executor *executor);

/** Queues a task, taking over the runtime's part in it. False without memory: then it was not queued. */
bool tp__executor_submit(struct tp__executor *executor, struct tp_promise *task) __attribute__((warn_unused_result));

/** tp_error's `node` of what fails before, or without, anybody knowing where it runs. */
static inline const char *tp__executor_node(const struct tp__executor *executor)
{
    return executor->remote ? "" : "local";
}

/** What its workers attend to, NULL: nothing. */
static inline struct tp__exchange *tp__executor_exchange(struct tp__executor *executor)
{
    return atomic_load_explicit(&executor->exchange, memory_order_acquire);
}

/** The worker of this executor that the calling thread is, NULL if it is none. */
static inline struct tp__worker *tp__executor_current_worker(const struct tp__executor *executor)
{
    struct tp__worker *worker = tp__loop_of_thread ? tp__loop_of_thread->worker : NULL;
    return worker && worker->executor == executor ? worker : NULL;
}

/* For the loop. */

/** A task to start on this worker, claimed; NULL if its queues are empty. */
struct tp_promise *tp__worker_next_task(struct tp__worker *worker);
/** Looks for a task or an event for some microseconds, then sleeps. Returns when there may be something. */
void tp__worker_idle(struct tp__worker *worker);
/** Attends to the executor's exchange, if it has one, in between: on the worker's own stack. What comes wakes another
 *  worker, as this one has something else to do first. */
void tp__worker_attend(struct tp__worker *worker);
/** Claims this very task out of the worker's queues or any other for the calling worker: true if it may be started here
 *  and now. */
bool tp__worker_claim_awaited(struct tp__worker *worker, struct tp_promise *task, struct tp__promise_waiter *waiter);

#endif
