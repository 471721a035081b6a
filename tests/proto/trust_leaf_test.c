/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include "trust/leaf.h"

static uint8_t payload[TP__LEAF_INLINE_LIMIT_BYTES + 1];
static uint8_t written[TP__LEAF_HEADER_LIMIT_BYTES + sizeof payload];

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
        const uint32_t body = large ? 32 : lengths[i];
        assert_in_range(tp__leaf_size(&leaf), body + 6, body + TP__LEAF_HEADER_LIMIT_BYTES);
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
            assert_ptr_equal(read.payload, written + tp__leaf_size(&leaf) - body);
    }
}

static void expect_layout(const struct tp__leaf *leaf, const char *expected, size_t size)
{
    assert_int_equal(tp__leaf_size(leaf), size);
    tp__leaf_write(written, leaf);
    assert_memory_equal(written, expected, size);
}

static void the_layout_is_the_one_in_the_header(void **state)
{
    (void)state;
    struct tp__leaf leaf = {.sequence = 300, .dispatch = 1, .task = 5, .length = 2, .payload = (const uint8_t *)"ab"};
    expect_layout(&leaf, "\0\0\2\xac\2\1\5ab", 9);
    leaf.flags = 3;
    leaf.stack_kib = 128;
    expect_layout(&leaf, "\3\x08\2\xac\2\1\5\x80\1ab", 11);
    leaf.parent = 299;
    leaf.cell = 6;
    leaf.worker = 7;
    leaf.depth = 8;
    expect_layout(&leaf,
                  "\3\x1f\2\xac\2\1\5\xab\2\6\7\x80\1\x08"
                  "ab",
                  16);
    const struct tp__leaf longest = {.sequence = UINT64_MAX,
                                     .parent = UINT64_MAX,
                                     .dispatch = UINT32_MAX,
                                     .task = UINT32_MAX,
                                     .cell = UINT32_MAX,
                                     .worker = UINT32_MAX,
                                     .stack_kib = UINT32_MAX,
                                     .depth = UINT32_MAX,
                                     .length = UINT32_MAX,
                                     .flags = TP__LEAF_LARGE};
    assert_int_equal(tp__leaf_size(&longest), TP__LEAF_HEADER_LIMIT_BYTES + 32);
}

/* One leaf is signed: it has one layout, or another one could be sent in its place. */
static void what_could_be_written_otherwise_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } leaves[] = {
        {"\0\0\0\1\1\0", 6}, /* as it should be */
        /* numbers that are not in their shortest form, or not whole */
        {"\0\0\x80\0\1\1\0", 7},
        {"\0\0\0\x81\0\1\0", 7},
        {"\0\0\0\1\1\x80\0", 7},
        {"\0\0\0\1\1", 5},
        /* past 32 bits: length, dispatch, task, and behind such a one a long parent; cell, worker, stack, depth */
        {"\0\0\x80\x80\x80\x80\x10\1\1\0", 10},
        {"\0\0\0\1\x81\x80\x80\x80\x10\0", 10},
        {"\0\0\0\1\1\x80\x80\x80\x80\x10", 10},
        {"\0\1\0\1\1\x80\x80\x80\x80\x10\x80\1", 12},
        {"\0\2\0\1\1\0\x81\x80\x80\x80\x10", 11},
        {"\0\4\0\1\1\0\x81\x80\x80\x80\x10", 11},
        {"\0\x08\0\1\1\0\x81\x80\x80\x80\x10", 11},
        {"\0\x10\0\1\1\0\x81\x80\x80\x80\x10", 11},
        {"\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\2\1\0", 15}, /* past 64 bits */
        /* rare ones that are 0 */
        {"\0\1\0\1\1\0\0", 7},
        {"\0\2\0\1\1\0\0", 7},
        {"\0\4\0\1\1\0\0", 7},
        {"\0\x08\0\1\1\0\0", 7},
        {"\0\x10\0\1\1\0\0", 7},
        /* that are unknown */
        {"\0\x20\0\1\1\0\1", 7},
        {"\0\x40\0\1\1\0\1", 7},
        {"\0\x80\0\1\1\0\1", 7},
    };
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        memcpy(written, leaves[i].bytes, leaves[i].size);
        struct tp__leaf leaf;
        assert_int_equal(reads(leaves[i].size, &leaf), i == 0);
    }
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
    for (uint32_t bit = 3; bit < 8; bit++) {
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
        cmocka_unit_test(what_could_be_written_otherwise_is_refused),
        cmocka_unit_test(malformed_leaves_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
