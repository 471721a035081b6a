/* SPDX-License-Identifier: MIT */
/** @file
 * Finds things by a number: chains of entries that lie inside what is found. Several entries may have one key.
 */
#ifndef TP_CLUSTER_SESSION_INDEX_H
#define TP_CLUSTER_SESSION_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_entry {
    uint64_t key;
    struct index_entry *next; /* in its bucket */
};

/** Zero it to begin with. */
struct index {
    struct index_entry **buckets;
    size_t bucket_count; /* 0 or a power of 2 */
    size_t count;
};

/** Adds `entry`, whose key is set. False without memory. */
bool tp__session_index_add(struct index *index, struct index_entry *entry) __attribute__((warn_unused_result));
/** It must be in there. */
void tp__session_index_remove(struct index *index, struct index_entry *entry);
/** The first with that key; the next one with the same. NULL: none. */
struct index_entry *tp__session_index_find(const struct index *index, uint64_t key);
struct index_entry *tp__session_index_next(const struct index_entry *entry);
/** Frees the buckets, not the entries. */
void tp__session_index_fini(struct index *index);

#endif
