/* SPDX-License-Identifier: MIT */
#include "wordcount/run.h"

#include <string.h>

int word_compare(const struct word *a, const struct word *b)
{
    const int order = memcmp(a->letters, b->letters, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

void run_open(struct run_reader *reader, const void *data, size_t size)
{
    *reader = (struct run_reader){.next = data, .end = size ? (const uint8_t *)data + size : data};
}

static bool get_number(struct run_reader *reader, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && reader->next < reader->end; shift += 7) {
        const uint8_t byte = *reader->next++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

bool run_next(struct run_reader *reader)
{
    if (reader->damaged || reader->next == reader->end)
        return false;
    uint64_t length;
    reader->damaged = true;
    if (!get_number(reader, &length) || length > (uint64_t)(reader->end - reader->next))
        return false;
    reader->word.letters = (const char *)reader->next;
    reader->word.length = (size_t)length;
    reader->next += length;
    reader->damaged = !get_number(reader, &reader->word.count);
    return !reader->damaged;
}

static uint8_t *put_number(uint8_t *to, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *to++ = (uint8_t)(number | 0x80);
    *to++ = (uint8_t)number;
    return to;
}

uint8_t *run_put(uint8_t *to, const struct word *word)
{
    to = put_number(to, word->length);
    memcpy(to, word->letters, word->length);
    return put_number(to + word->length, word->count);
}

size_t run_merge(const void *a, size_t a_size, const void *b, size_t b_size, uint8_t *out)
{
    struct run_reader left, right;
    run_open(&left, a, a_size);
    run_open(&right, b, b_size);
    uint8_t *to = out;
    bool in_left = run_next(&left), in_right = run_next(&right);
    while (in_left || in_right) {
        const int order = !in_left ? 1 : !in_right ? -1 : word_compare(&left.word, &right.word);
        struct word word = order <= 0 ? left.word : right.word;
        if (order == 0)
            word.count += right.word.count; /* takes one byte more at most, and the other word with its count is gone */
        to = run_put(to, &word);
        in_left = order <= 0 ? run_next(&left) : in_left;
        in_right = order >= 0 ? run_next(&right) : in_right;
    }
    return left.damaged || right.damaged ? SIZE_MAX : (size_t)(to - out);
}
