/* SPDX-License-Identifier: MIT */
/** @file
 * The programs that were shipped here: files in a directory that only the agent can enter, each named by the root of
 * its hashes, in hexadecimal. The files themselves can be executed by everybody, because a worker process is another
 * user; it comes to its own by the descriptor alone.
 *
 * Full: the one that was used longest ago goes, unless it is held. What a crash or a full disk left unfinished is
 * removed at the next start. A file is hashed when it is used for the first time after a start; one that is not what
 * its name says is removed.
 */
#ifndef NODE_CACHE_H
#define NODE_CACHE_H

#include "wire/names.h"
#include "wire/problem.h"

struct cache;

enum { CACHE_FETCHES_LIMIT = 16 };

/** Makes the directory, and those above it, if need be. Refuses one that somebody else can write, or that another agent
 *  uses. NULL on failure. */
struct cache *cache_open(const char *directory, uint64_t limit_bytes, struct tp__problem *problem);
void cache_close(struct cache *cache); /**< NULL is allowed */

/** A descriptor of the program for reading and executing, which stays the cache's; -1 if there is none. If that is
 *  because a file was damaged, `problem` says so; if it simply is not there, its status is TP_OK. */
int cache_find(struct cache *cache, const struct tp__hash *root, uint64_t length, struct tp__problem *problem);
/** It is not removed while it is held. Counted. Of one that is in the cache. */
void cache_hold(struct cache *cache, const struct tp__hash *root);
void cache_release(struct cache *cache, const struct tp__hash *root);

/** Begins to fetch: makes room. Fetching the same again begins anew; of more than CACHE_FETCHES_LIMIT at a time the
 *  oldest is given up. TP_E_LIMIT: it does not fit; TP_E_SYSTEM: a full disk, for example. */
bool cache_begin(struct cache *cache, const struct tp__hash *root, uint64_t length, struct tp__problem *problem);
/** Chunks may come in any order. */
bool cache_chunk(struct cache *cache, const struct tp__hash *root, uint32_t index, const uint8_t *bytes, size_t size,
                 struct tp__problem *problem);
/** All chunks have come: now cache_find finds it. False if it is not what the root says, or cannot be kept. */
bool cache_complete(struct cache *cache, const struct tp__hash *root, struct tp__problem *problem);

uint64_t cache_bytes(const struct cache *cache); /**< of whole and unfinished ones */

#endif
