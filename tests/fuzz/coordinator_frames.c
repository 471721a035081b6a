/* SPDX-License-Identifier: MIT */
/* Whatever several peers send, the coordinator goes on, its counts agree, and its memory follows what is there.
 *
 * The input is a list of moves: a byte chooses a peer, a byte what it does, the rest of the move follows. Some moves
 * are sound (so that the others meet something): Hello, an accept, a batch. Raw ones send bytes of the input, as a
 * message or as the body of a frame with the right number. */
#include "coordinator.h"
#include "state.h"
#include "trust/batch.h"
#include "trust/offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PEERS = 6, MOVES_LIMIT = 400 };

struct fuzz_peer {
    struct tp__peer id;
    struct tp__key key;
    enum tp__role role;
    uint64_t sent; /* frames over this link */
    uint64_t received;
    uint8_t life;
};

static struct fuzz_peer peers[PEERS];
static struct tp__authorized *authorized;
static struct coordinator *coordinator;
static int64_t now_ms;

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void on_transmit(void *context, const struct tp__peer *peer, const uint8_t *bytes, size_t size)
{
    (void)context;
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    check(frame != NULL); /* what it sends is well formed */
    for (size_t i = 0; i < PEERS; i++)
        if (memcmp(&peers[i].id, peer, sizeof *peer) == 0 && frame->number > 0)
            peers[i].received = frame->number;
    tp__frame_free(frame);
}

static void on_log(void *context, enum coordinator_level level, const char *event, const char *text)
{
    (void)context;
    (void)level;
    check(event[0] && strlen(text) < 2048);
    for (const char *at = text; *at; at++)
        check((unsigned char)*at >= 0x20);
}

static void start(void)
{
    check(tp__trust_start());
    char path[] = "/tmp/taskpool-fuzz-XXXXXX";
    const int descriptor = mkstemp(path);
    check(descriptor >= 0);
    close(descriptor);
    static const enum tp__role roles[PEERS] = {TP__ROLE_DRIVER, TP__ROLE_DRIVER, TP__ROLE_NODE,
                                               TP__ROLE_NODE,   TP__ROLE_NODE,   TP__ROLE_ADMIN};
    for (size_t i = 0; i < PEERS; i++) {
        tp__key_generate(&peers[i].key, "peer");
        peers[i].role = roles[i];
        peers[i].id.size = 5;
        peers[i].id.id[1] = (uint8_t)i;
        check(tp__authorized_add(path, roles[i], &peers[i].key.public_key, "peer", NULL));
    }
    authorized = tp__authorized_read(path, NULL);
    check(authorized != NULL);
    unlink(path);
}

static struct tp__id id_of(size_t peer, uint8_t life)
{
    return (struct tp__id){{1, (uint8_t)peer, life}};
}

static void send_frame(struct fuzz_peer *peer, Taskpool__Frame__BodyCase body_case, void *message)
{
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.number = ++peer->sent;
    frame.received = peer->received;
    frame.body_case = body_case;
    frame.hello = message;
    size_t size;
    uint8_t *bytes = tp__frame_pack(&frame, &size);
    check(bytes != NULL);
    coordinator_receive(coordinator, &peer->id, &peer->key.public_key, bytes, size, now_ms);
    free(bytes);
}

static void say_hello(size_t index, uint8_t life)
{
    struct fuzz_peer *peer = &peers[index];
    peer->life = life;
    peer->sent = peer->received = 0;
    const struct tp__id id = id_of(index, life);
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = (Taskpool__Role)peer->role;
    hello.life = tp__field_of_id(&id);
    hello.workers = 4;
    send_frame(peer, TASKPOOL__FRAME__BODY_HELLO, &hello);
    if (peer->role != TP__ROLE_DRIVER)
        return;
    struct tp__offer content = {.driver = peer->key.public_key,
                                .session = id,
                                .exchange_key = {9},
                                .program = {{life}},
                                .program_length = 3 << 20,
                                .protocol = TP__PROTOCOL_VERSION,
                                .machine = "x86_64",
                                .program_name = "program"};
    uint8_t bytes[TP__OFFER_LIMIT_BYTES];
    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    offer.signed_offer = tp__field(bytes, tp__offer_sign(&content, &peer->key, bytes));
    offer.session = tp__field_of_id(&id);
    send_frame(peer, TASKPOOL__FRAME__BODY_OFFER, &offer);
}

/* A node accepts a driver's session, which uses it. */
static void join(size_t node, size_t driver)
{
    const struct tp__id session = id_of(driver, peers[driver].life);
    const struct tp__id incarnation = {{2, (uint8_t)node, (uint8_t)driver, peers[node].life}};
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = tp__field_of_id(&session);
    accept.signed_accept = tp__field("accept", 6);
    accept.incarnation = tp__field_of_id(&incarnation);
    send_frame(&peers[node], TASKPOOL__FRAME__BODY_ACCEPT, &accept);
    Taskpool__Use use;
    taskpool__use__init(&use);
    use.incarnation = tp__field_of_id(&incarnation);
    send_frame(&peers[driver], TASKPOOL__FRAME__BODY_USE, &use);
}

