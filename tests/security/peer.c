/* SPDX-License-Identifier: MIT */
/* peer ENDPOINT KEY COORDINATOR-KEY ROLE ACTION: a peer with a key of its own that speaks ZeroMQ and CURVE as it
 * should, and then does not keep to the protocol. Says what came back; peers.py judges. */
#include "link/link.h"
#include "link/socket.h"
#include "trust/batch.h"

#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

static void *zmq;
static struct tp__key key;
static struct tp__public_key coordinator;
static const char *endpoint;
static Taskpool__Role role;
static struct tp__socket *peer_socket;
static uint64_t number; /* of the last frame that was sent */

__attribute__((noreturn)) static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "peer: %s: %s\n", what, detail);
    exit(1);
}

static void reconnect(void)
{
    struct tp__problem problem;
    tp__socket_close(peer_socket);
    peer_socket = tp__socket_connect(zmq, endpoint, &key, &coordinator, &problem);
    if (!peer_socket)
        fail("cannot connect", problem.text);
    number = 0;
}

static void send_bytes(const void *bytes, size_t size, int flags)
{
    (void)zmq_send(tp__socket_zmq(peer_socket), bytes, size, flags | ZMQ_DONTWAIT);
}

static void send_numbered(Taskpool__Frame *frame, uint64_t as)
{
    size_t size;
    frame->number = as;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    if (!bytes)
        fail("no memory", "for a frame");
    send_bytes(bytes, size, 0);
    free(bytes);
}

static void send_frame(Taskpool__Frame *frame)
{
    send_numbered(frame, ++number);
}

static Taskpool__Frame frame_of(Taskpool__Frame__BodyCase body, void *content)
{
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = body;
    frame.hello = content; /* a union of pointers */
    return frame;
}

static struct tp__id life;

static void say_hello(void)
{
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    life = tp__id_new();
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = role;
    hello.life = tp__field_of_id(&life);
    hello.name = (char *)(uintptr_t) "a hostile peer";
    hello.version = (char *)(uintptr_t) "0";
    hello.workers = 2;
    hello.machine = (char *)(uintptr_t) "x86_64";
    Taskpool__Frame frame = frame_of(TASKPOOL__FRAME__BODY_HELLO, &hello);
    send_frame(&frame);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The next frame that is no heartbeat, within a second: its name. */
static const char *answer(void)
{
    static char text[700];
    const int64_t end_ms = now_ms() + 1000;
    for (int64_t left; (left = end_ms - now_ms()) > 0;) {
        zmq_pollitem_t item = {.socket = tp__socket_zmq(peer_socket), .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, (long)left) <= 0)
            break;
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, tp__socket_zmq(peer_socket), ZMQ_DONTWAIT) < 0)
            continue;
        Taskpool__Frame *frame = tp__frame_unpack(zmq_msg_data(&message), zmq_msg_size(&message));
        zmq_msg_close(&message);
        if (!frame)
            fail("the coordinator sent", "a malformed frame");
        const bool is_heartbeat = frame->body_case == TASKPOOL__FRAME__BODY_HEARTBEAT;
        if (frame->body_case == TASKPOOL__FRAME__BODY_REFUSAL)
            snprintf(text, sizeof text, "refusal %.600s", frame->refusal->reason);
        else
            snprintf(text, sizeof text, "%s", tp__frame_name(frame));
        tp__frame_free(frame);
        if (!is_heartbeat)
            return text;
    }
    return "nothing";
}

static void say_answer(void)
{
    printf("answer %s\n", answer());
    fflush(stdout);
}

/* ---- actions ---- */

static void do_hello(void)
{
    reconnect();
    say_hello();
    say_answer();
}

static void do_random(void)
{
    static uint8_t junk[4096];
    for (int i = 0; i < 2000; i++) {
        if (i % 50 == 0)
            reconnect();
        const size_t size = randombytes_uniform(sizeof junk);
        randombytes_buf(junk, size);
        send_bytes(junk, size, 0);
    }
    say_answer();
}

/* Every beginning of a Hello, then one that was changed in a byte. */
static void do_truncated(void)
{
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    life = tp__id_new();
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = role;
    hello.life = tp__field_of_id(&life);
    hello.name = (char *)(uintptr_t) "a hostile peer";
    Taskpool__Frame frame = frame_of(TASKPOOL__FRAME__BODY_HELLO, &hello);
    frame.number = 1;
    size_t size;
    uint8_t *bytes = tp__frame_pack(&frame, &size);
    for (size_t i = 0; bytes && i < size; i++) {
        reconnect();
        send_bytes(bytes, i, 0);
        bytes[i] ^= 0x55;
        send_bytes(bytes, size, 0);
        bytes[i] ^= 0x55;
    }
    free(bytes);
    say_answer();
}

static void do_oversized(void)
{
    const size_t size = 3 << 20;
    uint8_t *bytes = calloc(1, size);
    if (!bytes)
        fail("no memory", "");
    for (int i = 0; i < 5; i++) {
        reconnect();
        say_hello();
        (void)answer();
        zmq_send(tp__socket_zmq(peer_socket), bytes, size, 0);
        (void)answer();
    }
    free(bytes);
    say_answer();
}

static void do_several_parts(void)
{
    for (int i = 0; i < 50; i++) {
        reconnect();
        send_bytes("one", 3, ZMQ_SNDMORE);
        send_bytes("two", 3, ZMQ_SNDMORE);
        send_bytes("three", 5, 0);
        send_bytes("", 0, 0);
    }
    say_answer();
}

static void do_no_hello(void)
{
    Taskpool__Heartbeat heartbeat;
    taskpool__heartbeat__init(&heartbeat);
    Taskpool__Frame frame = frame_of(TASKPOOL__FRAME__BODY_HEARTBEAT, &heartbeat);
    reconnect();
    send_frame(&frame);
    say_answer();
}

