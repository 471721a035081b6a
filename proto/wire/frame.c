/* SPDX-License-Identifier: MIT */
/* Design notes. protobuf-c copies each field out of the message. For most that is right, but a part of a payload is
 * nearly all of its frame, and there and back it is in four of them. So a view first looks for one long field of the
 * body, unpacks what is left without it, and puts a pointer in its place. Which fields of a body may be long is known
 * by protobuf-c's descriptors: nothing here has to know the messages. */
#include "wire/frame.h"

#include <stdlib.h>

/* An empty submessage of two bytes becomes a struct of a hundred: what unpacking may take is bounded by the frame's
 * own size. Honest frames (see the test) need less than 6 times theirs. */
enum { AMPLIFICATION = 8, SPARE_BYTES = 64 << 10 };

enum {
    LONG_BYTES = 4096, /* from here on a field is worth looking for */
    VALUE_VARINT_BYTES = 10,
    HEAD_VARINT_BYTES = 5 /* of tags and lengths: protobuf-c takes no longer ones */
};

static void *take(void *budget, size_t size)
{
    size_t *left = budget;
    if (size > *left)
        return NULL;
    *left -= size;
    return malloc(size > 0 ? size : 1);
}

static void give_back(void *budget, void *memory)
{
    (void)budget;
    free(memory);
}

Taskpool__Frame *tp__frame_unpack(const uint8_t *bytes, size_t size)
{
    if (size > TP__FRAME_LIMIT_BYTES)
        return NULL;
    size_t budget = AMPLIFICATION * size + SPARE_BYTES;
    ProtobufCAllocator allocator = {.alloc = take, .free = give_back, .allocator_data = &budget};
    Taskpool__Frame *frame = taskpool__frame__unpack(&allocator, size, bytes);
    if (frame && frame->body_case == TASKPOOL__FRAME__BODY__NOT_SET) {
        tp__frame_free(frame);
        return NULL;
    }
    return frame;
}

void tp__frame_free(Taskpool__Frame *frame)
{
    size_t budget = 0;
    ProtobufCAllocator allocator = {.alloc = take, .free = give_back, .allocator_data = &budget};
    taskpool__frame__free_unpacked(frame, &allocator);
}

/* ---- views ---- */

/* One field of a message in its encoding. */
struct field {
    uint32_t number;
    uint32_t type; /* ProtobufCWireType */
    const uint8_t *start, *content, *end;
};

static bool read_varint(const uint8_t **at, const uint8_t *end, unsigned most_bytes, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < end && shift < 7 * most_bytes; shift += 7) {
        const uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The field at `at`. False if there is none that is whole: protobuf-c says then whether that is an error. */
static bool read_field(const uint8_t *at, const uint8_t *end, struct field *field)
{
    uint64_t tag, size = 0;
    field->start = at;
    if (!read_varint(&at, end, HEAD_VARINT_BYTES, &tag))
        return false;
    field->number = (uint32_t)(tag >> 3);
    field->type = tag & 7;
    field->content = at;
    switch (field->type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        field->end = at;
        return read_varint(&field->end, end, VALUE_VARINT_BYTES, &size);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        size = sizeof(uint64_t);
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!read_varint(&field->content, end, HEAD_VARINT_BYTES, &size))
            return false;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        size = sizeof(uint32_t);
        break;
    default:
        return false;
    }
    if (size > (size_t)(end - field->content))
        return false;
    field->end = field->content + size;
    return true;
}

/* A long field in a frame's body. */
struct long_field {
    struct field body, field;
    const ProtobufCFieldDescriptor *body_descriptor, *descriptor;
};

