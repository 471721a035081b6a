/* SPDX-License-Identifier: MIT */
#include "wire_support.h"

#include "wire/record.h"

static struct tp__record record_of(uint8_t type, uint64_t task, uint32_t operation, const void *body, uint32_t size)
{
    return (struct tp__record){
        .type = type, .task = task, .dispatch = 7, .operation = operation, .body = body, .size = size};
}

static uint8_t *pattern(uint32_t size, uint8_t seed)
{
    uint8_t *bytes = malloc(size + 1U);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed + i * 31 + (i >> 9));
    return bytes;
}

static void a_record_is_read_as_it_was_appended(void **state)
{
    (void)state;
    struct tp__buffer buffer = {NULL, 0, 0};
    const struct tp__record first = record_of(TP__RECORD_RESULT, UINT64_MAX, 3, "abc", 3);
    const struct tp__record second = record_of(TP__RECORD_TICK, 0, 0, NULL, 0);
    assert_true(tp__record_append(&buffer, &first));
    assert_true(tp__record_append(&buffer, &second));
    assert_int_equal(buffer.size, tp__record_size(&first) + tp__record_size(&second));
    struct tp__reader reader = tp__reader_of(buffer.bytes, buffer.size);
    struct tp__record record;
    assert_int_equal(tp__record_read(&reader, &record), TP__RECORD_FOUND);
    assert_true(record.type == first.type && record.task == first.task && record.dispatch == 7);
    assert_true(record.operation == 3 && record.flags == 0 && record.size == 3);
    assert_memory_equal(record.body, "abc", 3);
    assert_int_equal(tp__record_read(&reader, &record), TP__RECORD_FOUND);
    assert_true(record.type == TP__RECORD_TICK && record.size == 0);
    assert_int_equal(tp__record_read(&reader, &record), TP__RECORD_INCOMPLETE);
    assert_int_equal(tp__reader_left(&reader), 0);
    tp__buffer_free(&buffer);
}

static void a_record_cut_anywhere_is_incomplete_and_moves_nothing(void **state)
{
    (void)state;
    const struct tp__record records[] = {record_of(TP__RECORD_OUTPUT, 1, 0, "hello", 5),
                                         record_of(TP__RECORD_REPLY, UINT64_MAX, UINT32_MAX, "hello", 5)};
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        struct tp__buffer buffer = {NULL, 0, 0};
        assert_true(tp__record_append(&buffer, &records[i]));
        for (size_t size = 0; size < buffer.size; size++) {
            struct tp__reader reader = tp__reader_of(buffer.bytes, size);
            struct tp__record record;
            assert_int_equal(tp__record_read(&reader, &record), TP__RECORD_INCOMPLETE);
            assert_true(reader.ok);
            assert_int_equal(tp__reader_left(&reader), size);
        }
        tp__buffer_free(&buffer);
    }
}

static void a_header_that_cannot_be_is_malformed_before_its_body_came(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } headers[] = {
        {"\1\4\0\0\0\0", 6},                        /* an unknown flag */
        {"\1\x80\0\0\0\0", 6},                      /* another */
        {"\1\0\1\x10\x10\0", 6},                    /* longer than a part */
        {"\1\0\0\0\0\1", 6},                        /* far longer */
        {"\1\2\0\0\0\0\7\1\0", 9},                  /* numbered 0 */
        {"\1\0\0\0\0\0\x87\0\1", 9},                /* numbers that are not in their shortest form */
        {"\1\0\0\0\0\0\7\xff\xff\xff\xff\x1f", 12}, /* past 32 bits */
        {"\1\2\0\0\0\0\1\1\x81\x80\x80\x80\x10", 13},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct tp__reader reader = tp__reader_of(headers[i].bytes, headers[i].size);
        struct tp__record record;
        assert_int_equal(tp__record_read(&reader, &record), TP__RECORD_MALFORMED);
        assert_int_equal(tp__reader_left(&reader), headers[i].size);
    }
}

static void texts_are_read_back_and_checked(void **state)
{
    (void)state;
    struct tp__buffer buffer = {NULL, 0, 0};
    assert_true(tp__put_text(&buffer, "boom", 4));
    assert_true(tp__put_text(&buffer, NULL, 0));
    struct tp__reader reader = tp__reader_of(buffer.bytes, buffer.size);
    size_t size;
    assert_memory_equal(tp__get_text(&reader, &size), "boom", 4);
    assert_int_equal(size, 4);
    assert_non_null(tp__get_text(&reader, &size));
    assert_int_equal(size, 0);
    assert_null(tp__get_text(&reader, &size));
    assert_false(reader.ok);
    const uint8_t lies[] = {0xff, 0xff, 0xff, 0xff, 'x'};
    reader = tp__reader_of(lies, sizeof lies);
    assert_null(tp__get_text(&reader, &size));
    assert_int_equal(size, 0);
    tp__buffer_free(&buffer);
}

