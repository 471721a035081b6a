/* SPDX-License-Identifier: MIT */
/** @file
 * Two ends of a stream, and between them a path that the test decides on: it takes each frame from one end and gives it
 * to the other, or does not.
 */
#ifndef TRUST_STREAM_SUPPORT_H
#define TRUST_STREAM_SUPPORT_H

#include "trust_support.h"

#include "trust/stream.h"

#include <string.h>

/** One end; its stream is new in each test. */
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

static inline int open_both(void **state)
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

static inline int close_both(void **state)
{
    (void)state;
    tp__stream_free(a.stream);
    tp__stream_free(b.stream);
    return 0;
}

/** The first bytes of it are the body of each record. */
static uint8_t body[TP__PAYLOAD_LIMIT_BYTES];

/** What a program of such tests begins with. */
static inline void start_streams(int argc, char **argv)
{
    start(argc, argv);
    random_bytes(body, sizeof body);
}

static inline struct tp__record record_of(uint64_t number, uint32_t size)
{
    return (struct tp__record){.type = TP__RECORD_RESULT,
                               .dispatch = 3,
                               .operation = (uint32_t)number,
                               .task = number * 7,
                               .body = body,
                               .size = size};
}

/** Bytes that the record of that number takes. */
static inline size_t bytes_of(uint64_t number, uint32_t size)
{
    const struct tp__record record = record_of(number, size);
    return tp__record_size(&record);
}

static inline void append(struct end *end, uint32_t size)
{
    const struct tp__record record = record_of(end->appended++, size);
    assert_true(tp__stream_append(end->stream, &record));
}

/** A frame in a copy of its own. */
struct copy {
    uint64_t position;
    bool acknowledgement;
    size_t size;
    uint8_t *bytes;
};

static inline bool take_frame(struct end *from, struct copy *copy)
{
    struct tp__sealed sealed;
    if (!tp__stream_next(from->stream, &sealed))
        return false;
    *copy = (struct copy){sealed.position, sealed.acknowledgement, sealed.size, malloc(sealed.size)};
    assert_non_null(copy->bytes);
    memcpy(copy->bytes, sealed.bytes, sealed.size);
    return true;
}

static inline struct copy must_take(struct end *from, bool acknowledgement, uint64_t position)
{
    struct copy copy = {.size = 0};
    assert_true(take_frame(from, &copy));
    assert_int_equal(copy.acknowledgement, acknowledgement);
    assert_int_equal(copy.position, position);
    return copy;
}

static inline void nothing_goes(struct end *from)
{
    struct tp__sealed sealed;
    assert_false(tp__stream_next(from->stream, &sealed));
    assert_null(sealed.bytes);
}

static inline void take_records(struct end *to, struct tp__reader *records)
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

static inline enum tp__stream_verdict give(struct end *to, const struct copy *copy)
{
    struct tp__reader records;
    const enum tp__stream_verdict verdict =
        tp__stream_receive(to->stream, copy->position, copy->acknowledgement, copy->bytes, copy->size, &records);
    assert_true(verdict == TP__STREAM_FRESH || tp__reader_left(&records) == 0);
    take_records(to, &records);
    return verdict;
}

static inline void give_and_free(struct end *to, struct copy *copy, enum tp__stream_verdict expected)
{
    assert_int_equal(give(to, copy), expected);
    free(copy->bytes);
    copy->bytes = NULL;
}

#endif
