/* SPDX-License-Identifier: MIT */
/** @file
 * The corpus: every regular file below some directories, packed into parcels, one a task.
 *
 * A parcel is a list. Its strings are text: small files whole, large ones cut where no letter is, so that no word is
 * cut. Its maps {"name": string, "gzip": bytes} are compressed files, which the task unpacks; those that are large are
 * unpacked here, and cut.
 */
#ifndef WORDCOUNT_CORPUS_H
#define WORDCOUNT_CORPUS_H

#include <stdbool.h>
#include <stdint.h>
#include <taskpool/taskpool.h>

struct corpus;

/** What there is to read. */
struct corpus_size {
    uint64_t files;
    uint64_t bytes;
};

/** Walks `paths` (directories or files, NULL at the end; links are followed only there) in the order of the names.
 *  Parcels have about `parcel_bytes`. NULL, with errno, on failure. */
struct corpus *corpus_open(char *const *paths, size_t parcel_bytes);
void corpus_close(struct corpus *corpus);

/** Packs the next parcel, which the caller releases, and says how many bytes of files went into it. False at the end.
 *  What cannot be read is named on standard error and counted. */
bool corpus_next(struct corpus *corpus, tp_value *parcel, uint64_t *bytes);

/** What was read so far. */
struct corpus_size corpus_read(const struct corpus *corpus);
/** How many files and directories could not be read, or not whole. */
uint64_t corpus_unreadable(const struct corpus *corpus);

/** Walks `paths` once, reading no file. */
struct corpus_size corpus_measure(char *const *paths);

#endif
