/* SPDX-License-Identifier: MIT */
/** @file
 * The Merkle tree under a batch's signature and a program's name.
 *
 * Up to 8 leaves hang on one node. Of more, the left subtree has the largest power of two below their number (as in
 * RFC 6962). Wide at the bottom, as most nodes are there: a batch takes 0.4 blocks of BLAKE2b a leaf beside the leaf's
 * own, a binary tree takes 1; and no proof is longer than 22 hashes.
 *
 *     a node's hash = BLAKE2b-256, personalized "taskpool/1 node", of the hashes of its children, left to right
 *     the tree of one leaf is the leaf, that of none the plain hash of nothing
 *
 * A contiguous run of leaves travels with the hashes that are needed to compute the root.
 */
#ifndef TP_PROTO_TREE_H
#define TP_PROTO_TREE_H

#include "wire/names.h"

/** For TP__BATCH_LIMIT leaves: 7 + 7 of them beside the run and 6 + 6 subtrees; 1,024 leaves, 128 nodes on them, 127
 *  above. */
enum { TP__PROOF_LIMIT = 26, TP__TREE_LIMIT = 1279 };

struct tp__hash tp__tree_root(const struct tp__hash *leaves, uint32_t count);

/** How many hashes the whole tree of that many leaves (at least one) has. */
uint32_t tp__tree_size(uint32_t count);
/** Computes them all. */
void tp__tree_fill(struct tp__hash *tree, const struct tp__hash *leaves, uint32_t count);
/** The proof for a run, out of the whole tree, left to right; returns how many hashes. 0 if it is no run of a batch. */
uint32_t tp__tree_prove(const struct tp__hash *tree, uint32_t count, uint32_t first, uint32_t run,
                        struct tp__hash proof[TP__PROOF_LIMIT]);
/** The root that a run and its proof lead to. False if the proof has another length than it must. */
bool tp__tree_root_of_run(const struct tp__hash *run_leaves, uint32_t count, uint32_t first, uint32_t run,
                          const struct tp__hash *proof, uint32_t proof_count, struct tp__hash *root);

#endif
