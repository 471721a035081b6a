/* SPDX-License-Identifier: MIT */
/* Design notes. The shape of the tree follows from the count alone, which is signed with the root: a proof is nothing
 * but hashes, in the order in which a walk from left to right misses them. Both the prover and the verifier make that
 * walk, so that they cannot disagree.
 *
 * What is hashed is put together on the stack and hashed by one call: for small leaves copying through the pieces of a
 * running hash would cost as much as the hash itself. In the batch a leaf's header stands before its payload (or the
 * payload's hash), which is the order in which they are hashed. */
#include "trust/batch.h"

#include <sodium.h>

enum { SHORT_PAYLOAD_BYTES = 1024 };

#define LEAF_TEXT "tp/1 leaf"
#define NODE_TEXT "taskpool/1 node"
#define BATCH_TEXT "taskpool/1 batch"

enum {
    LEAF_TEXT_BYTES = sizeof LEAF_TEXT - 1,
    NODE_TEXT_BYTES = sizeof NODE_TEXT - 1,
    BATCH_TEXT_BYTES = sizeof BATCH_TEXT - 1,
    SIGNED_BYTES = BATCH_TEXT_BYTES + sizeof(struct tp__id) + 8 + 4 + sizeof(struct tp__hash)
};

static void hash_to(struct tp__hash *hash, const void *bytes, size_t size)
{
    crypto_generichash(hash->bytes, sizeof hash->bytes, bytes, size, NULL, 0);
}

struct tp__hash tp__hash_of(const void *bytes, size_t size)
{
    struct tp__hash hash;
    hash_to(&hash, bytes, size);
    return hash;
}

/* `pair` may be the place of the result. */
static void hash_pair(struct tp__hash *result, const struct tp__hash pair[2])
{
    uint8_t input[NODE_TEXT_BYTES + 2 * sizeof *pair];
    memcpy(input, NODE_TEXT, NODE_TEXT_BYTES);
    memcpy(input + NODE_TEXT_BYTES, pair, 2 * sizeof *pair);
    hash_to(result, input, sizeof input);
}

/* ---- leaves ---- */

/* `bytes` is the leaf as it stands in the batch, `size` what it takes there. */
static void hash_leaf(struct tp__hash *hash, uint32_t index, const uint8_t *bytes, size_t size)
{
    uint8_t input[LEAF_TEXT_BYTES + sizeof index + TP__LEAF_HEADER_BYTES + SHORT_PAYLOAD_BYTES];
    memcpy(input, LEAF_TEXT, LEAF_TEXT_BYTES);
    uint8_t *end = tp__put_u32(input + LEAF_TEXT_BYTES, index);
    if (size <= TP__LEAF_HEADER_BYTES + SHORT_PAYLOAD_BYTES) {
        end = tp__put_bytes(end, bytes, size);
    } else {
        const struct tp__hash payload = tp__hash_of(bytes + TP__LEAF_HEADER_BYTES, size - TP__LEAF_HEADER_BYTES);
        end = tp__put_bytes(end, bytes, TP__LEAF_HEADER_BYTES);
        end = tp__put_bytes(end, payload.bytes, sizeof payload.bytes);
    }
    hash_to(hash, input, (size_t)(end - input));
}

bool tp__batch_hash_run(const uint8_t *leaves, size_t size, uint32_t first, uint32_t run,
                        struct tp__hash hashes[TP__BATCH_LIMIT])
{
    if (run == 0 || run > TP__BATCH_LIMIT || first > TP__BATCH_LIMIT - run || size == 0 || size > TP__BATCH_LIMIT_BYTES)
        return false;
    struct tp__reader reader = tp__reader_of(leaves, size);
    for (uint32_t i = 0; i < run; i++) {
        const uint8_t *start = reader.at;
        struct tp__leaf leaf;
        if (!tp__leaf_read(&reader, &leaf))
            return false;
        hash_leaf(&hashes[i], first + i, start, (size_t)(reader.at - start));
    }
    return tp__reader_left(&reader) == 0;
}

bool tp__batch_hash(const uint8_t *leaves, size_t size, uint32_t count, struct tp__hash hashes[TP__BATCH_LIMIT])
{
    return tp__batch_hash_run(leaves, size, 0, count, hashes);
}

/* ---- the tree ---- */

struct tp__hash tp__batch_root(const struct tp__hash *hashes, uint32_t count)
{
    if (count == 0)
        return tp__hash_of(NULL, 0);
    /* Full subtrees that wait for their right neighbour, larger ones further down: one for each 1 in the binary form of
     * the number of leaves seen. */
    struct tp__hash waiting[33];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < count; i++) {
        waiting[depth++] = hashes[i];
        for (uint32_t seen = i; seen & 1; seen >>= 1) {
            depth--;
            hash_pair(&waiting[depth - 1], &waiting[depth - 1]);
        }
    }
    for (; depth > 1; depth--)
        hash_pair(&waiting[depth - 2], &waiting[depth - 2]);
    return waiting[0];
}