static void parts_with_the_longest_headers_have_room(void **state)
{
    (void)state;
    uint8_t *body = pattern(4 * TP__PART_BYTES, 1);
    const struct tp__record record = {.type = TP__RECORD_REPLY,
                                      .task = UINT64_MAX,
                                      .dispatch = UINT32_MAX,
                                      .operation = UINT32_MAX,
                                      .body = body,
                                      .size = 4 * TP__PART_BYTES};
    struct tp__buffer buffer = {NULL, 0, 0};
    assert_true(tp__record_append(&buffer, &record));
    assert_int_equal(buffer.size, 4 * (TP__RECORD_HEADER_LIMIT_BYTES + TP__PART_BYTES));
    assert_true(buffer.size <= buffer.capacity);
    tp__buffer_free(&buffer);
    free(body);
}

static void a_head_and_a_body_are_one_body(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {7, 8, TP__PART_BYTES, TP__PART_BYTES + 1, TP__PART_BYTES + 7, 3 * TP__PART_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *body = pattern(sizes[i], (uint8_t)i);
        struct tp__buffer whole = {NULL, 0, 0}, headed = {NULL, 0, 0};
        const struct tp__record record = record_of(TP__RECORD_TASK, 9, 1, body, sizes[i]);
        const struct tp__record rest = record_of(TP__RECORD_TASK, 9, 1, body + 7, sizes[i] - 7);
        assert_true(tp__record_append(&whole, &record));
        assert_true(tp__record_append_headed(&headed, &rest, body, 7));
        assert_int_equal(headed.size, whole.size);
        assert_memory_equal(headed.bytes, whole.bytes, whole.size);
        tp__buffer_free(&whole);
        tp__buffer_free(&headed);
        free(body);
    }
}

/* ---- assembly ---- */

static bool add(struct tp__assembly *assembly, struct tp__record *record, tp_status expected)
{
    tp_status status = TP_E_TASK;
    const bool complete = tp__assembly_add(assembly, record, &status);
    assert_int_equal(status, expected);
    return complete;
}

static struct tp__record part(uint64_t task, uint32_t operation, const void *body, uint32_t size, bool more)
{
    struct tp__record record = record_of(TP__RECORD_RESULT, task, operation, body, size);
    record.flags = more ? TP__RECORD_MORE : 0;
    return record;
}

static void a_long_body_survives_its_parts(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {
        0, 1, TP__PART_BYTES, TP__PART_BYTES + 1, 3 * TP__PART_BYTES, 5000000, TP__PAYLOAD_LIMIT_BYTES};
    struct tp__assembly assembly = {.limit_bytes = TP__PAYLOAD_LIMIT_BYTES + (64 << 10)};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *body = pattern(sizes[i], (uint8_t)i);
        struct tp__buffer buffer = {NULL, 0, 0};
        const struct tp__record whole = record_of(TP__RECORD_RESULT, 9, 1, body, sizes[i]);
        assert_true(tp__record_append(&buffer, &whole));
        struct tp__reader reader = tp__reader_of(buffer.bytes, buffer.size);
        struct tp__record record;
        unsigned complete = 0;
        while (tp__record_read(&reader, &record) == TP__RECORD_FOUND) {
            assert_true(record.size <= TP__PART_BYTES);
            if (add(&assembly, &record, TP_OK)) {
                complete++;
                assert_int_equal(record.size, sizes[i]);
                assert_memory_equal(record.body, body, sizes[i]);
            }
        }
        assert_int_equal(tp__reader_left(&reader), 0);
        assert_int_equal(complete, 1);
        tp__buffer_free(&buffer);
        free(body);
    }
    struct tp__record tick = record_of(TP__RECORD_TICK, 0, 0, NULL, 0);
    assert_true(add(&assembly, &tick, TP_OK));
    assert_int_equal(assembly.held_bytes, 0);
    tp__assembly_free(&assembly);
}

static void a_short_record_passes_without_a_copy(void **state)
{
    (void)state;
    struct tp__assembly assembly = {.limit_bytes = 0};
    struct tp__record record = part(1, 0, "abc", 3, false);
    const uint8_t *before = record.body;
    assert_true(add(&assembly, &record, TP_OK));
    assert_ptr_equal(record.body, before);
    tp__assembly_free(&assembly);
}

static void parts_of_different_bodies_may_mix(void **state)
{
    (void)state;
    struct tp__assembly assembly = {.limit_bytes = 64 << 20};
    struct dice dice = {0x5eed};
    enum { BODIES = 12 };
    uint32_t sent[BODIES] = {0}, done = 0;
    while (done < BODIES) {
        const uint32_t i = dice_below(&dice, BODIES);
        if (sent[i] > 4)
            continue;
        const bool last = sent[i] == 4;
        const uint8_t body[3] = {(uint8_t)i, (uint8_t)sent[i], 0xaa};
        /* tasks, operations and dispatches each tell bodies apart */
        struct tp__record record = part(i / 4, i % 2, body, sizeof body, !last);
        record.dispatch = 1 + i / 2 % 2;
        sent[i]++;
        if (!last) {
            assert_false(add(&assembly, &record, TP_OK));
            struct tp__record other = part(1000, 0, "x", 1, false);
            assert_true(add(&assembly, &other, TP_OK));
            continue;
        }
        assert_true(add(&assembly, &record, TP_OK));
        assert_int_equal(record.size, 15);
        for (unsigned k = 0; k < 5; k++) {
            assert_int_equal(record.body[3 * k], i);
            assert_int_equal(record.body[3 * k + 1], k);
        }
        done++;
    }
    tp__assembly_free(&assembly);
}