/* The one body of a frame. False if there are more, which is legal, and unheard of. */
static bool find_body(const uint8_t *bytes, size_t size, struct long_field *found)
{
    struct field field;
    found->body_descriptor = NULL;
    for (const uint8_t *at = bytes; read_field(at, bytes + size, &field); at = field.end) {
        const ProtobufCFieldDescriptor *descriptor =
            protobuf_c_message_descriptor_get_field(&taskpool__frame__descriptor, field.number);
        if (!descriptor || descriptor->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (found->body_descriptor || field.type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            return false;
        found->body_descriptor = descriptor;
        found->body = field;
    }
    return found->body_descriptor != NULL;
}

static bool is_long(const struct field *field, const ProtobufCFieldDescriptor *descriptor)
{
    return field->end - field->content >= LONG_BYTES && field->type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
           descriptor && descriptor->type == PROTOBUF_C_TYPE_BYTES && descriptor->label != PROTOBUF_C_LABEL_REPEATED;
}

/* The first long field of the body, if that is the only one of its number. */
static bool find_in_body(struct long_field *found)
{
    const ProtobufCMessageDescriptor *message = found->body_descriptor->descriptor;
    struct field field;
    unsigned count = 0;
    found->descriptor = NULL;
    for (const uint8_t *at = found->body.content; read_field(at, found->body.end, &field); at = field.end) {
        const ProtobufCFieldDescriptor *descriptor = protobuf_c_message_descriptor_get_field(message, field.number);
        if (!found->descriptor && is_long(&field, descriptor)) {
            found->descriptor = descriptor;
            found->field = field;
        }
        count += found->descriptor != NULL && descriptor == found->descriptor;
    }
    return count == 1;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

static uint8_t *put(uint8_t *to, const uint8_t *from, const uint8_t *end)
{
    memcpy(to, from, (size_t)(end - from));
    return to + (end - from);
}

/* Unpacks the frame without that field of its body. */
static Taskpool__Frame *unpack_without(const uint8_t *bytes, size_t size, const struct long_field *without)
{
    const struct field *body = &without->body, *field = &without->field;
    const size_t removed = (size_t)(field->end - field->start);
    uint8_t *rest = malloc(size - removed); /* numbers only get shorter */
    if (!rest)
        return NULL;
    uint8_t *to = put(rest, bytes, body->start);
    to = put_varint(to, (uint64_t)body->number << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    to = put_varint(to, (uint64_t)(body->end - body->content) - removed);
    to = put(to, body->content, field->start);
    to = put(to, field->end, bytes + size);
    Taskpool__Frame *frame = tp__frame_unpack(rest, (size_t)(to - rest));
    free(rest);
    return frame;
}

const Taskpool__Frame *tp__frame_view(struct tp__frame_view *view, const uint8_t *bytes, size_t size)
{
    struct long_field found;
    *view = (struct tp__frame_view){NULL, NULL};
    if (size < LONG_BYTES || size > TP__FRAME_LIMIT_BYTES || !find_body(bytes, size, &found) || !find_in_body(&found))
        return view->frame = tp__frame_unpack(bytes, size);
    view->frame = unpack_without(bytes, size, &found);
    if (!view->frame)
        return NULL;
    uint8_t *const *body = (void *)((uint8_t *)view->frame + found.body_descriptor->offset);
    view->field = (void *)(*body + found.descriptor->offset);
    *view->field = tp__field(found.field.content, (size_t)(found.field.end - found.field.content));
    return view->frame;
}

void tp__frame_view_end(struct tp__frame_view *view)
{
    if (view->field)
        *view->field = (ProtobufCBinaryData){0, NULL};
    if (view->frame)
        tp__frame_free(view->frame);
    *view = (struct tp__frame_view){NULL, NULL};
}

/* ---- packing ---- */

uint8_t *tp__frame_pack(const Taskpool__Frame *frame, size_t *size)
{
    *size = 0;
    const size_t packed = taskpool__frame__get_packed_size(frame);
    uint8_t *bytes = malloc(packed > 0 ? packed : 1);
    if (bytes)
        *size = taskpool__frame__pack(frame, bytes);
    return bytes;
}

const char *tp__frame_name(const Taskpool__Frame *frame)
{
    const ProtobufCFieldDescriptor *field =
        frame->body_case == TASKPOOL__FRAME__BODY__NOT_SET
            ? NULL
            : protobuf_c_message_descriptor_get_field(&taskpool__frame__descriptor, frame->body_case);
    return field ? field->name : "empty";
}
