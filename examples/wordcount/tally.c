/* SPDX-License-Identifier: MIT */
#include "wordcount/tally.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 4096, FIRST_ARENA = 32768 };

/* A word in the table: its letters are in the arena, from `at` on. `length` 0: the slot is free. */
struct slot {
    uint64_t count;
    size_t at;
    uint32_t length;
    uint32_t hash;
};

/* Open addressing with linear probing, at most half full. The word that is being read grows at the end of the arena,
 * and stays there if it is new. */
struct tally {
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t words;
    char *arena;
    size_t arena_used, arena_size;
    size_t letters; /* of the word that is being read, from arena_used on */
    uint32_t hash;  /* of those letters: FNV-1a */
};

static const uint32_t HASH_START = 2166136261U, HASH_FACTOR = 16777619U;

struct tally *tally_new(void)
{
    struct tally *tally = calloc(1, sizeof *tally);
    if (!tally)
        return NULL;
    tally->slots = calloc(FIRST_SLOTS, sizeof *tally->slots);
    tally->arena = malloc(FIRST_ARENA);
    tally->slot_count = FIRST_SLOTS;
    tally->arena_size = FIRST_ARENA;
    tally->hash = HASH_START;
    if (tally->slots && tally->arena)
        return tally;
    tally_free(tally);
    return NULL;
}

void tally_free(struct tally *tally)
{
    if (!tally)
        return;
    free(tally->slots);
    free(tally->arena);
    free(tally);
}

static bool grow_slots(struct tally *tally)
{
    const size_t count = tally->slot_count * 2;
    struct slot *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < tally->slot_count; i++) {
        if (tally->slots[i].length == 0)
            continue;
        size_t to = tally->slots[i].hash & (count - 1);
        while (slots[to].length != 0)
            to = (to + 1) & (count - 1);
        slots[to] = tally->slots[i];
    }
    free(tally->slots);
    tally->slots = slots;
    tally->slot_count = count;
    return true;
}

static bool grow_arena(struct tally *tally)
{
    char *arena = realloc(tally->arena, tally->arena_size * 2);
    if (!arena)
        return false;
    tally->arena = arena;
    tally->arena_size *= 2;
    return true;
}

bool tally_end_text(struct tally *tally)
{
    const size_t letters = tally->letters;
    if (letters == 0)
        return true;
    if (letters > UINT32_MAX || (tally->words >= tally->slot_count / 2 && !grow_slots(tally)))
        return false;
    const char *word = tally->arena + tally->arena_used;
    size_t i = tally->hash & (tally->slot_count - 1);
    for (; tally->slots[i].length != 0; i = (i + 1) & (tally->slot_count - 1)) {
        const struct slot *slot = &tally->slots[i];
        if (slot->hash == tally->hash && slot->length == letters && memcmp(tally->arena + slot->at, word, letters) == 0)
            break;
    }
    struct slot *slot = &tally->slots[i];
    if (slot->length == 0) {
        *slot = (struct slot){.at = tally->arena_used, .length = (uint32_t)letters, .hash = tally->hash};
        tally->arena_used += letters;
        tally->words++;
    }
    slot->count++;
    tally->letters = 0;
    tally->hash = HASH_START;
    return true;
}

bool tally_add(struct tally *tally, const void *text, size_t size)
{
    const unsigned char *bytes = text;
    for (size_t i = 0; i < size; i++) {
        if (!is_letter(bytes[i])) {
            if (tally->letters > 0 && !tally_end_text(tally))
                return false;
            continue;
        }
        if (tally->arena_used + tally->letters == tally->arena_size && !grow_arena(tally))
            return false;
        const unsigned char lower = bytes[i] | 0x20;
        tally->arena[tally->arena_used + tally->letters++] = (char)lower;
        tally->hash = (tally->hash ^ lower) * HASH_FACTOR;
    }
    return true;
}

static int compare_words(const void *a, const void *b)
{
    return word_compare(a, b);
}

uint8_t *tally_run(struct tally *tally, size_t *size)
{
    struct word *words = malloc((tally->words + 1) * sizeof *words);
    size_t count = 0, limit = 1;
    for (size_t i = 0; words && i < tally->slot_count; i++) {
        const struct slot *slot = &tally->slots[i];
        if (slot->length == 0)
            continue;
        words[count++] = (struct word){tally->arena + slot->at, slot->length, slot->count};
        limit += run_word_limit(slot->length);
    }
    uint8_t *run = words ? malloc(limit) : NULL;
    if (run) {
        qsort(words, count, sizeof *words, compare_words);
        uint8_t *to = run;
        for (size_t i = 0; i < count; i++)
            to = run_put(to, &words[i]);
        *size = (size_t)(to - run);
    }
    free(words);
    return run;
}
