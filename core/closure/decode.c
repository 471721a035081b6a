/* SPDX-License-Identifier: MIT */
/* Design notes.
 *
 * The input is not to be trusted: every length is compared with what is left before anything is allocated for it; lists
 * and maps grow with the elements that have really been read; nesting is limited before it is entered. What was decoded
 * is loose from its first moment, so that a failure anywhere drops it as any other loose value.
 */
#include "closure/codec.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/closure.h"
#include "closure/payload.h"
#include "closure/program.h"
#include "closure/tree.h"

#include <string.h>

enum { NAME_LIMIT = 255 };

struct reader {
    const uint8_t *bytes;
    size_t size;
    size_t at; /* the next byte */
    struct tp__channels *channels;
};

#define malformed(at, format, ...)                                                                             \
    (tp__fail(TP_E_DECODE, "malformed encoding at byte %zu: " format, (size_t)(at)__VA_OPT__(, ) __VA_ARGS__), \
     TP_E_DECODE)

static size_t left(const struct reader *reader)
{
    return reader->size - reader->at;
}

static tp_status need(const struct reader *reader, size_t size, const char *what)
{
    return size <= left(reader) ? TP_OK
                                : malformed(reader->at, "%s of %zu bytes ends behind the input, of which %zu are left",
                                            what, size, left(reader));
}

static tp_status read_raw(struct reader *reader, void *to, size_t size, const char *what)
{
    const tp_status status = need(reader, size, what);
    if (status == TP_OK && size > 0) {
        memcpy(to, reader->bytes + reader->at, size);
        reader->at += size;
    }
    return status;
}

static tp_status read_number(struct reader *reader, uint32_t *number, const char *what)
{
    const size_t start = reader->at;
    uint64_t sum = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte;
        const tp_status status = read_raw(reader, &byte, 1, what);
        if (status != TP_OK)
            return status;
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (sum > UINT32_MAX || (byte == 0 && shift > 0))
            break;
        *number = (uint32_t)sum;
        return TP_OK;
    }
    return malformed(start, "%s is not a number of at most 32 bits in its shortest form", what);
}

static tp_status read_bool(struct reader *reader, bool *to, const char *what)
{
    uint8_t byte;
    const tp_status status = read_raw(reader, &byte, 1, what);
    if (status != TP_OK)
        return status;
    if (byte > 1)
        return malformed(reader->at - 1, "%s is %u, not 0 or 1", what, byte);
    *to = byte;
    return TP_OK;
}

/* A length and as many bytes, which stay in the input. */
static tp_status read_run(struct reader *reader, const uint8_t **data, size_t *size, const char *what)
{
    uint32_t length;
    tp_status status = read_number(reader, &length, what);
    if (status == TP_OK)
        status = need(reader, length, what);
    if (status != TP_OK)
        return status;
    *data = reader->bytes + reader->at;
    *size = length;
    reader->at += length;
    return TP_OK;
}

static tp_status read_owned_run(struct reader *reader, const void **data, size_t *size, struct tp__block **owner,
                                const char *what)
{
    const uint8_t *bytes;
    tp_status status = read_run(reader, &bytes, size, what);
    if (status != TP_OK)
        return status;
    *data = bytes;
    *owner = NULL;
    status = tp__owner_copy(owner, data, *size);
    return status == TP_OK ? TP_OK : tp__fail_nomem(what);
}

static tp_status read_str(struct reader *reader, tp_str *to, const char *what)
{
    const void *data;
    size_t length;
    struct tp__block *owner;
    const tp_status status = read_owned_run(reader, &data, &length, &owner, what);
    if (status == TP_OK)
        *to = (tp_str){.data = data, .length = length, .owner = owner};
    return status;
}

static tp_status read_bytes(struct reader *reader, tp_bytes *to)
{
    const void *data;
    size_t size;
    struct tp__block *owner;
    const tp_status status = read_owned_run(reader, &data, &size, &owner, "bytes");
    if (status == TP_OK)
        *to = (tp_bytes){.data = data, .size = size, .owner = owner};
    return status;
}

static tp_status read_channel(struct reader *reader, tp_channel **to)
{
    const size_t start = reader->at;
    const uint8_t *name;
    size_t length;
    const tp_status status = read_run(reader, &name, &length, "a channel's name");
    if (status != TP_OK)
        return status;
    if (length == 0 || length > NAME_LIMIT || memchr(name, 0, length))
        return malformed(start, "a channel's name has 1 to %d bytes, none of them 0", NAME_LIMIT);
    *to = tp__channels_resolve(reader->channels, (const char *)name, length);
    return *to ? TP_OK : tp_last_error()->status;
}

static tp_status read_value(struct reader *reader, tp_kind kind, size_t size, void *to, unsigned level);

/* The fewest bytes that the captures can take: known before memory for them is. */
static size_t least_captures_size(const tp_task_definition *task, size_t first)
{
    size_t size = 0;
    for (size_t i = first; i < task->parameter_count; i++)
        size += tp__kind_is_counted(task->parameters[i].kind) ? 1 : task->parameters[i].size;
    return size;
}

