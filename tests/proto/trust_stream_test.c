/* SPDX-License-Identifier: MIT */
/* Two ends of a stream, and between them a path that the test decides on. */
#include "trust_support.h"

#include "trust/stream.h"

#include <string.h>

struct end {
    struct tp__stream *stream;
    uint64_t appended; /* records carry their number as operation ... */
    uint64_t taken;    /* ... and are taken in that order */
    size_t parts;      /* bytes of the record that comes in parts */
};

static struct tp__stream_keys keys[2];
static struct tp__id names[2];
static struct end a;
static struct end b;

static int open_both(void **state)
{
    (void)state;
    random_bytes(&keys[0], sizeof keys[0]);
    memcpy(keys[1].send, keys[0].receive, 32);
    memcpy(keys[1].receive, keys[0].send, 32);
    random_bytes(names, sizeof names);
    a = (struct end){.stream = tp__stream_new(&keys[0], &names[0], &names[1])};
    b = (struct end){.stream = tp__stream_new(&keys[1], &names[0], &names[1])};
    return a.stream && b.stream ? 0 : -1;
}

static int close_both(void **state)
{
    (void)state;
    tp__stream_free(a.stream);
    tp__stream_free(b.stream);
    return 0;
}

static uint8_t body[TP__PAYLOAD_LIMIT_BYTES];

static struct tp__record record_of(uint64_t number, uint32_t size)
{
    return (struct tp__record){.type = TP__RECORD_RESULT,
                               .dispatch = 3,
                               .operation = (uint32_t)number,
                               .task = number * 7,
                               .body = body,
                               .size = size};
}

static void append(struct end *end, uint32_t size)
{
    const struct tp__record record = record_of(end->appended++, size);
    assert_true(tp__stream_append(end->stream, &record));
}

/* A frame in a copy of its own. */
struct copy {
    uint64_t position;
    bool acknowledgement;
    size_t size;
    uint8_t *bytes;
};

static bool take_frame(struct end *from, struct copy *copy)
{
    struct tp__sealed sealed;
    if (!tp__stream_next(from->stream, &sealed))
        return false;
    *copy = (struct copy){sealed.position, sealed.acknowledgement, sealed.size, malloc(sealed.size)};
    assert_non_null(copy->bytes);
    memcpy(copy->bytes, sealed.bytes, sealed.size);
    return true;
}

static struct copy must_take(struct end *from, bool acknowledgement, uint64_t position)
{
    struct copy copy;
    assert_true(take_frame(from, &copy));
    assert_int_equal(copy.acknowledgement, acknowledgement);
    assert_int_equal(copy.position, position);
    return copy;
}

static void nothing_goes(struct end *from)
{
    struct tp__sealed sealed;
    assert_false(tp__stream_next(from->stream, &sealed));
    assert_null(sealed.bytes);
}

static void take_records(struct end *to, struct tp__reader *records)
{
    while (tp__reader_left(records) > 0) {
        struct tp__record record;
        assert_int_equal(tp__record_read(records, &record), TP__RECORD_FOUND);
        assert_int_equal(record.operation, to->taken);
        assert_int_equal(record.task, to->taken * 7);
        assert_memory_equal(record.body, body + to->parts, record.size);
        to->parts += record.size;
        if (!(record.flags & TP__RECORD_MORE)) {
            to->taken++;
            to->parts = 0;
        }
    }
}

static enum tp__stream_verdict give(struct end *to, const struct copy *copy)
{
    struct tp__reader records;
    const enum tp__stream_verdict verdict =
        tp__stream_receive(to->stream, copy->position, copy->acknowledgement, copy->bytes, copy->size, &records);
    assert_true(verdict == TP__STREAM_FRESH || tp__reader_left(&records) == 0);
    take_records(to, &records);
    return verdict;
}

