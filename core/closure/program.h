/* SPDX-License-Identifier: MIT */
/** @file
 * The program's own table of tasks: what the linker section of TP_TASK holds, in the order of the section.
 */
#ifndef TP_CLOSURE_PROGRAM_H
#define TP_CLOSURE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <taskpool/kind.h>

/** The index of a task of the main program, stable for one binary. False if it is none (a task in a shared library, a
 *  TP_LOCAL_TASK). */
bool tp__program_index(const tp_task_definition *task, uint32_t *index);

/** The task with that index, NULL if there is none. */
const tp_task_definition *tp__program_task(uint32_t index);

uint32_t tp__program_task_count(void);

#endif
