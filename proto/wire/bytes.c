/* SPDX-License-Identifier: MIT */
#include "wire/bytes.h"

#include <stdlib.h>

enum { SMALLEST_BYTES = 256 };

bool tp__buffer_reserve(struct tp__buffer *buffer, size_t size)
{
    if (size <= buffer->capacity - buffer->size)
        return true;
    if (size > SIZE_MAX / 2 - buffer->size)
        return false;
    const size_t needed = buffer->size + size;
    size_t capacity = buffer->capacity < SIZE_MAX / 4 ? 2 * buffer->capacity : needed;
    if (capacity < SMALLEST_BYTES)
        capacity = SMALLEST_BYTES;
    if (capacity < needed)
        capacity = needed;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (!bytes)
        return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

bool tp__buffer_append(struct tp__buffer *buffer, const void *bytes, size_t size)
{
    if (!tp__buffer_reserve(buffer, size))
        return false;
    if (size > 0)
        memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    return true;
}

void tp__buffer_consume(struct tp__buffer *buffer, size_t size)
{
    if (size >= buffer->size) {
        buffer->size = 0;
        return;
    }
    buffer->size -= size;
    memmove(buffer->bytes, buffer->bytes + size, buffer->size);
}

void tp__buffer_free(struct tp__buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct tp__buffer){NULL, 0, 0};
}

uint64_t tp__get_long_number(struct tp__reader *reader)
{
    if (!reader->ok)
        return 0;
    reader->ok = false;
    const size_t left = tp__reader_left(reader);
    const size_t most = left < TP__NUMBER_64_BYTES ? left : TP__NUMBER_64_BYTES;
    uint64_t value = 0;
    for (size_t i = 0; i < most; i++) {
        const uint8_t byte = reader->at[i];
        value |= (uint64_t)(byte & 0x7fU) << 7 * i;
        if (byte >= 0x80)
            continue;
        const bool is_shortest = byte != 0 || i == 0;
        const bool fits = byte <= 1 || i < TP__NUMBER_64_BYTES - 1;
        if (!is_shortest || !fits)
            return 0;
        reader->ok = true;
        reader->at += i + 1;
        return value;
    }
    if (left < TP__NUMBER_64_BYTES)
        reader->at = reader->end;
    return 0;
}