static void send_heartbeat(uint64_t as)
{
    Taskpool__Heartbeat heartbeat;
    taskpool__heartbeat__init(&heartbeat);
    Taskpool__Frame frame = frame_of(TASKPOOL__FRAME__BODY_HEARTBEAT, &heartbeat);
    send_numbered(&frame, as);
}

/* A frame is missing; one comes twice; one comes from long ago. */
static void do_misnumbered(void)
{
    const uint64_t numbers[][2] = {{3, 4}, {2, 2}, {2, 1}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        reconnect();
        say_hello();
        (void)answer();
        send_heartbeat(numbers[i][0]);
        send_heartbeat(numbers[i][1]);
        const char *got = answer();
        if (strcmp(got, "offer") == 0) /* of a session that is there */
            got = answer();
        printf("answer %s\n", got);
    }
    fflush(stdout);
}

/* Frames that this role does not send, and about what belongs to others. */
static void do_foreign(void)
{
    uint8_t junk[256];
    for (int round = 0; round < 6; round++) {
        reconnect();
        say_hello();
        (void)answer();
        randombytes_buf(junk, sizeof junk);
        Taskpool__Tasks tasks;
        taskpool__tasks__init(&tasks);
        tasks.session = tp__field(junk, 16);
        tasks.count = tasks.run = 1;
        tasks.signature = tp__field(junk, 64);
        tasks.leaves = tp__field(junk, 100);
        Taskpool__StreamFrame stream;
        taskpool__stream_frame__init(&stream);
        stream.session = tp__field(junk, 16);
        stream.incarnation = tp__field(junk + 16, 16);
        stream.position = 1;
        stream.sealed = tp__field(junk, 200);
        Taskpool__Credit credit;
        taskpool__credit__init(&credit);
        credit.total = UINT64_MAX;
        Taskpool__NodeState state;
        taskpool__node_state__init(&state);
        state.incarnation = tp__field(junk, 16);
        state.condition = TASKPOOL__NODE_CONDITION__NODE_LOST;
        Taskpool__SessionEnd end;
        taskpool__session_end__init(&end);
        end.session = tp__field(junk, 16);
        Taskpool__Accept accept;
        taskpool__accept__init(&accept);
        accept.session = accept.incarnation = tp__field(junk, 16);
        accept.signed_accept = tp__field(junk, 200);
        Taskpool__Chunk chunk;
        taskpool__chunk__init(&chunk);
        chunk.root = tp__field(junk, 32);
        chunk.data = tp__field(junk, 200);
        Taskpool__Recall recall;
        taskpool__recall__init(&recall);
        recall.count = 1000000;
        Taskpool__Query query;
        taskpool__query__init(&query);
        query.id = 1;
        query.kind = TASKPOOL__QUERY_KIND__QUERY_DRAIN;
        query.subject = (char *)(uintptr_t) "node0";
        Taskpool__Frame frames[] = {
            frame_of(TASKPOOL__FRAME__BODY_STREAM, &stream),    frame_of(TASKPOOL__FRAME__BODY_CREDIT, &credit),
            frame_of(TASKPOOL__FRAME__BODY_NODE_STATE, &state), frame_of(TASKPOOL__FRAME__BODY_SESSION_END, &end),
            frame_of(TASKPOOL__FRAME__BODY_ACCEPT, &accept),    frame_of(TASKPOOL__FRAME__BODY_CHUNK, &chunk),
            frame_of(TASKPOOL__FRAME__BODY_RECALL, &recall),    frame_of(TASKPOOL__FRAME__BODY_TASKS, &tasks),
            frame_of(TASKPOOL__FRAME__BODY_QUERY, &query),
        };
        const size_t count = sizeof frames / sizeof frames[0] - (role == TASKPOOL__ROLE__ROLE_ADMIN);
        for (size_t i = 0; i < count; i++)
            send_frame(&frames[(i + (size_t)round) % count]);
        (void)answer();
    }
    printf("answer done\n");
}

/* Many connections at once, each with a session of its own, and gone again. */
static void do_many(void)
{
    enum { MANY = 200 };
    struct tp__socket *sockets[MANY];
    for (int i = 0; i < MANY; i++) {
        peer_socket = NULL;
        reconnect();
        say_hello();
        sockets[i] = peer_socket;
    }
    say_answer();
    for (int i = 0; i < MANY; i++)
        tp__socket_close(sockets[i]);
    peer_socket = NULL;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*function)(void);
    } actions[] = {
        {"hello", do_hello},
        {"random", do_random},
        {"truncated", do_truncated},
        {"oversized", do_oversized},
        {"several-parts", do_several_parts},
        {"no-hello", do_no_hello},
        {"misnumbered", do_misnumbered},
        {"foreign", do_foreign},
        {"many", do_many},
    };
    struct tp__problem problem;
    enum tp__role named;
    if (argc != 6 || !tp__trust_start() || !tp__key_read(&key, argv[2], &problem) ||
        !tp__public_key_parse(&coordinator, argv[3]) || !tp__role_parse(&named, argv[4]))
        fail("usage", "peer ENDPOINT KEY COORDINATOR-KEY ROLE ACTION");
    endpoint = argv[1];
    role = (Taskpool__Role)named;
    zmq = zmq_ctx_new();
    zmq_ctx_set(zmq, ZMQ_BLOCKY, 0);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, argv[5]) != 0)
            continue;
        actions[i].function();
        tp__socket_close(peer_socket);
        zmq_ctx_term(zmq);
        return 0;
    }
    fail("no such action", argv[5]);
}
