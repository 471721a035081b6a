/* SPDX-License-Identifier: MIT */
#include "trust/offer.h"

#include "wire/bytes.h"

#include <sodium.h>

#define OFFER_TEXT "taskpool/1 offer"
#define ACCEPT_TEXT "taskpool/1 accept"
#define STREAM_TEXT "taskpool/1 stream"

enum { SIGNATURE_BYTES = 64 };

_Static_assert(sizeof OFFER_TEXT - 1 + 3 * 32 + 32 + 16 + 8 + 4 + 2 * 4 + sizeof((struct tp__offer *)0)->machine +
                       TP__NAME_LIMIT + SIGNATURE_BYTES <=
                   TP__OFFER_LIMIT_BYTES,
               "the longest offer fits");
_Static_assert(sizeof ACCEPT_TEXT - 1 + 3 * 32 + 16 + SIGNATURE_BYTES <= TP__ACCEPT_LIMIT_BYTES, "an accept fits");

/* ---- pieces ---- */

static uint8_t *put_text(uint8_t *to, const char *text, size_t room)
{
    const size_t length = strnlen(text, room - 1);
    return tp__put_bytes(tp__put_u32(to, (uint32_t)length), text, length);
}

/* Into an array of `room` bytes. Whoever reads a log must not be fooled: no control characters. */
static void get_text(struct tp__reader *reader, char *text, size_t room)
{
    const uint32_t length = tp__get_u32(reader);
    reader->ok = reader->ok && length < room;
    const uint8_t *bytes = tp__get_bytes(reader, length);
    for (uint32_t i = 0; bytes && i < length; i++) {
        reader->ok = reader->ok && bytes[i] >= ' ' && bytes[i] != 0x7f;
        text[i] = (char)bytes[i];
    }
}

static void get_array(struct tp__reader *reader, uint8_t *array, size_t size)
{
    const uint8_t *bytes = tp__get_bytes(reader, size);
    if (bytes)
        memcpy(array, bytes, size);
}

static void get_expected(struct tp__reader *reader, const char *text, size_t size)
{
    const uint8_t *bytes = tp__get_bytes(reader, size);
    reader->ok = bytes && memcmp(bytes, text, size) == 0;
}

static size_t sign(uint8_t *message, const uint8_t *end, const struct tp__key *key)
{
    const size_t size = (size_t)(end - message);
    crypto_sign_detached(message + size, NULL, message, size, key->secret);
    return size + SIGNATURE_BYTES;
}

/* Everything was read, and what was read is signed by `key`. */
static bool is_signed(const struct tp__reader *reader, const uint8_t *message, const struct tp__public_key *key)
{
    return reader->ok && reader->at == reader->end &&
           crypto_sign_verify_detached(reader->end, message, (size_t)(reader->end - message), key->bytes) == 0;
}

/* ---- offer ---- */

size_t tp__offer_sign(const struct tp__offer *offer, const struct tp__key *driver, uint8_t out[TP__OFFER_LIMIT_BYTES])
{
    uint8_t *end = tp__put_bytes(out, OFFER_TEXT, sizeof OFFER_TEXT - 1);
    end = tp__put_bytes(end, driver->public_key.bytes, sizeof driver->public_key.bytes);
    end = tp__put_bytes(end, offer->session.bytes, sizeof offer->session.bytes);
    end = tp__put_bytes(end, offer->signing_key, sizeof offer->signing_key);
    end = tp__put_bytes(end, offer->exchange_key, sizeof offer->exchange_key);
    end = tp__put_bytes(end, offer->program.bytes, sizeof offer->program.bytes);
    end = tp__put_u64(end, offer->program_length);
    end = tp__put_u32(end, offer->protocol);
    end = put_text(end, offer->machine, sizeof offer->machine);
    end = put_text(end, offer->program_name, sizeof offer->program_name);
    return sign(out, end, driver);
}

bool tp__offer_driver(struct tp__public_key *driver, const uint8_t *bytes, size_t size)
{
    struct tp__reader reader = tp__reader_of(bytes, size);
    get_expected(&reader, OFFER_TEXT, sizeof OFFER_TEXT - 1);
    get_array(&reader, driver->bytes, sizeof driver->bytes);
    return reader.ok;
}

