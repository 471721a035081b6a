/* SPDX-License-Identifier: MIT */
#include "closure/payload.h"

#include "base/error.h"
#include "closure/channel_ref.h"
#include "closure/closure.h"
#include "closure/codec.h"
#include "closure/tree.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers widen, and are encoded, lowest byte first");

/* Makes a counted value loose in place. On failure `*why` says what was wrong, and the value is not owned. */
static tp_status make_loose(tp_kind kind, void *value, bool local, const char **why)
{
    tp_status status = TP_OK;
    *why = "the call that made it failed";
    switch (kind) {
    case TP_KIND_STR: {
        tp_str *string = value;
        const void *data = string->data;
        status = tp__owner_copy(&string->owner, &data, string->length);
        string->data = data;
        break;
    }
    case TP_KIND_BYTES: {
        tp_bytes *bytes = value;
        const void *data = bytes->data;
        status = tp__owner_copy(&bytes->owner, &data, bytes->size);
        bytes->data = data;
        break;
    }
    case TP_KIND_VALUE:
        status = tp__tree_copy(value, *(const tp_value *)value, TP__COPY_SHARED, 1);
        break;
    case TP_KIND_CLOSURE: {
        struct tp__closure *closure = ((const tp_closure *)value)->closure;
        if (closure) {
            tp__block_retain(tp__closure_block(closure));
        } else {
            status = TP_E_ARGUMENT;
            *why = "it is no closure (a tp_bind that failed?)";
        }
        break;
    }
    case TP_KIND_CHANNEL: {
        tp_channel *channel = *(tp_channel **)value;
        if (!channel && !local) {
            status = TP_E_ARGUMENT;
            *why = "the channel is NULL";
        } else if (!local && tp_channel_name(channel)[0] == '\0') {
            status = TP_E_ARGUMENT;
            *why = "a channel without a name cannot leave its task: make it with tp_pool_channel";
        } else if (channel) {
            tp__channel_retain(channel);
        }
        break;
    }
    default:
        break;
    }
    /* What ran out of memory when it was made says so here, where it is first looked at. */
    if (status == TP_E_ARGUMENT && kind != TP_KIND_CHANNEL && tp_last_error()->status == TP_E_NOMEM)
        return TP_E_NOMEM;
    return status;
}

tp_status tp__value_copy(tp_kind kind, size_t size, void *to, const void *from)
{
    if (!tp__kind_is_counted(kind)) {
        if (size > 0)
            memmove(to, from, size);
        return TP_OK;
    }
    const size_t encoded = tp__encoded_value_size(kind, size, from);
    if (encoded > TP__ENCODED_LIMIT_BYTES) {
        memset(to, 0, size);
        return tp__fail(TP_E_LIMIT, "a value takes %zu bytes when encoded, the limit is %d: send it in parts", encoded,
                        TP__ENCODED_LIMIT_BYTES);
    }
    memmove(to, from, size);
    const char *why;
    const tp_status status = make_loose(kind, to, false, &why);
    if (status == TP_OK)
        return TP_OK;
    memset(to, 0, size);
    return status == TP_E_NOMEM ? tp__fail_nomem("a copy of a value")
                                : tp__fail(status, "a value cannot leave its task: %s", why);
}

void tp__value_drop(tp_kind kind, size_t size, void *value)
{
    (void)size;
    switch (kind) {
    case TP_KIND_STR:
        tp__owner_drop(((tp_str *)value)->owner);
        break;
    case TP_KIND_BYTES:
        tp__owner_drop(((tp_bytes *)value)->owner);
        break;
    case TP_KIND_VALUE:
        tp__tree_drop(*(tp_value *)value);
        break;
    case TP_KIND_CLOSURE: {
        struct tp__closure *closure = ((tp_closure *)value)->closure;
        if (closure)
            tp__block_release(tp__closure_block(closure));
        break;
    }
    case TP_KIND_CHANNEL:
        tp__channel_unref(*(tp_channel **)value);
        break;
    default:
        break;
    }
}

static tp_status give_owner(struct tp__block *owner)
{
    return tp__owner_is_block(owner) ? tp__owned_give_block(owner) : TP_OK;
}

static tp_status give_tree(tp_value value)
{
    switch (value.type) {
    case TP_VALUE_STR:
        return give_owner(value.as.string.owner);
    case TP_VALUE_BYTES:
        return give_owner(value.as.bytes.owner);
    case TP_VALUE_LIST:
    case TP_VALUE_MAP:
        return give_owner(value.as.block);
    case TP_VALUE_CLOSURE:
        return tp__owned_give_block(tp__closure_block(value.as.closure));
    case TP_VALUE_CHANNEL:
        return tp__owned_give_channel(value.as.channel);
    default:
        return TP_OK;
    }
}

