/* SPDX-License-Identifier: MIT */
/* Whatever leaves and proofs arrive: they are refused, or are written again byte for byte. The input: count less one,
 * first, run and number of proof hashes, one byte each, the proof, then the leaves of the run. Good ones are taken for
 * a batch, too, whose runs must verify. */
#include "trust/batch.h"
#include "trust/tree.h"

#include <stdlib.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void prove_all_runs(const struct tp__hash *hashes, uint32_t count)
{
    const struct tp__hash root = tp__tree_root(hashes, count);
    struct tp__hash tree[TP__TREE_LIMIT];
    tp__tree_fill(tree, hashes, count);
    for (uint32_t first = 0; first < count; first += 1 + count / 5) {
        for (uint32_t run = 1; run <= count - first; run += 1 + count / 5) {
            struct tp__hash proof[TP__PROOF_LIMIT];
            struct tp__hash found;
            const uint32_t needed = tp__tree_prove(tree, count, first, run, proof);
            check(needed <= TP__PROOF_LIMIT);
            check(tp__tree_root_of_run(hashes + first, count, first, run, proof, needed, &found));
            check(memcmp(&found, &root, sizeof root) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tp__reader reader = tp__reader_of(data, size);
    const uint32_t count = tp__get_u8(&reader) + 1U;
    const uint32_t first = tp__get_u8(&reader);
    const uint32_t run = tp__get_u8(&reader);
    const uint32_t proof_count = tp__get_u8(&reader) % (TP__PROOF_LIMIT + 2);
    struct tp__hash proof[TP__PROOF_LIMIT + 1];
    const uint8_t *given = tp__get_bytes(&reader, proof_count * sizeof proof[0]);
    if (!given)
        return 0;
    memcpy(proof, given, proof_count * sizeof proof[0]);

    const uint8_t *leaves = reader.at;
    const size_t leaves_size = tp__reader_left(&reader);
    struct tp__hash hashes[TP__BATCH_LIMIT];
    if (!tp__batch_hash_run(leaves, leaves_size, first, run, hashes))
        return 0;
    size_t again = 0;
    struct tp__reader walk = tp__reader_of(leaves, leaves_size);
    for (uint32_t i = 0; i < run; i++) {
        struct tp__leaf leaf;
        const uint8_t *start = walk.at;
        uint8_t written[TP__LEAF_HEADER_LIMIT_BYTES + 4096];
        check(tp__leaf_read(&walk, &leaf));
        check(tp__leaf_size(&leaf) == (size_t)(walk.at - start));
        if (tp__leaf_size(&leaf) <= sizeof written) {
            tp__leaf_write(written, &leaf);
            check(memcmp(written, start, tp__leaf_size(&leaf)) == 0);
        }
        again += tp__leaf_size(&leaf);
    }
    check(again == leaves_size);

    struct tp__hash root;
    (void)tp__tree_root_of_run(hashes, count, first, run, proof, proof_count, &root);
    prove_all_runs(hashes, run);
    return 0;
}
