/* SPDX-License-Identifier: MIT */
/** @file
 * A tally: counts the words of text that comes in pieces. A word is a run of ASCII letters, in lower case.
 */
#ifndef WORDCOUNT_TALLY_H
#define WORDCOUNT_TALLY_H

#include "wordcount/run.h"

struct tally;

/** A tally without words. NULL when there is no memory. */
struct tally *tally_new(void);
void tally_free(struct tally *tally);

/** Counts the words of the next piece of text; one that reaches the end of the piece goes on in the next. False when
 *  there is no memory. */
bool tally_add(struct tally *tally, const void *text, size_t size);
/** The text ends here, and its last word with it. False when there is no memory. */
bool tally_end_text(struct tally *tally);

/** The words as a run, which the caller frees. NULL when there is no memory. */
uint8_t *tally_run(struct tally *tally, size_t *size);

/** True for what words are made of. */
static inline bool is_letter(unsigned char byte)
{
    return (unsigned char)((byte | 0x20) - 'a') < 26;
}

#endif
