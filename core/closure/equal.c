/* SPDX-License-Identifier: MIT */
#include "closure/closure.h"
#include "closure/tree.h"

#include <string.h>

static bool equal_lists(const struct tp__list *a, const struct tp__list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!tp_value_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool equal_maps(const struct tp__map *a, const struct tp__map *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!tp_str_equal(a->entries[i]->key, b->entries[i]->key) ||
            !tp_value_equal(a->entries[i]->value, b->entries[i]->value))
            return false;
    return true;
}

static bool equal_closures(const struct tp__closure *a, const struct tp__closure *b);

static bool equal_fields(tp_kind kind, size_t size, const void *a, const void *b)
{
    switch (kind) {
    case TP_KIND_STR:
        return tp_str_equal(*(const tp_str *)a, *(const tp_str *)b);
    case TP_KIND_BYTES:
        return tp_bytes_equal(*(const tp_bytes *)a, *(const tp_bytes *)b);
    case TP_KIND_VALUE:
        return tp_value_equal(*(const tp_value *)a, *(const tp_value *)b);
    case TP_KIND_CLOSURE:
        return equal_closures(((const tp_closure *)a)->closure, ((const tp_closure *)b)->closure);
    case TP_KIND_FLOAT:
        return size == sizeof(float) ? *(const float *)a == *(const float *)b
                                     : *(const double *)a == *(const double *)b;
    default:
        return memcmp(a, b, size) == 0;
    }
}

static bool equal_closures(const struct tp__closure *a, const struct tp__closure *b)
{
    if (!a || !b || a->task != b->task || a->takes_argument != b->takes_argument)
        return a == b;
    for (size_t i = a->takes_argument; i < a->task->parameter_count; i++) {
        const tp_parameter *parameter = &a->task->parameters[i];
        if (!equal_fields(parameter->kind, parameter->size, a->captures + parameter->offset,
                          b->captures + parameter->offset))
            return false;
    }
    return true;
}

bool tp_value_equal(tp_value a, tp_value b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case TP_VALUE_NIL:
        return true;
    case TP_VALUE_BOOL:
        return a.as.boolean == b.as.boolean;
    case TP_VALUE_INT:
        return a.as.integer == b.as.integer;
    case TP_VALUE_FLOAT:
        return a.as.number == b.as.number;
    case TP_VALUE_STR:
        return tp_str_equal(a.as.string, b.as.string);
    case TP_VALUE_BYTES:
        return tp_bytes_equal(a.as.bytes, b.as.bytes);
    case TP_VALUE_LIST:
        return equal_lists(tp__block_list(a.as.block), tp__block_list(b.as.block));
    case TP_VALUE_MAP:
        return equal_maps(tp__block_map(a.as.block), tp__block_map(b.as.block));
    case TP_VALUE_CLOSURE:
        return equal_closures(a.as.closure, b.as.closure);
    case TP_VALUE_CHANNEL:
        return a.as.channel == b.as.channel;
    case TP_VALUE_FAILED:
    default:
        return false;
    }
}
