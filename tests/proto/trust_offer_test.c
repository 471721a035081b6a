/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include "trust/batch.h"
#include "trust/offer.h"

#include <string.h>

static struct tp__key driver;
static struct tp__key node;

static struct tp__offer make_offer(void)
{
    struct tp__offer offer = {.program_length = 1 + random_below(TP__PROGRAM_LIMIT_BYTES), .protocol = 1};
    random_bytes(&offer.session, sizeof offer.session);
    random_bytes(offer.signing_key, sizeof offer.signing_key);
    random_bytes(offer.exchange_key, sizeof offer.exchange_key);
    random_bytes(&offer.program, sizeof offer.program);
    strcpy(offer.machine, "x86_64");
    strcpy(offer.program_name, "word count");
    return offer;
}

static struct tp__accept make_accept(void)
{
    struct tp__accept accept = {0};
    random_bytes(&accept.offer, sizeof accept.offer);
    random_bytes(&accept.incarnation, sizeof accept.incarnation);
    random_bytes(accept.exchange_key, sizeof accept.exchange_key);
    return accept;
}

static bool offer_verifies(const uint8_t *bytes, size_t size)
{
    static const struct tp__offer none;
    struct tp__offer offer;
    const bool good = tp__offer_verify(&offer, bytes, size);
    assert_true(good || memcmp(&offer, &none, sizeof offer) == 0);
    return good;
}

static bool accept_verifies(const uint8_t *bytes, size_t size)
{
    static const struct tp__accept none;
    struct tp__accept accept;
    const bool good = tp__accept_verify(&accept, bytes, size);
    assert_true(good || memcmp(&accept, &none, sizeof accept) == 0);
    return good;
}

static void an_offer_comes_back_as_it_was(void **state)
{
    (void)state;
    uint8_t bytes[TP__OFFER_LIMIT_BYTES];
    const size_t lengths[][2] = {{6, 10}, {0, 0}, {15, TP__NAME_LIMIT}};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct tp__offer offer = make_offer();
        memset(offer.machine, 0, sizeof offer.machine);
        memset(offer.machine, 'm', lengths[i][0]);
        memset(offer.program_name, 0, sizeof offer.program_name);
        memset(offer.program_name, 'n', lengths[i][1]);
        const size_t size = tp__offer_sign(&offer, &driver, bytes);
        assert_true(size <= sizeof bytes);
        struct tp__offer read;
        assert_true(tp__offer_verify(&read, bytes, size));
        assert_memory_equal(&read.driver, &driver.public_key, 32);
        assert_memory_equal(&read.session, &offer.session, 16);
        assert_memory_equal(read.signing_key, offer.signing_key, 32);
        assert_memory_equal(read.exchange_key, offer.exchange_key, 32);
        assert_memory_equal(&read.program, &offer.program, 32);
        assert_int_equal(read.program_length, offer.program_length);
        assert_int_equal(read.protocol, offer.protocol);
        assert_string_equal(read.machine, offer.machine);
        assert_string_equal(read.program_name, offer.program_name);
    }
}

static void an_accept_comes_back_as_it_was(void **state)
{
    (void)state;
    uint8_t bytes[TP__ACCEPT_LIMIT_BYTES];
    const struct tp__accept accept = make_accept();
    const size_t size = tp__accept_sign(&accept, &node, bytes);
    assert_true(size <= sizeof bytes);
    struct tp__accept read;
    assert_true(tp__accept_verify(&read, bytes, size));
    assert_memory_equal(&read.offer, &accept.offer, 32);
    assert_memory_equal(&read.node, &node.public_key, 32);
    assert_memory_equal(&read.incarnation, &accept.incarnation, 16);
    assert_memory_equal(read.exchange_key, accept.exchange_key, 32);
}

static void no_bit_of_either_can_be_changed(void **state)
{
    (void)state;
    uint8_t bytes[TP__OFFER_LIMIT_BYTES];
    const struct tp__offer offer = make_offer();
    size_t size = tp__offer_sign(&offer, &driver, bytes);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(offer_verifies(bytes, size));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(offer_verifies(bytes, size));

    const struct tp__accept accept = make_accept();
    size = tp__accept_sign(&accept, &node, bytes);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(accept_verifies(bytes, size));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(accept_verifies(bytes, size));
}

