/* SPDX-License-Identifier: MIT */
/** @file
 * Proofs of a batch that is cut into many runs: its tree is computed once, when it is cut first.
 */
#ifndef COORDINATOR_PROOF_H
#define COORDINATOR_PROOF_H

#include "queue.h"
#include "trust/tree.h"

/** The proof for a run of the batch; returns how many hashes. Keeps the tree in the batch if there is memory. */
uint32_t proof_of_run(struct batch *batch, const struct run *run, uint64_t *memory,
                      struct tp__hash proof[TP__PROOF_LIMIT]);
/** Frees the tree. */
void proof_free(struct batch *batch, uint64_t *memory);

#endif
