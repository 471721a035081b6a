/* SPDX-License-Identifier: MIT */
/** @file
 * Batches: up to 256 leaves under one signature, of which any contiguous run can be verified by itself.
 *
 * The leaves are the leaves of a Merkle tree (as in RFC 6962: of n leaves the left subtree has the largest power of two
 * below n). A run travels with the hashes of the subtrees left and right of it that are needed to compute the root.
 *
 * The leaf's text is short so that a task with 64 bytes of captures is hashed in one block of BLAKE2b.
 *
 *     leaf hash  = H("tp/1 leaf", u32 index, header of the leaf, payload or, if longer than 1 KiB, H(payload))
 *     inner hash = H("taskpool/1 node", left, right)
 *     signature  = Ed25519 by the session's signing key of "taskpool/1 batch", session, u64 batch, u32 count, root
 */
#ifndef TP_PROTO_BATCH_H
#define TP_PROTO_BATCH_H

#include "trust/leaf.h"

enum { TP__SIGNATURE_BYTES = 64, TP__PROOF_LIMIT = 16 };

/** Hashes of all leaves of a batch. False if `leaves` are not exactly `count` well-formed leaves. */
bool tp__batch_hash(const uint8_t *leaves, size_t size, uint32_t count, struct tp__hash hashes[TP__BATCH_LIMIT]);
/** Hashes of a run: index `first` and the next ones. */
bool tp__batch_hash_run(const uint8_t *leaves, size_t size, uint32_t first, uint32_t run,
                        struct tp__hash hashes[TP__BATCH_LIMIT]);

struct tp__hash tp__batch_root(const struct tp__hash *hashes, uint32_t count);
/** The proof for a run, left to right; returns how many hashes. */
uint32_t tp__batch_prove(const struct tp__hash *hashes, uint32_t count, uint32_t first, uint32_t run,
                         struct tp__hash proof[TP__PROOF_LIMIT]);
/** The root that a run and its proof lead to. False if the proof has another length than it must. */
bool tp__batch_root_of_run(const struct tp__hash *run_hashes, uint32_t count, uint32_t first, uint32_t run,
                           const struct tp__hash *proof, uint32_t proof_count, struct tp__hash *root);

void tp__batch_sign(const uint8_t secret_key[64], const struct tp__id *session, uint64_t batch, uint32_t count,
                    const struct tp__hash *root, uint8_t signature[TP__SIGNATURE_BYTES]);
bool tp__batch_verify(const uint8_t public_key[32], const struct tp__id *session, uint64_t batch, uint32_t count,
                      const struct tp__hash *root, const uint8_t signature[TP__SIGNATURE_BYTES]);

struct tp__hash tp__hash_of(const void *bytes, size_t size);

/** Which leaves a node has already taken: the last TP__WINDOW_BATCHES batches of a session. */
enum { TP__WINDOW_BATCHES = 4096 };
struct tp__window;
struct tp__window *tp__window_new(void); /**< NULL without memory */
void tp__window_free(struct tp__window *window);
enum tp__window_answer { TP__WINDOW_NEW, TP__WINDOW_SEEN, TP__WINDOW_STALE, TP__WINDOW_OTHER_ROOT, TP__WINDOW_NOMEM };
/** Looks up leaf `index` of a batch with that (verified) root and marks it. OTHER_ROOT: the number was used for another
 *  batch, or no batch has such an index. STALE: older than the window. */
enum tp__window_answer tp__window_take(struct tp__window *window, uint64_t batch, const struct tp__hash *root,
                                       uint32_t index);

#endif
