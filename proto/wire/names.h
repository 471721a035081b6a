/* SPDX-License-Identifier: MIT */
/** @file
 * The names that everything on the wire goes by, and the limits that both ends keep.
 */
#ifndef TP_PROTO_NAMES_H
#define TP_PROTO_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    TP__PROTOCOL_VERSION = 1,
    TP__FRAME_LIMIT_BYTES = 2 << 20,        /**< of a whole ZeroMQ message */
    TP__PAYLOAD_LIMIT_BYTES = 16 << 20,     /**< of one task's captures, of one result, of one channel message */
    TP__PART_BYTES = (1 << 20) + (4 << 10), /**< longer bodies travel in parts of this size: 1 MiB and its head fit */
    TP__BATCH_LIMIT = 1024,                 /**< tasks in a batch. Measured: 256 cost a quarter more, 2,048 as much */
    TP__BATCH_LIMIT_BYTES = 1 << 20,        /**< their leaves, in all */
    TP__NAME_LIMIT = 63,                    /**< bytes of a name for people */
    TP__CHUNK_BYTES = 1 << 20,              /**< of a program */
    TP__PROGRAM_LIMIT_BYTES = 1 << 30
};

/** 16 random bytes: a session, a life, an incarnation. All zero: none. */
struct tp__id {
    uint8_t bytes[16];
};

static inline bool tp__id_equal(const struct tp__id *a, const struct tp__id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool tp__id_is_none(const struct tp__id *id)
{
    static const struct tp__id none;
    return memcmp(id, &none, sizeof none) == 0;
}

/** A new one, of libsodium's random bytes. */
struct tp__id tp__id_new(void);
/** Out of a frame's field: false if it has another length. */
bool tp__id_read(struct tp__id *id, const uint8_t *bytes, size_t size);
/** 32 hexadecimal digits and a 0. */
void tp__id_text(const struct tp__id *id, char text[33]);

/** A hash: BLAKE2b-256. */
struct tp__hash {
    uint8_t bytes[32];
};

#endif
