/* SPDX-License-Identifier: MIT */
/* Design notes. What is to be sent stands in a list of frames, oldest first: those that are sealed and under way, up to
 * the window, then those that are still open. A record joins the last frame if that one is open and has room, else it
 * begins a new one; so records are never split over frames. Each frame has room for the position in front and the tag
 * behind, and is sealed in its own memory: sending takes none and cannot fail.
 *
 * A position is a nonce, and must never be used for two contents. The position up to which this end has received stands
 * inside a frame and changes all the time: so a frame, once sealed, stays as it is, and is sent again byte for byte.
 * What it says about receiving is old then, which is why an acknowledgement that is due survives a resend.
 *
 * In the other direction frames are taken in order only. Whatever a frame says is looked at after it has opened. */
#include "trust/stream.h"

#include <sodium.h>
#include <stdlib.h>

enum {
    HEAD_BYTES = sizeof(uint64_t),
    TAG_BYTES = crypto_aead_chacha20poly1305_ietf_ABYTES,
    NONCE_BYTES = crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
    WINDOW_FRAMES = 2,
    KEPT_BYTES = 64 << 10 /* larger memory is given back when it is not needed for the moment */
};
_Static_assert(TP__RECORD_HEADER_LIMIT_BYTES + TP__PART_BYTES <= TP__STREAM_FRAME_BYTES - HEAD_BYTES,
               "a record fits a frame");
_Static_assert(TP__STREAM_FRAME_BYTES + (int)TAG_BYTES == (int)TP__STREAM_SEALED_LIMIT_BYTES,
               "what is sealed has a tag");
_Static_assert((int)TP__STREAM_SEALED_LIMIT_BYTES < (int)TP__FRAME_LIMIT_BYTES, "a sealed frame fits a message");

struct frame {
    struct frame *next;
    struct tp__buffer bytes; /* open: head and records; sealed: what is sent */
    size_t record_bytes;
    uint64_t position; /* 0: open */
    bool to_send;
};

struct tp__stream {
    struct tp__stream_keys keys;
    struct {
        struct tp__id session;
        struct tp__id incarnation;
    } names; /* the associated data */

    struct {
        struct frame *first;
        struct frame *last;
        struct frame *spare; /* one that is empty */
        uint64_t position;   /* of the frame sealed last */
        size_t in_flight;    /* frames that are sealed ... */
        size_t flying_bytes; /* ... and their bytes */
        size_t bytes;        /* of records, in all frames */
    } out;
    struct {
        uint64_t position; /* up to which all was received */
        struct tp__buffer opened;
    } in;
    struct {
        bool due;
        uint64_t number;
        uint8_t sealed[HEAD_BYTES + TAG_BYTES];
    } acknowledgement;
};

/* ---- frames ---- */

static void free_frame(struct frame *frame)
{
    if (frame)
        tp__buffer_free(&frame->bytes);
    free(frame);
}

static void retire_frame(struct tp__stream *stream, struct frame *frame)
{
    if (stream->out.spare || frame->bytes.capacity > KEPT_BYTES) {
        free_frame(frame);
        return;
    }
    *frame = (struct frame){.bytes = frame->bytes};
    stream->out.spare = frame;
}

/* One with room for `size` bytes of records, in which there are none yet. NULL without memory. */
static struct frame *new_frame(struct tp__stream *stream, size_t size)
{
    struct frame *frame = stream->out.spare;
    stream->out.spare = NULL;
    if (!frame)
        frame = calloc(1, sizeof *frame);
    if (!frame)
        return NULL;
    frame->bytes.size = 0;
    if (!tp__buffer_reserve(&frame->bytes, HEAD_BYTES + size + TAG_BYTES)) {
        free_frame(frame);
        return NULL;
    }
    frame->bytes.size = HEAD_BYTES;
    return frame;
}

/* The frame in which the next `size` bytes of records go, with room for them and the tag. NULL without memory. */
static struct frame *frame_for(struct tp__stream *stream, size_t size)
{
    struct frame *last = stream->out.last;
    if (last && last->position == 0 && last->bytes.size + size <= TP__STREAM_FRAME_BYTES)
        return tp__buffer_reserve(&last->bytes, size + TAG_BYTES) ? last : NULL;
    struct frame *frame = new_frame(stream, size);
    if (!frame)
        return NULL;
    if (last)
        last->next = frame;
    else
        stream->out.first = frame;
    stream->out.last = frame;
    return frame;
}

static void count_records(struct tp__stream *stream, struct frame *frame, size_t size)
{
    frame->record_bytes += size;
    stream->out.bytes += size;
}

/* ---- life ---- */

