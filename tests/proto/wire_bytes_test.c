/* SPDX-License-Identifier: MIT */
#include "wire_support.h"

#include "wire/bytes.h"
#include "wire/names.h"
#include "wire/problem.h"

#include <errno.h>

static void a_buffer_keeps_what_was_appended(void **state)
{
    (void)state;
    struct tp__buffer buffer = {NULL, 0, 0};
    uint8_t expected[3000];
    for (size_t i = 0; i < sizeof expected; i++) {
        expected[i] = (uint8_t)(i * 7);
        assert_true(tp__buffer_append(&buffer, &expected[i], 1));
    }
    assert_true(tp__buffer_append(&buffer, NULL, 0));
    assert_int_equal(buffer.size, sizeof expected);
    assert_memory_equal(buffer.bytes, expected, sizeof expected);
    tp__buffer_consume(&buffer, 1000);
    assert_int_equal(buffer.size, 2000);
    assert_memory_equal(buffer.bytes, expected + 1000, 2000);
    tp__buffer_consume(&buffer, 2000);
    assert_int_equal(buffer.size, 0);
    tp__buffer_free(&buffer);
    assert_null(buffer.bytes);
}

static void a_buffer_that_cannot_grow_stays_as_it_was(void **state)
{
    (void)state;
    struct tp__buffer buffer = {NULL, 0, 0};
    assert_true(tp__buffer_append(&buffer, "abc", 3));
    const struct tp__buffer before = buffer;
    assert_false(tp__buffer_reserve(&buffer, SIZE_MAX));
    assert_false(tp__buffer_reserve(&buffer, SIZE_MAX / 2));
    assert_memory_equal(&buffer, &before, sizeof buffer);
    assert_memory_equal(buffer.bytes, "abc", 3);
    tp__buffer_free(&buffer);
}

static void what_is_put_is_got(void **state)
{
    (void)state;
    uint8_t bytes[32];
    uint8_t *end = tp__put_u8(bytes, 0x12);
    end = tp__put_u16(end, 0x3456);
    end = tp__put_u32(end, 0x789abcde);
    end = tp__put_u64(end, UINT64_C(0x0123456789abcdef));
    end = tp__put_bytes(end, "xyz", 3);
    struct tp__reader reader = tp__reader_of(bytes, (size_t)(end - bytes));
    assert_int_equal(tp__get_u8(&reader), 0x12);
    assert_int_equal(tp__get_u16(&reader), 0x3456);
    assert_int_equal(tp__get_u32(&reader), 0x789abcde);
    assert_true(tp__get_u64(&reader) == UINT64_C(0x0123456789abcdef));
    assert_memory_equal(tp__get_bytes(&reader, 3), "xyz", 3);
    assert_true(reader.ok);
    assert_int_equal(tp__reader_left(&reader), 0);
    const uint8_t little[] = {0x12, 0x56, 0x34, 0xde, 0xbc, 0x9a, 0x78};
    assert_memory_equal(bytes, little, sizeof little);
}

static void a_reader_at_its_end_gives_zeros_from_then_on(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3};
    struct tp__reader reader = tp__reader_of(bytes, sizeof bytes);
    assert_int_equal(tp__get_u32(&reader), 0);
    assert_false(reader.ok);
    assert_int_equal(tp__get_u8(&reader), 0);
    assert_null(tp__get_bytes(&reader, 1));
    reader = tp__reader_of(bytes, sizeof bytes);
    assert_null(tp__get_bytes(&reader, SIZE_MAX));
    assert_false(reader.ok);
}

static void ids_differ_and_are_read_at_their_length_only(void **state)
{
    (void)state;
    const struct tp__id a = tp__id_new(), b = tp__id_new(), none = {{0}};
    assert_false(tp__id_equal(&a, &b));
    assert_false(tp__id_is_none(&a));
    struct tp__id read;
    assert_true(tp__id_read(&read, a.bytes, 16));
    assert_true(tp__id_equal(&read, &a));
    assert_false(tp__id_read(&read, a.bytes, 15));
    assert_true(tp__id_equal(&read, &none));
    assert_false(tp__id_read(&read, NULL, 0));
    char text[33];
    tp__id_text(&(struct tp__id){{0x00, 0x1f, 0xff}}, text);
    assert_string_equal(text, "001fff00000000000000000000000000");
}

