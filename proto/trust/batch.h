/* SPDX-License-Identifier: MIT */
/** @file
 * Batches: up to TP__BATCH_LIMIT leaves under one signature, of which any contiguous run can be verified by itself.
 *
 * The hashes of the leaves are the leaves of a Merkle tree (trust/tree.h), whose root is signed with their number.
 *
 *     leaf hash = BLAKE2b-256, personalized "taskpool/1 leaf", of: u32 index, header of the leaf, payload or, if longer
 *                 than 1 KiB, H(payload); one block of BLAKE2b with up to 76 bytes of captures
 *     signature = Ed25519 by the session's signing key of "taskpool/1 batch", session, u64 batch, u32 count, root
 */
#ifndef TP_PROTO_BATCH_H
#define TP_PROTO_BATCH_H

#include "trust/leaf.h"

enum { TP__SIGNATURE_BYTES = 64 };

/** Hashes of all leaves of a batch. False if `leaves` are not exactly `count` well-formed leaves. */
bool tp__batch_hash(const uint8_t *leaves, size_t size, uint32_t count, struct tp__hash hashes[TP__BATCH_LIMIT]);
/** Hashes of a run: index `first` and the next ones. */
bool tp__batch_hash_run(const uint8_t *leaves, size_t size, uint32_t first, uint32_t run,
                        struct tp__hash hashes[TP__BATCH_LIMIT]);

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
 *  batch, or no batch has such a number or index. STALE: older than the window. */
enum tp__window_answer tp__window_take(struct tp__window *window, uint64_t batch, const struct tp__hash *root,
                                       uint32_t index);

#endif