struct tp__stream *tp__stream_new(const struct tp__stream_keys *keys, const struct tp__id *session,
                                  const struct tp__id *incarnation)
{
    struct tp__stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->keys = *keys;
    stream->names.session = *session;
    stream->names.incarnation = *incarnation;
    return stream;
}

void tp__stream_free(struct tp__stream *stream)
{
    if (!stream)
        return;
    for (struct frame *frame = stream->out.first; frame;) {
        struct frame *next = frame->next;
        free_frame(frame);
        frame = next;
    }
    free_frame(stream->out.spare);
    tp__buffer_free(&stream->in.opened);
    sodium_memzero(stream, sizeof *stream);
    free(stream);
}

size_t tp__stream_unacknowledged(const struct tp__stream *stream)
{
    return stream->out.bytes;
}

/* ---- appending ---- */

/* Where the list ended, to go back to when the memory ends in the middle of several records. */
struct mark {
    struct frame *last;
    size_t record_bytes;
    size_t bytes;
};

static struct mark mark(const struct tp__stream *stream)
{
    struct frame *last = stream->out.last;
    return (struct mark){last, last ? last->record_bytes : 0, stream->out.bytes};
}

static bool go_back(struct tp__stream *stream, const struct mark *to)
{
    struct frame *frame = to->last ? to->last->next : stream->out.first;
    if (to->last)
        to->last->next = NULL;
    else
        stream->out.first = NULL;
    while (frame) {
        struct frame *next = frame->next;
        free_frame(frame);
        frame = next;
    }
    if (to->last && to->last->position == 0) {
        to->last->record_bytes = to->record_bytes;
        to->last->bytes.size = HEAD_BYTES + to->record_bytes;
    }
    stream->out.last = to->last;
    stream->out.bytes = to->bytes;
    return false;
}

/* Records that fit one frame. */
static bool append_to_one(struct tp__stream *stream, const uint8_t *records, size_t size)
{
    struct frame *frame = frame_for(stream, size);
    if (!frame || !tp__buffer_append(&frame->bytes, records, size))
        return false;
    count_records(stream, frame, size);
    return true;
}

bool tp__stream_append_raw(struct tp__stream *stream, const uint8_t *records, size_t size)
{
    if (size == 0)
        return true;
    const struct frame *last = stream->out.last;
    const size_t taken = last && last->position == 0 ? last->bytes.size : HEAD_BYTES;
    if (size <= TP__STREAM_FRAME_BYTES - taken)
        return append_to_one(stream, records, size);

    const struct mark before = mark(stream);
    struct tp__reader reader = tp__reader_of(records, size);
    while (tp__reader_left(&reader) > 0) {
        const uint8_t *start = reader.at;
        struct tp__record record;
        if (tp__record_read(&reader, &record) != TP__RECORD_FOUND ||
            !append_to_one(stream, start, (size_t)(reader.at - start)))
            return go_back(stream, &before);
    }
    return true;
}

bool tp__stream_append(struct tp__stream *stream, const struct tp__record *record)
{
    if (record->size > TP__PART_BYTES) {
        struct tp__buffer parts = {NULL, 0, 0};
        const bool appended =
            tp__record_append(&parts, record) && tp__stream_append_raw(stream, parts.bytes, parts.size);
        tp__buffer_free(&parts);
        return appended;
    }
    const size_t size = tp__record_size(record);
    struct frame *frame = frame_for(stream, size);
    if (!frame || !tp__record_append(&frame->bytes, record))
        return false;
    count_records(stream, frame, size);
    return true;
}

/* ---- sending ---- */

static void make_nonce(uint8_t nonce[NONCE_BYTES], bool acknowledgement, uint64_t number)
{
    tp__put_u64(tp__put_u32(nonce, acknowledgement), number);
}

/* Adds the tag: `bytes` has room for it. */
static void seal(const struct tp__stream *stream, uint8_t *bytes, size_t size, bool acknowledgement, uint64_t number)
{
    uint8_t nonce[NONCE_BYTES];
    make_nonce(nonce, acknowledgement, number);
    tp__put_u64(bytes, stream->in.position);
    crypto_aead_chacha20poly1305_ietf_encrypt(bytes, NULL, bytes, size, (const uint8_t *)&stream->names,
                                              sizeof stream->names, NULL, nonce, stream->keys.send);
}

static bool give_frame(struct frame *frame, struct tp__sealed *sealed)
{
    frame->to_send = false;
    *sealed = (struct tp__sealed){frame->position, false, frame->bytes.bytes, frame->bytes.size};
    return true;
}

