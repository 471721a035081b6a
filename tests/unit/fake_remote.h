/* SPDX-License-Identifier: MIT */
/** @file
 * A remote in the same process: keeps the tasks that it is given, and runs them when the test says so, each from its
 * encoded form, as a cluster would. "tcp://fake:1" opens a pool on a new one.
 */
#ifndef TESTS_UNIT_FAKE_REMOTE_H
#define TESTS_UNIT_FAKE_REMOTE_H

#include "runtime/remote.h"

#include <pthread.h>

struct fake_task {
    struct fake_task *next;
    struct tp_promise *promise;
    uint8_t *bytes; /* the closure's encoding */
    size_t size;
    tp_task_options options;
    int worker;
};

struct fake {
    struct tp__remote remote;
    struct tp__executor *executor;
    char address[40]; /* behind tcp:// */
    tp_pool_options options;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    struct fake_task *first, **last;
    size_t queued;
    size_t limit; /* a submit waits while as many are queued; 0: none */
    bool refuses; /* a submit fails with TP_E_FULL */
    size_t workers;
    size_t stopped, closed, parked;
    pthread_t thread;
    bool has_thread, is_ending;
};

/** The one that was opened last, and how many have been freed. */
extern struct fake *fake_opened;
extern size_t fake_freed;

/** Opens a pool on a new one. */
tp_pool *fake_pool_open(tp_pool_options options);
/** The same without a pool: for children. Channels are elsewhere if the class has `operate`. */
struct fake *fake_new(const tp_pool_options *options, const struct tp__remote_class *channels);

void fake_set_workers(struct fake *fake, size_t workers);

/** Takes the oldest task out of the queue; NULL if there is none. The caller resolves it. */
struct fake_task *fake_take(struct fake *fake);
void fake_task_free(struct fake_task *task);
/** Runs a task that was taken, resolves it and frees it. */
void fake_run(struct fake *fake, struct fake_task *task);
/** Takes the oldest and runs it. False if there is none. */
bool fake_step(struct fake *fake);
/** From now on a thread runs what comes, until the pool is closed. */
void fake_run_always(struct fake *fake);

size_t fake_count_queued(struct fake *fake);
size_t fake_count_stopped(struct fake *fake);
/** Waits until as many submits wait for room. */
void fake_until_parked(struct fake *fake, size_t count);

#endif
