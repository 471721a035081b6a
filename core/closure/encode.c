/* SPDX-License-Identifier: MIT */
/* Design notes.
 *
 * Two passes: the first adds up the size, so that the limit is checked and the memory taken once, before a byte is
 * written; the second writes. Both are one switch over the same kinds. A task's index counts as five bytes in the
 * first, so that the size of a closure, which is stored in it, does not depend on the table of tasks.
 */
#include "closure/codec.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/closure.h"
#include "closure/program.h"
#include "closure/tree.h"

#include <string.h>

enum { INDEX_SIZE_MAX = 5 };

struct refusal {
    const char *why;
    bool is_made; /* by a call, which may have run out of memory */
};

static const struct refusal failed = {"the call that made it failed", true},
                            no_closure = {"it is no closure (a tp_bind that failed?)", true},
                            no_channel = {"the channel is NULL", false},
                            unnamed = {"a channel without a name cannot leave its task: make it with tp_pool_channel",
                                       false};

struct writer {
    uint8_t *end;                    /* where the next byte goes */
    const tp_task_definition *alien; /* a task that is not in the program's table */
    const struct refusal *refused;   /* what else cannot be encoded */
    const tp_parameter *parameter;   /* ... and the parameter of the outermost task that it is in */
};

static void refuse(struct writer *writer, const struct refusal *refusal)
{
    if (!writer->refused)
        writer->refused = refusal;
}

static size_t number_size(uint64_t number)
{
    size_t size = 1;
    while (number >>= 7)
        size++;
    return size;
}

size_t tp__encoded_run_size(size_t length)
{
    const size_t enough = 2 * (size_t)TP__ENCODED_LIMIT_BYTES; /* over the limit, and sums cannot wrap around */
    return length > enough ? enough : number_size(length) + length;
}

size_t tp__encoded_container_size(size_t count)
{
    return 1 + number_size(count);
}

static size_t channel_size(const tp_channel *channel)
{
    return tp__encoded_run_size(channel ? strlen(tp_channel_name(channel)) : 0);
}

static size_t container_size(struct tp__block *block)
{
    size_t size;
    if (block->type == TP__BLOCK_LIST) {
        const struct tp__list *list = tp__block_list(block);
        if (!block->changeable)
            return list->encoded_size;
        size = tp__encoded_container_size(list->count);
        for (size_t i = 0; i < list->count; i++)
            size += tp__encoded_tree_size(list->items[i]);
    } else {
        const struct tp__map *map = tp__block_map(block);
        if (!block->changeable)
            return map->encoded_size;
        size = tp__encoded_container_size(map->count);
        for (size_t i = 0; i < map->count; i++)
            size += tp__encoded_run_size(map->entries[i]->key.length) + tp__encoded_tree_size(map->entries[i]->value);
    }
    return size;
}

size_t tp__encoded_tree_size(tp_value value)
{
    switch (value.type) {
    case TP_VALUE_BOOL:
        return 2;
    case TP_VALUE_INT:
    case TP_VALUE_FLOAT:
        return 1 + sizeof(int64_t);
    case TP_VALUE_STR:
        return 1 + tp__encoded_run_size(value.as.string.length);
    case TP_VALUE_BYTES:
        return 1 + tp__encoded_run_size(value.as.bytes.size);
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        return value.as.block ? container_size(value.as.block) : 1;
    case TP_VALUE_CLOSURE:
        return 1 + (value.as.closure ? value.as.closure->encoded_size : 0);
    case TP_VALUE_CHANNEL:
        return 1 + channel_size(value.as.channel);
    case TP_VALUE_NIL:
    case TP_VALUE_FAILED:
    default:
        return 1;
    }
}

size_t tp__encoded_value_size(tp_kind kind, size_t size, const void *value)
{
    switch (kind) {
    case TP_KIND_STR:
        return tp__encoded_run_size(((const tp_str *)value)->length);
    case TP_KIND_BYTES:
        return tp__encoded_run_size(((const tp_bytes *)value)->size);
    case TP_KIND_VALUE:
        return tp__encoded_tree_size(*(const tp_value *)value);
    case TP_KIND_CLOSURE: {
        const struct tp__closure *closure = ((const tp_closure *)value)->closure;
        return closure ? closure->encoded_size : 0;
    }
    case TP_KIND_CHANNEL:
        return channel_size(*(tp_channel *const *)value);
    default:
        return size;
    }
}

