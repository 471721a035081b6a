/* SPDX-License-Identifier: MIT */
/** @file
 * An agent with a session that a driver has opened, for the fuzzers of the agent: its processes say only what a fuzzer
 * says for them, and the coordinator's frames are numbered as they must be.
 */
#ifndef TESTS_FUZZ_AGENT_FIXTURE_H
#define TESTS_FUZZ_AGENT_FIXTURE_H

#include "agent.h"
#include "trust/authorized.h"
#include "trust/batch.h"
#include "trust/stream.h"
#include "trust/tree.h"
#include "wire/frame.h"

#include <sodium.h>
#include <stdlib.h>

enum { FIXTURE_PROCESSES = 128, FIXTURE_MEMORY_BYTES = 256 << 20 };

struct fixture {
    struct agent *agent;
    int64_t now_ms;
    uint64_t number; /* of the coordinator's last frame */
    uint64_t batch;
    bool wants_socket;
    struct tp__id incarnation; /* none: not accepted */
    struct tp__stream *stream;
    struct {
        uint32_t id;
        bool killed;
    } processes[FIXTURE_PROCESSES]; /* that have not ended */
    size_t process_count;
};

/* Made once. */
static struct {
    struct tp__key node, driver;
    struct tp__authorized *authorized;
    struct tp__offer offer;
    uint8_t signing_secret[64], exchange_secret[32];
    uint8_t signed_offer[TP__OFFER_LIMIT_BYTES];
    size_t signed_offer_size;
} world;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void world_make(void)
{
    if (world.authorized)
        return;
    must(tp__trust_start());
    tp__key_generate(&world.node, "n1");
    tp__key_generate(&world.driver, "d");
    char key[45], text[128];
    tp__public_key_text(&world.driver.public_key, key);
    const int length = snprintf(text, sizeof text, "driver %s d\n", key);
    world.authorized = tp__authorized_parse(text, (size_t)length, "keys", NULL);
    must(world.authorized != NULL);
    world.offer.driver = world.driver.public_key;
    memset(&world.offer.session, 7, sizeof world.offer.session);
    crypto_sign_keypair(world.offer.signing_key, world.signing_secret);
    crypto_kx_keypair(world.offer.exchange_key, world.exchange_secret);
    world.offer.program_length = 1000;
    world.offer.protocol = TP__PROTOCOL_VERSION;
    (void)snprintf(world.offer.machine, sizeof world.offer.machine, "x86_64");
    (void)snprintf(world.offer.program_name, sizeof world.offer.program_name, "demo");
    world.signed_offer_size = tp__offer_sign(&world.offer, &world.driver, world.signed_offer);
}

/* ---- actions ---- */

static void take_accept(struct fixture *fixture, const Taskpool__Accept *accept)
{
    struct tp__accept content;
    struct tp__stream_keys keys;
    if (accept->status != TP_OK)
        return;
    must(tp__accept_verify(&content, accept->signed_accept.data, accept->signed_accept.len));
    if (tp__id_equal(&content.incarnation, &fixture->incarnation))
        return;
    const struct tp__hash hash = tp__hash_of(accept->signed_accept.data, accept->signed_accept.len);
    must(
        tp__stream_keys_of_driver(&keys, world.offer.exchange_key, world.exchange_secret, content.exchange_key, &hash));
    tp__stream_free(fixture->stream);
    fixture->incarnation = content.incarnation;
    fixture->stream = tp__stream_new(&keys, &world.offer.session, &fixture->incarnation);
    must(fixture->stream != NULL);
}

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    must(frame != NULL); /* the agent's own frames are always good */
    if (frame->body_case == TASKPOOL__FRAME__BODY_ACCEPT)
        take_accept(context, frame->accept);
    tp__frame_free(frame);
}

static void reconnect(void *context)
{
    struct fixture *fixture = context;
    fixture->wants_socket = true;
}

static bool program_find(void *context, const struct tp__hash *root, uint64_t length)
{
    (void)context;
    (void)root;
    return length == 1000;
}

static bool program_begin(void *context, const struct tp__hash *root, uint64_t length, struct tp__problem *problem)
{
    (void)context;
    (void)root;
    (void)length;
    (void)problem;
    return true;
}