static void no_byte_can_be_missing_or_too_many(void **state)
{
    (void)state;
    uint8_t bytes[2 * TP__OFFER_LIMIT_BYTES] = {0};
    const struct tp__offer offer = make_offer();
    size_t size = tp__offer_sign(&offer, &driver, bytes);
    for (size_t other = 0; other <= sizeof bytes; other++)
        assert_int_equal(offer_verifies(bytes, other), other == size);
    assert_false(offer_verifies(bytes, SIZE_MAX));

    memset(bytes, 0, sizeof bytes);
    const struct tp__accept accept = make_accept();
    size = tp__accept_sign(&accept, &node, bytes);
    for (size_t other = 0; other <= sizeof bytes; other++)
        assert_int_equal(accept_verifies(bytes, other), other == size);
}

static void an_offer_is_no_accept(void **state)
{
    (void)state;
    uint8_t bytes[TP__OFFER_LIMIT_BYTES];
    const struct tp__offer offer = make_offer();
    assert_false(accept_verifies(bytes, tp__offer_sign(&offer, &driver, bytes)));
    const struct tp__accept accept = make_accept();
    assert_false(offer_verifies(bytes, tp__accept_sign(&accept, &driver, bytes)));
}

/* Signed well, by a driver that means no good. */
static size_t sign_changed_offer(uint8_t *bytes, size_t at, const void *change, size_t size)
{
    const struct tp__offer offer = make_offer();
    const size_t all = tp__offer_sign(&offer, &driver, bytes);
    memcpy(bytes + at, change, size);
    crypto_sign_detached(bytes + all - 64, NULL, bytes, all - 64, driver.secret);
    return all;
}

static void a_signed_offer_must_make_sense_too(void **state)
{
    (void)state;
    enum { SESSION = 16 + 32, LENGTH = SESSION + 16 + 3 * 32, MACHINE = LENGTH + 8 + 4, NAME = MACHINE + 4 + 6 };
    uint8_t bytes[TP__OFFER_LIMIT_BYTES];
    const uint64_t good_length = TP__PROGRAM_LIMIT_BYTES;
    assert_true(offer_verifies(bytes, sign_changed_offer(bytes, LENGTH, &good_length, 8)));
    const uint64_t bad_lengths[] = {0, (uint64_t)TP__PROGRAM_LIMIT_BYTES + 1, UINT64_MAX};
    for (size_t i = 0; i < 3; i++)
        assert_false(offer_verifies(bytes, sign_changed_offer(bytes, LENGTH, &bad_lengths[i], 8)));
    const uint8_t no_session[16] = {0};
    assert_false(offer_verifies(bytes, sign_changed_offer(bytes, SESSION, no_session, 16)));
    const uint32_t text_lengths[] = {5, 7, 16, 64, 1000, UINT32_MAX, UINT32_MAX - 3};
    for (size_t i = 0; i < sizeof text_lengths / sizeof text_lengths[0]; i++) {
        assert_false(offer_verifies(bytes, sign_changed_offer(bytes, MACHINE, &text_lengths[i], 4)));
        assert_false(offer_verifies(bytes, sign_changed_offer(bytes, NAME, &text_lengths[i], 4)));
    }
    const char controls[] = {0, '\n', 27, 0x7f};
    for (size_t i = 0; i < sizeof controls; i++) {
        assert_false(offer_verifies(bytes, sign_changed_offer(bytes, MACHINE + 4, &controls[i], 1)));
        assert_false(offer_verifies(bytes, sign_changed_offer(bytes, NAME + 4 + 9, &controls[i], 1)));
    }
}

/* As the layout in the header says, whatever the lengths. */
static bool is_good_with_texts(uint32_t machine, uint32_t name)
{
    uint8_t bytes[TP__OFFER_LIMIT_BYTES] = {0};
    const struct tp__offer offer = make_offer();
    tp__offer_sign(&offer, &driver, bytes);
    uint8_t *end = bytes + 16 + 32 + 16 + 3 * 32 + 8 + 4;
    memcpy(end, &machine, 4);
    memset(end + 4, 'm', machine);
    end += 4 + machine;
    memcpy(end, &name, 4);
    memset(end + 4, 'n', name);
    end += 4 + name;
    crypto_sign_detached(end, NULL, bytes, (size_t)(end - bytes), driver.secret);
    return offer_verifies(bytes, (size_t)(end - bytes) + 64);
}

