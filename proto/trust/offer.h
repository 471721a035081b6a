/* SPDX-License-Identifier: MIT */
/** @file
 * Offer and accept: how a driver and a node come to trust each other for one session, through a coordinator that may
 * lie. Both are signed by long-term keys; all else is derived.
 *
 *     offer  = Sign_driver("taskpool/1 offer", driver key, session, session signing key, session exchange key,
 *                          program root, u64 program length, u32 protocol, text machine, text program name)
 *     accept = Sign_node("taskpool/1 accept", H(offer), node key, incarnation, exchange key)
 *
 * A signed one is the message followed by the 64 bytes of the signature.
 */
#ifndef TP_PROTO_OFFER_H
#define TP_PROTO_OFFER_H

#include "trust/keys.h"

struct tp__offer {
    struct tp__public_key driver;
    struct tp__id session;
    uint8_t signing_key[32];  /**< Ed25519, of the session: signs its batches */
    uint8_t exchange_key[32]; /**< X25519, of the session */
    struct tp__hash program;  /**< root: trust/program.h */
    uint64_t program_length;
    uint32_t protocol;
    char machine[16]; /**< "x86_64", "aarch64" */
    char program_name[TP__NAME_LIMIT + 1];
};

struct tp__accept {
    struct tp__hash offer; /**< of the whole signed offer */
    struct tp__public_key node;
    struct tp__id incarnation;
    uint8_t exchange_key[32];
};

enum { TP__OFFER_LIMIT_BYTES = 512, TP__ACCEPT_LIMIT_BYTES = 256 };

/** Return the size of the signed message. */
size_t tp__offer_sign(const struct tp__offer *offer, const struct tp__key *driver, uint8_t out[TP__OFFER_LIMIT_BYTES]);
size_t tp__accept_sign(const struct tp__accept *accept, const struct tp__key *node,
                       uint8_t out[TP__ACCEPT_LIMIT_BYTES]);
/** The key that the offer says it is signed by; nothing is verified. False if it is too short for one. */
bool tp__offer_driver(struct tp__public_key *driver, const uint8_t *bytes, size_t size);
/** Parse and verify by the key that is in it: whether that one is trusted is the caller's question. */
bool tp__offer_verify(struct tp__offer *offer, const uint8_t *bytes, size_t size);
bool tp__accept_verify(struct tp__accept *accept, const uint8_t *bytes, size_t size);

/** The two stream keys, of both exchange keys (crypto_kx) and the hash of the signed accept. False for an exchange key
 *  that is none. */
struct tp__stream_keys {
    uint8_t send[32];
    uint8_t receive[32];
};
bool tp__stream_keys_of_driver(struct tp__stream_keys *keys, const uint8_t public_key[32], const uint8_t secret_key[32],
                               const uint8_t node_public_key[32], const struct tp__hash *accept);
bool tp__stream_keys_of_node(struct tp__stream_keys *keys, const uint8_t public_key[32], const uint8_t secret_key[32],
                             const uint8_t driver_public_key[32], const struct tp__hash *accept);

#endif
