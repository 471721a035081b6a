/* SPDX-License-Identifier: MIT */
/* Offers and accepts: refused, or they sign to the same again. Random bytes have no good signature: the input is also
 * signed as it is, by the key that it names, so that what is behind the signature is reached. */
#include "trust/offer.h"

#include <sodium.h>
#include <stdlib.h>

static struct tp__key key;

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void try_offer(const uint8_t *bytes, size_t size)
{
    struct tp__offer offer;
    if (!tp__offer_verify(&offer, bytes, size))
        return;
    check(strnlen(offer.machine, sizeof offer.machine) < sizeof offer.machine);
    check(strnlen(offer.program_name, sizeof offer.program_name) < sizeof offer.program_name);
    if (memcmp(&offer.driver, &key.public_key, sizeof offer.driver) != 0)
        return;
    uint8_t again[TP__OFFER_LIMIT_BYTES];
    check(tp__offer_sign(&offer, &key, again) == size && memcmp(again, bytes, size) == 0);
}

static void try_accept(const uint8_t *bytes, size_t size)
{
    struct tp__accept accept;
    if (!tp__accept_verify(&accept, bytes, size) || memcmp(&accept.node, &key.public_key, sizeof accept.node) != 0)
        return;
    uint8_t again[TP__ACCEPT_LIMIT_BYTES];
    check(tp__accept_sign(&accept, &key, again) == size && memcmp(again, bytes, size) == 0);
}

/* The input becomes the message behind its text, with our key at its place. */
static void try_signed(const char *text, size_t key_at, const uint8_t *data, size_t size,
                       void (*attempt)(const uint8_t *bytes, size_t size))
{
    uint8_t message[TP__OFFER_LIMIT_BYTES + 64];
    const size_t text_size = strlen(text);
    if (size + text_size > TP__OFFER_LIMIT_BYTES || size < key_at + sizeof key.public_key)
        return;
    memcpy(message, text, text_size);
    memcpy(message + text_size, data, size);
    memcpy(message + text_size + key_at, key.public_key.bytes, sizeof key.public_key.bytes);
    crypto_sign_detached(message + text_size + size, NULL, message, text_size + size, key.secret);
    attempt(message, text_size + size + 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (key.name[0] == 0) {
        check(tp__trust_start());
        const uint8_t seed[32] = {1};
        crypto_sign_seed_keypair(key.public_key.bytes, key.secret, seed);
        key.name[0] = 'x';
    }
    try_offer(data, size);
    try_accept(data, size);
    try_signed("taskpool/1 offer", 0, data, size, try_offer);
    try_signed("taskpool/1 accept", sizeof(struct tp__hash), data, size, try_accept);
    return 0;
}
