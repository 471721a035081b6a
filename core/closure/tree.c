/* SPDX-License-Identifier: MIT */
#include "closure/tree.h"

#include "base/alloc.h"
#include "closure/channel_ref.h"
#include "closure/closure.h"
#include "closure/codec.h"

#include <string.h>

enum { FIRST_CAPACITY = 4, PLACE_SIZE = sizeof(struct tp__entry *) };

struct tp__list *tp__list_new(void)
{
    struct tp__list *list = tp__alloc_zeroed(1, sizeof *list);
    if (list)
        tp__block_init(&list->block, TP__BLOCK_LIST);
    return list;
}

struct tp__map *tp__map_new(void)
{
    struct tp__map *map = tp__alloc_zeroed(1, sizeof *map);
    if (map)
        tp__block_init(&map->block, TP__BLOCK_MAP);
    return map;
}

void tp__list_fini(struct tp__list *list)
{
    for (size_t i = 0; i < list->count; i++)
        tp__tree_drop(list->items[i]);
    tp__free(list->items);
}

static void entry_free(struct tp__entry *entry)
{
    tp__owner_drop(entry->key.owner);
    tp__tree_drop(entry->value);
    tp__free(entry);
}

void tp__map_fini(struct tp__map *map)
{
    for (size_t i = 0; i < map->count; i++)
        entry_free(map->entries[i]);
    tp__free(map->entries);
}

static size_t grown(size_t capacity, size_t wanted)
{
    const size_t doubled = capacity ? 2 * capacity : FIRST_CAPACITY;
    return doubled < wanted ? wanted : doubled;
}

static bool list_reserve(struct tp__list *list, size_t count)
{
    if (count <= list->capacity)
        return true;
    const size_t capacity = grown(list->capacity, count);
    tp_value *items = capacity <= SIZE_MAX / sizeof *items ? tp__realloc(list->items, capacity * sizeof *items) : NULL;
    if (!items)
        return false;
    list->items = items;
    list->capacity = capacity;
    return true;
}

bool tp__list_push(struct tp__list *list, tp_value item)
{
    if (!list_reserve(list, list->count + 1))
        return false;
    list->items[list->count++] = item;
    return true;
}

bool tp__map_reserve(struct tp__map *map, size_t count)
{
    if (count <= map->capacity)
        return true;
    const size_t capacity = grown(map->capacity, count);
    const bool fits = capacity <= SIZE_MAX / PLACE_SIZE;
    struct tp__entry **entries = fits ? tp__realloc(map->entries, capacity * PLACE_SIZE) : NULL;
    if (!entries)
        return false;
    map->entries = entries;
    map->capacity = capacity;
    return true;
}

bool tp__map_insert(struct tp__map *map, size_t place, tp_str key, tp_value value)
{
    struct tp__entry *entry = tp__map_reserve(map, map->count + 1) ? tp__alloc(sizeof *entry) : NULL;
    if (!entry)
        return false;
    *entry = (struct tp__entry){.key = key, .value = value};
    memmove(&map->entries[place + 1], &map->entries[place], (map->count - place) * PLACE_SIZE);
    map->entries[place] = entry;
    map->count++;
    return true;
}

void tp__map_remove(struct tp__map *map, size_t place)
{
    struct tp__entry *entry = map->entries[place];
    map->count--;
    memmove(&map->entries[place], &map->entries[place + 1], (map->count - place) * PLACE_SIZE);
    entry_free(entry);
}