static void texts_have_limits(void **state)
{
    (void)state;
    assert_true(is_good_with_texts(15, TP__NAME_LIMIT));
    assert_true(is_good_with_texts(0, 0));
    assert_false(is_good_with_texts(16, 5));
    assert_false(is_good_with_texts(5, TP__NAME_LIMIT + 1));
    assert_false(is_good_with_texts(100, 100));
}

static void keys_of_low_order_sign_nothing(void **state)
{
    (void)state;
    uint8_t bytes[TP__OFFER_LIMIT_BYTES];
    const struct tp__offer offer = make_offer();
    const size_t size = tp__offer_sign(&offer, &driver, bytes);
    memset(bytes + size - 64, 0, 64);
    for (size_t i = 0; i < LOW_ORDER_POINTS; i++) {
        memcpy(bytes + 16, low_order_points[i], 32);
        for (size_t j = 0; j < LOW_ORDER_POINTS; j++) {
            memcpy(bytes + size - 64, low_order_points[j], 32);
            assert_false(offer_verifies(bytes, size));
        }
    }
}

/* ---- stream keys ---- */

struct exchange {
    uint8_t public_key[32];
    uint8_t secret_key[32];
};

static struct exchange new_exchange(void)
{
    struct exchange exchange;
    crypto_kx_keypair(exchange.public_key, exchange.secret_key);
    return exchange;
}

static void both_ends_get_the_same_keys(void **state)
{
    (void)state;
    const struct exchange d = new_exchange();
    const struct exchange n = new_exchange();
    const struct tp__hash accept = {{1}};
    struct tp__stream_keys of_driver;
    struct tp__stream_keys of_node;
    assert_true(tp__stream_keys_of_driver(&of_driver, d.public_key, d.secret_key, n.public_key, &accept));
    assert_true(tp__stream_keys_of_node(&of_node, n.public_key, n.secret_key, d.public_key, &accept));
    assert_memory_equal(of_driver.send, of_node.receive, 32);
    assert_memory_equal(of_driver.receive, of_node.send, 32);
    assert_memory_not_equal(of_driver.send, of_driver.receive, 32);
}

static void another_accept_gives_other_keys(void **state)
{
    (void)state;
    const struct exchange d = new_exchange();
    const struct exchange n = new_exchange();
    const struct tp__hash accepts[2] = {{{1}}, {{2}}};
    struct tp__stream_keys keys[2];
    for (int i = 0; i < 2; i++)
        assert_true(tp__stream_keys_of_driver(&keys[i], d.public_key, d.secret_key, n.public_key, &accepts[i]));
    assert_memory_not_equal(keys[0].send, keys[1].send, 32);
    assert_memory_not_equal(keys[0].receive, keys[1].receive, 32);
}

static void an_exchange_key_of_low_order_is_refused(void **state)
{
    (void)state;
    /* The u of the points of small order; with the top bit set as well, which is ignored. */
    static const uint8_t low_order_u[][32] = {
        {0},
        {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
         0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
         0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    const struct exchange own = new_exchange();
    const struct tp__hash accept = {{1}};
    static const struct tp__stream_keys none;
    for (size_t i = 0; i < 2 * (sizeof low_order_u / sizeof low_order_u[0]); i++) {
        uint8_t other[32];
        memcpy(other, low_order_u[i / 2], 32);
        other[31] |= (uint8_t)(i % 2 * 0x80);
        struct tp__stream_keys keys;
        assert_false(tp__stream_keys_of_driver(&keys, own.public_key, own.secret_key, other, &accept));
        assert_memory_equal(&keys, &none, sizeof keys);
        assert_false(tp__stream_keys_of_node(&keys, own.public_key, own.secret_key, other, &accept));
        assert_memory_equal(&keys, &none, sizeof keys);
    }
}

int main(int argc, char **argv)
{
    start(argc, argv);
    tp__key_generate(&driver, "driver");
    tp__key_generate(&node, "node");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_comes_back_as_it_was),
        cmocka_unit_test(an_accept_comes_back_as_it_was),
        cmocka_unit_test(no_bit_of_either_can_be_changed),
        cmocka_unit_test(no_byte_can_be_missing_or_too_many),
        cmocka_unit_test(an_offer_is_no_accept),
        cmocka_unit_test(a_signed_offer_must_make_sense_too),
        cmocka_unit_test(texts_have_limits),
        cmocka_unit_test(keys_of_low_order_sign_nothing),
        cmocka_unit_test(both_ends_get_the_same_keys),
        cmocka_unit_test(another_accept_gives_other_keys),
        cmocka_unit_test(an_exchange_key_of_low_order_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
