/* SPDX-License-Identifier: MIT */
#include "proof.h"

#include <stdlib.h>

enum { ALLOCATION_BYTES = 16 };

static size_t tree_bytes(const struct batch *batch)
{
    return tp__tree_size(batch->count) * sizeof *batch->tree;
}

uint32_t proof_of_run(struct batch *batch, const struct run *run, uint64_t *memory,
                      struct tp__hash proof[TP__PROOF_LIMIT])
{
    if (!batch->tree) {
        struct tp__hash hashes[TP__BATCH_LIMIT];
        if (!tp__batch_hash(batch->leaves, batch->size, batch->count, hashes))
            return 0;
        batch->tree = malloc(tree_bytes(batch));
        if (!batch->tree) {
            struct tp__hash tree[TP__TREE_LIMIT];
            tp__tree_fill(tree, hashes, batch->count);
            return tp__tree_prove(tree, batch->count, run->first, run->count, proof);
        }
        *memory += tree_bytes(batch) + ALLOCATION_BYTES;
        tp__tree_fill(batch->tree, hashes, batch->count);
    }
    return tp__tree_prove(batch->tree, batch->count, run->first, run->count, proof);
}

void proof_free(struct batch *batch, uint64_t *memory)
{
    if (!batch->tree)
        return;
    *memory -= tree_bytes(batch) + ALLOCATION_BYTES;
    free(batch->tree);
    batch->tree = NULL;
}