size_t tp__encoded_captures_size(const tp_task_definition *task, const void *captures, bool without_first)
{
    size_t size = INDEX_SIZE_MAX;
    for (size_t i = without_first; i < task->parameter_count; i++) {
        const tp_parameter *parameter = &task->parameters[i];
        size += tp__encoded_value_size(parameter->kind, parameter->size, (const char *)captures + parameter->offset);
    }
    return size;
}

static void write_raw(struct writer *writer, const void *data, size_t size)
{
    if (size > 0)
        memcpy(writer->end, data, size);
    writer->end += size;
}

static void write_byte(struct writer *writer, unsigned byte)
{
    *writer->end++ = (uint8_t)byte;
}

static void write_number(struct writer *writer, size_t number)
{
    for (; number >= 0x80; number >>= 7)
        write_byte(writer, (unsigned)(number & 0x7f) | 0x80);
    write_byte(writer, (unsigned)number);
}

static void write_run(struct writer *writer, const void *data, size_t size)
{
    write_number(writer, size);
    write_raw(writer, data, size);
}

static void write_owned_run(struct writer *writer, const void *data, size_t size, const struct tp__block *owner)
{
    if (owner == TP__OWNER_FAILED || (!data && size > 0))
        refuse(writer, &failed);
    else
        write_run(writer, data, size);
}

static void write_channel(struct writer *writer, const tp_channel *channel)
{
    const char *name = channel ? tp_channel_name(channel) : "";
    const size_t length = strlen(name);
    if (length == 0)
        refuse(writer, channel ? &unnamed : &no_channel);
    else
        write_run(writer, name, length);
}

static void write_value(struct writer *writer, tp_kind kind, size_t size, const void *value);

static void write_task(struct writer *writer, const tp_task_definition *task, const void *captures, bool without_first)
{
    uint32_t index = 0;
    if (!tp__program_index(task, &index))
        writer->alien = task;
    write_number(writer, index);
    for (size_t i = without_first; i < task->parameter_count; i++) {
        const tp_parameter *parameter = &task->parameters[i];
        const bool was_refused = writer->refused != NULL;
        write_value(writer, parameter->kind, parameter->size, (const char *)captures + parameter->offset);
        if (writer->refused && !was_refused)
            writer->parameter = parameter;
    }
}

static void write_closure(struct writer *writer, const struct tp__closure *closure)
{
    if (!closure) {
        refuse(writer, &no_closure);
        return;
    }
    write_byte(writer, closure->takes_argument);
    write_task(writer, closure->task, closure->captures, closure->takes_argument);
}

static void write_tree(struct writer *writer, tp_value value);

static void write_container(struct writer *writer, struct tp__block *block)
{
    if (block->type == TP__BLOCK_LIST) {
        const struct tp__list *list = tp__block_list(block);
        write_number(writer, list->count);
        for (size_t i = 0; i < list->count; i++)
            write_tree(writer, list->items[i]);
    } else {
        const struct tp__map *map = tp__block_map(block);
        write_number(writer, map->count);
        for (size_t i = 0; i < map->count; i++) {
            write_run(writer, map->entries[i]->key.data, map->entries[i]->key.length);
            write_tree(writer, map->entries[i]->value);
        }
    }
}

static void write_tree(struct writer *writer, tp_value value)
{
    write_byte(writer, value.type);
    switch (value.type) {
    case TP_VALUE_NIL:
        break;
    case TP_VALUE_BOOL:
        write_byte(writer, value.as.boolean);
        break;
    case TP_VALUE_INT:
        write_raw(writer, &value.as.integer, sizeof value.as.integer);
        break;
    case TP_VALUE_FLOAT:
        write_raw(writer, &value.as.number, sizeof value.as.number);
        break;
    case TP_VALUE_STR:
        write_owned_run(writer, value.as.string.data, value.as.string.length, value.as.string.owner);
        break;
    case TP_VALUE_BYTES:
        write_owned_run(writer, value.as.bytes.data, value.as.bytes.size, value.as.bytes.owner);
        break;
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        if (value.as.block)
            write_container(writer, value.as.block);
        else
            refuse(writer, &failed);
        break;
    case TP_VALUE_CLOSURE:
        write_closure(writer, value.as.closure);
        break;
    case TP_VALUE_CHANNEL:
        write_channel(writer, value.as.channel);
        break;
    case TP_VALUE_FAILED:
    default:
        refuse(writer, &failed);
        break;
    }
}

