/* SPDX-License-Identifier: MIT */
#include "wire/frame.h"

#include <stdlib.h>

/* An empty submessage of two bytes becomes a struct of a hundred: what unpacking may take is bounded by the frame's
 * own size. Honest frames (see the test) need less than 6 times theirs. */
enum { AMPLIFICATION = 8, SPARE_BYTES = 64 << 10 };

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
