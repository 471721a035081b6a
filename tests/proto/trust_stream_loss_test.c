/* SPDX-License-Identifier: MIT */
/* Frames of a stream that are lost, come twice or in another order, and what is sent again. */
#include "trust_stream_support.h"

static void what_is_sent_again_is_the_same(void **state)
{
    (void)state;
    struct copy first[2];
    for (uint64_t i = 0; i < 2; i++) {
        append(&a, TP__STREAM_WINDOW_BYTES + random_below(3000));
        first[i] = must_take(&a, false, i + 1);
    }
    append(&a, 9); /* waits, and does not join what was sealed */
    append(&b, 1);
    struct copy frame = must_take(&b, false, 1);
    give_and_free(&a, &frame, TP__STREAM_FRESH); /* so that the position to acknowledge has changed */
    tp__stream_resend(a.stream);
    for (uint64_t i = 0; i < 2; i++) {
        frame = must_take(&a, false, i + 1);
        assert_int_equal(frame.size, first[i].size);
        assert_memory_equal(frame.bytes, first[i].bytes, frame.size);
        give_and_free(&b, &frame, TP__STREAM_FRESH);
        free(first[i].bytes);
    }
    assert_int_equal(tp__stream_unacknowledged(b.stream), bytes_of(0, 1));
    frame = must_take(&a, true, 1); /* what the sealed frames could not say */
    give_and_free(&b, &frame, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(b.stream), 0);
    nothing_goes(&a);
    frame = must_take(&b, true, 1);
    give_and_free(&a, &frame, TP__STREAM_NOTHING);
    frame = must_take(&a, false, 3);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    assert_int_equal(b.taken, a.appended);
}

static void a_resend_with_nothing_to_send_acknowledges(void **state)
{
    (void)state;
    tp__stream_resend(a.stream);
    struct copy frame = must_take(&a, true, 1);
    give_and_free(&b, &frame, TP__STREAM_NOTHING);
    nothing_goes(&a);
}

static void a_frame_that_comes_twice_is_taken_once(void **state)
{
    (void)state;
    append(&a, 1);
    struct copy frame = must_take(&a, false, 1);
    assert_int_equal(give(&b, &frame), TP__STREAM_FRESH);
    struct copy acknowledgement = must_take(&b, true, 1);
    free(acknowledgement.bytes); /* lost */
    give_and_free(&b, &frame, TP__STREAM_NOTHING);
    assert_int_equal(b.taken, 1);
    acknowledgement = must_take(&b, true, 2);
    give_and_free(&a, &acknowledgement, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
}

static void a_frame_after_a_lost_one_is_a_gap(void **state)
{
    (void)state;
    append(&a, 1);
    struct copy first = must_take(&a, false, 1);
    append(&a, 1);
    struct copy second = must_take(&a, false, 2);
    assert_int_equal(give(&b, &second), TP__STREAM_GAP);
    assert_int_equal(b.taken, 0);
    nothing_goes(&b);
    give_and_free(&b, &first, TP__STREAM_FRESH);
    give_and_free(&b, &second, TP__STREAM_FRESH);
    assert_int_equal(b.taken, 2);
}

/* The path loses, repeats and swaps frames, and breaks; each break is followed by a resend of both ends. */
static void nothing_is_lost_on_a_bad_path(void **state)
{
    (void)state;
    struct end *ends[2] = {&a, &b};
    enum { RECORDS = 3000 };
    static struct {
        uint64_t position;
        size_t size;
        uint8_t hash[32];
    } seen[2][2 * RECORDS];
    memset(seen, 0, sizeof seen);
    for (uint32_t step = 0; a.taken < RECORDS || b.taken < RECORDS; step++) {
        assert_true(step < 1000000);
        for (int i = 0; i < 2; i++) {
            if (ends[i]->appended < RECORDS && random_below(2))
                append(ends[i], random_below(random_below(50) ? 100 : 300000));
            if (random_below(5) == 0) {
                tp__stream_resend(ends[0]->stream);
                tp__stream_resend(ends[1]->stream);
            }
            struct copy frames[4];
            int count = 0;
            while (count < 4 && take_frame(ends[i], &frames[count]))
                count++;
            for (int j = 0; j < count; j++) {
                uint8_t hash[32];
                crypto_generichash(hash, 32, frames[j].bytes, frames[j].size, NULL, 0);
                const uint64_t position = frames[j].position;
                if (!frames[j].acknowledgement) {
                    assert_true(position < 2 * RECORDS);
                    if (seen[i][position].position)
                        assert_memory_equal(seen[i][position].hash, hash, 32);
                    seen[i][position].position = position;
                    memcpy(seen[i][position].hash, hash, 32);
                }
            }
            if (count > 1 && random_below(10) == 0) {
                const struct copy swapped = frames[0];
                frames[0] = frames[1];
                frames[1] = swapped;
            }
            for (int j = 0; j < count; j++) {
                if (random_below(10) > 0)
                    assert_int_not_equal(give(ends[1 - i], &frames[j]), TP__STREAM_FORGED);
                if (random_below(10) == 0)
                    assert_int_not_equal(give(ends[1 - i], &frames[j]), TP__STREAM_FORGED);
                free(frames[j].bytes);
            }
        }
    }
    tp__stream_resend(a.stream);
    tp__stream_resend(b.stream);
    struct copy frame;
    for (int i = 0; i < 4; i++) {
        while (take_frame(ends[i % 2], &frame)) {
            assert_int_equal(give(ends[1 - i % 2], &frame), TP__STREAM_NOTHING);
            free(frame.bytes);
        }
    }
    assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
    assert_int_equal(tp__stream_unacknowledged(b.stream), 0);
}

int main(int argc, char **argv)
{
    start_streams(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_sent_again_is_the_same, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_resend_with_nothing_to_send_acknowledges, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_frame_that_comes_twice_is_taken_once, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_frame_after_a_lost_one_is_a_gap, open_both, close_both),
        cmocka_unit_test_setup_teardown(nothing_is_lost_on_a_bad_path, open_both, close_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