bool tp__stream_next(struct tp__stream *stream, struct tp__sealed *sealed)
{
    struct frame *frame = stream->out.first;
    for (; frame && frame->position > 0; frame = frame->next) {
        if (frame->to_send)
            return give_frame(frame, sealed);
    }
    if (frame && (stream->out.in_flight < WINDOW_FRAMES || stream->out.flying_bytes < TP__STREAM_WINDOW_BYTES)) {
        frame->position = ++stream->out.position;
        stream->out.in_flight++;
        seal(stream, frame->bytes.bytes, frame->bytes.size, false, frame->position);
        frame->bytes.size += TAG_BYTES;
        stream->out.flying_bytes += frame->bytes.size;
        stream->acknowledgement.due = false;
        return give_frame(frame, sealed);
    }
    if (stream->acknowledgement.due) {
        stream->acknowledgement.due = false;
        const uint64_t number = ++stream->acknowledgement.number;
        seal(stream, stream->acknowledgement.sealed, HEAD_BYTES, true, number);
        *sealed =
            (struct tp__sealed){number, true, stream->acknowledgement.sealed, sizeof stream->acknowledgement.sealed};
        return true;
    }
    *sealed = (struct tp__sealed){0};
    return false;
}

void tp__stream_resend(struct tp__stream *stream)
{
    for (struct frame *frame = stream->out.first; frame && frame->position > 0; frame = frame->next)
        frame->to_send = true;
    stream->acknowledgement.due = true;
}

/* ---- receiving ---- */

static void forget_acknowledged(struct tp__stream *stream, uint64_t position)
{
    struct frame *frame = stream->out.first;
    while (frame && frame->position > 0 && frame->position <= position) {
        stream->out.first = frame->next;
        if (!frame->next)
            stream->out.last = NULL;
        stream->out.in_flight--;
        stream->out.flying_bytes -= frame->bytes.size;
        stream->out.bytes -= frame->record_bytes;
        retire_frame(stream, frame);
        frame = stream->out.first;
    }
}

static bool are_records(const uint8_t *bytes, size_t size)
{
    struct tp__reader reader = tp__reader_of(bytes, size);
    struct tp__record record;
    while (tp__reader_left(&reader) > 0) {
        if (tp__record_read(&reader, &record) != TP__RECORD_FOUND)
            return false;
    }
    return true;
}

static bool open_frame(const struct tp__stream *stream, uint8_t *plain, uint64_t position, bool acknowledgement,
                       const uint8_t *sealed, size_t size)
{
    uint8_t nonce[NONCE_BYTES];
    make_nonce(nonce, acknowledgement, position);
    return crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, size, (const uint8_t *)&stream->names,
                                                     sizeof stream->names, nonce, stream->keys.receive) == 0;
}

enum tp__stream_verdict tp__stream_receive(struct tp__stream *stream, uint64_t position, bool acknowledgement,
                                           const uint8_t *sealed, size_t size, struct tp__reader *records)
{
    *records = tp__reader_of(stream->acknowledgement.sealed, 0);
    struct tp__buffer *opened = &stream->in.opened;
    if (opened->capacity > KEPT_BYTES && size <= KEPT_BYTES)
        tp__buffer_free(opened);

    const size_t least = HEAD_BYTES + (acknowledgement ? 0 : TP__RECORD_HEADER_LEAST_BYTES) + TAG_BYTES;
    const size_t most = acknowledgement ? HEAD_BYTES + TAG_BYTES : TP__STREAM_SEALED_LIMIT_BYTES;
    if (position == 0 || size < least || size > most)
        return TP__STREAM_FORGED;
    /* Without memory the frame is lost, as it could be on its way: it comes again when the path is made anew. */
    opened->size = 0;
    if (!tp__buffer_reserve(opened, size - TAG_BYTES))
        return TP__STREAM_GAP;
    if (!open_frame(stream, opened->bytes, position, acknowledgement, sealed, size))
        return TP__STREAM_FORGED;

    const uint8_t *body = opened->bytes + HEAD_BYTES;
    const size_t body_size = size - TAG_BYTES - HEAD_BYTES;
    struct tp__reader head = tp__reader_of(opened->bytes, HEAD_BYTES);
    const uint64_t acknowledged = tp__get_u64(&head);
    if (acknowledged > stream->out.position || (!acknowledgement && !are_records(body, body_size)))
        return TP__STREAM_FORGED;
    forget_acknowledged(stream, acknowledged);
    if (acknowledgement)
        return TP__STREAM_NOTHING;
    if (position > stream->in.position + 1)
        return TP__STREAM_GAP;
    stream->acknowledgement.due = true;
    if (position <= stream->in.position)
        return TP__STREAM_NOTHING;
    stream->in.position = position;
    *records = tp__reader_of(body, body_size);
    return TP__STREAM_FRESH;
}
