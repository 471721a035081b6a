/* SPDX-License-Identifier: MIT */
/** @file
 * Where the other programs of TaskPool are.
 */
#ifndef CLI_PROGRAMS_H
#define CLI_PROGRAMS_H

#include "wire/problem.h"

#include <limits.h>

/** Finds "taskpool-node" and its like: beside this program, in the sbin or libexec beside its bin, else in $PATH. */
bool programs_find(const char *name, char path[PATH_MAX], struct tp__problem *problem);

#endif
