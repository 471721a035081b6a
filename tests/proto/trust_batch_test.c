/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include "trust/batch.h"
#include "trust/tree.h"

static uint8_t leaves[TP__BATCH_LIMIT_BYTES + 4096];
static size_t ends[TP__BATCH_LIMIT + 1]; /* ends[i]: where leaf i begins */
static struct tp__hash hashes[TP__BATCH_LIMIT];

/* `longest`: of a payload; longer ones than 64 KiB become LARGE. Returns the size. */
static size_t make_batch(uint32_t count, uint32_t longest)
{
    static uint8_t payload[TP__LEAF_INLINE_LIMIT_BYTES];
    random_bytes(payload, longest < sizeof payload ? longest : sizeof payload);
    uint8_t *to = leaves;
    for (uint32_t i = 0; i < count; i++) {
        struct tp__leaf leaf = {.sequence = i + 1,
                                .dispatch = 1 + random_below(3),
                                .task = random_below(100),
                                .length = random_below(longest + 1),
                                .payload = payload};
        if (leaf.length > TP__LEAF_INLINE_LIMIT_BYTES) {
            leaf.flags = TP__LEAF_LARGE;
            random_bytes(&leaf.payload_hash, sizeof leaf.payload_hash);
        }
        ends[i] = (size_t)(to - leaves);
        to = tp__leaf_write(to, &leaf);
    }
    ends[count] = (size_t)(to - leaves);
    return ends[count];
}

static bool same(const struct tp__hash *a, const struct tp__hash *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* ---- the tree, by its definition ---- */

static void begin(crypto_generichash_blake2b_state *running, const char *text)
{
    uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = {0};
    memcpy(personal, text, strlen(text));
    crypto_generichash_blake2b_init_salt_personal(running, NULL, 0, 32, NULL, personal);
}

static struct tp__hash root_by_definition(const struct tp__hash *all, uint32_t count)
{
    if (count == 1)
        return all[0];
    struct tp__hash hash;
    crypto_generichash_blake2b_state running;
    begin(&running, "taskpool/1 node");
    if (count <= 8) {
        for (uint32_t i = 0; i < count; i++)
            crypto_generichash_blake2b_update(&running, all[i].bytes, 32);
    } else {
        uint32_t left = 8;
        while (2 * left < count)
            left *= 2;
        const struct tp__hash a = root_by_definition(all, left);
        const struct tp__hash b = root_by_definition(all + left, count - left);
        crypto_generichash_blake2b_update(&running, a.bytes, 32);
        crypto_generichash_blake2b_update(&running, b.bytes, 32);
    }
    crypto_generichash_blake2b_final(&running, hash.bytes, 32);
    return hash;
}

static struct tp__hash leaf_by_definition(uint32_t index)
{
    const uint8_t *bytes = leaves + ends[index];
    const size_t size = ends[index + 1] - ends[index];
    struct tp__reader reader = tp__reader_of(bytes, size);
    struct tp__leaf leaf;
    assert_true(tp__leaf_read(&reader, &leaf));
    const size_t header = leaf.payload ? (size_t)(leaf.payload - bytes) : size - 32;
    struct tp__hash hash;
    crypto_generichash_blake2b_state running;
    begin(&running, "taskpool/1 leaf");
    crypto_generichash_blake2b_update(&running, (const uint8_t *)&index, 4);
    crypto_generichash_blake2b_update(&running, bytes, header);
    if (size - header > 1024) {
        crypto_generichash(hash.bytes, 32, bytes + header, size - header, NULL, 0);
        crypto_generichash_blake2b_update(&running, hash.bytes, 32);
    } else {
        crypto_generichash_blake2b_update(&running, bytes + header, size - header);
    }
    crypto_generichash_blake2b_final(&running, hash.bytes, 32);
    return hash;
}

static void leaves_are_hashed_by_definition(void **state)
{
    (void)state;
    const uint32_t longest[] = {0, 64, 3000, TP__LEAF_INLINE_LIMIT_BYTES, TP__PAYLOAD_LIMIT_BYTES};
    const uint32_t counts[] = {256, 256, 256, 10, 200};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const size_t size = make_batch(counts[i], longest[i]);
        assert_true(tp__batch_hash(leaves, size, counts[i], hashes));
        for (uint32_t index = 0; index < counts[i]; index++) {
            const struct tp__hash expected = leaf_by_definition(index);
            assert_true(same(&hashes[index], &expected));
        }
    }
}

static void a_payload_of_1_KiB_is_hashed_with_its_leaf(void **state)
{
    (void)state;
    static const uint8_t payload[1025];
    for (uint32_t length = 1023; length <= 1025; length++) {
        const struct tp__leaf leaf = {.sequence = 1, .dispatch = 1, .length = length, .payload = payload};
        ends[0] = 0;
        ends[1] = (size_t)(tp__leaf_write(leaves, &leaf) - leaves);
        assert_true(tp__batch_hash(leaves, ends[1], 1, hashes));
        const struct tp__hash expected = leaf_by_definition(0);
        assert_true(same(&hashes[0], &expected));
    }
}

