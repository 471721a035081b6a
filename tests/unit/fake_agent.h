/* SPDX-License-Identifier: MIT */
/** @file
 * A worker process of this very program, and its agent's end of the socket: one process at a time, with one thread for
 * tasks.
 */
#ifndef TESTS_UNIT_FAKE_AGENT_H
#define TESTS_UNIT_FAKE_AGENT_H

#include "check.h"

#include "wire/record.h"
#include "wire/worker_memory.h"

extern struct fake_agent {
    pid_t process;
    int socket;
    struct tp__worker_memory *memory;
    struct tp__buffer in;
    size_t used; /* of `in` */
} fake_agent;

/** It may start tasks until `fresh_until_ms`. Takes its READY. */
void fake_agent_start(int64_t fresh_until_ms);
/** Closes the socket: the process ends. */
void fake_agent_end(void);
/** A task without options. */
void fake_agent_send_task(const tp_task_definition *task, const void *captures, uint64_t sequence);
/** Waits for the next record; its body is valid until the next call. */
struct tp__record fake_agent_receive(void);

#endif
