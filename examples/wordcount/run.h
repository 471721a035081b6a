/* SPDX-License-Identifier: MIT */
/** @file
 * Runs: counts of words, sorted by word, as bytes that travel between tasks.
 *
 * A run is a sequence of (length of the word, its letters, count); both numbers in base 128, low digits first, each
 * byte but the last with its top bit set.
 */
#ifndef WORDCOUNT_RUN_H
#define WORDCOUNT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A word and how often it was seen. The letters are not followed by a 0 byte. */
struct word {
    const char *letters;
    size_t length;
    uint64_t count;
};

/** Less than, equal to or greater than 0, by the letters as bytes. */
int word_compare(const struct word *a, const struct word *b);

/** Reads a run. `word` is the current one; its letters stay in the run. */
struct run_reader {
    const uint8_t *next, *end;
    bool damaged; /**< stopped at something that is no word with its count */
    struct word word;
};
void run_open(struct run_reader *reader, const void *data, size_t size);
/** Goes to the next word. False at the end of the run, and where it is damaged. */
bool run_next(struct run_reader *reader);

/** The most that a word takes. */
static inline size_t run_word_limit(size_t length)
{
    return length + 20;
}
/** Writes a word and returns what follows it. */
uint8_t *run_put(uint8_t *to, const struct word *word);

/** Merges two runs into `out`, which has room for both. Returns the size; SIZE_MAX if one of them is damaged. */
size_t run_merge(const void *a, size_t a_size, const void *b, size_t b_size, uint8_t *out);

#endif
