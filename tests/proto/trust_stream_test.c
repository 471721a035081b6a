/* SPDX-License-Identifier: MIT */
/* What a stream carries: records in frames of limited size, as many as its window lets go, and acknowledgements. */
#include "trust_stream_support.h"

/* Everything there is to send reaches the other end, both ways. */
static void deliver_all(void)
{
    bool more = true;
    while (more) {
        struct copy copy;
        more = false;
        while (take_frame(&a, &copy)) {
            give_and_free(&b, &copy, copy.acknowledgement ? TP__STREAM_NOTHING : TP__STREAM_FRESH);
            more = true;
        }
        while (take_frame(&b, &copy)) {
            give_and_free(&a, &copy, copy.acknowledgement ? TP__STREAM_NOTHING : TP__STREAM_FRESH);
            more = true;
        }
    }
}

static void records_arrive_in_order(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        for (uint32_t i = random_below(5); i > 0; i--)
            append(&a, random_below(200));
        for (uint32_t i = random_below(5); i > 0; i--)
            append(&b, random_below(200));
        deliver_all();
        assert_int_equal(b.taken, a.appended);
        assert_int_equal(a.taken, b.appended);
        assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
        assert_int_equal(tp__stream_unacknowledged(b.stream), 0);
    }
    nothing_goes(&a);
    nothing_goes(&b);
}

static void at_most_two_large_frames_are_unacknowledged(void **state)
{
    (void)state;
    enum { LARGE_BYTES = TP__STREAM_WINDOW_BYTES };
    nothing_goes(&a);
    struct copy frames[3];
    for (uint64_t i = 0; i < 2; i++) {
        append(&a, LARGE_BYTES);
        frames[i] = must_take(&a, false, i + 1);
        nothing_goes(&a);
    }
    append(&a, 1);
    append(&a, 2);
    nothing_goes(&a);
    const size_t rest = bytes_of(1, LARGE_BYTES) + bytes_of(2, 1) + bytes_of(3, 2);
    assert_int_equal(tp__stream_unacknowledged(a.stream), bytes_of(0, LARGE_BYTES) + rest);

    give_and_free(&b, &frames[0], TP__STREAM_FRESH);
    struct copy acknowledgement = must_take(&b, true, 1);
    give_and_free(&a, &acknowledgement, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), rest);
    frames[2] = must_take(&a, false, 3); /* both of those that waited */
    nothing_goes(&a);
    give_and_free(&b, &frames[1], TP__STREAM_FRESH);
    give_and_free(&b, &frames[2], TP__STREAM_FRESH);
    assert_int_equal(b.taken, 4);
    acknowledgement = must_take(&b, true, 2); /* one for both */
    nothing_goes(&b);
    give_and_free(&a, &acknowledgement, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
}

/* Who gets one small result after the other pays for few acknowledgements. */
static void small_frames_leave_until_they_fill_the_window(void **state)
{
    (void)state;
    struct copy frames[TP__STREAM_WINDOW_BYTES];
    size_t bytes = 0;
    uint64_t count = 0;
    while (bytes < TP__STREAM_WINDOW_BYTES) {
        append(&a, 64);
        frames[count] = must_take(&a, false, count + 1);
        bytes += frames[count++].size;
    }
    assert_in_range(count, 10, 100);
    append(&a, 64);
    nothing_goes(&a);
    for (uint64_t i = 0; i < count; i++)
        give_and_free(&b, &frames[i], TP__STREAM_FRESH);
    struct copy acknowledgement = must_take(&b, true, 1); /* one for all */
    give_and_free(&a, &acknowledgement, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), bytes_of(count, 64));
    deliver_all();
    assert_int_equal(b.taken, count + 1);
}

static void a_backlog_spreads_over_frames(void **state)
{
    (void)state;
    const uint32_t sizes[] = {40, 1000, 100000, TP__PART_BYTES, 0};
    for (int round = 0; round < 30; round++) {
        size_t appended = 0;
        while (appended < 5 << 20) {
            const uint32_t size = sizes[random_below(5)];
            appended += bytes_of(a.appended, size);
            append(&a, size);
        }
        struct copy frame;
        while (take_frame(&a, &frame)) {
            assert_true(frame.size <= TP__STREAM_FRAME_BYTES + 16);
            give_and_free(&b, &frame, TP__STREAM_FRESH);
            if (take_frame(&b, &frame))
                give_and_free(&a, &frame, TP__STREAM_NOTHING);
        }
        assert_int_equal(b.taken, a.appended);
        assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
    }
}

static void a_frame_is_filled_to_its_limit(void **state)
{
    (void)state;
    const size_t room = TP__STREAM_FRAME_BYTES - 8 - bytes_of(0, TP__PART_BYTES);
    const uint32_t rest = (uint32_t)(2 * room - bytes_of(1, (uint32_t)room)); /* without its header */
    append(&a, TP__PART_BYTES);
    append(&a, rest);
    struct copy frame = must_take(&a, false, 1);
    assert_int_equal(frame.size, TP__STREAM_FRAME_BYTES + 16);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    append(&a, TP__PART_BYTES);
    append(&a, rest + 1);
    frame = must_take(&a, false, 2);
    assert_int_equal(frame.size, 8 + bytes_of(2, TP__PART_BYTES) + 16);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
}

