/* SPDX-License-Identifier: MIT */
/** @file
 * A worker process: what this program is when a node's agent has started it. docs/protocol.md and
 * proto/wire/worker_memory.h say how it is started and what it is told.
 *
 *     agent  <-- records -->  worker_exchange.c who reads and writes them
 *                             worker.c          the beginning, and what each record is for
 *                             worker_tasks.c    the tasks that are here, from their arrival to their end
 *                             uplink.c          the remote of tp_pool_open(NULL) in a task: children
 *                             uplink_channels.c channels, which live with the driver
 *                             worker_crash.c    what the process writes down when it dies
 */
#ifndef TP_CLUSTER_WORKER_H
#define TP_CLUSTER_WORKER_H

#include "cluster/worker_exchange.h"
#include "runtime/executor.h"
#include "runtime/remote.h"
#include "wire/worker_memory.h"

#include <pthread.h>

/** One a process. */
struct tp__worker_process {
    struct tp__worker_memory *memory;
    struct tp__executor *executor;
    struct tp__executor *children; /* the remote one; its channels are the executor's as well */
    struct tp_pool *pool;
};
extern struct tp__worker_process tp__worker_process;

/** Runs the process: never returns. `value` is that of TASKPOOL_WORKER. */
_Noreturn void tp__worker_main(const char *value);

/** Ends the process at once, with a line on standard error. */
_Noreturn void tp__worker_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- worker_tasks.c ---- */

void tp__worker_task(const struct tp__record *record);
void tp__worker_cancel(uint64_t task, uint32_t dispatch);
/** Returns up to `count` tasks that have not started, the last received first. */
void tp__worker_give_back(uint32_t count);
size_t tp__worker_task_count(void);

/** The children of a task: a list in its entry, guarded by tp__worker_lock. */
struct tp__child;
struct tp__work {
    struct tp__foreign_task foreign;
    struct tp__work *next; /* in its bucket */
    struct tp__work *newer, *older;
    struct tp_promise *promise; /* one reference */
    struct tp__child *children;
    enum tp__fate { TP__FATE_REPORT, TP__FATE_CANCELLED, TP__FATE_RETURNED } fate;
};
extern pthread_mutex_t tp__worker_lock;
/** With the lock held: the task, NULL if it has ended. */
struct tp__work *tp__worker_find(uint64_t task, uint32_t dispatch);

/* ---- uplink.c ---- */

struct tp__remote *tp__uplink_remote(void);
/** The body of CHILD_RESULT, CHILD_FAILURE. */
void tp__uplink_child_result(uint32_t operation, const uint8_t *value, size_t size);
void tp__uplink_child_failure(uint32_t operation, const uint8_t *body, size_t size);
/** A task has ended, and with it whoever could have awaited its children: with the lock held they are forgotten, and
 *  then, without it, rejected. */
void tp__uplink_take_out(struct tp__child *children);
void tp__uplink_orphan(struct tp__child *children);
/** A number for the next thing that a task asks for. */
uint32_t tp__uplink_next_operation(void);

/* ---- uplink_channels.c ---- */

tp_status tp__uplink_operate(struct tp__remote *remote, struct tp__clause *clauses, size_t count, int64_t timeout_ms,
                             size_t *chosen);
tp_status tp__uplink_close_channel(struct tp__remote *remote, tp_channel *channel);
size_t tp__uplink_channel_size(struct tp__remote *remote, const tp_channel *channel);
tp_status tp__uplink_open_channel(struct tp__remote *remote, tp_channel *channel, size_t capacity);
void tp__uplink_reply(uint32_t operation, const uint8_t *body, size_t size);
/** A task has ended: ends the waits of green threads that it left behind. */
void tp__uplink_orphan_operations(uint64_t task, uint32_t dispatch);

/* ---- worker_crash.c ---- */

void tp__worker_watch_crashes(struct tp__worker_memory *memory);

#endif
