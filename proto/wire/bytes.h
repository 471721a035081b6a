/* SPDX-License-Identifier: MIT */
/** @file
 * Reading and writing fixed layouts, little-endian; numbers that are mostly small; and a growing buffer.
 *
 * A reader that runs out of bytes says so once and gives zeros from then on: check `ok` at the end.
 */
#ifndef TP_PROTO_BYTES_H
#define TP_PROTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "layouts are little-endian, and copied as they are");

/** Bytes in memory from malloc. Zero it to begin with. */
struct tp__buffer {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

/** Makes room for `size` more bytes. False without memory (or past SIZE_MAX / 2): then nothing has changed. */
bool tp__buffer_reserve(struct tp__buffer *buffer, size_t size) __attribute__((warn_unused_result));
/** Appends. False without memory. `bytes` may be NULL if `size` is 0. */
bool tp__buffer_append(struct tp__buffer *buffer, const void *bytes, size_t size) __attribute__((warn_unused_result));
/** Takes `size` bytes off the front. */
void tp__buffer_consume(struct tp__buffer *buffer, size_t size);
void tp__buffer_free(struct tp__buffer *buffer);

/* Writing to memory that is large enough: return the place behind. */
static inline uint8_t *tp__put_u8(uint8_t *to, uint8_t value)
{
    *to = value;
    return to + 1;
}
static inline uint8_t *tp__put_u16(uint8_t *to, uint16_t value)
{
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}
static inline uint8_t *tp__put_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}
static inline uint8_t *tp__put_u64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}
static inline uint8_t *tp__put_bytes(uint8_t *to, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(to, bytes, size);
    return to + size;
}

/* A number as LEB128: seven bits a byte, the lowest first, in as few bytes as it needs. */
enum { TP__NUMBER_32_BYTES = 5, TP__NUMBER_64_BYTES = 10 }; /* at most */

static inline size_t tp__number_size(uint64_t value)
{
    size_t size = 1;
    while (value >>= 7)
        size++;
    return size;
}
static inline uint8_t *tp__put_number(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to = (uint8_t)value;
    return to + 1;
}

struct tp__reader {
    const uint8_t *at;
    const uint8_t *end;
    bool ok;
};

static inline struct tp__reader tp__reader_of(const void *bytes, size_t size)
{
    const uint8_t *start = (const uint8_t *)bytes;
    return (struct tp__reader){start, size > 0 ? start + size : start, true}; /* NULL is a good place for nothing */
}
static inline size_t tp__reader_left(const struct tp__reader *reader)
{
    return (size_t)(reader->end - reader->at);
}
/** The next `size` bytes, NULL if there are not so many. */
static inline const uint8_t *tp__get_bytes(struct tp__reader *reader, size_t size)
{
    if (!reader->ok || tp__reader_left(reader) < size) {
        reader->ok = false;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    return bytes;
}
#define TP__GET(name, type)                                         \
    static inline type tp__get_##name(struct tp__reader *reader)    \
    {                                                               \
        type value = 0;                                             \
        const uint8_t *bytes = tp__get_bytes(reader, sizeof value); \
        if (bytes)                                                  \
            memcpy(&value, bytes, sizeof value);                    \
        return value;                                               \
    }
TP__GET(u8, uint8_t)
TP__GET(u16, uint16_t)
TP__GET(u32, uint32_t)
TP__GET(u64, uint64_t)
#undef TP__GET
/** Not only those of several bytes, but for these it is there. */
uint64_t tp__get_long_number(struct tp__reader *reader);
/** A number. Not ok also if it is not in its shortest form, or past 64 bits; the reader is at its end then only if what
 *  is missing could make it one. */
static inline uint64_t tp__get_u64_number(struct tp__reader *reader)
{
    if (reader->ok && reader->at < reader->end && *reader->at < 0x80)
        return *reader->at++;
    return tp__get_long_number(reader);
}
/** The same, of 32 bits; but the reader may be at its end also behind one that is past that. */
static inline uint32_t tp__get_u32_number(struct tp__reader *reader)
{
    const uint64_t value = tp__get_u64_number(reader);
    reader->ok = reader->ok && value <= UINT32_MAX;
    return reader->ok ? (uint32_t)value : 0;
}

#endif