static void the_root_is_that_of_rfc_6962(void **state)
{
    (void)state;
    static struct tp__hash many[1025];
    random_bytes(many, sizeof many);
    for (uint32_t count = 1; count <= 1025; count += count < 300 ? 1 : 25) {
        const struct tp__hash root = tp__tree_root(many, count);
        const struct tp__hash expected = root_by_definition(many, count);
        assert_true(same(&root, &expected));
    }
}

/* ---- runs ---- */

static uint32_t prove_leaves(const struct tp__hash *all, uint32_t count, uint32_t first, uint32_t run,
                             struct tp__hash proof[TP__PROOF_LIMIT])
{
    static struct tp__hash tree[TP__TREE_LIMIT];
    if (count > 0 && count <= TP__BATCH_LIMIT)
        tp__tree_fill(tree, all, count);
    return tp__tree_prove(tree, count, first, run, proof);
}

static void check_run(uint32_t count, uint32_t first, uint32_t run, const struct tp__hash *root)
{
    struct tp__hash proof[TP__PROOF_LIMIT + 1];
    memset(&proof[TP__PROOF_LIMIT], 0x5a, sizeof proof[0]);
    const uint32_t needed = prove_leaves(hashes, count, first, run, proof);
    assert_true(needed <= TP__PROOF_LIMIT);
    assert_int_equal(needed == 0, run == count);
    for (size_t i = 0; i < sizeof proof[0]; i++)
        assert_int_equal(proof[TP__PROOF_LIMIT].bytes[i], 0x5a);

    struct tp__hash found;
    assert_true(tp__tree_root_of_run(hashes + first, count, first, run, proof, needed, &found));
    assert_true(same(&found, root));
    assert_false(tp__tree_root_of_run(hashes + first, count, first, run, proof, needed + 1, &found));
    if (needed == 0)
        return;
    assert_false(tp__tree_root_of_run(hashes + first, count, first, run, proof, needed - 1, &found));
    const uint32_t bit = random_below(needed * 256);
    proof[bit / 256].bytes[bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
    assert_true(tp__tree_root_of_run(hashes + first, count, first, run, proof, needed, &found));
    assert_false(same(&found, root));
}

static void a_run_verifies_by_itself(void **state)
{
    (void)state;
    random_bytes(hashes, sizeof hashes);
    for (uint32_t count = 1; count <= TP__BATCH_LIMIT; count++) {
        const struct tp__hash root = tp__tree_root(hashes, count);
        check_run(count, 0, count, &root);
        check_run(count, 0, 1, &root);
        check_run(count, count - 1, 1, &root);
        for (int i = 0; i < 30; i++) {
            const uint32_t first = random_below(count);
            check_run(count, first, 1 + random_below(count - first), &root);
        }
    }
}

static void every_run_of_small_batches_verifies(void **state)
{
    (void)state;
    random_bytes(hashes, sizeof hashes);
    for (uint32_t count = 1; count <= 20; count++) {
        const struct tp__hash root = tp__tree_root(hashes, count);
        for (uint32_t first = 0; first < count; first++) {
            for (uint32_t run = 1; run <= count - first; run++)
                check_run(count, first, run, &root);
        }
    }
}

/* Of all runs of many batches, small ones and full ones among them, the longest proof is as long as the limit. */
static void the_limit_of_a_proof_is_reached_and_kept(void **state)
{
    (void)state;
    static const struct tp__hash tree[TP__TREE_LIMIT]; /* how long a proof is does not depend on it */
    struct tp__hash proof[4 * TP__PROOF_LIMIT];
    uint32_t longest = 0;
    for (uint32_t count = TP__BATCH_LIMIT; count > 0; count -= count > 100 ? 100 : 1) {
        assert_true(tp__tree_size(count) <= TP__TREE_LIMIT);
        for (uint32_t first = 0; first < count; first++) {
            for (uint32_t run = 1; run <= count - first; run++) {
                const uint32_t needed = tp__tree_prove(tree, count, first, run, proof);
                longest = needed > longest ? needed : longest;
            }
        }
    }
    assert_int_equal(longest, TP__PROOF_LIMIT);
    assert_int_equal(tp__tree_size(TP__BATCH_LIMIT), TP__TREE_LIMIT);
}

static void a_run_stands_at_one_place_only(void **state)
{
    (void)state;
    enum { MOST = 40 };
    const uint32_t count = 1 + random_below(MOST);
    const size_t size = make_batch(count, 40);
    assert_true(tp__batch_hash(leaves, size, count, hashes));
    const struct tp__hash root = tp__tree_root(hashes, count);
    const uint32_t first = random_below(count);
    const uint32_t run = 1 + random_below(count - first);
    struct tp__hash proof[TP__PROOF_LIMIT];
    const uint32_t needed = prove_leaves(hashes, count, first, run, proof);
    for (uint32_t claimed_count = 1; claimed_count <= MOST; claimed_count++) {
        for (uint32_t claimed = 0; claimed + run <= claimed_count; claimed++) {
            struct tp__hash run_hashes[TP__BATCH_LIMIT];
            struct tp__hash found;
            assert_true(
                tp__batch_hash_run(leaves + ends[first], ends[first + run] - ends[first], claimed, run, run_hashes));
            const bool leads = tp__tree_root_of_run(run_hashes, claimed_count, claimed, run, proof, needed, &found) &&
                               same(&found, &root);
            /* Another count can have the same root (its shape around the run may be equal): it is signed by itself. */
            if (claimed != first)
                assert_false(leads);
            else if (claimed_count == count)
                assert_true(leads);
        }
    }
}

static void impossible_runs_are_refused(void **state)
{
    (void)state;
    const struct {
        uint32_t count, first, run;
    } cases[] = {{0, 0, 0},
                 {0, 0, 1},
                 {1, 0, 0},
                 {1, 0, 2},
                 {1, 1, 1},
                 {TP__BATCH_LIMIT + 1, 0, 1},
                 {TP__BATCH_LIMIT, 1, TP__BATCH_LIMIT},
                 {TP__BATCH_LIMIT, TP__BATCH_LIMIT, 1},
                 {TP__BATCH_LIMIT, UINT32_MAX, 2},
                 {TP__BATCH_LIMIT, 2, UINT32_MAX},
                 {UINT32_MAX, 0, 1}};
    struct tp__hash proof[TP__PROOF_LIMIT];
    struct tp__hash found;
    random_bytes(proof, sizeof proof);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(prove_leaves(hashes, cases[i].count, cases[i].first, cases[i].run, proof), 0);
        for (uint32_t proof_count = 0; proof_count <= TP__PROOF_LIMIT; proof_count++)
            assert_false(
                tp__tree_root_of_run(hashes, cases[i].count, cases[i].first, cases[i].run, proof, proof_count, &found));
    }
}