static void a_long_record_travels_in_parts(void **state)
{
    (void)state;
    append(&a, 10);
    append(&a, TP__PAYLOAD_LIMIT_BYTES);
    append(&a, 10);
    deliver_all();
    assert_int_equal(b.taken, 3);
}

static void raw_records_are_appended_as_they_are(void **state)
{
    (void)state;
    struct tp__buffer raw = {NULL, 0, 0};
    assert_true(tp__stream_append_raw(a.stream, NULL, 0));
    nothing_goes(&a);
    for (int round = 0; round < 10; round++) {
        raw.size = 0;
        const uint32_t count = 1 + random_below(100);
        for (uint32_t i = 0; i < count; i++) {
            const struct tp__record record = record_of(a.appended++, random_below(TP__PART_BYTES / 8));
            assert_true(tp__record_append(&raw, &record));
        }
        const size_t before = tp__stream_unacknowledged(a.stream);
        assert_true(tp__stream_append_raw(a.stream, raw.bytes, raw.size));
        assert_int_equal(tp__stream_unacknowledged(a.stream), before + raw.size);
        if (random_below(2))
            deliver_all();
    }
    deliver_all();
    assert_int_equal(b.taken, a.appended);
    tp__buffer_free(&raw);
}

static void raw_bytes_that_are_no_records_change_nothing(void **state)
{
    (void)state;
    append(&a, 5);
    struct tp__buffer raw = {NULL, 0, 0};
    for (int i = 0; i < 3; i++) {
        const struct tp__record record = record_of(1, TP__PART_BYTES);
        assert_true(tp__record_append(&raw, &record));
    }
    assert_false(tp__stream_append_raw(a.stream, raw.bytes, raw.size - 1));
    assert_int_equal(tp__stream_unacknowledged(a.stream), bytes_of(0, 5));
    append(&a, 6);
    deliver_all();
    assert_int_equal(b.taken, 2);
    tp__buffer_free(&raw);
}

/* ---- acknowledgements ---- */

static void a_data_frame_acknowledges_too(void **state)
{
    (void)state;
    append(&a, 1);
    struct copy frame = must_take(&a, false, 1);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    append(&b, 1);
    frame = must_take(&b, false, 1);
    nothing_goes(&b);
    give_and_free(&a, &frame, TP__STREAM_FRESH);
    assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
    frame = must_take(&a, true, 1);
    nothing_goes(&a);
    give_and_free(&b, &frame, TP__STREAM_NOTHING);
    nothing_goes(&b); /* an acknowledgement is not acknowledged */
}

static void a_full_window_does_not_keep_acknowledgements(void **state)
{
    (void)state;
    struct copy lost;
    for (uint64_t i = 1; i <= 2; i++) {
        append(&b, TP__STREAM_WINDOW_BYTES);
        lost = must_take(&b, false, i);
        free(lost.bytes);
    }
    append(&b, 1); /* which cannot go */
    append(&a, 1);
    struct copy frame = must_take(&a, false, 1);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    frame = must_take(&b, true, 1);
    give_and_free(&a, &frame, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
}

static void an_old_acknowledgement_does_no_harm(void **state)
{
    (void)state;
    append(&a, 1);
    struct copy frame = must_take(&a, false, 1);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    struct copy old = must_take(&b, true, 1);
    assert_int_equal(give(&a, &old), TP__STREAM_NOTHING);
    append(&a, 1);
    frame = must_take(&a, false, 2);
    assert_int_equal(give(&a, &old), TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), bytes_of(1, 1));
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    free(old.bytes);
}

static void no_stream_can_be_freed(void **state)
{
    (void)state;
    tp__stream_free(NULL);
}

int main(int argc, char **argv)
{
    start_streams(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_arrive_in_order, open_both, close_both),
        cmocka_unit_test_setup_teardown(at_most_two_large_frames_are_unacknowledged, open_both, close_both),
        cmocka_unit_test_setup_teardown(small_frames_leave_until_they_fill_the_window, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_backlog_spreads_over_frames, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_frame_is_filled_to_its_limit, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_long_record_travels_in_parts, open_both, close_both),
        cmocka_unit_test_setup_teardown(raw_records_are_appended_as_they_are, open_both, close_both),
        cmocka_unit_test_setup_teardown(raw_bytes_that_are_no_records_change_nothing, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_data_frame_acknowledges_too, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_full_window_does_not_keep_acknowledgements, open_both, close_both),
        cmocka_unit_test_setup_teardown(an_old_acknowledgement_does_no_harm, open_both, close_both),
        cmocka_unit_test(no_stream_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