static void give_and_free(struct end *to, struct copy *copy, enum tp__stream_verdict expected)
{
    assert_int_equal(give(to, copy), expected);
    free(copy->bytes);
    copy->bytes = NULL;
}

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
    assert_int_equal(tp__stream_unacknowledged(a.stream), 4 * TP__RECORD_HEADER_BYTES + 2 * LARGE_BYTES + 3);

    give_and_free(&b, &frames[0], TP__STREAM_FRESH);
    struct copy acknowledgement = must_take(&b, true, 1);
    give_and_free(&a, &acknowledgement, TP__STREAM_NOTHING);
    assert_int_equal(tp__stream_unacknowledged(a.stream), 3 * TP__RECORD_HEADER_BYTES + LARGE_BYTES + 3);
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
    assert_int_equal(tp__stream_unacknowledged(a.stream), TP__RECORD_HEADER_BYTES + 64);
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
            append(&a, size);
            appended += TP__RECORD_HEADER_BYTES + size;
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
    const uint32_t room = TP__STREAM_FRAME_BYTES - 8;
    append(&a, TP__PART_BYTES);
    append(&a, room - TP__PART_BYTES - 2 * TP__RECORD_HEADER_BYTES);
    struct copy frame = must_take(&a, false, 1);
    assert_int_equal(frame.size, TP__STREAM_FRAME_BYTES + 16);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    append(&a, TP__PART_BYTES);
    append(&a, room - TP__PART_BYTES - 2 * TP__RECORD_HEADER_BYTES + 1);
    frame = must_take(&a, false, 2);
    assert_int_equal(frame.size, 8 + TP__RECORD_HEADER_BYTES + TP__PART_BYTES + 16);
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
    assert_int_equal(tp__stream_unacknowledged(a.stream), TP__RECORD_HEADER_BYTES + 5);
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
    assert_int_equal(tp__stream_unacknowledged(a.stream), TP__RECORD_HEADER_BYTES + 1);
    give_and_free(&b, &frame, TP__STREAM_FRESH);
    free(old.bytes);
}

/* ---- losing and sending again ---- */

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
    assert_int_equal(tp__stream_unacknowledged(b.stream), TP__RECORD_HEADER_BYTES + 1);
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

/* ---- forgeries ---- */

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
    records.bytes[2] = 1;
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, records.bytes, records.size), TP__STREAM_FORGED);
    records.bytes[2] = 0;
    struct tp__buffer many = {NULL, 0, 0};
    while (many.size <= TP__STREAM_FRAME_BYTES - 8)
        assert_true(tp__buffer_append(&many, records.bytes, records.size));
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, many.bytes, many.size), TP__STREAM_FORGED);
    nothing_goes(&b);
    assert_int_equal(give_sealed(&b, sender, 1, false, 0, records.bytes, records.size), TP__STREAM_FRESH);
    tp__buffer_free(&records);
    tp__buffer_free(&many);
}

static void no_stream_can_be_freed(void **state)
{
    (void)state;
    tp__stream_free(NULL);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    random_bytes(body, sizeof body);
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)
    const struct CMUnitTest tests[] = {
        TEST(records_arrive_in_order),
        TEST(at_most_two_large_frames_are_unacknowledged),
        TEST(small_frames_leave_until_they_fill_the_window),
        TEST(a_backlog_spreads_over_frames),
        TEST(a_frame_is_filled_to_its_limit),
        TEST(a_long_record_travels_in_parts),
        TEST(raw_records_are_appended_as_they_are),
        TEST(raw_bytes_that_are_no_records_change_nothing),
        TEST(a_data_frame_acknowledges_too),
        TEST(a_full_window_does_not_keep_acknowledgements),
        TEST(an_old_acknowledgement_does_no_harm),
        TEST(what_is_sent_again_is_the_same),
        TEST(a_resend_with_nothing_to_send_acknowledges),
        TEST(a_frame_that_comes_twice_is_taken_once),
        TEST(a_frame_after_a_lost_one_is_a_gap),
        TEST(nothing_is_lost_on_a_bad_path),
        TEST(no_bit_of_a_frame_can_be_changed),
        TEST(a_frame_does_not_come_back_to_its_sender),
        TEST(a_frame_belongs_to_one_incarnation),
        TEST(the_layout_is_the_one_in_the_header),
        TEST(what_cannot_be_is_refused_though_it_opens),
        cmocka_unit_test(no_stream_can_be_freed),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
