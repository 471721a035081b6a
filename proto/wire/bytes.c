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
