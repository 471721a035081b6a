/* SPDX-License-Identifier: MIT */
/** @file
 * Records between a worker process and its agent, over one socket. Whoever has nothing else to do reads and writes it:
 * a worker thread that is idle, or else the process's first thread.
 */
#ifndef TP_CLUSTER_WORKER_EXCHANGE_H
#define TP_CLUSTER_WORKER_EXCHANGE_H

#include "wire/record.h"

#include <stdint.h>

struct tp__executor;

/** Takes what the agent says, record by record; on any thread, but never on two at once. */
typedef void tp__worker_take_fn(const struct tp__record *record);

/** Before anything else. Ends the process if it cannot be had. */
void tp__worker_exchange_open(int socket, tp__worker_take_fn *take);
/** The executor's workers take part from now on. */
void tp__worker_exchange_share(struct tp__executor *executor);
/** The first thread's part: returns when the agent has closed the socket, or when it has told the process to stop and
 *  no task is left. */
void tp__worker_exchange_run(void);
/** The agent has told the process to stop. */
void tp__worker_exchange_stop(void);
/** After the last task has been taken out of the table of tasks. */
void tp__worker_exchange_no_task_left(void);

/** Sends a record. Ends the process without memory: what the driver waits for would never come. */
void tp__worker_send(enum tp__record_type type, uint64_t task, uint32_t dispatch, uint32_t operation, const void *body,
                     size_t size);

#endif
