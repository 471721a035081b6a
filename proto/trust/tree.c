/* SPDX-License-Identifier: MIT */
/* Design notes. The shape of the tree follows from the count alone, which is signed with the root: a proof is nothing
 * but hashes, in the order in which a walk from left to right misses them. Prover and verifier make the same walk.
 *
 * A whole tree stands in an array: its root, then its children from left to right, each in the same way. */
#include "trust/tree.h"

#include <sodium.h>

enum { GROUP = 8 /* leaves on one node */ };

static const uint8_t node_text[crypto_generichash_blake2b_PERSONALBYTES] = "taskpool/1 node";

static struct tp__hash hash_of_node(const struct tp__hash *children, uint32_t count)
{
    struct tp__hash hash;
    crypto_generichash_blake2b_salt_personal(hash.bytes, sizeof hash.bytes, children->bytes, count * sizeof *children,
                                             NULL, 0, NULL, node_text);
    return hash;
}

/* Of more than GROUP leaves: how many stand in the left subtree. */
static uint32_t left_of(uint32_t count)
{
    return UINT32_C(1) << (31 - __builtin_clz(count - 1));
}

/* Levels above the groups: at most 27, for any count. */
struct tp__hash tp__tree_root(const struct tp__hash *leaves, uint32_t count)
{
    if (count <= 1) {
        struct tp__hash hash;
        if (count == 1)
            return leaves[0];
        crypto_generichash(hash.bytes, sizeof hash.bytes, NULL, 0, NULL, 0);
        return hash;
    }
    if (count <= GROUP)
        return hash_of_node(leaves, count);
    const uint32_t left = left_of(count);
    const struct tp__hash pair[2] = {tp__tree_root(leaves, left), tp__tree_root(leaves + left, count - left)};
    return hash_of_node(pair, 2);
}

/* ---- the whole tree ---- */

uint32_t tp__tree_size(uint32_t count)
{
    const uint32_t whole_groups = count / GROUP;
    const uint32_t rest = count % GROUP;
    const uint32_t groups = whole_groups + (rest > 0);
    return count + whole_groups + (rest > 1) + groups - 1;
}

void tp__tree_fill(struct tp__hash *tree, const struct tp__hash *leaves, uint32_t count)
{
    if (count == 1) {
        tree[0] = leaves[0];
        return;
    }
    if (count <= GROUP) {
        memcpy(tree + 1, leaves, count * sizeof *leaves);
        tree[0] = hash_of_node(leaves, count);
        return;
    }
    const uint32_t left = left_of(count);
    struct tp__hash *right = tree + 1 + tp__tree_size(left);
    tp__tree_fill(tree + 1, leaves, left);
    tp__tree_fill(right, leaves + left, count - left);
    const struct tp__hash pair[2] = {tree[1], *right};
    tree[0] = hash_of_node(pair, 2);
}

/* ---- proofs ---- */

struct walk {
    uint32_t first, end;               /* the run */
    uint32_t used;                     /* hashes of the proof */
    struct tp__hash *out;              /* prover: where it goes */
    const struct tp__hash *run_leaves; /* verifier */
    const struct tp__hash *in;
    uint32_t proof_count;
};

static bool is_run(uint32_t count, uint32_t first, uint32_t run)
{
    return count <= TP__BATCH_LIMIT && run >= 1 && run <= count && first <= count - run;
}

static bool is_outside(const struct walk *walk, uint32_t from, uint32_t count)
{
    return from + count <= walk->first || from >= walk->end;
}

static bool is_inside(const struct walk *walk, uint32_t from, uint32_t count)
{
    return from >= walk->first && from + count <= walk->end;
}

static void prove(struct walk *walk, const struct tp__hash *tree, uint32_t from, uint32_t count)
{
    if (is_outside(walk, from, count)) {
        walk->out[walk->used++] = tree[0];
    } else if (is_inside(walk, from, count)) {
        return;
    } else if (count <= GROUP) {
        for (uint32_t i = 0; i < count; i++)
            prove(walk, tree + 1 + i, from + i, 1);
    } else {
        const uint32_t left = left_of(count);
        prove(walk, tree + 1, from, left);
        prove(walk, tree + 1 + tp__tree_size(left), from + left, count - left);
    }
}

uint32_t tp__tree_prove(const struct tp__hash *tree, uint32_t count, uint32_t first, uint32_t run,
                        struct tp__hash proof[TP__PROOF_LIMIT])
{
    if (!is_run(count, first, run))
        return 0;
    struct walk walk = {.first = first, .end = first + run, .out = proof};
    prove(&walk, tree, 0, count);
    return walk.used;
}

static bool climb(struct walk *walk, uint32_t from, uint32_t count, struct tp__hash *hash)
{
    if (is_outside(walk, from, count)) {
        if (walk->used == walk->proof_count)
            return false;
        *hash = walk->in[walk->used++];
        return true;
    }
    if (is_inside(walk, from, count)) {
        *hash = tp__tree_root(walk->run_leaves + (from - walk->first), count);
        return true;
    }
    struct tp__hash children[GROUP];
    if (count <= GROUP) {
        for (uint32_t i = 0; i < count; i++)
            if (!climb(walk, from + i, 1, &children[i]))
                return false;
        *hash = hash_of_node(children, count);
        return true;
    }
    const uint32_t left = left_of(count);
    if (!climb(walk, from, left, &children[0]) || !climb(walk, from + left, count - left, &children[1]))
        return false;
    *hash = hash_of_node(children, 2);
    return true;
}

bool tp__tree_root_of_run(const struct tp__hash *run_leaves, uint32_t count, uint32_t first, uint32_t run,
                          const struct tp__hash *proof, uint32_t proof_count, struct tp__hash *root)
{
    if (!is_run(count, first, run))
        return false;
    struct walk walk = {
        .first = first, .end = first + run, .run_leaves = run_leaves, .in = proof, .proof_count = proof_count};
    return climb(&walk, 0, count, root) && walk.used == proof_count;
}
