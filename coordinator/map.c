/* SPDX-License-Identifier: MIT */
#include "map.h"

#include <sodium.h>
#include <stdlib.h>

enum { SMALLEST = 16 };

_Static_assert(sizeof(struct tp__id) == crypto_shorthash_KEYBYTES, "an id serves as the seed");

static size_t place_of(const struct map *map, const struct tp__id *key)
{
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, key->bytes, sizeof key->bytes, map->seed.bytes);
    uint64_t value;
    memcpy(&value, hash, sizeof value);
    return (size_t)value & (map->capacity - 1);
}

/* Where the key is, or the free place where it belongs. */
static size_t search(const struct map *map, const struct tp__id *key)
{
    size_t at = place_of(map, key);
    while (map->entries[at].value && !tp__id_equal(&map->entries[at].key, key))
        at = (at + 1) & (map->capacity - 1);
    return at;
}

void *map_find(const struct map *map, const struct tp__id *key)
{
    return map->capacity > 0 ? map->entries[search(map, key)].value : NULL;
}

static bool grow(struct map *map)
{
    struct map larger = {.capacity = map->capacity > 0 ? 2 * map->capacity : SMALLEST, .seed = map->seed};
    if (map->capacity == 0)
        larger.seed = tp__id_new();
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].value)
            larger.entries[search(&larger, &map->entries[i].key)] = map->entries[i];
    larger.count = map->count;
    free(map->entries);
    *map = larger;
    return true;
}

bool map_add(struct map *map, const struct tp__id *key, void *value)
{
    if (4 * (map->count + 1) > 3 * map->capacity && !grow(map))
        return false;
    map->entries[search(map, key)] = (struct map_entry){*key, value};
    map->count++;
    return true;
}

void map_remove(struct map *map, const struct tp__id *key)
{
    if (map->capacity == 0)
        return;
    size_t hole = search(map, key);
    if (!map->entries[hole].value)
        return;
    /* What stands behind the hole and would not be found any more moves into it. */
    const size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->entries[at].value; at = (at + 1) & mask) {
        const size_t wanted = place_of(map, &map->entries[at].key);
        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].value = NULL;
    map->count--;
}

void map_free(struct map *map)
{
    free(map->entries);
    *map = (struct map){0};
}

size_t map_bytes(const struct map *map)
{
    return map->capacity * sizeof *map->entries;
}
