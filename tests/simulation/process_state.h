/* SPDX-License-Identifier: MIT */
/** @file
 * The inside of a worker process: its runs, and what its rooms offer each other.
 *
 *     process.c        the process: what it hears and says, its end
 *     process_runs.c   attempts of tasks, on threads and parked; their steps
 *     process_waits.c  channel operations and children, and what comes back of them
 *
 * A run is one attempt of one task. It is QUEUED until a thread takes it, and then RUNNING (on a thread), PARKED (waits
 * for a time, a reply, its children) or READY (would go on). Threads take what is READY before what is QUEUED. Steps
 * take no time but COMPUTE.
 */
#ifndef TESTS_SIMULATION_PROCESS_STATE_H
#define TESTS_SIMULATION_PROCESS_STATE_H

#include "machine.h"
#include "process.h"

enum run_state { RUN_QUEUED, RUN_READY, RUN_RUNNING, RUN_PARKED };
enum child_state { CHILD_OPEN, CHILD_ENDED, CHILD_FORGOTTEN };

struct child {
    struct work *work;
    uint32_t operation;
    enum child_state state;
    uint64_t value;
};

struct run {
    struct run *next;
    uint64_t id;
    uint64_t task;
    uint32_t dispatch;
    struct work *work;
    enum run_state state;
    bool started, cancelled;
    bool joining;
    uint8_t step;
    uint32_t operation; /* that it waits for; 0: none */
    uint32_t order[CHANNELS];
    struct child children[STEPS_LIMIT];
    size_t child_count;
    struct note *taken[STEPS_LIMIT];
    size_t taken_count;
    tp_status trouble; /* a child of it was lost */
    char trouble_text[256];
};

static inline struct world *process_world(const struct process *process)
{
    return process->machine->station.host.world;
}

static inline struct ledger *process_ledger(const struct process *process)
{
    return process_world(process)->ledger;
}

/* ---- process.c ---- */

void process_after(struct process *process, int64_t delay_us, event_fn *happen, uint64_t argument);
/** What every event begins with: is the process still there for it? */
bool process_begin(struct process *process, bool live);

void process_say(struct process *process, const struct run *run, enum tp__record_type type, uint32_t operation,
                 const void *body, size_t size);
void process_say_returned(struct process *process, const struct run *run);
void process_say_failure(struct process *process, const struct run *run, tp_status status, const char *message);
void process_append(struct tp__buffer *buffer, const void *bytes, size_t size);
void process_append_u32(struct tp__buffer *buffer, uint32_t value);
void process_append_text(struct tp__buffer *buffer, const char *text);
void process_end_if_stopped(struct process *process);

/* ---- process_runs.c ---- */

struct run *run_find(const struct process *process, uint64_t task, uint32_t dispatch);
/** It would go on. */
void run_wake(struct process *process, struct run *run);
/** Threads that are idle take what is ready. */
void runs_schedule(struct process *process);
void run_arrived(struct process *process, const struct tp__record *record);
void run_cancelled(struct process *process, const struct tp__record *record);
/** Up to that many that have not started, the last received first. */
void runs_give_back(struct process *process, uint32_t count);

/* ---- process_waits.c ---- */

void run_operate(struct process *process, struct run *run, const struct step *step);
void run_replied(struct process *process, const struct tp__record *record);
void run_submit_child(struct process *process, struct run *run);
bool run_has_open_children(const struct run *run);
void run_child_succeeded(struct process *process, const struct tp__record *record);
void run_child_failed(struct process *process, const struct tp__record *record);

#endif
