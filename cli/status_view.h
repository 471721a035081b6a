/* SPDX-License-Identifier: MIT */
/** @file
 * An answer about the coordinator, its nodes and its sessions: for people, and as JSON with names that stay.
 */
#ifndef CLI_STATUS_VIEW_H
#define CLI_STATUS_VIEW_H

#include "wire/frame.h"

#include <jansson.h>
#include <stdio.h>

enum { SESSION_BRIEF = 8 }; /**< digits of a session that are shown: enough for `taskpool why` */

/** False without memory. */
bool status_print(const Taskpool__Answer *answer, const char *endpoint, FILE *to);
bool status_print_nodes(const Taskpool__Answer *answer, FILE *to);

/** NULL without memory. */
json_t *status_json(const Taskpool__Answer *answer, const char *endpoint);
json_t *status_nodes_json(const Taskpool__Answer *answer);

/** Prints it to standard output and lets it go. Returns the exit code; NULL: there was no memory for it. */
int json_print(const char *command, json_t *value);
/** A text from somewhere, and a number that JSON can hold. */
json_t *json_text(const char *text);
json_t *json_number(uint64_t number);

#endif