static tp_status read_task(struct reader *reader, size_t first, const tp_task_definition **task)
{
    const size_t start = reader->at;
    uint32_t index = 0;
    const tp_status status = read_number(reader, &index, "a task's index");
    if (status != TP_OK)
        return status;
    *task = tp__program_task(index);
    if (!*task)
        return malformed(start, "this program has no task %u: it has %u", index, tp__program_task_count());
    if (first > (*task)->parameter_count)
        return malformed(start, "a closure of task '%s', which has no parameter, takes an argument", (*task)->name);
    return need(reader, least_captures_size(*task, first), "a task's captures");
}

/* Into captures that are zero before; what it has read before a failure stays in them. */
static tp_status read_captures(struct reader *reader, const tp_task_definition *task, size_t first, void *captures,
                               unsigned level)
{
    for (size_t i = first; i < task->parameter_count; i++) {
        const tp_parameter *parameter = &task->parameters[i];
        const tp_status status =
            read_value(reader, parameter->kind, parameter->size, (char *)captures + parameter->offset, level);
        if (status != TP_OK)
            return status;
    }
    return TP_OK;
}

static tp_status read_closure(struct reader *reader, struct tp__closure **to, unsigned level)
{
    const size_t start = reader->at;
    if (level > TP_VALUE_DEPTH_LIMIT)
        return malformed(start, "values nest more than %d deep", TP_VALUE_DEPTH_LIMIT);
    bool takes_argument = false;
    tp_status status = read_bool(reader, &takes_argument, "a closure's form");
    if (status != TP_OK)
        return status;
    const size_t first = takes_argument;
    const tp_task_definition *task;
    status = read_task(reader, first, &task);
    if (status != TP_OK)
        return status;
    struct tp__closure *closure = tp__closure_new(task, takes_argument);
    if (!closure)
        return tp__fail_nomem("a decoded closure");
    status = read_captures(reader, task, first, closure->captures, level + 1);
    if (status == TP_OK && !tp__closure_seal(closure))
        status = malformed(start, "values nest more than %d deep", TP_VALUE_DEPTH_LIMIT);
    if (status == TP_OK)
        *to = closure;
    else
        tp__block_release(tp__closure_block(closure));
    return status;
}

static tp_status read_tree(struct reader *reader, tp_value *to, unsigned level);

static tp_status read_items(struct reader *reader, struct tp__list *list, uint32_t count, unsigned level)
{
    while (list->count < count) {
        tp_value item;
        const tp_status status = read_tree(reader, &item, level + 1);
        if (status != TP_OK)
            return status;
        if (!tp__list_push(list, item)) {
            tp__tree_drop(item);
            return tp__fail_nomem("a decoded list");
        }
    }
    return TP_OK;
}

static tp_status check_key(const struct tp__map *map, tp_str key, size_t start)
{
    if (memchr(key.data, 0, key.length))
        return malformed(start, "a map's key has a 0 byte");
    if (map->count > 0 && tp_str_compare(map->entries[map->count - 1]->key, key) >= 0)
        return malformed(start, "a map's keys are not in ascending order");
    return TP_OK;
}

static tp_status read_entries(struct reader *reader, struct tp__map *map, uint32_t count, unsigned level)
{
    while (map->count < count) {
        const size_t start = reader->at;
        tp_str key;
        tp_status status = read_str(reader, &key, "a map's key");
        if (status != TP_OK)
            return status;
        tp_value value = tp_value_nil();
        status = check_key(map, key, start);
        if (status == TP_OK)
            status = read_tree(reader, &value, level + 1);
        if (status == TP_OK && !tp__map_insert(map, map->count, key, value))
            status = tp__fail_nomem("a decoded map");
        if (status != TP_OK) {
            tp__tree_drop(value);
            tp__owner_drop(key.owner);
            return status;
        }
    }
    return TP_OK;
}

/* noinline: closures inside closures pass through read_tree too, and need not carry this frame on a small stack. */
__attribute__((noinline)) static tp_status read_container(struct reader *reader, tp_value_type type,
                                                          struct tp__block **to, unsigned level)
{
    const size_t start = reader->at;
    if (level > TP_VALUE_DEPTH_LIMIT)
        return malformed(start, "values nest more than %d deep", TP_VALUE_DEPTH_LIMIT);
    uint32_t count = 0;
    tp_status status = read_number(reader, &count, type == TP_VALUE_LIST ? "a list's count" : "a map's count");
    if (status != TP_OK)
        return status;
    if (count > left(reader))
        return malformed(start, "%u elements cannot be in the %zu bytes that are left", count, left(reader));
    struct tp__block *block;
    if (type == TP_VALUE_LIST) {
        struct tp__list *list = tp__list_new();
        if (!list)
            return tp__fail_nomem("a decoded list");
        block = &list->block;
        status = read_items(reader, list, count, level);
    } else {
        struct tp__map *map = tp__map_new();
        if (!map)
            return tp__fail_nomem("a decoded map");
        block = &map->block;
        status = read_entries(reader, map, count, level);
    }
    if (status != TP_OK) {
        tp__block_release(block);
        return status;
    }
    tp__tree_seal(block);
    *to = block;
    return TP_OK;
}

