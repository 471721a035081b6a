/* SPDX-License-Identifier: MIT */
#include "set.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of(uint32_t capacity)
{
    return ((size_t)capacity + capacity / 64) * sizeof(uint64_t);
}

static uint64_t *summary_of(const struct set *set)
{
    return set->words + set->capacity;
}

static bool grow(struct set *set, uint32_t word)
{
    uint32_t capacity = set->capacity > 0 ? set->capacity : 64;
    while (capacity <= word)
        capacity *= 2;
    struct set larger = {calloc(1, size_of(capacity)), capacity, set->members};
    if (!larger.words)
        return false;
    if (set->capacity > 0) {
        memcpy(larger.words, set->words, set->capacity * sizeof *set->words);
        memcpy(summary_of(&larger), summary_of(set), set->capacity / 64 * sizeof *set->words);
    }
    free(set->words);
    *set = larger;
    return true;
}

bool set_has(const struct set *set, uint32_t member)
{
    return member / 64 < set->capacity && (set->words[member / 64] >> member % 64 & 1) != 0;
}

bool set_add(struct set *set, uint32_t member)
{
    if (set_has(set, member))
        return true;
    const uint32_t word = member / 64;
    if (word >= set->capacity && !grow(set, word))
        return false;
    set->words[word] |= UINT64_C(1) << member % 64;
    summary_of(set)[word / 64] |= UINT64_C(1) << word % 64;
    set->members++;
    return true;
}

void set_remove(struct set *set, uint32_t member)
{
    if (!set_has(set, member))
        return;
    const uint32_t word = member / 64;
    set->words[word] &= ~(UINT64_C(1) << member % 64);
    if (set->words[word] == 0)
        summary_of(set)[word / 64] &= ~(UINT64_C(1) << word % 64);
    set->members--;
}

static uint32_t last_of(uint64_t bits)
{
    return 63 - (uint32_t)__builtin_clzll(bits);
}

uint32_t set_last(const struct set *set)
{
    for (uint32_t block = set->capacity / 64; block-- > 0;) {
        const uint64_t words = summary_of(set)[block];
        if (words == 0)
            continue;
        const uint32_t word = block * 64 + last_of(words);
        return word * 64 + last_of(set->words[word]);
    }
    return SET_NONE;
}

/* Of the bits that stand at or above `from`. */
static uint64_t from_on(uint64_t bits, uint32_t from)
{
    return bits & (~UINT64_C(0) << from % 64);
}

static uint32_t first_of(uint64_t bits)
{
    return (uint32_t)__builtin_ctzll(bits);
}

static uint32_t next_common(const struct set *a, const struct set *b, uint32_t from, uint64_t *steps)
{
    const uint32_t words = a->capacity < b->capacity ? a->capacity : b->capacity;
    uint32_t word = from / 64;
    if (word >= words)
        return SET_NONE;
    ++*steps;
    const uint64_t here = from_on(a->words[word] & b->words[word], from);
    if (here != 0)
        return word * 64 + first_of(here);
    word++;
    for (uint32_t block = word / 64; block < words / 64; block++) {
        ++*steps;
        uint64_t both = summary_of(a)[block] & summary_of(b)[block];
        if (block == word / 64)
            both = from_on(both, word);
        for (; both != 0; both &= both - 1) {
            ++*steps;
            const uint32_t at = block * 64 + first_of(both);
            const uint64_t common = a->words[at] & b->words[at];
            if (common != 0)
                return at * 64 + first_of(common);
        }
    }
    return SET_NONE;
}

uint32_t set_next_common(const struct set *a, const struct set *b, uint32_t from, uint64_t *steps)
{
    if (a->members == 0 || b->members == 0)
        return SET_NONE;
    const uint32_t found = next_common(a, b, from, steps);
    return found != SET_NONE || from == 0 ? found : next_common(a, b, 0, steps);
}

void set_free(struct set *set)
{
    free(set->words);
    *set = (struct set){0};
}

size_t set_bytes(const struct set *set)
{
    return size_of(set->capacity);
}
