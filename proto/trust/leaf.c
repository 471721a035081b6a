/* SPDX-License-Identifier: MIT */
#include "trust/leaf.h"

enum { KNOWN_FLAGS = TP__LEAF_AT_MOST_ONCE | TP__LEAF_ISOLATED | TP__LEAF_LARGE };

static size_t body_size(const struct tp__leaf *leaf)
{
    return leaf->flags & TP__LEAF_LARGE ? sizeof leaf->payload_hash : leaf->length;
}

enum rare { PARENT = 1, CELL = 2, WORKER = 4, STACK = 8, DEPTH = 16 };

static unsigned rare_of(const struct tp__leaf *leaf)
{
    return (leaf->parent ? PARENT : 0U) | (leaf->cell ? CELL : 0U) | (leaf->worker ? WORKER : 0U) |
           (leaf->stack_kib ? STACK : 0U) | (leaf->depth ? DEPTH : 0U);
}

static uint8_t *put_header(uint8_t *to, const struct tp__leaf *leaf)
{
    const unsigned rare = rare_of(leaf);
    to = tp__put_u8(to, (uint8_t)leaf->flags);
    to = tp__put_u8(to, (uint8_t)rare);
    to = tp__put_number(to, leaf->length);
    to = tp__put_number(to, leaf->sequence);
    to = tp__put_number(to, leaf->dispatch);
    to = tp__put_number(to, leaf->task);
    if (rare & PARENT)
        to = tp__put_number(to, leaf->parent);
    if (rare & CELL)
        to = tp__put_number(to, leaf->cell);
    if (rare & WORKER)
        to = tp__put_number(to, leaf->worker);
    if (rare & STACK)
        to = tp__put_number(to, leaf->stack_kib);
    if (rare & DEPTH)
        to = tp__put_number(to, leaf->depth);
    return to;
}

size_t tp__leaf_size(const struct tp__leaf *leaf)
{
    uint8_t header[TP__LEAF_HEADER_LIMIT_BYTES];
    return (size_t)(put_header(header, leaf) - header) + body_size(leaf);
}

size_t tp__leaf_counted_size(const struct tp__leaf *leaf)
{
    return TP__LEAF_HEADER_LIMIT_BYTES + body_size(leaf);
}

uint8_t *tp__leaf_write(uint8_t *to, const struct tp__leaf *leaf)
{
    to = put_header(to, leaf);
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
    *leaf = (struct tp__leaf){.flags = tp__get_u8(reader)};
    const unsigned rare = tp__get_u8(reader);
    leaf->length = tp__get_u32_number(reader);
    leaf->sequence = tp__get_u64_number(reader);
    leaf->dispatch = tp__get_u32_number(reader);
    leaf->task = tp__get_u32_number(reader);
    if (rare & PARENT)
        leaf->parent = tp__get_u64_number(reader);
    if (rare & CELL)
        leaf->cell = tp__get_u32_number(reader);
    if (rare & WORKER)
        leaf->worker = tp__get_u32_number(reader);
    if (rare & STACK)
        leaf->stack_kib = tp__get_u32_number(reader);
    if (rare & DEPTH)
        leaf->depth = tp__get_u32_number(reader);
    reader->ok = reader->ok && rare == rare_of(leaf) && is_well_formed(leaf); /* one way to write each */
    const uint8_t *body = reader->ok ? tp__get_bytes(reader, body_size(leaf)) : NULL;
    if (!body)
        return false;
    if (leaf->flags & TP__LEAF_LARGE)
        memcpy(leaf->payload_hash.bytes, body, sizeof leaf->payload_hash);
    else
        leaf->payload = body;
    return true;
}
