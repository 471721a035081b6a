/* SPDX-License-Identifier: MIT */
#include "cluster/session_index.h"

#include <stdlib.h>

enum { FEWEST_BUCKETS = 16 };

static struct index_entry **bucket_of(const struct index *index, uint64_t key)
{
    const uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return &index->buckets[(mixed >> 32) & (index->bucket_count - 1)];
}

/* False without memory: then the chains stay as long as they are. */
static bool grow(struct index *index)
{
    const size_t count = index->bucket_count ? 2 * index->bucket_count : FEWEST_BUCKETS;
    struct index larger = {.buckets = calloc(count, sizeof *larger.buckets), .bucket_count = count};
    if (!larger.buckets)
        return false;
    for (size_t i = 0; i < index->bucket_count; i++)
        for (struct index_entry *entry = index->buckets[i]; entry;) {
            struct index_entry *next = entry->next;
            struct index_entry **bucket = bucket_of(&larger, entry->key);
            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    free(index->buckets);
    index->buckets = larger.buckets;
    index->bucket_count = count;
    return true;
}

bool tp__session_index_add(struct index *index, struct index_entry *entry)
{
    if (index->count >= index->bucket_count && !grow(index) && index->bucket_count == 0)
        return false;
    struct index_entry **bucket = bucket_of(index, entry->key);
    entry->next = *bucket;
    *bucket = entry;
    index->count++;
    return true;
}

void tp__session_index_remove(struct index *index, struct index_entry *entry)
{
    struct index_entry **link = bucket_of(index, entry->key);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    index->count--;
}

struct index_entry *tp__session_index_find(const struct index *index, uint64_t key)
{
    if (index->bucket_count == 0)
        return NULL;
    struct index_entry *entry = *bucket_of(index, key);
    while (entry && entry->key != key)
        entry = entry->next;
    return entry;
}

struct index_entry *tp__session_index_next(const struct index_entry *entry)
{
    const uint64_t key = entry->key;
    do
        entry = entry->next;
    while (entry && entry->key != key);
    return (struct index_entry *)(uintptr_t)entry;
}

void tp__session_index_fini(struct index *index)
{
    free(index->buckets);
    *index = (struct index){NULL, 0, 0};
}