static void a_problem_is_one_line_and_fits(void **state)
{
    (void)state;
    struct tp__problem problem;
    assert_false(tp__problem_set(&problem, TP_E_LIMIT, "%s is %d", "a\nb\x1b", 3));
    assert_int_equal(problem.status, TP_E_LIMIT);
    assert_string_equal(problem.text, "a b  is 3");
    errno = ENOENT;
    assert_false(tp__problem_errno(&problem, TP_E_SYSTEM, "cannot open %s", "x"));
    assert_string_equal(problem.text, "cannot open x: No such file or directory");
    assert_false(tp__problem_set(NULL, TP_E_LIMIT, "unheard"));
    assert_false(tp__problem_errno(NULL, TP_E_LIMIT, "unheard"));
}

static void a_problem_is_not_cut_inside_a_character(void **state)
{
    (void)state;
    for (size_t before = 0; before < 4; before++) {
        char text[600] = "";
        memset(text, 'x', before);
        for (size_t i = 0; i < 100; i++)
            memcpy(text + before + 3 * i, "\xe2\x82\xac", 3); /* a euro sign */
        struct tp__problem problem;
        (void)tp__problem_set(&problem, TP_E_LIMIT, "%s", text);
        const size_t length = strlen(problem.text);
        assert_true(length < sizeof problem.text && length > 240);
        assert_int_equal((length - before) % 3, 0);
        assert_memory_equal(problem.text, text, length);
    }
}

static void numbers_are_got_as_they_were_put(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t less = 0; less < 2; less++) {
            const uint64_t value = (UINT64_C(1) << shift) - less;
            uint8_t bytes[TP__NUMBER_64_BYTES + 1];
            memset(bytes, 0xff, sizeof bytes);
            const size_t size = (size_t)(tp__put_number(bytes, value) - bytes);
            assert_int_equal(size, tp__number_size(value));
            assert_int_equal(bytes[size], 0xff);
            struct tp__reader reader = tp__reader_of(bytes, size);
            assert_true(tp__get_u64_number(&reader) == value && reader.ok);
            assert_int_equal(tp__reader_left(&reader), 0);
            reader = tp__reader_of(bytes, size);
            (void)tp__get_u32_number(&reader);
            assert_int_equal(reader.ok, value <= UINT32_MAX);
            for (size_t shorter = 0; shorter < size; shorter++) {
                reader = tp__reader_of(bytes, shorter);
                assert_true(tp__get_u64_number(&reader) == 0 && !reader.ok);
                assert_int_equal(tp__reader_left(&reader), 0);
            }
        }
    }
    uint8_t longest[TP__NUMBER_64_BYTES];
    assert_ptr_equal(tp__put_number(longest, UINT64_MAX), longest + sizeof longest);
    struct tp__reader reader = tp__reader_of(longest, sizeof longest);
    assert_true(tp__get_u64_number(&reader) == UINT64_MAX && reader.ok);
}

static void a_number_that_could_be_shorter_or_is_too_large_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {
        {"\x80\0", 2},
        {"\xff\0", 2},
        {"\x80\x80\0", 3},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", 10}, /* a bit past 64 */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\0", 11},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\1", 11},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1", 12},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tp__reader reader = tp__reader_of(wrong[i].bytes, wrong[i].size);
        assert_true(tp__get_u64_number(&reader) == 0 && !reader.ok);
        assert_int_equal(tp__reader_left(&reader), wrong[i].size);
        assert_true(tp__get_u8(&reader) == 0 && tp__get_u32_number(&reader) == 0 && !reader.ok);
    }
    struct tp__reader reader = tp__reader_of("\x80\x80\x80\x80\x10\x80\1", 7); /* past 32 bits, and a good one */
    assert_true(tp__get_u32_number(&reader) == 0 && !reader.ok);
    assert_true(tp__get_u64_number(&reader) == 0 && !reader.ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_keeps_what_was_appended),
        cmocka_unit_test(a_buffer_that_cannot_grow_stays_as_it_was),
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(a_reader_at_its_end_gives_zeros_from_then_on),
        cmocka_unit_test(numbers_are_got_as_they_were_put),
        cmocka_unit_test(a_number_that_could_be_shorter_or_is_too_large_is_none),
        cmocka_unit_test(ids_differ_and_are_read_at_their_length_only),
        cmocka_unit_test(a_problem_is_one_line_and_fits),
        cmocka_unit_test(a_problem_is_not_cut_inside_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