/* Of `count` leaves, at least two: how many stand in the left subtree. */
static uint32_t left_of(uint32_t count)
{
    return UINT32_C(1) << (31 - __builtin_clz(count - 1));
}

struct walk {
    const struct tp__hash *hashes; /* of all leaves (prover), or of the run (verifier) */
    uint32_t first;                /* the run */
    uint32_t end;
    struct tp__hash *out;      /* prover: where the proof goes */
    const struct tp__hash *in; /* verifier: the proof */
    uint32_t used;
    uint32_t proof_count;
};

static bool is_outside(const struct walk *walk, uint32_t from, uint32_t count)
{
    return from + count <= walk->first || from >= walk->end;
}

static bool is_inside(const struct walk *walk, uint32_t from, uint32_t count)
{
    return from >= walk->first && from + count <= walk->end;
}

/* As deep as the tree: 9 levels at most. */
static void prove(struct walk *walk, uint32_t from, uint32_t count)
{
    if (is_outside(walk, from, count)) {
        walk->out[walk->used++] = tp__batch_root(walk->hashes + from, count);
    } else if (!is_inside(walk, from, count)) {
        const uint32_t left = left_of(count);
        prove(walk, from, left);
        prove(walk, from + left, count - left);
    }
}

static bool climb(struct walk *walk, uint32_t from, uint32_t count, struct tp__hash *root)
{
    if (is_outside(walk, from, count)) {
        if (walk->used == walk->proof_count)
            return false;
        *root = walk->in[walk->used++];
        return true;
    }
    if (is_inside(walk, from, count)) {
        *root = tp__batch_root(walk->hashes + (from - walk->first), count);
        return true;
    }
    const uint32_t left = left_of(count);
    struct tp__hash pair[2];
    if (!climb(walk, from, left, &pair[0]) || !climb(walk, from + left, count - left, &pair[1]))
        return false;
    hash_pair(root, pair);
    return true;
}

static bool is_run(uint32_t count, uint32_t first, uint32_t run)
{
    return count <= TP__BATCH_LIMIT && run >= 1 && run <= count && first <= count - run;
}

uint32_t tp__batch_prove(const struct tp__hash *hashes, uint32_t count, uint32_t first, uint32_t run,
                         struct tp__hash proof[TP__PROOF_LIMIT])
{
    if (!is_run(count, first, run))
        return 0;
    struct walk walk = {.hashes = hashes, .first = first, .end = first + run, .out = proof};
    prove(&walk, 0, count);
    return walk.used;
}

bool tp__batch_root_of_run(const struct tp__hash *run_hashes, uint32_t count, uint32_t first, uint32_t run,
                           const struct tp__hash *proof, uint32_t proof_count, struct tp__hash *root)
{
    if (!is_run(count, first, run))
        return false;
    struct walk walk = {
        .hashes = run_hashes, .first = first, .end = first + run, .in = proof, .proof_count = proof_count};
    return climb(&walk, 0, count, root) && walk.used == proof_count;
}

/* ---- the signature ---- */

static void write_signed(uint8_t message[SIGNED_BYTES], const struct tp__id *session, uint64_t batch, uint32_t count,
                         const struct tp__hash *root)
{
    uint8_t *end = tp__put_bytes(message, BATCH_TEXT, BATCH_TEXT_BYTES);
    end = tp__put_bytes(end, session->bytes, sizeof session->bytes);
    end = tp__put_u64(end, batch);
    end = tp__put_u32(end, count);
    tp__put_bytes(end, root->bytes, sizeof root->bytes);
}

void tp__batch_sign(const uint8_t secret_key[64], const struct tp__id *session, uint64_t batch, uint32_t count,
                    const struct tp__hash *root, uint8_t signature[TP__SIGNATURE_BYTES])
{
    uint8_t message[SIGNED_BYTES];
    write_signed(message, session, batch, count, root);
    crypto_sign_detached(signature, NULL, message, sizeof message, secret_key);
}

bool tp__batch_verify(const uint8_t public_key[32], const struct tp__id *session, uint64_t batch, uint32_t count,
                      const struct tp__hash *root, const uint8_t signature[TP__SIGNATURE_BYTES])
{
    uint8_t message[SIGNED_BYTES];
    write_signed(message, session, batch, count, root);
    return crypto_sign_verify_detached(signature, message, sizeof message, public_key) == 0;
}
