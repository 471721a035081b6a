/* SPDX-License-Identifier: MIT */
/** @file
 * A worker process of a node, which runs tasks by their scripts: it speaks the records that core/cluster/worker.c
 * speaks, and has threads, green threads that park, and an end.
 */
#ifndef TESTS_SIMULATION_PROCESS_H
#define TESTS_SIMULATION_PROCESS_H

#include "agent.h"
#include "work.h"

struct machine;
struct run;

struct process {
    struct process *next; /**< of the machine */
    struct machine *machine;
    uint32_t id;
    uint64_t number; /**< among all that there ever were */
    struct agent_worker_options options;
    bool ready, stopping, dead, paused;
    bool gone;                     /**< nobody knows it any more; freed with its last event */
    uint32_t pending;              /**< events that are under way */
    struct run *runs, **runs_tail; /**< as they came */
    uint32_t running;              /**< on threads */
    uint64_t next_run;
    uint32_t next_operation;
    uint64_t started;
    int64_t fresh_until_ms; /**< tasks may start until then */
    int64_t told_us;        /**< when the last records reach it */
    struct tp__buffer in;
    struct tp__assembly assembly;
    struct tp__buffer out;
    bool flushing;
    struct {
        bool known; /**< a thread of it is to blame */
        uint64_t task;
        uint32_t dispatch;
    } culprit;
};

struct process *process_start(struct machine *machine, uint32_t id, const struct agent_worker_options *options);
void process_tell(struct process *process, const uint8_t *records, size_t size);
/** At once; agent_worker_ended follows if the machine lives. */
void process_kill(struct process *process);
/** It dies by itself, and nobody knows through which of its threads. */
void process_die(struct process *process);
void process_pause(struct process *process, bool pause);
/** It says something that no worker process would. */
void process_talk_nonsense(struct process *process);
/** Lines of the trace about what it does. */
void process_describe(const struct process *process);
/** Nobody knows it any more. */
void process_forget(struct process *process);

#endif
