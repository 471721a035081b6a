/* SPDX-License-Identifier: MIT */
/** @file
 * The memory that a worker process shares with the node's agent: what is read after its death to find out who is to
 * blame. And how a worker process is started.
 *
 * The agent makes it (a sealed memfd, so that its size stays), fills the header, and starts the program with
 *
 *     TASKPOOL_WORKER="SOCKET,MEMORY"   two descriptors, in decimal: a stream socket for records (wire/record.h), in
 *                                       both directions, and this memory, to be mapped shared
 *     argv[0]                           the program's name; no other arguments
 *     descriptors                       0 is /dev/null, 1 and 2 are pipes; everything else is closed
 *     environment                       PATH, LANG, TZ, TMPDIR (private, removed afterwards) and what the node lists
 *
 * The process checks magic, version and `size`, stores its load base, sends TP__RECORD_READY, and runs one OS thread
 * a slot. It sets FD_CLOEXEC on both descriptors, so that what a task starts does not get them. When the socket ends
 * (the agent closed it or died), the process ends too.
 *
 * The agent trusts nothing in here: a process can only blame its own session's tasks.
 */
#ifndef TP_PROTO_WORKER_MEMORY_H
#define TP_PROTO_WORKER_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    TP__WORKER_MEMORY_MAGIC = 0x4d575054, /**< "TPWM" */
    TP__WORKER_MEMORY_VERSION = 3,
    TP__WORKER_THREADS_LIMIT = 4096,
    TP__WORKER_FRAMES_LIMIT = 64,
    TP__WORKER_STARTED_COUNTERS = 1 << 16
};
#define TP__WORKER_VARIABLE "TASKPOOL_WORKER"

/** One OS thread of the process; only that thread writes it. */
struct tp__worker_slot {
    _Alignas(64) _Atomic uint64_t current_task; /**< sequence of the task that runs here now; 0: none */
    _Atomic uint32_t current_dispatch;
    _Atomic uint32_t task_index;    /**< of the current task, in the program's table */
    _Atomic uint64_t started_count; /**< tasks that have started on this thread, ever */
};

enum tp__worker_crash_state { TP__CRASH_NONE = 0, TP__CRASH_BEING_WRITTEN = 1, TP__CRASH_COMPLETE = 2 };

/** Written once, by the thread that ends the process: in its signal handler (nothing but stores and system calls), or
 *  when exit was called. `state` goes from 0 to 1 by compare-and-exchange: the first thread wins; to 2 with release. */
struct tp__worker_crash {
    _Atomic uint32_t state;
    int32_t signal; /**< 0: exit was called */
    uint64_t fault_address;
    uint32_t thread;      /**< index of its slot + 1; 0: a thread that runs no tasks */
    uint32_t exit_called; /**< 1: with exit_status */
    int32_t exit_status;
    uint32_t overflow_kib; /**< the size of the green thread's stack if that overflowed, else 0 */
    uint32_t frame_count;
    uint32_t unused;
    uint64_t frames[TP__WORKER_FRAMES_LIMIT]; /**< return addresses, the innermost (the fault's own) first */
};

struct tp__worker_memory {
    uint32_t magic; /**< by the agent, as the next four */
    uint32_t version;
    uint64_t size; /**< of the whole: tp__worker_memory_size(threads) */
    uint32_t threads;
    uint32_t first_worker;      /**< number of its first worker in the session */
    _Atomic uint64_t load_base; /**< by the process: where its program was loaded (what ASLR has added); 0 if nothing */
    _Atomic uint32_t writes;    /**< by the process: how often tasks have written to the standard streams */
    /** By the agent: until when tasks may start, also those that are here already; agent and process may both stand
     *  still, and the driver be gone when they go on. In ms of CLOCK_BOOTTIME, which counts while a machine sleeps. */
    _Atomic int64_t fresh_until_ms;
    /** By the agent: on which processor who waits for it should sleep (link/gathering.h); -1: anywhere. */
    _Atomic int32_t processor;
    struct tp__worker_crash crash;
    /** How many tasks have started and not ended with the agent's knowledge, by a hash of their sequence. 0 proves that
     *  a task has not started; anything else means that it may have. */
    _Alignas(64) _Atomic uint16_t started[TP__WORKER_STARTED_COUNTERS];
    struct tp__worker_slot slots[];
};

static inline size_t tp__worker_memory_size(uint32_t threads)
{
    return sizeof(struct tp__worker_memory) + (size_t)threads * sizeof(struct tp__worker_slot);
}

/* Tasks that follow each other start after each other: 32 of them share a cache line. */
static inline uint32_t tp__worker_started_index(uint64_t task)
{
    return (uint32_t)(((task >> 5) * UINT64_C(0x9e3779b97f4a7c15)) >> 53) << 5 | (uint32_t)(task & 31);
}

/* For the worker process. Relaxed: the partner reads when the process is dead, or wants a count that is about right. */

/** The thread goes on with another task, or with none (0). In between it has none. */
static inline void tp__worker_slot_switch(struct tp__worker_slot *slot, uint64_t task, uint32_t dispatch,
                                          uint32_t task_index)
{
    atomic_store_explicit(&slot->current_task, 0, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&slot->current_dispatch, dispatch, memory_order_relaxed);
    atomic_store_explicit(&slot->task_index, task_index, memory_order_relaxed);
    atomic_store_explicit(&slot->current_task, task, memory_order_release);
}

/** May a task start now? If not it is returned. */
static inline bool tp__worker_may_start(const struct tp__worker_memory *memory)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 <=
           atomic_load_explicit(&memory->fresh_until_ms, memory_order_relaxed);
}

/** A task starts here: before its first instruction. Its end: after its last, when what it has ended with is written to
 *  the agent, if anything is. */
static inline void tp__worker_task_started(struct tp__worker_memory *memory, struct tp__worker_slot *slot,
                                           uint64_t task)
{
    atomic_fetch_add_explicit(&memory->started[tp__worker_started_index(task)], 1, memory_order_relaxed);
    atomic_store_explicit(&slot->started_count, atomic_load_explicit(&slot->started_count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
static inline void tp__worker_task_ended(struct tp__worker_memory *memory, uint64_t task)
{
    atomic_fetch_sub_explicit(&memory->started[tp__worker_started_index(task)], 1, memory_order_relaxed);
}

_Static_assert(sizeof(struct tp__worker_slot) == 64, "a cache line each");

#endif
