/* SPDX-License-Identifier: MIT */
/** @file
 * How much memory there is, and how much a process has.
 */
#ifndef NODE_MEMORY_H
#define NODE_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

/** What the machine has, or the control group (version 1 or 2) that this process is in, if that is less. */
uint64_t memory_of_machine(void);
/** What of a process is resident. 0: it cannot be read (it has just ended). */
uint64_t memory_of_process(pid_t pid);

#endif
