/* SPDX-License-Identifier: MIT */
/** @file
 * `--programs DIR`: the programs that somebody installed on this node. Nothing else runs here, nothing is shipped.
 */
#ifndef NODE_INSTALLED_H
#define NODE_INSTALLED_H

#include "wire/names.h"
#include "wire/problem.h"

struct installed;

enum { INSTALLED_LIMIT = 1024 };

/** Hashes the executable files of the directory. Refuses a directory that its group or others can write. */
struct installed *installed_open(const char *directory, struct tp__problem *problem);
void installed_close(struct installed *installed); /**< NULL is allowed */
/** Looks again; only what has changed is hashed. False (what could be read is there) if something could not. */
bool installed_rescan(struct installed *installed, struct tp__problem *problem);
size_t installed_count(const struct installed *installed);

/** A descriptor for executing, which stays the room's; -1 if there is no such program. Rescans before it says that. */
int installed_find(struct installed *installed, const struct tp__hash *root, uint64_t length,
                   struct tp__problem *problem);

#endif
