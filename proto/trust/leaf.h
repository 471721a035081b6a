/* SPDX-License-Identifier: MIT */
/** @file
 * A leaf: one dispatch of one task, in the layout in which it is signed and travels. Each leaf has one layout only.
 *
 *     u8 flags, u8 rare; as numbers (wire/bytes.h): length of the payload, sequence, dispatch, task (its index in the
 *     program's table); of the rare ones those that are not 0, for which `rare` has a bit: parent (1), cell (2), worker
 *     (of the node, + 1) (4), stack_kib (8), depth (16);
 *     LARGE: 32 bytes, the hash of the payload, which travels apart; else the payload
 */
#ifndef TP_PROTO_LEAF_H
#define TP_PROTO_LEAF_H

#include "wire/bytes.h"
#include "wire/names.h"

enum tp__leaf_flag {
    TP__LEAF_AT_MOST_ONCE = 1, /**< the node claims it before it starts */
    TP__LEAF_ISOLATED = 2,     /**< a process of its own */
    TP__LEAF_LARGE = 4         /**< the payload travels in Payload frames */
};
enum {
    TP__LEAF_HEADER_LIMIT_BYTES = 2 + 2 * TP__NUMBER_64_BYTES + 7 * TP__NUMBER_32_BYTES, /**< at most */
    TP__LEAF_INLINE_LIMIT_BYTES = 64 << 10, /**< a longer payload makes the leaf LARGE; a shorter one must not be */
    TP__DEPTH_LIMIT = 65535                 /**< deeper tasks count as so deep */
};

struct tp__leaf {
    uint64_t sequence; /**< of the task in its session; from 1 */
    uint64_t parent;   /**< sequence of the task that submitted it; 0: the driver's program */
    uint32_t dispatch; /**< from 1; raised whenever the driver sends the task again */
    uint32_t task;
    uint32_t flags;
    uint32_t cell; /**< 0: the session's common process; else tasks of one cell share a process of their own */
    uint32_t worker;
    uint32_t stack_kib;
    uint32_t depth;
    uint32_t length;
    const uint8_t *payload;       /**< NULL if LARGE */
    struct tp__hash payload_hash; /**< if LARGE */
};

/** Bytes that the leaf takes in a batch. */
size_t tp__leaf_size(const struct tp__leaf *leaf);
/** What it counts for where tasks are queued: as if no header were longer, for a short one takes memory as well. */
size_t tp__leaf_counted_size(const struct tp__leaf *leaf);
/** Writes it; there must be room for tp__leaf_size. Returns the place behind. */
uint8_t *tp__leaf_write(uint8_t *to, const struct tp__leaf *leaf);
/** Reads it; `payload` points into what was read. False if malformed: flags that are unknown, a length past
 *  TP__PAYLOAD_LIMIT_BYTES, LARGE where it need not be, sequence or dispatch 0; or if it is not the layout that
 *  tp__leaf_write gives that leaf. */
bool tp__leaf_read(struct tp__reader *reader, struct tp__leaf *leaf);

#endif
