/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/error.h"
#include "closure/channel_ref.h"
#include "closure/closure.h"
#include "closure/tree.h"

#include <string.h>

static const tp_value failed = {.type = TP_VALUE_FAILED};

tp_value tp_value_str(tp_str string)
{
    return string.owner == TP__OWNER_FAILED ? failed : (tp_value){.type = TP_VALUE_STR, .as.string = string};
}

tp_value tp_value_bytes(tp_bytes bytes)
{
    return bytes.owner == TP__OWNER_FAILED ? failed : (tp_value){.type = TP_VALUE_BYTES, .as.bytes = bytes};
}

tp_value tp_value_closure(tp_closure closure)
{
    return closure.closure ? (tp_value){.type = TP_VALUE_CLOSURE, .as.closure = closure.closure} : failed;
}

tp_value tp_value_channel(tp_channel *channel)
{
    if (!channel || tp_channel_name(channel)[0] == '\0') {
        tp__fail(TP_E_ARGUMENT, "tp_value_channel: %s",
                 channel ? "the channel has no name: make it with tp_pool_channel" : "the channel is NULL");
        return failed;
    }
    tp__channel_retain(channel);
    if (tp__owned_give_channel(channel) != TP_OK)
        return failed;
    return (tp_value){.type = TP_VALUE_CHANNEL, .as.channel = channel};
}

static tp_value own_container(tp_value_type type, struct tp__block *block)
{
    block->changeable = true;
    return tp__owned_give_block(block) == TP_OK ? (tp_value){.type = type, .as.block = block} : failed;
}

tp_value tp_value_list(void)
{
    struct tp__list *list = tp__list_new();
    if (list)
        return own_container(TP_VALUE_LIST, &list->block);
    tp__fail_nomem("tp_value_list");
    return failed;
}

tp_value tp_value_map(void)
{
    struct tp__map *map = tp__map_new();
    if (map)
        return own_container(TP_VALUE_MAP, &map->block);
    tp__fail_nomem("tp_value_map");
    return failed;
}

static struct tp__block *block_of(tp_value value)
{
    switch (value.type) {
    case TP_VALUE_STR:
        return value.as.string.owner;
    case TP_VALUE_BYTES:
        return value.as.bytes.owner;
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        return value.as.block;
    case TP_VALUE_CLOSURE:
        return value.as.closure ? tp__closure_block(value.as.closure) : NULL;
    default:
        return NULL;
    }
}

static tp_status refuse_copy(tp_status status, const char *function)
{
    if (status == TP_E_NOMEM)
        return tp__fail_nomem(function);
    return status == TP_E_LIMIT ? tp__fail(status, "%s: values nest at most %d deep", function, TP_VALUE_DEPTH_LIMIT)
                                : tp__fail(status, "%s: the value is none: the call that made it failed", function);
}

tp_value tp_value_copy(tp_value value)
{
    tp_value copy;
    const tp_status status = tp__tree_copy(&copy, value, TP__COPY_CHANGEABLE, 1);
    if (status != TP_OK) {
        refuse_copy(status, "tp_value_copy");
        return failed;
    }
    struct tp__block *block = block_of(copy);
    const bool given = copy.type == TP_VALUE_CHANNEL
                           ? tp__owned_give_channel(copy.as.channel) == TP_OK
                           : !tp__owner_is_block(block) || tp__owned_give_block(block) == TP_OK;
    return given ? copy : failed;
}

void tp_value_release(tp_value value)
{
    if (value.type == TP_VALUE_CHANNEL) {
        tp__owned_take_back_channel(value.as.channel);
        return;
    }
    struct tp__block *block = block_of(value);
    const bool lies_in_another = tp__owner_is_block(block) && block->changeable && block->depth > 1;
    if (tp__owner_is_block(block) && !lies_in_another)
        tp__owned_take_back_block(block);
}

const char *tp_value_type_name(tp_value_type type)
{
    static const char *const names[] = {"nil",   "bool", "int", "float",   "string",
                                        "bytes", "list", "map", "closure", "channel"};
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "failed";
}

static tp_status wrong_type(const char *function, tp_value value, const char *wanted)
{
    return tp__fail(TP_E_TYPE, "%s: the value is a %s, not a %s", function, tp_value_type_name(value.type), wanted);
}

