/* SPDX-License-Identifier: MIT */
/** @file
 * Finds things by 16 bytes that a peer has chosen: an open hash table, seeded so that nobody can choose names that meet
 * in one place. It has no order, and so nothing that depends on the seed.
 */
#ifndef COORDINATOR_MAP_H
#define COORDINATOR_MAP_H

#include "wire/names.h"

struct map_entry {
    struct tp__id key;
    void *value; /* NULL: free */
};

/** Zero it to begin with. */
struct map {
    struct map_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    struct tp__id seed;
};

/** NULL if it is not there. */
void *map_find(const struct map *map, const struct tp__id *key);
/** The key must not be there, the value not be NULL. False without memory. */
bool map_add(struct map *map, const struct tp__id *key, void *value) __attribute__((warn_unused_result));
/** Does nothing if it is not there. */
void map_remove(struct map *map, const struct tp__id *key);
void map_free(struct map *map);
size_t map_bytes(const struct map *map);

#endif
