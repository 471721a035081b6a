/* SPDX-License-Identifier: MIT */
/** @file
 * What a process exchanges with somebody elsewhere, attended to by whichever worker has nothing else to do: what comes
 * in runs where it was read, and what goes out leaves where it arose, without waking a thread in between. Somebody else
 * must attend to it while all workers are busy: core/cluster/worker_exchange.c.
 */
#ifndef TP_RUNTIME_EXCHANGE_H
#define TP_RUNTIME_EXCHANGE_H

#include <stdbool.h>

struct tp__executor;

/** All is called on a worker's thread, in no task's context, and must not yield. */
struct tp__exchange {
    int descriptor; /**< readable when something has come */
    /** Writes what is to go out and reads what has come, without blocking. Before a worker looks for something to do,
     *  and every now and then while it has enough. */
    void (*attend)(struct tp__exchange *exchange);
    /** The worker is about to sleep: true if the descriptor shall wake it, false if that will wake somebody else. */
    bool (*begin_watch)(struct tp__exchange *exchange, int worker);
    /** It is awake again, after a begin_watch that was true. */
    void (*end_watch)(struct tp__exchange *exchange, int worker);
};

/** Before the first task; `exchange` must outlive the executor. */
void tp__executor_set_exchange(struct tp__executor *executor, struct tp__exchange *exchange);

#endif
