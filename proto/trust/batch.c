/* SPDX-License-Identifier: MIT */
/* Design notes. What is hashed is put together on the stack and hashed by one call: for small leaves copying through
 * the pieces of a running hash would cost as much as the hash itself. In the batch a leaf's header stands before its
 * payload (or the payload's hash), which is the order in which they are hashed. */
#include "trust/batch.h"

#include <sodium.h>

enum { SHORT_PAYLOAD_BYTES = 1024 };

#define BATCH_TEXT "taskpool/1 batch"

enum {
    BATCH_TEXT_BYTES = sizeof BATCH_TEXT - 1,
    SIGNED_BYTES = BATCH_TEXT_BYTES + sizeof(struct tp__id) + 8 + 4 + sizeof(struct tp__hash)
};

struct tp__hash tp__hash_of(const void *bytes, size_t size)
{
    struct tp__hash hash;
    crypto_generichash(hash.bytes, sizeof hash.bytes, bytes, size, NULL, 0);
    return hash;
}

/* ---- leaves ---- */

static const uint8_t leaf_text[crypto_generichash_blake2b_PERSONALBYTES] = "taskpool/1 leaf";

/* `bytes` is the leaf as it stands in the batch, `size` what it takes there. The length in the header tells a payload
 * from the hash of one. */
static void hash_leaf(struct tp__hash *hash, uint32_t index, const struct tp__leaf *leaf, const uint8_t *bytes,
                      size_t size)
{
    uint8_t input[sizeof index + TP__LEAF_HEADER_LIMIT_BYTES + SHORT_PAYLOAD_BYTES];
    uint8_t *end = tp__put_u32(input, index);
    if (leaf->payload && leaf->length > SHORT_PAYLOAD_BYTES) {
        const struct tp__hash payload = tp__hash_of(leaf->payload, leaf->length);
        end = tp__put_bytes(end, bytes, (size_t)(leaf->payload - bytes));
        end = tp__put_bytes(end, payload.bytes, sizeof payload.bytes);
    } else {
        end = tp__put_bytes(end, bytes, size);
    }
    crypto_generichash_blake2b_salt_personal(hash->bytes, sizeof hash->bytes, input, (size_t)(end - input), NULL, 0,
                                             NULL, leaf_text);
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
        hash_leaf(&hashes[i], first + i, &leaf, start, (size_t)(reader.at - start));
    }
    return tp__reader_left(&reader) == 0;
}

bool tp__batch_hash(const uint8_t *leaves, size_t size, uint32_t count, struct tp__hash hashes[TP__BATCH_LIMIT])
{
    return tp__batch_hash_run(leaves, size, 0, count, hashes);
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
