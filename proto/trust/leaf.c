/* SPDX-License-Identifier: MIT */
#include "trust/leaf.h"

enum { KNOWN_FLAGS = TP__LEAF_AT_MOST_ONCE | TP__LEAF_ISOLATED | TP__LEAF_LARGE };

static size_t body_size(const struct tp__leaf *leaf)
{
    return leaf->flags & TP__LEAF_LARGE ? sizeof leaf->payload_hash : leaf->length;
}

size_t tp__leaf_size(const struct tp__leaf *leaf)
{
    return TP__LEAF_HEADER_BYTES + body_size(leaf);
}

uint8_t *tp__leaf_write(uint8_t *to, const struct tp__leaf *leaf)
{
    to = tp__put_u64(to, leaf->sequence);
    to = tp__put_u64(to, leaf->parent);
    to = tp__put_u32(to, leaf->dispatch);
    to = tp__put_u32(to, leaf->task);
    to = tp__put_u32(to, leaf->flags);
    to = tp__put_u32(to, leaf->cell);
    to = tp__put_u32(to, leaf->worker);
    to = tp__put_u32(to, leaf->stack_kib);
    to = tp__put_u32(to, leaf->depth);
    to = tp__put_u32(to, leaf->length);
    const bool large = leaf->flags & TP__LEAF_LARGE;
    return tp__put_bytes(to, large ? leaf->payload_hash.bytes : leaf->payload, body_size(leaf));
}

static bool is_well_formed(const struct tp__leaf *leaf)
{
    const bool large = leaf->flags & TP__LEAF_LARGE;
    return leaf->sequence != 0 && leaf->dispatch != 0 && (leaf->flags & ~(uint32_t)KNOWN_FLAGS) == 0 &&
           leaf->length <= TP__PAYLOAD_LIMIT_BYTES && large == (leaf->length > TP__LEAF_INLINE_LIMIT_BYTES);
}

bool tp__leaf_read(struct tp__reader *reader, struct tp__leaf *leaf)
{
    *leaf = (struct tp__leaf){
        .sequence = tp__get_u64(reader),
    };
    leaf->parent = tp__get_u64(reader);
    leaf->dispatch = tp__get_u32(reader);
    leaf->task = tp__get_u32(reader);
    leaf->flags = tp__get_u32(reader);
    leaf->cell = tp__get_u32(reader);
    leaf->worker = tp__get_u32(reader);
    leaf->stack_kib = tp__get_u32(reader);
    leaf->depth = tp__get_u32(reader);
    leaf->length = tp__get_u32(reader);
    reader->ok = reader->ok && is_well_formed(leaf);
    const uint8_t *body = reader->ok ? tp__get_bytes(reader, body_size(leaf)) : NULL;
    if (!body)
        return false;
    if (leaf->flags & TP__LEAF_LARGE)
        memcpy(leaf->payload_hash.bytes, body, sizeof leaf->payload_hash);
    else
        leaf->payload = body;
    return true;
}