static bool program_chunk(void *context, const struct tp__hash *root, uint32_t index, const uint8_t *bytes, size_t size,
                          struct tp__problem *problem)
{
    (void)context;
    (void)root;
    (void)index;
    (void)bytes;
    must(size <= TP__CHUNK_BYTES);
    (void)problem;
    return true;
}

static bool program_complete(void *context, const struct tp__hash *root, struct tp__problem *problem)
{
    (void)context;
    (void)root;
    (void)problem;
    return true;
}

static size_t place_of(const struct fixture *fixture, uint32_t id)
{
    size_t place = 0;
    while (place < fixture->process_count && fixture->processes[place].id != id)
        place++;
    return place;
}

static bool worker_start(void *context, uint32_t worker, const struct agent_worker_options *options,
                         struct tp__problem *problem)
{
    struct fixture *fixture = context;
    must(options->threads > 0 && memchr(options->program_name, 0, sizeof options->program_name));
    if (fixture->process_count == FIXTURE_PROCESSES)
        return tp__problem_set(problem, TP_E_SYSTEM, "no more processes");
    fixture->processes[fixture->process_count].id = worker;
    fixture->processes[fixture->process_count++].killed = false;
    return true;
}

static void worker_send(void *context, uint32_t worker, const uint8_t *records, size_t size)
{
    const struct fixture *fixture = context;
    const size_t place = place_of(fixture, worker);
    must(place < fixture->process_count && !fixture->processes[place].killed && size > 0);
    struct tp__reader reader = tp__reader_of(records, size);
    struct tp__record record;
    while (tp__reader_left(&reader) > 0)
        must(tp__record_read(&reader, &record) == TP__RECORD_FOUND);
}

static void worker_kill(void *context, uint32_t worker)
{
    struct fixture *fixture = context;
    const size_t place = place_of(fixture, worker);
    must(place < fixture->process_count && !fixture->processes[place].killed);
    fixture->processes[place].killed = true;
}

static void worker_fresh(void *context, uint32_t worker, int64_t until_ms)
{
    (void)context, (void)worker, (void)until_ms;
}

static uint64_t worker_started(void *context, uint32_t worker)
{
    must(place_of(context, worker) < FIXTURE_PROCESSES);
    return worker;
}

/* ---- what fuzzers do ---- */

static void fixture_check(struct fixture *fixture)
{
    const struct agent_counts counts = agent_count(fixture->agent);
    must(counts.waiting <= counts.tasks && counts.running + counts.waiting == counts.tasks);
    must(counts.sessions <= 16 && counts.workers == fixture->process_count);
    must(counts.memory_bytes < FIXTURE_MEMORY_BYTES);
}

static void fixture_receive(struct fixture *fixture, Taskpool__Frame *frame)
{
    frame->number = ++fixture->number;
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    must(bytes != NULL);
    agent_receive(fixture->agent, bytes, size, fixture->now_ms);
    free(bytes);
}

static void fixture_connect(struct fixture *fixture)
{
    fixture->wants_socket = false;
    fixture->number = 0;
    agent_connected(fixture->agent, fixture->now_ms);
    Taskpool__Welcome welcome;
    Taskpool__Frame frame;
    taskpool__welcome__init(&welcome);
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_WELCOME;
    frame.welcome = &welcome;
    fixture_receive(fixture, &frame);
}

static void fixture_offer(struct fixture *fixture)
{
    Taskpool__Offer offer;
    Taskpool__Frame frame;
    taskpool__offer__init(&offer);
    taskpool__frame__init(&frame);
    offer.session = tp__field_of_id(&world.offer.session);
    offer.signed_offer = tp__field(world.signed_offer, world.signed_offer_size);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    fixture_receive(fixture, &frame);
}

static void fixture_pump(struct fixture *fixture)
{
    struct tp__sealed sealed;
    while (fixture->stream && tp__stream_next(fixture->stream, &sealed)) {
        Taskpool__StreamFrame stream;
        Taskpool__Frame frame;
        taskpool__stream_frame__init(&stream);
        taskpool__frame__init(&frame);
        stream.session = tp__field_of_id(&world.offer.session);
        stream.incarnation = tp__field_of_id(&fixture->incarnation);
        stream.position = sealed.position;
        stream.acknowledgement = sealed.acknowledgement;
        stream.sealed = tp__field(sealed.bytes, sealed.size);
        frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
        frame.stream = &stream;
        fixture_receive(fixture, &frame);
    }
}

