/* SPDX-License-Identifier: MIT */
/* Frames of a stream that were changed on their way or belong elsewhere, and those of an end that means no good. */
#include "trust_stream_support.h"

static void no_bit_of_a_frame_can_be_changed(void **state)
{
    (void)state;
    append(&a, 13);
    struct copy frame = must_take(&a, false, 1);
    for (size_t bit = 0; bit < 8 * frame.size; bit++) {
        frame.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(give(&b, &frame), TP__STREAM_FORGED);
        frame.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (uint64_t bit = 1; bit; bit <<= 1) {
        frame.position ^= bit;
        assert_int_equal(give(&b, &frame), TP__STREAM_FORGED);
        frame.position ^= bit;
    }
    frame.acknowledgement = true;
    assert_int_equal(give(&b, &frame), TP__STREAM_FORGED);
    frame.acknowledgement = false;
    const size_t size = frame.size;
    for (frame.size = 0; frame.size < size; frame.size++)
        assert_int_equal(give(&b, &frame), TP__STREAM_FORGED);
    nothing_goes(&b);
    give_and_free(&b, &frame, TP__STREAM_FRESH);

    struct copy acknowledgement = must_take(&b, true, 1);
    for (size_t bit = 0; bit < 8 * acknowledgement.size; bit++) {
        acknowledgement.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(give(&a, &acknowledgement), TP__STREAM_FORGED);
        acknowledgement.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    acknowledgement.position++;
    assert_int_equal(give(&a, &acknowledgement), TP__STREAM_FORGED);
    acknowledgement.position--;
    acknowledgement.acknowledgement = false;
    assert_int_equal(give(&a, &acknowledgement), TP__STREAM_FORGED);
    acknowledgement.acknowledgement = true;
    assert_true(tp__stream_unacknowledged(a.stream) > 0);
    give_and_free(&a, &acknowledgement, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), 0);
}

static void a_frame_does_not_come_back_to_its_sender(void **state)
{
    (void)state;
    append(&a, 1);
    struct copy frame = must_take(&a, false, 1);
    assert_int_equal(give(&a, &frame), TP__STREAM_FORGED);
    free(frame.bytes);
}

static void a_frame_belongs_to_one_incarnation(void **state)
{
    (void)state;
    append(&a, 1);
    struct copy frame = must_take(&a, false, 1);
    struct tp__id other = names[1];
    other.bytes[5] ^= 1;
    tp__stream_free(b.stream);
    b.stream = tp__stream_new(&keys[1], &names[0], &other);
    assert_non_null(b.stream);
    assert_int_equal(give(&b, &frame), TP__STREAM_FORGED);
    free(frame.bytes);
}

/* What the other end would seal if it meant no good. */
static enum tp__stream_verdict give_sealed(struct end *to, const struct tp__stream_keys *sender, uint64_t position,
                                           bool acknowledgement, uint64_t received, const void *records, size_t size)
{
    static uint8_t plain[TP__STREAM_FRAME_BYTES + 64];
    static uint8_t sealed[sizeof plain + 16];
    uint8_t nonce[12] = {acknowledgement};
    memcpy(nonce + 4, &position, 8);
    memcpy(plain, &received, 8);
    if (size > 0)
        memcpy(plain + 8, records, size);
    unsigned long long sealed_size;
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &sealed_size, plain, 8 + size, names[0].bytes, sizeof names, NULL,
                                              nonce, sender->send);
    const struct copy copy = {position, acknowledgement, (size_t)sealed_size, sealed};
    return give(to, &copy);
}

static void the_layout_is_the_one_in_the_header(void **state)
{
    (void)state;
    struct tp__buffer records = {NULL, 0, 0};
    const struct tp__record record = record_of(0, 3);
    assert_true(tp__record_append(&records, &record));
    assert_int_equal(give_sealed(&b, &keys[0], 1, false, 0, records.bytes, records.size), TP__STREAM_FRESH);
    assert_int_equal(b.taken, 1);
    append(&b, 1);
    struct copy frame = must_take(&b, false, 1);
    free(frame.bytes);
    assert_int_equal(give_sealed(&b, &keys[0], 77, true, 1, NULL, 0), TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(b.stream), 0);
    tp__buffer_free(&records);
}

static void what_cannot_be_is_refused_though_it_opens(void **state)
{
    (void)state;
    struct tp__buffer records = {NULL, 0, 0};
    const struct tp__record record = record_of(0, 3);
    assert_true(tp__record_append(&records, &record));
    const struct tp__stream_keys *sender = &keys[0];
    /* An acknowledgement of what was never sent; of position 0; with something behind it. */
    assert_int_equal(give_sealed(&b, sender, 1, true, 1, NULL, 0), TP__STREAM_FORGED);
    assert_int_equal(give_sealed(&b, sender, 1, true, UINT64_MAX, NULL, 0), TP__STREAM_FORGED);
    assert_int_equal(give_sealed(&b, sender, 1, false, 1, records.bytes, records.size), TP__STREAM_FORGED);
    assert_int_equal(give_sealed(&b, sender, 0, true, 0, NULL, 0), TP__STREAM_FORGED);
    assert_int_equal(give_sealed(&b, sender, 0, false, 0, records.bytes, records.size), TP__STREAM_FORGED);
    assert_int_equal(give_sealed(&b, sender, 1, true, 0, records.bytes, records.size), TP__STREAM_FORGED);
    /* Data without a record, with half a record, with a malformed one, with more than a frame holds. */
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, NULL, 0), TP__STREAM_FORGED);
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, records.bytes, records.size - 1), TP__STREAM_FORGED);
    records.bytes[1] = 4; /* an unknown flag */
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, records.bytes, records.size), TP__STREAM_FORGED);
    records.bytes[1] = 0;
    struct tp__buffer many = {NULL, 0, 0};
    while (many.size <= TP__STREAM_FRAME_BYTES - 8)
        assert_true(tp__buffer_append(&many, records.bytes, records.size));
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, many.bytes, many.size), TP__STREAM_FORGED);
    nothing_goes(&b);
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, records.bytes, records.size), TP__STREAM_FRESH);
    tp__buffer_free(&records);
    tp__buffer_free(&many);
}

int main(int argc, char **argv)
{
    start_streams(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_bit_of_a_frame_can_be_changed, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_frame_does_not_come_back_to_its_sender, open_both, close_both),
        cmocka_unit_test_setup_teardown(a_frame_belongs_to_one_incarnation, open_both, close_both),
        cmocka_unit_test_setup_teardown(the_layout_is_the_one_in_the_header, open_both, close_both),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_refused_though_it_opens, open_both, close_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
