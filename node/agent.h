/* SPDX-License-Identifier: MIT */
/** @file
 * The node agent's state machine: verifies what comes, hands it to worker processes, keeps what they produced until the
 * driver has it, and finds out who is to blame when a process dies. No sockets, threads, clock, processes or files:
 * events come in as calls, actions go out through `struct agent_actions`.
 */
#ifndef NODE_AGENT_H
#define NODE_AGENT_H

#include "trust/leaf.h"
#include "trust/offer.h"
#include "wire/record.h"

struct agent;

/** What was found out about a process that died. */
struct agent_crash {
    int signal; /**< 0: it exited */
    int exit_status;
    char text[256]; /**< "was killed by SIGSEGV at address 0x0", "called exit(3)", "used more than its 512 MiB" ... */
    const char *backtrace;   /**< symbolized, a frame a line; "" if there is none */
    const char *last_output; /**< its last lines of standard error; "" if there are none */
    /** The tasks that were current on its threads. If the thread that caused the end is known, only the one that it
     *  ran. */
    const struct agent_suspect {
        uint64_t task; /**< its sequence */
        uint32_t dispatch;
        uint32_t thread; /**< from 0 */
    } * suspects;
    size_t suspect_count;
    /** For tasks that the process had: had it started? NULL: unknown, treated as started. */
    bool (*has_started)(void *context, uint64_t task, uint32_t dispatch);
    void *context;
};

struct agent_worker_options {
    struct tp__id session;
    struct tp__hash program;
    uint64_t program_length;
    uint32_t threads;
    uint32_t first_worker; /**< the number of its first worker in the session */
    char program_name[TP__NAME_LIMIT + 1];
};

enum agent_level { AGENT_DEBUG, AGENT_INFO, AGENT_WARNING };

struct agent_actions {
    /** Hands a message to the coordinator's socket. */
    void (*transmit)(void *context, const uint8_t *bytes, size_t size);
    /** link/link.h; may be NULL. */
    void (*transmit_block)(void *context, void *block, const uint8_t *bytes, size_t size);
    /** Closes the socket and opens a new one: the link is made anew over it. */
    void (*reconnect)(void *context);
    /** Is the program in the cache (or installed), whole and checked? It stays there as long as it is in use. */
    bool (*program_find)(void *context, const struct tp__hash *root, uint64_t length);
    /** May it be fetched? False with the reason when nothing is shipped here, or it is too large. Opens a new entry. */
    bool (*program_begin)(void *context, const struct tp__hash *root, uint64_t length, struct tp__problem *problem);
    bool (*program_chunk)(void *context, const struct tp__hash *root, uint32_t index, const uint8_t *bytes, size_t size,
                          struct tp__problem *problem);
    bool (*program_complete)(void *context, const struct tp__hash *root, struct tp__problem *problem);
    /** Starts a process; agent_worker_received, agent_worker_ended follow. */
    bool (*worker_start)(void *context, uint32_t worker, const struct agent_worker_options *options,
                         struct tp__problem *problem);
    /** Records for a worker process. */
    void (*worker_send)(void *context, uint32_t worker, const uint8_t *records, size_t size);
    /** Kills it, at once. agent_worker_ended follows. */
    void (*worker_kill)(void *context, uint32_t worker);
    /** Reads no more from it for a while, or goes on: its driver lags behind. NULL: everything is read. */
    void (*worker_pause)(void *context, uint32_t worker, bool pause);
    /** Until that time tasks may start in it: it looks itself, as this state machine may stand still meanwhile. Not
     *  before the first call. */
    void (*worker_fresh)(void *context, uint32_t worker, int64_t until_ms);
    /** How many of the tasks that it was given have started. */
    uint64_t (*worker_started)(void *context, uint32_t worker);
    void (*log)(void *context, enum agent_level level, const char *event, const char *text);
    void *context;
};

/** The highest task_limit: with one more for each level of depth, what fits into one HELD record. */
enum { AGENT_TASK_LIMIT = (1 << 20) - (TP__DEPTH_LIMIT + 1) };

struct agent_options {
    char name[TP__NAME_LIMIT + 1];
    char machine[16];
    uint32_t workers;             /**< threads a session's common process, and what the coordinator counts */
    uint32_t sessions_per_key;    /**< 0: 16 */
    uint32_t task_limit;          /**< tasks of a session, parked ones included; deeper ones are taken past it, one for
                                       each level of depth. 0: AGENT_TASK_LIMIT */
    uint64_t program_limit_bytes; /**< 0: TP__PROGRAM_LIMIT_BYTES */
    int64_t orphan_ms;            /**< how long sessions are kept without a coordinator; 0: 600,000 */
};

/** `key`, `authorized` must stay. NULL without memory. */
struct agent *agent_new(const struct agent_options *options, const struct tp__key *key,
                        const struct tp__authorized *authorized, const struct agent_actions *actions, int64_t now_ms);
void agent_free(struct agent *agent);

/** The socket is new: says Hello over it. Also once at the start. */
void agent_connected(struct agent *agent, int64_t now_ms);
/** A message from the coordinator. */
void agent_receive(struct agent *agent, const uint8_t *bytes, size_t size, int64_t now_ms);
/** Records from a worker process: whole or in pieces. They are not trusted. */
void agent_worker_received(struct agent *agent, uint32_t worker, const uint8_t *bytes, size_t size, int64_t now_ms);
/** What a process wrote to its standard output (1) or error (2); `task` is who, 0 if that is not known. */
void agent_worker_output(struct agent *agent, uint32_t worker, int descriptor, uint64_t task, uint32_t dispatch,
                         const uint8_t *bytes, size_t size, int64_t now_ms);
/** A process has ended. Everything that it sent has been received before. */
void agent_worker_ended(struct agent *agent, uint32_t worker, const struct agent_crash *crash, int64_t now_ms);
int64_t agent_tick(struct agent *agent, int64_t now_ms);

void agent_authorize(struct agent *agent, const struct tp__authorized *authorized, int64_t now_ms);
/** Takes no new tasks, hands back those that have not started. agent_is_drained: nothing runs and everything was
 *  acknowledged. */
void agent_drain(struct agent *agent, int64_t now_ms);
bool agent_is_drained(const struct agent *agent);
/** There is no task, or only one. */
bool agent_is_alone(const struct agent *agent);

struct agent_counts {
    size_t sessions, workers;
    uint64_t tasks, waiting, running, finished, refused, memory_bytes;
    uint64_t most_tasks; /**< of one session */
};
struct agent_counts agent_count(const struct agent *agent);

#endif
