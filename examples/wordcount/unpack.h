/* SPDX-License-Identifier: MIT */
/** @file
 * The words of compressed text.
 */
#ifndef WORDCOUNT_UNPACK_H
#define WORDCOUNT_UNPACK_H

#include "wordcount/tally.h"

/** Unpacks gzip'd text, piece by piece, into the tally. Returns NULL, or what is wrong with it: then the words before
 *  the damage are counted. */
const char *unpack(struct tally *tally, const void *packed, size_t size);

#endif
