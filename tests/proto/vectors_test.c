/* SPDX-License-Identifier: MIT */
/* The examples of docs/protocol.md are what the code makes: each is made here from fixed keys and compared with the
 * line there. With the argument --print it prints them, in the form of that file. */
#include "trust/batch.h"
#include "trust/offer.h"
#include "trust/program.h"
#include "trust/stream.h"
#include "trust/tree.h"
#include "wire/frame.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VECTORS_LIMIT = 64, HEX_A_LINE = 48 };

struct vector {
    const char *name;
    uint8_t *bytes;
    size_t size;
};

static struct vector vectors[VECTORS_LIMIT];
static size_t vector_count;

static void require(bool is_so, const char *what)
{
    if (is_so)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void add(const char *name, const void *bytes, size_t size)
{
    require(vector_count < VECTORS_LIMIT, "more examples than there is room for");
    struct vector *vector = &vectors[vector_count++];
    *vector = (struct vector){name, malloc(size), size};
    require(vector->bytes != NULL, "out of memory");
    memcpy(vector->bytes, bytes, size);
}

/* ---- what the examples are made of ---- */

static struct tp__id id_of(uint8_t byte)
{
    struct tp__id id;
    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

static struct tp__key key_of(uint8_t byte, const char *name)
{
    struct tp__key key = {.name = ""};
    uint8_t seed[32];
    memset(seed, byte, sizeof seed);
    crypto_sign_seed_keypair(key.public_key.bytes, key.secret, seed);
    (void)snprintf(key.name, sizeof key.name, "%s", name);
    return key;
}

struct exchange {
    uint8_t public_key[32];
    uint8_t secret_key[32];
};

static struct exchange exchange_of(uint8_t byte)
{
    struct exchange exchange;
    uint8_t seed[32];
    memset(seed, byte, sizeof seed);
    crypto_kx_seed_keypair(exchange.public_key, exchange.secret_key, seed);
    return exchange;
}

/* ---- the examples, in the order of the text ---- */

static struct tp__stream_keys make_trust(struct tp__key *signing)
{
    const struct tp__key driver = key_of(1, "driver");
    const struct tp__key node = key_of(2, "node");
    const struct exchange of_session = exchange_of(4);
    const struct exchange of_node = exchange_of(5);
    *signing = key_of(3, "session");

    uint8_t curve[32];
    require(tp__curve_of_public(&driver.public_key, curve), "the driver has no CURVE key");
    add("driver key", driver.public_key.bytes, sizeof driver.public_key.bytes);
    add("driver CURVE key", curve, sizeof curve);

    const struct tp__hash chunk = tp__program_chunk_hash(0, "abc", 3);
    struct tp__offer offer = {.driver = driver.public_key,
                              .session = id_of(0xa0),
                              .program = tp__program_root(&chunk, 3),
                              .program_length = 3,
                              .protocol = TP__PROTOCOL_VERSION,
                              .machine = "x86_64",
                              .program_name = "first"};
    memcpy(offer.signing_key, signing->public_key.bytes, sizeof offer.signing_key);
    memcpy(offer.exchange_key, of_session.public_key, sizeof offer.exchange_key);
    uint8_t signed_offer[TP__OFFER_LIMIT_BYTES];
    const size_t offer_size = tp__offer_sign(&offer, &driver, signed_offer);
    add("program root", offer.program.bytes, sizeof offer.program.bytes);
    add("offer", signed_offer, offer_size);

    struct tp__accept accept = {
        .offer = tp__hash_of(signed_offer, offer_size), .node = node.public_key, .incarnation = id_of(0xb0)};
    memcpy(accept.exchange_key, of_node.public_key, sizeof accept.exchange_key);
    uint8_t signed_accept[TP__ACCEPT_LIMIT_BYTES];
    const size_t accept_size = tp__accept_sign(&accept, &node, signed_accept);
    add("accept", signed_accept, accept_size);

    const struct tp__hash accept_hash = tp__hash_of(signed_accept, accept_size);
    struct tp__stream_keys keys;
    require(tp__stream_keys_of_driver(&keys, of_session.public_key, of_session.secret_key, of_node.public_key,
                                      &accept_hash),
            "no stream keys");
    add("driver to node key", keys.send, sizeof keys.send);
    add("node to driver key", keys.receive, sizeof keys.receive);
    return keys;
}

static void make_batch(const struct tp__key *signing)
{
    static const uint8_t payloads[3][6] = {{1, 0, 30}, {1, 0, 31}, {1, 0, 32}};
    uint8_t leaves[3 * (TP__LEAF_HEADER_LIMIT_BYTES + sizeof payloads[0])];
    uint8_t *end = leaves;
    for (uint32_t i = 0; i < 3; i++) {
        const struct tp__leaf leaf = {
            .sequence = i + 1, .dispatch = 1, .length = sizeof payloads[i], .payload = payloads[i]};
        end = tp__leaf_write(end, &leaf);
    }
    const size_t size = (size_t)(end - leaves);
    add("leaf", leaves, size / 3);
    struct tp__hash hashes[TP__BATCH_LIMIT];
    require(tp__batch_hash(leaves, size, 3, hashes), "the leaves cannot be hashed");
    add("leaf hash", hashes[0].bytes, sizeof hashes[0].bytes);
    const struct tp__hash root = tp__tree_root(hashes, 3);
    add("batch root", root.bytes, sizeof root.bytes);
    const struct tp__id session = id_of(0xa0);
    uint8_t signature[TP__SIGNATURE_BYTES];
    tp__batch_sign(signing->secret, &session, 1, 3, &root, signature);
    add("batch signature", signature, sizeof signature);
    struct tp__hash proof[TP__PROOF_LIMIT];
    struct tp__hash tree[TP__TREE_LIMIT];
    tp__tree_fill(tree, hashes, 3);
    const uint32_t count = tp__tree_prove(tree, 3, 1, 1, proof);
    add("proof of leaf 1", proof, count * sizeof *proof);
}

static void make_stream(const struct tp__stream_keys *keys)
{
    const struct tp__id session = id_of(0xa0);
    const struct tp__id incarnation = id_of(0xb0);
    const uint8_t body[4] = {0};
    const struct tp__record open = {.type = TP__RECORD_OPEN, .body = body, .size = sizeof body};
    struct tp__buffer record = {NULL, 0, 0};
    require(tp__record_append(&record, &open), "out of memory");
    add("record OPEN", record.bytes, record.size);
    tp__buffer_free(&record);
    struct tp__stream *stream = tp__stream_new(keys, &session, &incarnation);
    struct tp__sealed sealed;
    require(stream && tp__stream_append(stream, &open) && tp__stream_next(stream, &sealed), "no stream");
    add("stream frame 1", sealed.bytes, sealed.size);
    tp__stream_free(stream);
}

static void make_frame(void)
{
    char name[] = "first", version[] = "0", machine[] = "x86_64";
    const struct tp__id life = id_of(0xa0);
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = TASKPOOL__ROLE__ROLE_DRIVER;
    hello.life = tp__field_of_id(&life);
    hello.name = name;
    hello.version = version;
    hello.machine = machine;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.number = 1;
    frame.body_case = TASKPOOL__FRAME__BODY_HELLO;
    frame.hello = &hello;
    size_t size;
    uint8_t *packed = tp__frame_pack(&frame, &size);
    require(packed != NULL, "out of memory");
    add("frame Hello", packed, size);
    free(packed);
}

/* ---- the text ---- */

static void print(const struct vector *vector)
{
    printf("%s\n", vector->name);
    for (size_t i = 0; i < vector->size; i++)
        printf("%s%02x%s", i % HEX_A_LINE == 0 ? "  " : "", vector->bytes[i],
               i % HEX_A_LINE == HEX_A_LINE - 1 || i == vector->size - 1 ? "\n" : "");
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    require(file != NULL, "docs/protocol.md cannot be opened");
    char *text = NULL;
    size_t capacity = 0;
    const ssize_t size = getdelim(&text, &capacity, '\0', file);
    (void)fclose(file);
    require(size > 0, "docs/protocol.md cannot be read");
    return text;
}

/* The bytes below the name's line must be those of the example. */
static bool is_in(const char *text, const struct vector *vector)
{
    char line[64];
    (void)snprintf(line, sizeof line, "\n%s\n  ", vector->name);
    const char *at = strstr(text, line);
    if (!at)
        return false;
    at += strlen(line) - 2;
    for (size_t i = 0; i < vector->size; i++) {
        at += strspn(at, " \n");
        char digits[3];
        (void)snprintf(digits, sizeof digits, "%02x", vector->bytes[i]);
        if (strncmp(at, digits, 2) != 0)
            return false;
        at += 2;
    }
    return *at == '\n' && strncmp(at + 1, "  ", 2) != 0;
}

int main(int argc, char **argv)
{
    require(tp__trust_start(), "libsodium does not start");
    struct tp__key signing;
    const struct tp__stream_keys keys = make_trust(&signing);
    make_batch(&signing);
    make_stream(&keys);
    make_frame();
    const bool prints = argc > 1 && strcmp(argv[1], "--print") == 0;
    char *text = prints ? NULL : read_text(PROTOCOL_TEXT);
    int failures = 0;
    for (size_t i = 0; i < vector_count; i++) {
        if (prints || !is_in(text, &vectors[i])) {
            failures += !prints;
            print(&vectors[i]);
        }
        free(vectors[i].bytes);
    }
    free(text);
    if (failures > 0)
        printf("%d examples of docs/protocol.md are not what the code makes, which is above\n", failures);
    return failures > 0;
}