static void leaves_that_are_not_exactly_as_many_are_refused(void **state)
{
    (void)state;
    const size_t size = make_batch(7, 30);
    assert_true(tp__batch_hash(leaves, size, 7, hashes));
    assert_false(tp__batch_hash(leaves, size, 6, hashes));
    assert_false(tp__batch_hash(leaves, size, 8, hashes));
    assert_false(tp__batch_hash(leaves, size, 0, hashes));
    assert_false(tp__batch_hash(leaves, 0, 0, hashes));
    assert_false(tp__batch_hash(NULL, 0, 1, hashes));
    assert_false(tp__batch_hash(leaves, size, TP__BATCH_LIMIT + 1, hashes));
    assert_true(tp__batch_hash_run(leaves, size, TP__BATCH_LIMIT - 7, 7, hashes));
    assert_false(tp__batch_hash_run(leaves, size, TP__BATCH_LIMIT - 6, 7, hashes));
    assert_false(tp__batch_hash_run(leaves, size, UINT32_MAX, 7, hashes));
    for (size_t shorter = 0; shorter < size; shorter++)
        assert_false(tp__batch_hash(leaves, shorter, 7, hashes));
}

static void a_batch_is_at_most_1_MiB(void **state)
{
    (void)state;
    static const uint8_t payload[TP__LEAF_INLINE_LIMIT_BYTES];
    for (size_t over = 0; over <= 1; over++) {
        uint8_t *to = leaves;
        uint32_t count = 0;
        for (size_t left = TP__BATCH_LIMIT_BYTES + over; left > 0; count++) {
            struct tp__leaf leaf = {.sequence = 1, .dispatch = 1, .length = 50000, .payload = payload};
            if (left < 60000) /* the last one: as long as a length of three bytes makes it */
                leaf.length += (uint32_t)(left - tp__leaf_size(&leaf));
            to = tp__leaf_write(to, &leaf);
            left -= tp__leaf_size(&leaf);
        }
        assert_int_equal(tp__batch_hash(leaves, (size_t)(to - leaves), count, hashes), over == 0);
    }
}

/* ---- signatures ---- */

struct signed_batch {
    uint8_t public_key[32];
    struct tp__id session;
    uint64_t batch;
    uint32_t count;
    uint32_t first, run;
    uint32_t proof_count;
    struct tp__hash proof[TP__PROOF_LIMIT];
    uint8_t signature[TP__SIGNATURE_BYTES];
    uint8_t bytes[4096];
    size_t size;
};