tp_status tp__value_give(tp_kind kind, size_t size, void *value)
{
    tp_status status = TP_OK;
    switch (kind) {
    case TP_KIND_STR:
        status = give_owner(((tp_str *)value)->owner);
        break;
    case TP_KIND_BYTES:
        status = give_owner(((tp_bytes *)value)->owner);
        break;
    case TP_KIND_VALUE:
        status = give_tree(*(tp_value *)value);
        break;
    case TP_KIND_CLOSURE: {
        struct tp__closure *closure = ((tp_closure *)value)->closure;
        if (closure)
            status = tp__owned_give_block(tp__closure_block(closure));
        break;
    }
    case TP_KIND_CHANNEL: {
        tp_channel *channel = *(tp_channel **)value;
        if (!tp__owned_collects())
            tp__channel_unref(channel); /* nobody releases a named channel by hand: its pool keeps it */
        else if (channel)
            status = tp__owned_give_channel(channel);
        break;
    }
    default:
        break;
    }
    if (status != TP_OK)
        memset(value, 0, size);
    return status;
}

static void drop_first(const tp_task_definition *task, void *captures, size_t first, size_t count)
{
    for (size_t i = first; i < count; i++) {
        const tp_parameter *parameter = &task->parameters[i];
        if (tp__kind_is_counted(parameter->kind))
            tp__value_drop(parameter->kind, parameter->size, (char *)captures + parameter->offset);
    }
}

static tp_status copy_captures(const tp_task_definition *task, void *to, const void *from, size_t first)
{
    memset(to, 0, task->captures_size);
    if (!task->local) {
        const size_t total = tp__encoded_captures_size(task, from, first == 1);
        if (total > TP__ENCODED_LIMIT_BYTES)
            return tp__captures_refuse_size(task, from, first == 1, total);
    }
    for (size_t i = first; i < task->parameter_count; i++) {
        const tp_parameter *parameter = &task->parameters[i];
        void *field = (char *)to + parameter->offset;
        memcpy(field, (const char *)from + parameter->offset, parameter->size);
        if (!tp__kind_is_counted(parameter->kind))
            continue;
        const char *why;
        const tp_status status = make_loose(parameter->kind, field, task->local, &why);
        if (status != TP_OK) {
            drop_first(task, to, first, i);
            memset(to, 0, task->captures_size);
            return status == TP_E_NOMEM
                       ? tp__fail_nomem("a task's captures")
                       : tp__fail(status, "parameter '%s' of task '%s': %s", parameter->name, task->name, why);
        }
    }
    return TP_OK;
}

tp_status tp__captures_copy(const tp_task_definition *task, void *to, const void *from)
{
    if (task->plain && task->captures_size <= TP__ENCODED_LIMIT_BYTES) {
        if (task->captures_size > 0)
            memcpy(to, from, task->captures_size);
        return TP_OK;
    }
    return task->captures_size > 0 ? copy_captures(task, to, from, 0) : TP_OK;
}

tp_status tp__captures_copy_rest(const tp_task_definition *task, void *to, const void *from)
{
    return task->captures_size > 0 ? copy_captures(task, to, from, 1) : TP_OK;
}

void tp__captures_drop(const tp_task_definition *task, void *captures)
{
    if (!task->plain)
        drop_first(task, captures, 0, task->parameter_count);
}

bool tp__value_converts(tp_kind to_kind, size_t to_size, tp_kind from_kind, size_t from_size)
{
    if (to_kind == from_kind && to_size == from_size)
        return true;
    if (to_kind == TP_KIND_INT && (from_kind == TP_KIND_INT || from_kind == TP_KIND_UINT))
        return to_size > from_size;
    return to_kind == from_kind && (to_kind == TP_KIND_UINT || to_kind == TP_KIND_FLOAT) && to_size > from_size;
}

void tp__value_convert(tp_kind to_kind, size_t to_size, void *to, tp_kind from_kind, size_t from_size, const void *from)
{
    if (to_kind == from_kind && to_size == from_size) {
        memmove(to, from, to_size);
        const char *why;
        if (tp__kind_is_counted(to_kind))
            (void)make_loose(to_kind, to, true, &why); /* of a loose value: takes a reference, cannot fail */
        return;
    }
    if (to_kind == TP_KIND_FLOAT) {
        float narrow;
        memcpy(&narrow, from, sizeof narrow);
        const double wide = narrow;
        memcpy(to, &wide, sizeof wide);
        return;
    }
    const unsigned char *bytes = from;
    const bool negative = from_kind == TP_KIND_INT && (bytes[from_size - 1] & 0x80) != 0;
    memmove(to, from, from_size);
    memset((char *)to + from_size, negative ? 0xff : 0, to_size - from_size);
}