static void a_body_past_the_payload_limit_is_refused_once_and_whole(void **state)
{
    (void)state;
    struct tp__assembly assembly = {.limit_bytes = 256 << 20};
    uint8_t *bytes = pattern(TP__PART_BYTES, 1);
    unsigned refused = 0;
    for (unsigned i = 0; i < 40; i++) {
        struct tp__record record = part(1, 0, bytes, TP__PART_BYTES, true);
        tp_status status;
        assert_false(tp__assembly_add(&assembly, &record, &status));
        refused += status == TP_E_LIMIT;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(assembly.held_bytes, 0); /* what was held is gone at once */
    struct tp__record last = part(1, 0, bytes, 5, false);
    assert_false(add(&assembly, &last, TP_OK)); /* and the end is not taken for a whole body */
    struct tp__record next = part(1, 0, "new", 3, false);
    assert_true(add(&assembly, &next, TP_OK));
    assert_int_equal(next.size, 3);
    free(bytes);
    tp__assembly_free(&assembly);
}

static void no_more_is_held_than_the_limit(void **state)
{
    (void)state;
    struct tp__assembly assembly = {.limit_bytes = 4 << 20};
    struct dice dice = {42};
    uint8_t *bytes = pattern(TP__PART_BYTES, 1);
    unsigned refused = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct tp__record record =
            part(dice_below(&dice, 200), 0, bytes, dice_below(&dice, TP__PART_BYTES), dice_below(&dice, 5) > 0);
        tp_status status;
        (void)tp__assembly_add(&assembly, &record, &status);
        refused += status == TP_E_LIMIT;
        assert_true(status == TP_OK || status == TP_E_LIMIT);
        assert_true(assembly.held_bytes <= assembly.limit_bytes);
    }
    assert_true(refused > 0);
    free(bytes);
    tp__assembly_free(&assembly);
    assert_int_equal(assembly.held_bytes, 0);
}

static void whoever_is_refused_too_often_is_not_heard_any_more(void **state)
{
    (void)state;
    struct tp__assembly assembly = {.limit_bytes = 1000}; /* not even one part */
    for (unsigned i = 0; i < 1025; i++) {
        struct tp__record record = part(i, 0, "x", 1, true);
        assert_false(add(&assembly, &record, TP_E_LIMIT));
    }
    /* the last of these could not be remembered: what may be its end, or anybody's, does not get through */
    struct tp__record end = part(1024, 0, "x", 1, false);
    assert_false(add(&assembly, &end, TP_E_LIMIT));
    struct tp__record other = part(5000, 0, "x", 1, false);
    assert_false(add(&assembly, &other, TP_E_LIMIT));
    tp__assembly_forget(&assembly, 3, 7);
    assert_false(add(&assembly, &other, TP_E_LIMIT));
    tp__assembly_free(&assembly);
}

static void a_forgotten_attempt_holds_nothing(void **state)
{
    (void)state;
    struct tp__assembly assembly = {.limit_bytes = 64 << 20};
    for (uint32_t operation = 0; operation < 4; operation++)
        for (uint64_t task = 0; task < 3; task++) {
            struct tp__record record = part(task, operation, "first", 5, true);
            assert_false(add(&assembly, &record, TP_OK));
        }
    const size_t before = assembly.held_bytes;
    tp__assembly_forget(&assembly, 1, 8); /* another dispatch */
    assert_int_equal(assembly.held_bytes, before);
    tp__assembly_forget(&assembly, 1, 7);
    assert_int_equal(assembly.held_bytes, before / 3 * 2);
    struct tp__record record = part(2, 3, "last", 4, false);
    assert_true(add(&assembly, &record, TP_OK));
    assert_memory_equal(record.body, "firstlast", 9);
    tp__assembly_forget(&assembly, 2, 7);
    tp__assembly_forget(&assembly, 0, 7);
    assert_int_equal(assembly.held_bytes, 0);
    tp__assembly_free(&assembly);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_as_it_was_appended),
        cmocka_unit_test(a_record_cut_anywhere_is_incomplete_and_moves_nothing),
        cmocka_unit_test(a_header_that_cannot_be_is_malformed_before_its_body_came),
        cmocka_unit_test(texts_are_read_back_and_checked),
        cmocka_unit_test(parts_with_the_longest_headers_have_room),
        cmocka_unit_test(a_head_and_a_body_are_one_body),
        cmocka_unit_test(a_long_body_survives_its_parts),
        cmocka_unit_test(a_short_record_passes_without_a_copy),
        cmocka_unit_test(parts_of_different_bodies_may_mix),
        cmocka_unit_test(a_body_past_the_payload_limit_is_refused_once_and_whole),
        cmocka_unit_test(no_more_is_held_than_the_limit),
        cmocka_unit_test(whoever_is_refused_too_often_is_not_heard_any_more),
        cmocka_unit_test(a_forgotten_attempt_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