bool tp__map_find(const struct tp__map *map, tp_str key, size_t *place)
{
    size_t low = 0;
    size_t high = map->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = tp_str_compare(map->entries[middle]->key, key);
        if (order == 0) {
            *place = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return false;
}

tp_status tp__owner_copy(struct tp__block **owner, const void **data, size_t size)
{
    if (tp__owner_is_block(*owner)) {
        tp__block_retain(*owner);
        return TP_OK;
    }
    if (*owner == TP__OWNER_FAILED || (!*data && size > 0))
        return TP_E_ARGUMENT;
    if (*owner == TP__OWNER_STATIC)
        return TP_OK;
    if (size == 0) {
        *owner = TP__OWNER_STATIC;
        *data = "";
        return TP_OK;
    }
    char *copy;
    struct tp__block *block = tp__block_new_data(size, &copy);
    if (!block)
        return TP_E_NOMEM;
    memcpy(copy, *data, size);
    *owner = block;
    *data = copy;
    return TP_OK;
}

void tp__owner_drop(struct tp__block *owner)
{
    if (tp__owner_is_block(owner))
        tp__block_release(owner);
}

static tp_status copy_str(tp_str *to, tp_str from)
{
    const void *data = from.data;
    const tp_status status = tp__owner_copy(&from.owner, &data, from.length);
    from.data = data;
    if (status == TP_OK)
        *to = from;
    return status;
}

static tp_status copy_bytes(tp_bytes *to, tp_bytes from)
{
    const void *data = from.data;
    const tp_status status = tp__owner_copy(&from.owner, &data, from.size);
    from.data = data;
    if (status == TP_OK)
        *to = from;
    return status;
}

static tp_status copy_items(struct tp__list *to, const struct tp__list *from, enum tp__copy_mode mode, unsigned level)
{
    if (from->count > 0 && !list_reserve(to, from->count))
        return TP_E_NOMEM;
    for (size_t i = 0; i < from->count; i++) {
        const tp_status status = tp__tree_copy(&to->items[i], from->items[i], mode, level + 1);
        if (status != TP_OK)
            return status;
        to->count++;
    }
    return TP_OK;
}

static tp_status copy_entries(struct tp__map *to, const struct tp__map *from, enum tp__copy_mode mode, unsigned level)
{
    if (from->count > 0 && !tp__map_reserve(to, from->count))
        return TP_E_NOMEM;
    for (size_t i = 0; i < from->count; i++) {
        const struct tp__entry *entry = from->entries[i];
        tp_value value;
        const tp_status status = tp__tree_copy(&value, entry->value, mode, level + 1);
        if (status != TP_OK)
            return status;
        if (!tp__map_insert(to, i, entry->key, value)) {
            tp__tree_drop(value);
            return TP_E_NOMEM;
        }
        if (tp__owner_is_block(entry->key.owner))
            tp__block_retain(entry->key.owner);
    }
    return TP_OK;
}

/* What is known of a shared list or map for good: how deep it is and how long when encoded. */
static void list_seal(struct tp__list *list)
{
    unsigned deepest = 0;
    size_t size = tp__encoded_container_size(list->count);
    for (size_t i = 0; i < list->count; i++) {
        const unsigned depth = tp__tree_depth(list->items[i]);
        deepest = depth > deepest ? depth : deepest;
        size += tp__encoded_tree_size(list->items[i]);
    }
    list->block.depth = (uint8_t)(deepest + 1);
    list->encoded_size = size;
}

static void map_seal(struct tp__map *map)
{
    unsigned deepest = 0;
    size_t size = tp__encoded_container_size(map->count);
    for (size_t i = 0; i < map->count; i++) {
        const struct tp__entry *entry = map->entries[i];
        const unsigned depth = tp__tree_depth(entry->value);
        deepest = depth > deepest ? depth : deepest;
        size += tp__encoded_run_size(entry->key.length) + tp__encoded_tree_size(entry->value);
    }
    map->block.depth = (uint8_t)(deepest + 1);
    map->encoded_size = size;
}

void tp__tree_seal(struct tp__block *container)
{
    if (container->type == TP__BLOCK_LIST)
        list_seal(tp__block_list(container));
    else
        map_seal(tp__block_map(container));
}

/* A new block with a copy of what the list or map holds. */
static tp_status copy_container(struct tp__block **to, struct tp__block *from, enum tp__copy_mode mode, unsigned level)
{
    struct tp__block *block;
    tp_status status;
    if (from->type == TP__BLOCK_LIST) {
        struct tp__list *list = tp__list_new();
        if (!list)
            return TP_E_NOMEM;
        block = &list->block;
        status = copy_items(list, tp__block_list(from), mode, level);
    } else {
        struct tp__map *map = tp__map_new();
        if (!map)
            return TP_E_NOMEM;
        block = &map->block;
        status = copy_entries(map, tp__block_map(from), mode, level);
    }
    if (status != TP_OK) {
        tp__block_release(block);
        return status;
    }
    if (mode == TP__COPY_SHARED) {
        tp__tree_seal(block);
    } else {
        block->changeable = true;
        block->depth = (uint8_t)level;
    }
    *to = block;
    return TP_OK;
}

/* One more reference to a block that is never changed, to lie at `level`. */
static tp_status share(struct tp__block *block, unsigned level)
{
    if (level - 1 + block->depth > TP_VALUE_DEPTH_LIMIT)
        return TP_E_LIMIT;
    tp__block_retain(block);
    return TP_OK;
}

tp_status tp__tree_copy(tp_value *to, tp_value from, enum tp__copy_mode mode, unsigned level)
{
    tp_status status = TP_OK;
    *to = tp_value_nil();
    switch (from.type) {
    case TP_VALUE_NIL:
    case TP_VALUE_BOOL:
    case TP_VALUE_INT:
    case TP_VALUE_FLOAT:
        break;
    case TP_VALUE_STR:
        status = copy_str(&from.as.string, from.as.string);
        break;
    case TP_VALUE_BYTES:
        status = copy_bytes(&from.as.bytes, from.as.bytes);
        break;
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        if (!from.as.block)
            status = TP_E_ARGUMENT;
        else if (!from.as.block->changeable && mode != TP__COPY_CHANGEABLE)
            status = share(from.as.block, level);
        else if (level > TP_VALUE_DEPTH_LIMIT)
            status = TP_E_LIMIT;
        else
            status = copy_container(&from.as.block, from.as.block, mode, level);
        break;
    case TP_VALUE_CLOSURE:
        status = from.as.closure ? share(tp__closure_block(from.as.closure), level) : TP_E_ARGUMENT;
        break;
    case TP_VALUE_CHANNEL:
        status = from.as.channel ? TP_OK : TP_E_ARGUMENT;
        if (from.as.channel)
            tp__channel_retain(from.as.channel);
        break;
    case TP_VALUE_FAILED:
    default:
        status = TP_E_ARGUMENT;
        break;
    }
    if (status == TP_OK)
        *to = from;
    return status;
}

void tp__tree_drop(tp_value value)
{
    switch (value.type) {
    case TP_VALUE_STR:
        tp__owner_drop(value.as.string.owner);
        break;
    case TP_VALUE_BYTES:
        tp__owner_drop(value.as.bytes.owner);
        break;
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        if (value.as.block)
            tp__block_release(value.as.block);
        break;
    case TP_VALUE_CLOSURE:
        if (value.as.closure)
            tp__block_release(tp__closure_block(value.as.closure));
        break;
    case TP_VALUE_CHANNEL:
        tp__channel_unref(value.as.channel);
        break;
    case TP_VALUE_NIL:
    case TP_VALUE_BOOL:
    case TP_VALUE_INT:
    case TP_VALUE_FLOAT:
    case TP_VALUE_FAILED:
        break;
    }
}

unsigned tp__tree_depth(tp_value value)
{
    switch (value.type) {
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        return value.as.block->depth;
    case TP_VALUE_CLOSURE:
        return tp__closure_block(value.as.closure)->depth;
    default:
        return 0;
    }
}