bool tp__offer_verify(struct tp__offer *offer, const uint8_t *bytes, size_t size)
{
    *offer = (struct tp__offer){0};
    if (size < SIGNATURE_BYTES || size > TP__OFFER_LIMIT_BYTES)
        return false;
    struct tp__offer read = {0};
    struct tp__reader reader = tp__reader_of(bytes, size - SIGNATURE_BYTES);
    get_expected(&reader, OFFER_TEXT, sizeof OFFER_TEXT - 1);
    get_array(&reader, read.driver.bytes, sizeof read.driver.bytes);
    get_array(&reader, read.session.bytes, sizeof read.session.bytes);
    get_array(&reader, read.signing_key, sizeof read.signing_key);
    get_array(&reader, read.exchange_key, sizeof read.exchange_key);
    get_array(&reader, read.program.bytes, sizeof read.program.bytes);
    read.program_length = tp__get_u64(&reader);
    read.protocol = tp__get_u32(&reader);
    get_text(&reader, read.machine, sizeof read.machine);
    get_text(&reader, read.program_name, sizeof read.program_name);
    if (read.program_length == 0 || read.program_length > TP__PROGRAM_LIMIT_BYTES || tp__id_is_none(&read.session) ||
        !is_signed(&reader, bytes, &read.driver))
        return false;
    *offer = read;
    return true;
}

/* ---- accept ---- */

size_t tp__accept_sign(const struct tp__accept *accept, const struct tp__key *node, uint8_t out[TP__ACCEPT_LIMIT_BYTES])
{
    uint8_t *end = tp__put_bytes(out, ACCEPT_TEXT, sizeof ACCEPT_TEXT - 1);
    end = tp__put_bytes(end, accept->offer.bytes, sizeof accept->offer.bytes);
    end = tp__put_bytes(end, node->public_key.bytes, sizeof node->public_key.bytes);
    end = tp__put_bytes(end, accept->incarnation.bytes, sizeof accept->incarnation.bytes);
    end = tp__put_bytes(end, accept->exchange_key, sizeof accept->exchange_key);
    return sign(out, end, node);
}

bool tp__accept_verify(struct tp__accept *accept, const uint8_t *bytes, size_t size)
{
    *accept = (struct tp__accept){0};
    if (size < SIGNATURE_BYTES || size > TP__ACCEPT_LIMIT_BYTES)
        return false;
    struct tp__accept read = {0};
    struct tp__reader reader = tp__reader_of(bytes, size - SIGNATURE_BYTES);
    get_expected(&reader, ACCEPT_TEXT, sizeof ACCEPT_TEXT - 1);
    get_array(&reader, read.offer.bytes, sizeof read.offer.bytes);
    get_array(&reader, read.node.bytes, sizeof read.node.bytes);
    get_array(&reader, read.incarnation.bytes, sizeof read.incarnation.bytes);
    get_array(&reader, read.exchange_key, sizeof read.exchange_key);
    if (tp__id_is_none(&read.incarnation) || !is_signed(&reader, bytes, &read.node))
        return false;
    *accept = read;
    return true;
}

/* ---- stream keys ---- */

/* Each key depends on all that was agreed on: the accept holds the hash of the offer. */
static void bind_key(uint8_t key[32], const uint8_t exchanged[crypto_kx_SESSIONKEYBYTES], const struct tp__hash *accept)
{
    uint8_t message[sizeof STREAM_TEXT - 1 + sizeof accept->bytes];
    tp__put_bytes(tp__put_bytes(message, STREAM_TEXT, sizeof STREAM_TEXT - 1), accept->bytes, sizeof accept->bytes);
    crypto_generichash(key, 32, message, sizeof message, exchanged, crypto_kx_SESSIONKEYBYTES);
}

typedef int exchange_fn(uint8_t *receive, uint8_t *send, const uint8_t *public_key, const uint8_t *secret_key,
                        const uint8_t *other_key);

static bool derive(struct tp__stream_keys *keys, exchange_fn *exchange, const uint8_t public_key[32],
                   const uint8_t secret_key[32], const uint8_t other_key[32], const struct tp__hash *accept)
{
    struct tp__stream_keys exchanged;
    *keys = (struct tp__stream_keys){0};
    const bool good = exchange(exchanged.receive, exchanged.send, public_key, secret_key, other_key) == 0;
    if (good) {
        bind_key(keys->receive, exchanged.receive, accept);
        bind_key(keys->send, exchanged.send, accept);
    }
    sodium_memzero(&exchanged, sizeof exchanged);
    return good;
}

bool tp__stream_keys_of_driver(struct tp__stream_keys *keys, const uint8_t public_key[32], const uint8_t secret_key[32],
                               const uint8_t node_public_key[32], const struct tp__hash *accept)
{
    return derive(keys, crypto_kx_client_session_keys, public_key, secret_key, node_public_key, accept);
}

bool tp__stream_keys_of_node(struct tp__stream_keys *keys, const uint8_t public_key[32], const uint8_t secret_key[32],
                             const uint8_t driver_public_key[32], const struct tp__hash *accept)
{
    return derive(keys, crypto_kx_server_session_keys, public_key, secret_key, driver_public_key, accept);
}
