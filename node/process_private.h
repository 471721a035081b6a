/* SPDX-License-Identifier: MIT */
/** @file
 * What process_start.c, process.c (a process while it runs) and process_end.c (what comes after) share.
 */
#ifndef NODE_PROCESS_PRIVATE_H
#define NODE_PROCESS_PRIVATE_H

#include "lines.h"
#include "process.h"
#include "spawn.h"
#include "symbolizer.h"
#include "users.h"
#include "wire/worker_memory.h"

#include <limits.h>

enum { PROCESS_BUCKETS = 256, PROCESS_READ_BYTES = 256 << 10 };

/** A pipe that the process writes to. */
struct process_output {
    struct event_source source;
    int number; /**< 1 or 2 */
    struct lines lines;
};

struct process {
    struct processes *all;
    struct process *next; /**< in its bucket, or in the list of ended ones */
    uint32_t worker;
    int program;
    struct tp__hash root; /**< of the program */

    struct spawned self;
    struct event_source alive;
    uid_t user;
    char directory[PATH_MAX];
    char killed_because[128]; /**< by the node; "" if it was not */

    struct event_source socket;
    int64_t disconnected_deadline_ms; /**< of one that has closed the socket; 0: to be set by the next tick */
    bool paused;                      /**< not read from */
    bool has_score;                   /**< it was offered to the kernel, or that was tried for the last time */
    struct process *next_to_flush;
    bool to_flush;
    struct tp__buffer sending;
    size_t sent;

    struct process_output outputs[2];
    struct tail tail;
    uint32_t writes; /**< of the shared memory's, when the outputs were read last */

    struct tp__worker_memory *memory;
    size_t memory_size;
    uint32_t threads;

    struct {
        struct spawned symbolizer;
        struct event_source symbolizer_output;
        int64_t deadline_ms; /**< 0: to be set by the next tick */
        char *backtrace;     /**< SYMBOLIZER_OUTPUT_BYTES */
        size_t backtrace_size;
        struct spawned sweeper;
        struct event_source sweeper_alive;
        struct agent_suspect *suspects; /**< room for one a thread */
        struct tp__worker_crash record;
        int signal;
        int exit_status;
    } end;
};

struct processes {
    struct events *events;
    struct process_events callbacks;
    struct users *users; /**< NULL: all run as the node's own */
    char scratch[PATH_MAX / 2];
    uint64_t memory_limit_bytes;
    uint64_t send_limit_bytes;
    unsigned descriptor_limit;
    const struct tp__processors *processors; /**< where they may run; NULL: where the agent may */
    int processor;                           /**< where they should wait; -1: anywhere */
    const char *const *environment;
    int null;    /**< /dev/null */
    int self;    /**< this program */
    int remover; /**< rm */
    bool warned_of_score;
    struct process *running[PROCESS_BUCKETS];
    struct process *ended; /**< symbolized or swept */
    struct process *to_flush;
    size_t count;
    size_t disconnected; /**< running ones that have closed their socket */
    uint8_t input[PROCESS_READ_BYTES];
};

struct process *process_find(const struct processes *processes, uint32_t worker);

void process_on_alive(struct event_source *source, uint32_t happened);
void process_on_socket(struct event_source *source, uint32_t happened);
void process_on_output(struct event_source *source, uint32_t happened);

/** Reads what is there, once, and hands it on: as read(2) returns. */
ssize_t process_read_socket(struct process *process);
/** The same of a pipe, by lines. `all`: if nothing is there, the unfinished line is handed on. False: nothing, or the
 *  end. */
bool process_read_output(struct process *process, struct process_output *output, bool all);
/** So that the kernel ends it before anything else when memory runs out. False: it may not, with errno. */
bool process_set_score(const struct process *process);
/** The same for a new one. At the very beginning of a program this may
 *  fail for an agent that is not root, so it is tried again (`is_last`) when the process has said something. */
void process_offer_to_oom_killer(struct process *process, bool is_last);

/** Closes it if it is open. */
void process_close_descriptor(int *descriptor);
/** Closes the socket and the pipes. */
void process_close(struct process *process);
/** Takes it out of the running ones. */
void process_forget(struct process *process);
void process_free(struct process *process);
void process_kill_because(struct process *process, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The process is dead. */
void process_bury(struct process *process);
/** Removes what is left of a process that has ended, or could not be started, then frees it. */
void process_sweep(struct process *process);
int64_t process_tick_symbolizers(struct processes *processes, int64_t now_ms);
void process_stop_symbolizers(struct processes *processes);

#endif
