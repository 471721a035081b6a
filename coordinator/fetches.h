/* SPDX-License-Identifier: MIT */
/** @file
 * Nodes that fetch a program: what each of them wants, and sending it as far as their links take it.
 */
#ifndef COORDINATOR_FETCHES_H
#define COORDINATOR_FETCHES_H

#include "programs.h"

/** NULL: the node does not fetch it. */
struct fetch *fetch_find(const struct program *program, const struct node *node);
/** NULL without memory. */
struct fetch *fetch_make(struct program *program, struct node *node, int64_t now_ms);
void fetch_free(struct fetch *fetch);
/** The chunk is wanted; wanting it twice is wanting it once. */
void fetch_want(struct fetch *fetch, uint32_t index);
/** It is one of those that get the program now. */
bool fetch_is_active(const struct fetch *fetch);
/** Sends what it wants and what is here, as far as its link takes it. */
void fetch_serve(struct fetch *fetch, int64_t now_ms);
/** The next chunk from `index` on that it wants; UINT32_MAX if there is none. */
uint32_t fetch_next_wanted(const struct fetch *fetch, uint32_t index);

#endif
