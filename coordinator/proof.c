/* SPDX-License-Identifier: MIT */
/* Design notes. The tree of `n` leaves stands in 2n - 1 hashes: its root, then its left subtree, then its right one.
 * The left subtree of n leaves has the largest power of two below n (trust/batch.h): places follow from counts. */
#include "proof.h"

#include <stdlib.h>

enum { ALLOCATION_BYTES = 16 };

static uint32_t left_of(uint32_t count)
{
    return UINT32_C(1) << (31 - __builtin_clz(count - 1));
}

/* Ten levels at most, as in the walk below. */
static void fill(struct tp__hash *tree, const struct tp__hash *leaves, uint32_t count)
{
    if (count == 1) {
        tree[0] = leaves[0];
        return;
    }
    const uint32_t left = left_of(count);
    fill(tree + 1, leaves, left);
    fill(tree + 2 * left, leaves + left, count - left);
    const struct tp__hash pair[2] = {tree[1], tree[2 * left]};
    tree[0] = tp__batch_root(pair, 2);
}

struct walk {
    uint32_t first, end; /* the run */
    struct tp__hash *out;
    uint32_t used;
};

static void collect(struct walk *walk, const struct tp__hash *tree, uint32_t from, uint32_t count)
{
    if (from + count <= walk->first || from >= walk->end) {
        walk->out[walk->used++] = tree[0];
    } else if (from < walk->first || from + count > walk->end) {
        const uint32_t left = left_of(count);
        collect(walk, tree + 1, from, left);
        collect(walk, tree + 2 * left, from + left, count - left);
    }
}

static size_t tree_bytes(const struct batch *batch)
{
    return (2 * (size_t)batch->count - 1) * sizeof *batch->tree;
}

uint32_t proof_of_run(struct batch *batch, const struct run *run, uint64_t *memory,
                      struct tp__hash proof[TP__PROOF_LIMIT])
{
    if (!batch->tree) {
        struct tp__hash hashes[TP__BATCH_LIMIT];
        if (!tp__batch_hash(batch->leaves, batch->size, batch->count, hashes))
            return 0;
        batch->tree = malloc(tree_bytes(batch));
        if (!batch->tree)
            return tp__batch_prove(hashes, batch->count, run->first, run->count, proof);
        *memory += tree_bytes(batch) + ALLOCATION_BYTES;
        fill(batch->tree, hashes, batch->count);
    }
    struct walk walk = {.first = run->first, .end = run->first + run->count, .out = proof};
    collect(&walk, batch->tree, 0, batch->count);
    return walk.used;
}

void proof_free(struct batch *batch, uint64_t *memory)
{
    if (!batch->tree)
        return;
    *memory -= tree_bytes(batch) + ALLOCATION_BYTES;
    free(batch->tree);
    batch->tree = NULL;
}
