/* SPDX-License-Identifier: MIT */
/** @file
 * Counting a corpus on a pool: a task a parcel, and a tree of tasks that merge what those counted.
 */
#ifndef WORDCOUNT_COUNT_H
#define WORDCOUNT_COUNT_H

#include "support/progress.h"
#include "wordcount/corpus.h"
#include "wordcount/run.h"

/** The words, sorted, and how often each was seen. */
struct counts {
    struct word *words;
    size_t word_count;
    uint64_t sum;     /**< of all counts */
    uint64_t damaged; /**< compressed files that could not be unpacked whole; each is named on standard error */
    tp_value runs;    /* what the letters lie in */
};

/** Counts every word of the corpus; `total_bytes` is what the progress bar goes up to. False on failure, after a
 *  message on standard error. */
bool count_corpus(tp_pool *pool, struct corpus *corpus, uint64_t total_bytes, struct progress *progress,
                  struct counts *counts);
void counts_free(struct counts *counts);

#endif