static void send_tasks(size_t driver, uint32_t count, uint32_t depth)
{
    static const uint8_t payload[8];
    uint8_t leaves[8 * (TP__LEAF_HEADER_LIMIT_BYTES + 40)];
    uint8_t *to = leaves;
    count = count % 8 + 1;
    for (uint32_t i = 0; i < count; i++) {
        const bool large = depth % 5 == 4;
        to = tp__leaf_write(to, &(struct tp__leaf){.sequence = i + 1,
                                                   .dispatch = 1,
                                                   .flags = large ? TP__LEAF_LARGE : 0,
                                                   .length = large ? 100000 : 8,
                                                   .payload = payload});
    }
    const struct tp__id session = id_of(driver, peers[driver].life);
    const struct tp__id incarnation = {{2, (uint8_t)(2 + depth % 3), (uint8_t)driver, peers[2 + depth % 3].life}};
    static const uint8_t signature[TP__SIGNATURE_BYTES];
    Taskpool__Tasks tasks;
    taskpool__tasks__init(&tasks);
    tasks.session = tp__field_of_id(&session);
    tasks.count = tasks.run = count;
    tasks.signature = tp__field(signature, sizeof signature);
    tasks.leaves = tp__field(leaves, (size_t)(to - leaves));
    tasks.depth = depth;
    if (depth % 3 == 0)
        tasks.incarnation = tp__field_of_id(&incarnation);
    send_frame(&peers[driver], TASKPOOL__FRAME__BODY_TASKS, &tasks);
}

static void send_credit(size_t node, uint64_t total)
{
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    credit.total = total;
    credit.queued = (uint32_t)total;
    send_frame(&peers[node], TASKPOOL__FRAME__BODY_CREDIT, &credit);
}

/* The right number, and then whatever comes. */
static void send_numbered(struct fuzz_peer *peer, const uint8_t *bytes, size_t size)
{
    uint8_t message[300];
    uint8_t *to = message;
    *to++ = 8;
    uint64_t number = ++peer->sent;
    for (; number >= 0x80; number >>= 7)
        *to++ = (uint8_t)(number | 0x80);
    *to++ = (uint8_t)number;
    if (size > 255)
        size = 255;
    memcpy(to, bytes, size);
    coordinator_receive(coordinator, &peer->id, &peer->key.public_key, message, (size_t)(to - message) + size, now_ms);
}

static void check_counts(void)
{
    const struct coordinator_counts counts = coordinator_count(coordinator);
    uint64_t tasks = 0;
    uint64_t bytes = 0;
    size_t uses = 0;
    for (uint32_t i = 0; i < coordinator->session_slots; i++)
        if (coordinator->sessions[i]) {
            tasks += coordinator->sessions[i]->queued_tasks;
            bytes += coordinator->sessions[i]->queued_bytes;
        }
    for (uint32_t i = 0; i < coordinator->node_slots; i++)
        for (const struct use *use = coordinator->nodes[i] ? coordinator->nodes[i]->uses : NULL; use; use = use->next) {
            check(use->session->uses[i] == use);
            uses++;
        }
    check(counts.queued_tasks == tasks && counts.queued_bytes == bytes && uses == coordinator->use_count);
    check(counts.links <= PEERS && counts.nodes <= PEERS);
    check(tasks > 0 || coordinator->queued.memory_bytes == 0);
    check(counts.memory_bytes < 64 << 20);
}

static size_t move(const uint8_t *data, size_t size)
{
    const size_t index = data[0] % PEERS;
    struct fuzz_peer *peer = &peers[index];
    const uint8_t a = data[2];
    const uint8_t b = data[3];
    const size_t rest = size - 4;
    const size_t length = b < rest ? b : rest;
    switch (data[1] % 10) {
    case 0:
        say_hello(index, a % 4);
        return 4;
    case 1:
        join(2 + a % 3, b % 2);
        return 4;
    case 2:
        send_tasks(index % 2, a, b);
        return 4;
    case 3:
        send_credit(2 + index % 3, a);
        return 4;
    case 4:
        now_ms += a * 20;
        (void)coordinator_tick(coordinator, now_ms);
        return 4;
    case 5:
        coordinator_receive(coordinator, &peer->id, &peer->key.public_key, data + 4, length, now_ms);
        return 4 + length;
    case 6:
        coordinator_receive(coordinator, &peer->id, &peers[a % PEERS].key.public_key, data + 4, length, now_ms);
        return 4 + length;
    default:
        send_numbered(peer, data + 4, length);
        return 4 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!authorized)
        start();
    now_ms = 1000000;
    const struct coordinator_actions actions = {.transmit = on_transmit, .log = on_log, .context = NULL};
    coordinator = coordinator_new(&(struct coordinator_options){.name = "head"}, authorized, &actions, now_ms);
    check(coordinator != NULL);
    for (size_t i = 0; i < PEERS; i++)
        say_hello(i, 0);
    for (int i = 0; i < MOVES_LIMIT && size >= 4; i++) {
        const size_t used = move(data, size);
        data += used;
        size -= used;
        check_counts();
    }
    if (size % 2 == 0)
        coordinator_stop(coordinator, now_ms);
    coordinator_free(coordinator);
    return 0;
}
