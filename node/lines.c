/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include <string.h>

uint8_t *lines_room(struct lines *lines, size_t *size)
{
    *size = sizeof lines->bytes - lines->size;
    return lines->bytes + lines->size;
}

void lines_came(struct lines *lines, size_t size)
{
    lines->size += size;
}

size_t lines_ready(const struct lines *lines, bool all)
{
    if (all)
        return lines->size;
    const uint8_t *end = lines->size ? memrchr(lines->bytes, '\n', lines->size) : NULL;
    if (end)
        return (size_t)(end - lines->bytes) + 1;
    return lines->size == sizeof lines->bytes ? lines->size : 0;
}

void lines_taken(struct lines *lines, size_t size)
{
    lines->size -= size;
    memmove(lines->bytes, lines->bytes + size, lines->size);
}

void tail_add(struct tail *tail, const uint8_t *bytes, size_t size)
{
    if (size > TAIL_BYTES) {
        bytes += size - TAIL_BYTES;
        size = TAIL_BYTES;
    }
    const size_t until_wrap = TAIL_BYTES - tail->next;
    const size_t first = size < until_wrap ? size : until_wrap;
    memcpy(tail->ring + tail->next, bytes, first);
    memcpy(tail->ring, bytes + first, size - first);
    tail->next = (tail->next + size) % TAIL_BYTES;
    tail->size = tail->size + size < TAIL_BYTES ? tail->size + size : TAIL_BYTES;
}

void tail_text(const struct tail *tail, char text[TAIL_BYTES + 1])
{
    const size_t start = (tail->next + TAIL_BYTES - tail->size) % TAIL_BYTES;
    size_t size = tail->size;
    for (size_t i = 0; i < size; i++) {
        const uint8_t byte = tail->ring[(start + i) % TAIL_BYTES];
        const bool plain = byte == '\n' || byte == '\t' || (byte >= ' ' && byte != 0x7f);
        text[i] = (char)(plain ? byte : (uint8_t)'?');
    }
    while (size > 0 && text[size - 1] == '\n')
        size--;
    text[size] = '\0';

    size_t from = size; /* back over TAIL_LINES line ends */
    for (int lines = 0; from > 0; from--)
        if (text[from - 1] == '\n' && ++lines == TAIL_LINES)
            break;
    if (from == 0 && tail->size == TAIL_BYTES) {
        const char *end = memchr(text, '\n', size);
        if (end && end + 1 < text + size)
            from = (size_t)(end - text) + 1;
    }
    memmove(text, text + from, size - from + 1);
}
