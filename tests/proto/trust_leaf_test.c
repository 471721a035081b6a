/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include "trust/leaf.h"

static uint8_t payload[TP__LEAF_INLINE_LIMIT_BYTES + 1];
static uint8_t written[TP__LEAF_HEADER_BYTES + sizeof payload];

static struct tp__leaf make_leaf(uint32_t length)
{
    struct tp__leaf leaf = {
        .sequence = next_random() | 1,
        .parent = next_random(),
        .dispatch = 1 + random_below(UINT32_MAX),
        .task = (uint32_t)next_random(),
        .flags = random_below(4),
        .cell = (uint32_t)next_random(),
        .worker = (uint32_t)next_random(),
        .stack_kib = (uint32_t)next_random(),
        .depth = (uint32_t)next_random(),
        .length = length,
        .payload = payload,
    };
    if (length > TP__LEAF_INLINE_LIMIT_BYTES) {
        leaf.flags |= TP__LEAF_LARGE;
        leaf.payload = NULL;
        random_bytes(&leaf.payload_hash, sizeof leaf.payload_hash);
    }
    return leaf;
}

static bool reads(size_t size, struct tp__leaf *leaf)
{
    struct tp__reader reader = tp__reader_of(written, size);
    const bool read = tp__leaf_read(&reader, leaf);
    assert_int_equal(read, reader.ok);
    return read && tp__reader_left(&reader) == 0;
}

static bool is_accepted(const struct tp__leaf *leaf)
{
    tp__leaf_write(written, leaf);
    struct tp__leaf read;
    return reads(tp__leaf_size(leaf), &read);
}

static void a_leaf_comes_back_as_it_was(void **state)
{
    (void)state;
    const uint32_t lengths[] = {
        0, 1, 1024, 1025, TP__LEAF_INLINE_LIMIT_BYTES, TP__LEAF_INLINE_LIMIT_BYTES + 1, TP__PAYLOAD_LIMIT_BYTES};
    random_bytes(payload, sizeof payload);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const struct tp__leaf leaf = make_leaf(lengths[i]);
        const bool large = lengths[i] > TP__LEAF_INLINE_LIMIT_BYTES;
        assert_int_equal(tp__leaf_size(&leaf), TP__LEAF_HEADER_BYTES + (large ? 32 : lengths[i]));
        assert_ptr_equal(tp__leaf_write(written, &leaf), written + tp__leaf_size(&leaf));
        struct tp__leaf read;
        assert_true(reads(tp__leaf_size(&leaf), &read));
        assert_int_equal(read.sequence, leaf.sequence);
        assert_int_equal(read.parent, leaf.parent);
        assert_int_equal(read.dispatch, leaf.dispatch);
        assert_int_equal(read.task, leaf.task);
        assert_int_equal(read.flags, leaf.flags);
        assert_int_equal(read.cell, leaf.cell);
        assert_int_equal(read.worker, leaf.worker);
        assert_int_equal(read.stack_kib, leaf.stack_kib);
        assert_int_equal(read.depth, leaf.depth);
        assert_int_equal(read.length, leaf.length);
        assert_memory_equal(&read.payload_hash, &leaf.payload_hash, 32);
        if (large)
            assert_null(read.payload);
        else
            assert_ptr_equal(read.payload, written + TP__LEAF_HEADER_BYTES);
    }
}

static void the_layout_is_the_one_in_the_header(void **state)
{
    (void)state;
    const struct tp__leaf leaf = {.sequence = 0x0102030405060708,
                                  .parent = 0x1112131415161718,
                                  .dispatch = 0x21222324,
                                  .task = 0x31323334,
                                  .flags = 3,
                                  .cell = 0x41424344,
                                  .worker = 0x51525354,
                                  .stack_kib = 0x61626364,
                                  .depth = 0x71727374,
                                  .length = 2,
                                  .payload = (const uint8_t *)"ab"};
    static const uint8_t expected[] = {8,    7,    6,    5,    4,    3,    2,    1,    0x18, 0x17, 0x16, 0x15, 0x14,
                                       0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 0x34, 0x33, 0x32, 0x31, 3,    0,
                                       0,    0,    0x44, 0x43, 0x42, 0x41, 0x54, 0x53, 0x52, 0x51, 0x64, 0x63, 0x62,
                                       0x61, 0x74, 0x73, 0x72, 0x71, 2,    0,    0,    0,    'a',  'b'};
    assert_int_equal(tp__leaf_size(&leaf), sizeof expected);
    tp__leaf_write(written, &leaf);
    assert_memory_equal(written, expected, sizeof expected);
}

static void malformed_leaves_are_refused(void **state)
{
    (void)state;
    struct tp__leaf leaf = make_leaf(5);
    assert_true(is_accepted(&leaf));
    leaf.sequence = 0;
    assert_false(is_accepted(&leaf));
    leaf = make_leaf(5);
    leaf.dispatch = 0;
    assert_false(is_accepted(&leaf));
    for (uint32_t bit = 3; bit < 32; bit++) {
        leaf = make_leaf(5);
        leaf.flags |= UINT32_C(1) << bit;
        assert_false(is_accepted(&leaf));
    }
    leaf = make_leaf(5);
    leaf.flags |= TP__LEAF_LARGE; /* where it need not be */
    assert_false(is_accepted(&leaf));
    leaf = make_leaf(TP__LEAF_INLINE_LIMIT_BYTES);
    leaf.flags |= TP__LEAF_LARGE;
    assert_false(is_accepted(&leaf));
    leaf = make_leaf(TP__LEAF_INLINE_LIMIT_BYTES + 1);
    leaf.flags &= ~(uint32_t)TP__LEAF_LARGE; /* where it must be */
    leaf.payload = payload;
    assert_false(is_accepted(&leaf));
    leaf = make_leaf(TP__PAYLOAD_LIMIT_BYTES + 1);
    assert_false(is_accepted(&leaf));
    leaf = make_leaf(UINT32_MAX);
    assert_false(is_accepted(&leaf));
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    const uint32_t lengths[] = {0, 9, TP__LEAF_INLINE_LIMIT_BYTES + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const struct tp__leaf leaf = make_leaf(lengths[i]);
        tp__leaf_write(written, &leaf);
        struct tp__leaf read;
        for (size_t size = 0; size < tp__leaf_size(&leaf); size++)
            assert_false(reads(size, &read));
        assert_true(reads(tp__leaf_size(&leaf), &read));
    }
}

int main(int argc, char **argv)
{
    start(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_comes_back_as_it_was),
        cmocka_unit_test(the_layout_is_the_one_in_the_header),
        cmocka_unit_test(malformed_leaves_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
