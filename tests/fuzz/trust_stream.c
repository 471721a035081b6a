/* SPDX-License-Identifier: MIT */
/* What a stream receives: anything at all, and frames that the other end sealed but should not have. The input is a
 * list of steps, each a byte that chooses, a byte of position, two bytes of length, and as many bytes. What comes out
 * is records, each once; what is sent is never two things under one position. */
#include "trust/stream.h"

#include <sodium.h>
#include <stdlib.h>

enum {
    CHOICES = 5,
    MOST_FRAMES = 256,
    SMALLEST_FRAME_BYTES = 8 + TP__RECORD_HEADER_LEAST_BYTES + 16,
    MOST_AT_ONCE = TP__STREAM_WINDOW_BYTES / SMALLEST_FRAME_BYTES + 2 /* the last one, and an acknowledgement */
};

static const struct tp__id session = {{1}};
static const struct tp__id incarnation = {{2}};
static struct tp__stream_keys keys[2];

static struct tp__hash sent[MOST_FRAMES];
static bool was_sent[MOST_FRAMES];

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void send_all(struct tp__stream *stream)
{
    struct tp__sealed frame;
    for (int i = 0; tp__stream_next(stream, &frame); i++) {
        check(i < MOST_AT_ONCE && frame.size <= TP__STREAM_FRAME_BYTES + 16 && frame.position > 0);
        if (frame.acknowledgement || frame.position >= MOST_FRAMES)
            continue;
        struct tp__hash hash;
        crypto_generichash(hash.bytes, sizeof hash.bytes, frame.bytes, frame.size, NULL, 0);
        check(!was_sent[frame.position] || memcmp(&sent[frame.position], &hash, sizeof hash) == 0);
        sent[frame.position] = hash;
        was_sent[frame.position] = true;
    }
}

static void receive(struct tp__stream *stream, uint64_t position, bool acknowledgement, const uint8_t *bytes,
                    size_t size, uint64_t *taken)
{
    struct tp__reader records;
    const enum tp__stream_verdict verdict =
        tp__stream_receive(stream, position, acknowledgement, bytes, size, &records);
    check(records.ok && (verdict == TP__STREAM_FRESH) == (tp__reader_left(&records) > 0));
    if (verdict == TP__STREAM_FRESH)
        check(position == ++*taken && !acknowledgement);
    struct tp__record record;
    while (tp__reader_left(&records) > 0)
        check(tp__record_read(&records, &record) == TP__RECORD_FOUND);
}

static void receive_sealed(struct tp__stream *stream, uint64_t position, bool acknowledgement, const uint8_t *plain,
                           size_t size, uint64_t *taken)
{
    uint8_t *sealed = malloc(size + 16);
    check(sealed != NULL);
    struct {
        struct tp__id session;
        struct tp__id incarnation;
    } names = {session, incarnation};
    uint8_t nonce[12];
    tp__put_u64(tp__put_u32(nonce, acknowledgement), position);
    unsigned long long sealed_size;
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &sealed_size, plain, size, (const uint8_t *)&names, sizeof names,
                                              NULL, nonce, keys[1].send);
    receive(stream, position, acknowledgement, sealed, (size_t)sealed_size, taken);
    free(sealed);
}

static void append(struct tp__stream *stream, const uint8_t *bytes, size_t size)
{
    const struct tp__record record = {
        .type = TP__RECORD_RESULT, .task = 1, .dispatch = 1, .body = bytes, .size = (uint32_t)size};
    const size_t before = tp__stream_unacknowledged(stream);
    check(tp__stream_append(stream, &record));
    check(tp__stream_unacknowledged(stream) == before + tp__record_size(&record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(tp__trust_start());
    memset(keys[0].send, 3, 32);
    memset(keys[0].receive, 4, 32);
    memset(keys[1].send, 4, 32);
    memset(keys[1].receive, 3, 32);
    memset(was_sent, 0, sizeof was_sent);
    struct tp__stream *stream = tp__stream_new(&keys[0], &session, &incarnation);
    check(stream != NULL);
    uint64_t taken = 0;

    struct tp__reader steps = tp__reader_of(data, size);
    while (tp__reader_left(&steps) > 0) {
        const unsigned choice = tp__get_u8(&steps);
        const uint64_t position = tp__get_u8(&steps);
        size_t length = tp__get_u16(&steps);
        if (length > tp__reader_left(&steps))
            length = tp__reader_left(&steps);
        const uint8_t *bytes = tp__get_bytes(&steps, length);
        if (!bytes)
            break;
        const bool acknowledgement = choice & 0x80;
        switch (choice % CHOICES) {
        case 0:
            receive(stream, position, acknowledgement, bytes, length, &taken);
            break;
        case 1:
            receive_sealed(stream, position, acknowledgement, bytes, length, &taken);
            break;
        case 2:
            append(stream, bytes, length);
            break;
        case 3:
            tp__stream_resend(stream);
            break;
        default:
            send_all(stream);
            break;
        }
    }
    send_all(stream);
    tp__stream_free(stream);
    return 0;
}