static void fixture_say(struct fixture *fixture, const struct tp__record *record)
{
    if (!fixture->stream)
        return;
    must(tp__stream_append(fixture->stream, record));
    fixture_pump(fixture);
}

static void fixture_open(struct fixture *fixture)
{
    fixture_say(fixture, &(struct tp__record){.type = TP__RECORD_OPEN, .body = (const uint8_t *)"\0\0\0", .size = 4});
}

/* The process at `place`, of those that run. */
static void fixture_hear(struct fixture *fixture, size_t place, const uint8_t *bytes, size_t size)
{
    if (place < fixture->process_count)
        agent_worker_received(fixture->agent, fixture->processes[place].id, bytes, size, fixture->now_ms);
}

static void fixture_ready(struct fixture *fixture, size_t place)
{
    static const uint8_t ready[] = "\x50\0\x0e\0\0\0\0\0\1\0\0\0\1\0\0\0\2\0\0\0fib";
    fixture_hear(fixture, place, ready, TP__RECORD_HEADER_LEAST_BYTES + 14);
}

static void fixture_end_process(struct fixture *fixture, size_t place, const struct agent_crash *crash)
{
    if (place >= fixture->process_count)
        return;
    const uint32_t id = fixture->processes[place].id;
    fixture->processes[place] = fixture->processes[--fixture->process_count];
    agent_worker_ended(fixture->agent, id, crash, fixture->now_ms);
}

static void fixture_tick(struct fixture *fixture, int64_t ms)
{
    fixture->now_ms += ms;
    (void)agent_tick(fixture->agent, fixture->now_ms);
    if (fixture->wants_socket)
        fixture_connect(fixture);
}

static void fixture_submit(struct fixture *fixture, const struct tp__leaf *leaf, unsigned flip)
{
    uint8_t leaves[1024], signature[TP__SIGNATURE_BYTES];
    struct tp__hash hashes[TP__BATCH_LIMIT];
    const size_t size = tp__leaf_size(leaf);
    must(size <= sizeof leaves);
    (void)tp__leaf_write(leaves, leaf);
    if (!tp__batch_hash(leaves, size, 1, hashes))
        return;
    const struct tp__hash root = tp__tree_root(hashes, 1);
    tp__batch_sign(world.signing_secret, &world.offer.session, ++fixture->batch, 1, &root, signature);
    Taskpool__Tasks tasks;
    Taskpool__Frame frame;
    taskpool__tasks__init(&tasks);
    taskpool__frame__init(&frame);
    if (flip > 0)
        leaves[flip % size] ^= (uint8_t)(1 << flip % 8);
    tasks.session = tp__field_of_id(&world.offer.session);
    tasks.batch = fixture->batch;
    tasks.count = tasks.run = 1;
    tasks.signature = tp__field(signature, sizeof signature);
    tasks.leaves = tp__field(leaves, size);
    frame.body_case = TASKPOOL__FRAME__BODY_TASKS;
    frame.tasks = &tasks;
    fixture_receive(fixture, &frame);
}

static void fixture_begin(struct fixture *fixture)
{
    world_make();
    *fixture = (struct fixture){.now_ms = 1000};
    const struct agent_options options = {.name = "n1", .machine = "x86_64", .workers = 2};
    const struct agent_actions actions = {.transmit = transmit,
                                          .reconnect = reconnect,
                                          .program_find = program_find,
                                          .program_begin = program_begin,
                                          .program_chunk = program_chunk,
                                          .program_complete = program_complete,
                                          .worker_start = worker_start,
                                          .worker_send = worker_send,
                                          .worker_kill = worker_kill,
                                          .worker_fresh = worker_fresh,
                                          .worker_started = worker_started,
                                          .context = fixture};
    fixture->agent = agent_new(&options, &world.node, world.authorized, &actions, fixture->now_ms);
    must(fixture->agent != NULL);
    fixture_connect(fixture);
    fixture_offer(fixture);
    fixture_ready(fixture, 0);
    must(fixture->stream != NULL);
    fixture_open(fixture);
}

static void fixture_end(struct fixture *fixture)
{
    agent_free(fixture->agent);
    tp__stream_free(fixture->stream);
}

#endif
