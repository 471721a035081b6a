/* SPDX-License-Identifier: MIT */
/** @file
 * Frames: packing and unpacking the protobuf messages of taskpool.proto.
 */
#ifndef TP_PROTO_FRAME_H
#define TP_PROTO_FRAME_H

#include "taskpool.pb-c.h"
#include "wire/names.h"

/** Unpacks one. NULL if it is malformed, longer than TP__FRAME_LIMIT_BYTES, has no body, or would take more memory than
 *  a few times its own size. Free it with tp__frame_free. */
Taskpool__Frame *tp__frame_unpack(const uint8_t *bytes, size_t size);
void tp__frame_free(Taskpool__Frame *frame);

/** The same without a copy of the one long field that some frames have (a payload's part, what a stream has sealed):
 *  that lies in `bytes`, which stay until tp__frame_view_end. */
struct tp__frame_view {
    Taskpool__Frame *frame;
    ProtobufCBinaryData *field; /**< NULL: there is none */
};
const Taskpool__Frame *tp__frame_view(struct tp__frame_view *view, const uint8_t *bytes, size_t size);
void tp__frame_view_end(struct tp__frame_view *view);

/** Packs into memory from malloc; NULL without. */
uint8_t *tp__frame_pack(const Taskpool__Frame *frame, size_t *size);

/** "tasks", "heartbeat", ...: for logs. Static. */
const char *tp__frame_name(const Taskpool__Frame *frame);

static inline ProtobufCBinaryData tp__field(const void *bytes, size_t size)
{
    return (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)bytes};
}
static inline ProtobufCBinaryData tp__field_of_id(const struct tp__id *id)
{
    return tp__field(id->bytes, sizeof id->bytes);
}

#endif