/* A null pointer where a result should go would be a crash far from the mistake. */
static tp_status no_out(const char *function)
{
    return tp__fail(TP_E_ARGUMENT, "%s: `out` is NULL", function);
}

#define ACCESSOR(function, c_type, wanted, expression)                       \
    tp_status function(tp_value value, c_type *out)                          \
    {                                                                        \
        if (!out)                                                            \
            return no_out(#function);                                        \
        *out = (c_type){0};                                                  \
        if (value.type != (wanted))                                          \
            return wrong_type(#function, value, tp_value_type_name(wanted)); \
        *out = expression;                                                   \
        return TP_OK;                                                        \
    }

ACCESSOR(tp_value_to_bool, bool, TP_VALUE_BOOL, value.as.boolean)
ACCESSOR(tp_value_to_int, int64_t, TP_VALUE_INT, value.as.integer)
ACCESSOR(tp_value_to_float, double, TP_VALUE_FLOAT, value.as.number)
ACCESSOR(tp_value_to_str, tp_str, TP_VALUE_STR, value.as.string)
ACCESSOR(tp_value_to_bytes, tp_bytes, TP_VALUE_BYTES, value.as.bytes)
ACCESSOR(tp_value_to_closure, tp_closure, TP_VALUE_CLOSURE, ((tp_closure){value.as.closure}))
ACCESSOR(tp_value_to_channel, tp_channel *, TP_VALUE_CHANNEL, value.as.channel)

size_t tp_value_size(tp_value value)
{
    switch (value.type) {
    case TP_VALUE_STR:
        return value.as.string.length;
    case TP_VALUE_BYTES:
        return value.as.bytes.size;
    case TP_VALUE_LIST:
        return value.as.block ? tp__block_list(value.as.block)->count : 0;
    case TP_VALUE_MAP:
        return value.as.block ? tp__block_map(value.as.block)->count : 0;
    default:
        return 0;
    }
}

static tp_status check_container(const char *function, tp_value value, tp_value_type wanted)
{
    return value.type == wanted && value.as.block ? TP_OK : wrong_type(function, value, tp_value_type_name(wanted));
}

static tp_status check_changeable(const char *function, tp_value value, tp_value_type wanted)
{
    const tp_status status = check_container(function, value, wanted);
    if (status != TP_OK || value.as.block->changeable)
        return status;
    return tp__fail(TP_E_UNSUPPORTED,
                    "%s: this %s was captured or received and is read-only: tp_value_copy makes one "
                    "that can be changed",
                    function, tp_value_type_name(wanted));
}

/* The copy of an item that is to lie in `container`. */
static tp_status copy_in(const char *function, tp_value container, tp_value item, tp_value *copy)
{
    const tp_status status = tp__tree_copy(copy, item, TP__COPY_INSERTED, container.as.block->depth + 1U);
    return status == TP_OK ? TP_OK : refuse_copy(status, function);
}

tp_status tp_value_list_append(tp_value list, tp_value item)
{
    tp_value copy;
    tp_status status = check_changeable(__func__, list, TP_VALUE_LIST);
    if (status == TP_OK)
        status = copy_in(__func__, list, item, &copy);
    if (status != TP_OK)
        return status;
    if (tp__list_push(tp__block_list(list.as.block), copy))
        return TP_OK;
    tp__tree_drop(copy);
    return tp__fail_nomem(__func__);
}

static tp_status no_element(const char *function, size_t index, size_t count)
{
    return tp__fail(TP_E_ARGUMENT, "%s: there is no element %zu: there are %zu, from 0 on", function, index, count);
}

tp_status tp_value_list_set(tp_value list, size_t index, tp_value item)
{
    tp_value copy;
    tp_status status = check_changeable(__func__, list, TP_VALUE_LIST);
    if (status == TP_OK && index >= tp_value_size(list))
        status = no_element(__func__, index, tp_value_size(list));
    if (status == TP_OK)
        status = copy_in(__func__, list, item, &copy);
    if (status != TP_OK)
        return status;
    tp_value *place = &tp__block_list(list.as.block)->items[index];
    const tp_value before = *place;
    *place = copy;
    tp__tree_drop(before);
    return TP_OK;
}

tp_status tp_value_list_get(tp_value list, size_t index, tp_value *out)
{
    if (!out)
        return no_out(__func__);
    *out = tp_value_nil();
    const tp_status status = check_container(__func__, list, TP_VALUE_LIST);
    if (status != TP_OK)
        return status;
    if (index >= tp_value_size(list))
        return no_element(__func__, index, tp_value_size(list));
    *out = tp__block_list(list.as.block)->items[index];
    return TP_OK;
}

static tp_str key_view(const char *key)
{
    return tp_str_view(key, strlen(key));
}

static tp_status check_key(const char *function, const char *key)
{
    return key ? TP_OK : tp__fail(TP_E_ARGUMENT, "%s: the key is NULL", function);
}

static tp_status no_key(const char *function, const char *key)
{
    return tp__fail(TP_E_ARGUMENT, "%s: the map has no key '%s'", function, key);
}

static tp_status map_add(struct tp__map *map, size_t place, const char *key, tp_value value)
{
    tp_str name = key_view(key);
    const void *data = name.data;
    if (tp__owner_copy(&name.owner, &data, name.length) != TP_OK)
        return TP_E_NOMEM;
    name.data = data;
    if (tp__map_insert(map, place, name, value))
        return TP_OK;
    tp__owner_drop(name.owner);
    return TP_E_NOMEM;
}

tp_status tp_value_map_set(tp_value map, const char *key, tp_value item)
{
    tp_value copy;
    tp_status status = check_changeable(__func__, map, TP_VALUE_MAP);
    if (status == TP_OK)
        status = check_key(__func__, key);
    if (status == TP_OK)
        status = copy_in(__func__, map, item, &copy);
    if (status != TP_OK)
        return status;
    struct tp__map *inside = tp__block_map(map.as.block);
    size_t place;
    if (tp__map_find(inside, key_view(key), &place)) {
        const tp_value before = inside->entries[place]->value;
        inside->entries[place]->value = copy;
        tp__tree_drop(before);
    } else if (map_add(inside, place, key, copy) != TP_OK) {
        tp__tree_drop(copy);
        return tp__fail_nomem(__func__);
    }
    return TP_OK;
}

tp_status tp_value_map_get(tp_value map, const char *key, tp_value *out)
{
    if (!out)
        return no_out(__func__);
    *out = tp_value_nil();
    tp_status status = check_container(__func__, map, TP_VALUE_MAP);
    if (status == TP_OK)
        status = check_key(__func__, key);
    if (status != TP_OK)
        return status;
    const struct tp__map *inside = tp__block_map(map.as.block);
    size_t place;
    if (!tp__map_find(inside, key_view(key), &place))
        return no_key(__func__, key);
    *out = inside->entries[place]->value;
    return TP_OK;
}

bool tp_value_map_has(tp_value map, const char *key)
{
    size_t place;
    return map.type == TP_VALUE_MAP && map.as.block && key &&
           tp__map_find(tp__block_map(map.as.block), key_view(key), &place);
}

tp_status tp_value_map_at(tp_value map, size_t index, tp_str *key, tp_value *out)
{
    if (key)
        *key = (tp_str){NULL, 0, NULL};
    if (out)
        *out = tp_value_nil();
    const tp_status status = check_container(__func__, map, TP_VALUE_MAP);
    if (status != TP_OK)
        return status;
    if (index >= tp_value_size(map))
        return no_element(__func__, index, tp_value_size(map));
    const struct tp__entry *entry = tp__block_map(map.as.block)->entries[index];
    if (key)
        *key = entry->key;
    if (out)
        *out = entry->value;
    return TP_OK;
}

tp_status tp_value_map_remove(tp_value map, const char *key)
{
    tp_status status = check_changeable(__func__, map, TP_VALUE_MAP);
    if (status == TP_OK)
        status = check_key(__func__, key);
    if (status != TP_OK)
        return status;
    size_t place;
    if (!tp__map_find(tp__block_map(map.as.block), key_view(key), &place))
        return no_key(__func__, key);
    tp__map_remove(tp__block_map(map.as.block), place);
    return TP_OK;
}