static void write_value(struct writer *writer, tp_kind kind, size_t size, const void *value)
{
    switch (kind) {
    case TP_KIND_VOID:
        break;
    case TP_KIND_BOOL:
    case TP_KIND_INT:
    case TP_KIND_UINT:
    case TP_KIND_FLOAT:
    case TP_KIND_PLAIN:
        write_raw(writer, value, size);
        break;
    case TP_KIND_STR: {
        const tp_str *string = value;
        write_owned_run(writer, string->data, string->length, string->owner);
        break;
    }
    case TP_KIND_BYTES: {
        const tp_bytes *bytes = value;
        write_owned_run(writer, bytes->data, bytes->size, bytes->owner);
        break;
    }
    case TP_KIND_VALUE:
        write_tree(writer, *(const tp_value *)value);
        break;
    case TP_KIND_CLOSURE:
        write_closure(writer, ((const tp_closure *)value)->closure);
        break;
    case TP_KIND_CHANNEL:
        write_channel(writer, *(tp_channel *const *)value);
        break;
    }
}

/* Memory for `size` bytes and the version, which is written. */
static tp_status start(struct writer *writer, struct tp__encoded *out, size_t size)
{
    out->bytes = tp__alloc(1 + size);
    if (!out->bytes) {
        tp__fail_nomem("encoded values");
        return TP_E_NOMEM;
    }
    writer->end = out->bytes;
    write_byte(writer, TP__ENCODED_VERSION);
    return TP_OK;
}

/* `task` NULL: it is a value. */
static tp_status finish(const struct writer *writer, struct tp__encoded *out, const tp_task_definition *task)
{
    if (!writer->alien && !writer->refused) {
        out->size = (size_t)(writer->end - out->bytes);
        return TP_OK;
    }
    tp__encoded_free(out);
    /* What ran out of memory when it was made says so here, where it is first looked at. */
    if (writer->refused && writer->refused->is_made && tp_last_error()->status == TP_E_NOMEM)
        return tp__fail_nomem(task ? "a task's captures" : "a value");
    if (writer->refused && task)
        return tp__fail(TP_E_ARGUMENT, "parameter '%s' of task '%s': %s", writer->parameter->name, task->name,
                        writer->refused->why);
    if (writer->refused)
        return tp__fail(TP_E_ARGUMENT, "a value cannot leave its task: %s", writer->refused->why);
    return tp__fail(TP_E_ARGUMENT,
                    "task '%s' (%s:%d) is not in the table of the main program: a TP_LOCAL_TASK or a task of a shared "
                    "library runs in this process only",
                    writer->alien->name, writer->alien->file, writer->alien->line);
}

void tp__encoded_free(struct tp__encoded *encoded)
{
    tp__free(encoded->bytes);
    *encoded = (struct tp__encoded){NULL, 0};
}

/* Names the longest parameter, which is the one to do something about. */
tp_status tp__captures_refuse_size(const tp_task_definition *task, const void *captures, bool without_first,
                                   size_t total)
{
    size_t largest = 0;
    size_t largest_size = 0;
    for (size_t i = without_first; i < task->parameter_count; i++) {
        const tp_parameter *parameter = &task->parameters[i];
        const size_t size =
            tp__encoded_value_size(parameter->kind, parameter->size, (const char *)captures + parameter->offset);
        if (size > largest_size) {
            largest = i;
            largest_size = size;
        }
    }
    return tp__fail(TP_E_LIMIT,
                    "parameter '%s' of task '%s' takes %zu bytes when encoded, all captures %zu; the limit is %d",
                    task->parameters[largest].name, task->name, largest_size, total, TP__ENCODED_LIMIT_BYTES);
}

tp_status tp__closure_encode(const tp_task_definition *task, const void *captures, struct tp__encoded *out)
{
    *out = (struct tp__encoded){NULL, 0};
    const size_t size = tp__encoded_captures_size(task, captures, false);
    if (size > TP__ENCODED_LIMIT_BYTES)
        return tp__captures_refuse_size(task, captures, false, size);
    struct writer writer = {.end = NULL};
    const tp_status status = start(&writer, out, size);
    if (status != TP_OK)
        return status;
    write_task(&writer, task, captures, false);
    return finish(&writer, out, task);
}

tp_status tp__value_encode(tp_kind kind, size_t size, const void *value, struct tp__encoded *out)
{
    *out = (struct tp__encoded){NULL, 0};
    const size_t encoded = tp__encoded_value_size(kind, size, value);
    if (encoded > TP__ENCODED_LIMIT_BYTES)
        return tp__fail(TP_E_LIMIT, "a value takes %zu bytes when encoded, the limit is %d: send it in parts", encoded,
                        TP__ENCODED_LIMIT_BYTES);
    struct writer writer = {.end = NULL};
    const tp_status status = start(&writer, out, encoded);
    if (status != TP_OK)
        return status;
    write_value(&writer, kind, size, value);
    return finish(&writer, out, NULL);
}