static bool verifies(const struct signed_batch *batch)
{
    struct tp__hash run_hashes[TP__BATCH_LIMIT];
    struct tp__hash root;
    return tp__batch_hash_run(batch->bytes, batch->size, batch->first, batch->run, run_hashes) &&
           tp__tree_root_of_run(run_hashes, batch->count, batch->first, batch->run, batch->proof, batch->proof_count,
                                &root) &&
           tp__batch_verify(batch->public_key, &batch->session, batch->batch, batch->count, &root, batch->signature);
}

static struct signed_batch sign_run(uint32_t count, uint32_t first, uint32_t run)
{
    struct signed_batch batch = {.batch = next_random(), .count = count, .first = first, .run = run};
    uint8_t secret_key[64];
    crypto_sign_keypair(batch.public_key, secret_key);
    random_bytes(&batch.session, sizeof batch.session);
    const size_t size = make_batch(count, 40);
    assert_true(tp__batch_hash(leaves, size, count, hashes));
    const struct tp__hash root = tp__tree_root(hashes, count);
    tp__batch_sign(secret_key, &batch.session, batch.batch, count, &root, batch.signature);
    batch.proof_count = prove_leaves(hashes, count, first, run, batch.proof);
    batch.size = ends[first + run] - ends[first];
    memcpy(batch.bytes, leaves + ends[first], batch.size);
    return batch;
}

static void refuse_each_bit(struct signed_batch *batch, void *field, size_t size)
{
    uint8_t *bytes = field;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (verifies(batch))
            fail_msg("bit %zu of a field of %zu bytes may be changed", bit, size);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(verifies(batch));
}

static void no_bit_of_a_signed_run_can_be_changed(void **state)
{
    (void)state;
    struct signed_batch batch = sign_run(5, 1, 2);
    assert_true(verifies(&batch));
    refuse_each_bit(&batch, batch.public_key, sizeof batch.public_key);
    refuse_each_bit(&batch, &batch.session, sizeof batch.session);
    refuse_each_bit(&batch, &batch.batch, sizeof batch.batch);
    refuse_each_bit(&batch, &batch.count, sizeof batch.count);
    refuse_each_bit(&batch, &batch.first, sizeof batch.first);
    refuse_each_bit(&batch, &batch.run, sizeof batch.run);
    refuse_each_bit(&batch, &batch.proof_count, sizeof batch.proof_count);
    refuse_each_bit(&batch, batch.proof, batch.proof_count * sizeof batch.proof[0]);
    refuse_each_bit(&batch, batch.signature, sizeof batch.signature);
    refuse_each_bit(&batch, batch.bytes, batch.size);
}

static void leaves_cannot_change_places(void **state)
{
    (void)state;
    struct signed_batch batch = sign_run(2, 0, 2);
    assert_true(verifies(&batch));
    uint8_t swapped[sizeof batch.bytes];
    const size_t middle = ends[1];
    memcpy(swapped, batch.bytes + middle, batch.size - middle);
    memcpy(swapped + batch.size - middle, batch.bytes, middle);
    memcpy(batch.bytes, swapped, batch.size);
    assert_false(verifies(&batch));
}

static void a_public_key_of_low_order_verifies_nothing(void **state)
{
    (void)state;
    struct signed_batch batch = sign_run(3, 0, 3);
    memset(batch.signature, 0, sizeof batch.signature);
    for (size_t i = 0; i < LOW_ORDER_POINTS; i++) {
        memcpy(batch.public_key, low_order_points[i], 32);
        for (size_t j = 0; j < LOW_ORDER_POINTS; j++) {
            memcpy(batch.signature, low_order_points[j], 32);
            assert_false(verifies(&batch));
        }
    }
}

int main(int argc, char **argv)
{
    start(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_are_hashed_by_definition),
        cmocka_unit_test(a_payload_of_1_KiB_is_hashed_with_its_leaf),
        cmocka_unit_test(the_root_is_that_of_rfc_6962),
        cmocka_unit_test(a_run_verifies_by_itself),
        cmocka_unit_test(every_run_of_small_batches_verifies),
        cmocka_unit_test(the_limit_of_a_proof_is_reached_and_kept),
        cmocka_unit_test(a_run_stands_at_one_place_only),
        cmocka_unit_test(impossible_runs_are_refused),
        cmocka_unit_test(leaves_that_are_not_exactly_as_many_are_refused),
        cmocka_unit_test(a_batch_is_at_most_1_MiB),
        cmocka_unit_test(no_bit_of_a_signed_run_can_be_changed),
        cmocka_unit_test(leaves_cannot_change_places),
        cmocka_unit_test(a_public_key_of_low_order_verifies_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
