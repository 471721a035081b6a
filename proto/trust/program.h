/* SPDX-License-Identifier: MIT */
/** @file
 * The name of a program: a hash of its length and the Merkle root over the hashes of its 1 MiB chunks. So a list of
 * these hashes that leads to the root proves the length as well.
 *
 *     chunk hash = H("taskpool/1 chunk", u32 index, bytes)
 *     root       = H("taskpool/1 program", u64 length, root of the tree of trust/tree.h over them)
 */
#ifndef TP_PROTO_PROGRAM_H
#define TP_PROTO_PROGRAM_H

#include "wire/names.h"
#include "wire/problem.h"

/** 0 for a length past TP__PROGRAM_LIMIT_BYTES: there is no such program. */
uint32_t tp__program_chunk_count(uint64_t length);
struct tp__hash tp__program_chunk_hash(uint32_t index, const void *bytes, size_t size);
/** The root of a program of that length, of tp__program_chunk_count chunk hashes (at least one). */
struct tp__hash tp__program_root(const struct tp__hash *hashes, uint64_t length);

/** Hashes a file that is open for reading: its length, its root, and the hashes of its chunks in memory from malloc. */
bool tp__program_measure(int descriptor, uint64_t *length, struct tp__hash *root, struct tp__hash **hashes,
                         struct tp__problem *problem);

#endif
