/* SPDX-License-Identifier: MIT */
/** @file
 * What is found out about a dead process, from how it ended and from the memory that it shared: in which words, and
 * whom to suspect. Pure; nothing in that memory is trusted. The backtrace is symbolizer.h's.
 */
#ifndef NODE_CRASH_H
#define NODE_CRASH_H

#include "agent.h"
#include "wire/worker_memory.h"

/** How a process ended, as its parent knows it. */
struct crash_end {
    int signal; /**< 0: it exited */
    int exit_status;
    const char *killed_because; /**< what the node itself killed it for; NULL: it did not */
};

/** Copies what the process wrote about its end, checked: out-of-range numbers are made harmless. All zero if there is
 *  nothing, or the record was not finished. */
struct tp__worker_crash crash_record(const struct tp__worker_memory *memory);

/** "was killed by SIGSEGV at address 0x0", ... */
void crash_describe(const struct crash_end *end, const struct tp__worker_crash *record, char text[256]);

/** Fills `suspects`, which has room for one a thread; returns how many. `threads` is the agent's own number. */
size_t crash_suspects(const struct tp__worker_memory *memory, uint32_t threads, const struct tp__worker_crash *record,
                      struct agent_suspect *suspects);

/** May this task have started? False is certain. */
bool crash_has_started(const struct tp__worker_memory *memory, uint64_t task);

#endif
