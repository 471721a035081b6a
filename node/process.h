/* SPDX-License-Identifier: MIT */
/** @file
 * The worker processes of a node: started, spoken to, watched, ended, and cleaned up after. One thread; everything
 * happens in calls from `struct events`.
 *
 *     process_start -- runs -- dies -- (symbolizer) -- ended() -- swept: its other processes, its directory, its user
 */
#ifndef NODE_PROCESS_H
#define NODE_PROCESS_H

#include "agent.h"
#include "events.h"

#include <sys/types.h>

struct processes;
struct tp__processors;

struct processes_options {
    bool same_user;              /**< workers run as the node's own user */
    uid_t uid_base;              /**< 0: USERS_BASE */
    uint32_t uid_count;          /**< 0: USERS_COUNT */
    const char *scratch;         /**< where the private directories are made; everybody must be able to write there */
    uint64_t memory_limit_bytes; /**< of one process; 0: 80 % of what there is */
    uint64_t send_limit_bytes;   /**< what may wait for a process that does not read; 0: 512 MiB */
    unsigned descriptor_limit;   /**< 0: as many as are allowed */
    const char *const *environment; /**< names of variables that are handed on; NULL at the end; NULL: none */
};

struct process_events {
    void (*received)(void *context, uint32_t worker, const uint8_t *bytes, size_t size);
    void (*output)(void *context, uint32_t worker, int descriptor, uint64_t task, uint32_t dispatch,
                   const uint8_t *bytes, size_t size);
    /** The number is free again. `program` is what it ran. */
    void (*ended)(void *context, uint32_t worker, const struct tp__hash *program, const struct agent_crash *crash);
    void (*warn)(void *context, const char *event, const char *text);
    void *context;
};

/** NULL on failure: for want of rights, for example. Strings are copied, `environment` is not. */
struct processes *processes_new(struct events *events, const struct processes_options *options,
                                const struct process_events *callbacks, struct tp__problem *problem);
/** All must have ended: processes_stop. NULL is allowed. */
void processes_free(struct processes *processes);

/** Executes `program` (the descriptor stays the caller's). `worker` must not be in use. */
bool process_start(struct processes *processes, uint32_t worker, const struct agent_worker_options *options,
                   int program, struct tp__problem *problem);
/** Queues records. What was queued goes out with processes_flush. Unknown numbers are ignored, here and below: the
 *  process may just have ended. */
void process_send(struct processes *processes, uint32_t worker, const uint8_t *records, size_t size);
void process_kill(struct processes *processes, uint32_t worker);
/** Nothing more is read from its socket, or again. */
void process_pause(struct processes *processes, uint32_t worker, bool pause);
/** Until when tasks may start in it, in ms of CLOCK_BOOTTIME. */
void process_fresh(struct processes *processes, uint32_t worker, int64_t until_ms);
/** On which processor their threads should wait, as the agent's do (link/gathering.h); -1: on any. New processes may
 *  run on those of `before`, which must stay until the next call; NULL: where the agent may. */
void processes_gather(struct processes *processes, int processor, const struct tp__processors *before);
uint64_t process_started_count(const struct processes *processes, uint32_t worker);

void processes_flush(struct processes *processes);
/** Kills those that use more memory than they may. */
void processes_check_memory(struct processes *processes);
/** Ends what takes too long: symbolizers, processes that have closed their socket. Returns when it wants to be called
 *  again, INT64_MAX: never. */
int64_t processes_tick(struct processes *processes, int64_t now_ms);
/** Processes that nobody else waits for: when the agent is the first one of a container, all orphans are its own. */
void processes_reap_orphans(struct processes *processes);

/** Kills all. They are gone when processes_count is 0. */
void processes_stop(struct processes *processes);
/** Those that run, and those that are not yet cleaned up after. */
size_t processes_count(const struct processes *processes);

#endif