/* `*to` is nil after a failure. */
static tp_status read_tree(struct reader *reader, tp_value *to, unsigned level)
{
    *to = tp_value_nil();
    uint8_t type = 0;
    tp_status status = read_raw(reader, &type, 1, "a value's type");
    if (status != TP_OK)
        return status;
    switch (type) {
    case TP_VALUE_NIL:
        break;
    case TP_VALUE_BOOL:
        status = read_bool(reader, &to->as.boolean, "a bool");
        break;
    case TP_VALUE_INT:
        status = read_raw(reader, &to->as.integer, sizeof to->as.integer, "an int");
        break;
    case TP_VALUE_FLOAT:
        status = read_raw(reader, &to->as.number, sizeof to->as.number, "a float");
        break;
    case TP_VALUE_STR:
        status = read_str(reader, &to->as.string, "a string");
        break;
    case TP_VALUE_BYTES:
        status = read_bytes(reader, &to->as.bytes);
        break;
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        status = read_container(reader, (tp_value_type)type, &to->as.block, level);
        break;
    case TP_VALUE_CLOSURE:
        status = read_closure(reader, &to->as.closure, level);
        break;
    case TP_VALUE_CHANNEL:
        status = read_channel(reader, &to->as.channel);
        break;
    default:
        return malformed(reader->at - 1, "a value has no type %u", type);
    }
    if (status == TP_OK)
        to->type = (tp_value_type)type;
    return status;
}

/* Leaves `to`, which is zero before, as it is after a failure. */
static tp_status read_value(struct reader *reader, tp_kind kind, size_t size, void *to, unsigned level)
{
    switch (kind) {
    case TP_KIND_VOID:
        return TP_OK;
    case TP_KIND_BOOL:
        return read_bool(reader, to, "a bool");
    case TP_KIND_INT:
    case TP_KIND_UINT:
    case TP_KIND_FLOAT:
    case TP_KIND_PLAIN:
        return read_raw(reader, to, size, "a number or struct");
    case TP_KIND_STR:
        return read_str(reader, to, "a string");
    case TP_KIND_BYTES:
        return read_bytes(reader, to);
    case TP_KIND_VALUE:
        return read_tree(reader, to, level);
    case TP_KIND_CLOSURE:
        return read_closure(reader, &((tp_closure *)to)->closure, level);
    case TP_KIND_CHANNEL:
        return read_channel(reader, to);
    }
    return malformed(reader->at, "there is no kind %d", (int)kind);
}

static tp_status start_reading(struct reader *reader, const uint8_t *bytes, size_t size, struct tp__channels *channels)
{
    *reader = (struct reader){.bytes = bytes, .size = size, .channels = channels};
    if (!bytes)
        reader->size = 0;
    if (size > 1 + (size_t)TP__ENCODED_LIMIT_BYTES)
        return malformed(0, "%zu bytes are over the limit of %d", size, TP__ENCODED_LIMIT_BYTES);
    uint8_t version = 0;
    const tp_status status = read_raw(reader, &version, 1, "the version");
    if (status == TP_OK && version != TP__ENCODED_VERSION)
        return malformed(0, "version %u is not version %d, which this program reads", version, TP__ENCODED_VERSION);
    return status;
}

static tp_status check_end(const struct reader *reader)
{
    return left(reader) == 0 ? TP_OK : malformed(reader->at, "%zu bytes are left over", left(reader));
}

tp_status tp__closure_decode(const uint8_t *bytes, size_t size, struct tp__channels *channels,
                             const tp_task_definition **task, void **captures)
{
    *task = NULL;
    *captures = NULL;
    struct reader reader;
    tp_status status = start_reading(&reader, bytes, size, channels);
    if (status != TP_OK)
        return status;
    const tp_task_definition *found;
    status = read_task(&reader, 0, &found);
    if (status != TP_OK)
        return status;
    void *decoded = NULL;
    if (found->captures_size > 0) {
        decoded = tp__alloc_zeroed(1, found->captures_size);
        if (!decoded)
            return tp__fail_nomem("a task's decoded captures");
        status = read_captures(&reader, found, 0, decoded, 1);
    }
    if (status == TP_OK)
        status = check_end(&reader);
    if (status != TP_OK) {
        if (decoded)
            tp__captures_drop(found, decoded);
        tp__free(decoded);
        return status;
    }
    *task = found;
    *captures = decoded;
    return TP_OK;
}

tp_status tp__value_decode(const uint8_t *bytes, size_t encoded_size, struct tp__channels *channels, tp_kind kind,
                           size_t size, void *value)
{
    if (size > 0)
        memset(value, 0, size);
    struct reader reader;
    tp_status status = start_reading(&reader, bytes, encoded_size, channels);
    if (status == TP_OK)
        status = read_value(&reader, kind, size, value, 1);
    if (status == TP_OK)
        status = check_end(&reader);
    if (status != TP_OK && size > 0) {
        tp__value_drop(kind, size, value);
        memset(value, 0, size);
    }
    return status;
}
