/* SPDX-License-Identifier: MIT */
/* Real sockets over loopback, with CURVE: who gets in, who does not, and that the latter harm nobody. To see that
 * something does not arrive, a test waits for the sign that it was refused, then for a message of somebody else. */
#include "wire_support.h"

#include "link/socket.h"
#include "link/watch.h"
#include "link/zap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { PATIENCE_MS = 60000 };

/* A coordinator's side, and whom the door turned away. */
struct house {
    void *zmq;
    struct tp__key key;
    char directory[64];
    struct tp__authorized *authorized;
    struct tp__door *door;
    void *router;
    char endpoint[64];
    int refused_pipe[2]; /* the CURVE key's text of each */
};

static const char *const peer_names[] = {"driver", "node", "admin", "stranger", "other"};
enum { DRIVER, NODE, ADMIN, STRANGER, OTHER, PEERS };
static struct tp__key peers[PEERS];

static void on_refused(const char *address, const char *curve, void *argument)
{
    const struct house *house = argument;
    char line[128];
    const int length = snprintf(line, sizeof line, "%s %s\n", address, curve);
    (void)!write(house->refused_pipe[1], line, (size_t)length);
}

static struct tp__authorized *authorize(const struct house *house, const char *file, unsigned count)
{
    static const enum tp__role roles[] = {TP__ROLE_DRIVER, TP__ROLE_NODE, TP__ROLE_ADMIN};
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", house->directory, file);
    struct tp__problem problem;
    for (unsigned i = 0; i < count; i++)
        assert_true(tp__authorized_add(path, roles[i], &peers[i].public_key, peer_names[i], &problem));
    /* a coordinator's key opens no coordinator's door */
    assert_true(tp__authorized_add(path, TP__ROLE_COORDINATOR, &peers[OTHER].public_key, "other", &problem));
    struct tp__authorized *authorized = tp__authorized_read(path, &problem);
    assert_non_null(authorized);
    (void)unlink(path);
    return authorized;
}

static void open_house(struct house *house, bool with_door)
{
    *house = (struct house){.directory = "/tmp/taskpool-test-XXXXXX"};
    assert_non_null(mkdtemp(house->directory));
    assert_int_equal(pipe(house->refused_pipe), 0);
    house->zmq = zmq_ctx_new();
    assert_non_null(house->zmq);
    tp__key_generate(&house->key, "head");
    house->authorized = authorize(house, "all", 3);
    struct tp__problem problem;
    if (with_door) {
        house->door = tp__door_open(house->zmq, house->authorized, on_refused, house, &problem);
        assert_non_null(house->door);
    }
    house->router = tp__socket_bind(house->zmq, "tcp://127.0.0.1:*", &house->key, &problem);
    assert_non_null(house->router);
    assert_true(tp__socket_endpoint(house->router, house->endpoint, sizeof house->endpoint));
    assert_int_equal(strncmp(house->endpoint, "tcp://127.0.0.1:", 16), 0);
}

static void close_house(struct house *house)
{
    if (house->router)
        assert_int_equal(zmq_close(house->router), 0);
    tp__door_close(house->door);
    assert_int_equal(zmq_ctx_term(house->zmq), 0);
    tp__authorized_free(house->authorized);
    tp__key_wipe(&house->key);
    (void)close(house->refused_pipe[0]);
    (void)close(house->refused_pipe[1]);
    (void)rmdir(house->directory);
}

static void *connect_peer(const struct house *house, unsigned peer)
{
    struct tp__problem problem;
    void *socket = tp__socket_connect(house->zmq, house->endpoint, &peers[peer], &house->key.public_key, &problem);
    assert_non_null(socket);
    return socket;
}

/* Waits for a message and returns what tp__socket_receive says to it. */
static int receive(void *socket, struct tp__peer *peer, struct tp__public_key *sender, char text[64])
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    zmq_msg_t message;
    const int result = tp__socket_receive(socket, peer, sender, &message);
    (void)snprintf(text, 64, "%.*s", (int)zmq_msg_size(&message), (const char *)zmq_msg_data(&message));
    (void)zmq_msg_close(&message);
    return result;
}

static void send_text(void *dealer, const char *text)
{
    assert_true(tp__socket_send(dealer, NULL, (const uint8_t *)text, strlen(text)));
}

/* The next message at the ROUTER is this one, from that peer. */
static struct tp__peer expect(const struct house *house, const char *text, unsigned from)
{
    struct tp__peer peer;
    struct tp__public_key sender;
    char got[64];
    assert_int_equal(receive(house->router, &peer, &sender, got), 1);
    assert_string_equal(got, text);
    assert_memory_equal(&sender, &peers[from].public_key, sizeof sender);
    return peer;
}

static void expect_refused(const struct house *house, unsigned peer)
{
    uint8_t curve[32];
    assert_true(tp__curve_of_public(&peers[peer].public_key, curve));
    char text[41], line[128], expected[128];
    assert_non_null(zmq_z85_encode(text, curve, sizeof curve));
    (void)snprintf(expected, sizeof expected, "127.0.0.1 %s\n", text);
    const ssize_t size = read(house->refused_pipe[0], line, strlen(expected));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(line, expected, (size_t)size);
}

/* Waits until libzmq reports one of `events` of a socket. */
static void *monitor(const struct house *house, void *socket, int events)
{
    static unsigned count;
    char address[32];
    (void)snprintf(address, sizeof address, "inproc://monitor-%u", count++);
    assert_int_equal(zmq_socket_monitor(socket, address, events), 0);
    void *pair = zmq_socket(house->zmq, ZMQ_PAIR);
    assert_int_equal(zmq_connect(pair, address), 0);
    return pair;
}

static unsigned next_event(void *pair)
{
    zmq_pollitem_t item = {.socket = pair, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    uint8_t bytes[6], address[128];
    assert_int_equal(zmq_recv(pair, bytes, sizeof bytes, 0), 6);
    assert_true(zmq_recv(pair, address, sizeof address, 0) >= 0);
    uint16_t event;
    memcpy(&event, bytes, sizeof event);
    return event;
}

static void stop_monitor(void *socket, void *pair)
{
    assert_int_equal(zmq_socket_monitor(socket, NULL, 0), 0);
    assert_int_equal(zmq_close(pair), 0);
}

static void await_news(struct tp__watch *watch)
{
    zmq_pollitem_t item = {.socket = tp__watch_socket(watch), .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
}

static void expect_disconnected(struct tp__watch *watch)
{
    do
        await_news(watch);
    while (!tp__watch_disconnected(watch));
}

static void expect_trouble(struct tp__watch *watch, enum tp__trouble trouble)
{
    while (tp__watch_trouble(watch) != trouble) {
        await_news(watch);
        (void)tp__watch_disconnected(watch);
    }
}

static void listed_peers_get_in_and_are_who_they_are(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *sockets[3];
    struct tp__peer addresses[3];
    for (unsigned i = 0; i < 3; i++) {
        sockets[i] = connect_peer(&house, i);
        send_text(sockets[i], peer_names[i]);
        addresses[i] = expect(&house, peer_names[i], i);
    }
    for (unsigned i = 0; i < 3; i++) {
        char text[64];
        assert_true(tp__socket_send(house.router, &addresses[i], (const uint8_t *)peer_names[i], 4));
        assert_int_equal(receive(sockets[i], NULL, NULL, text), 1);
        assert_memory_equal(text, peer_names[i], 4);
        assert_int_equal(strlen(text), 4);
    }
    zmq_msg_t message;
    assert_int_equal(tp__socket_receive(sockets[0], NULL, NULL, &message), 0);
    (void)zmq_msg_close(&message);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(zmq_close(sockets[i]), 0);
    close_house(&house);
}

static void an_unlisted_key_is_turned_away_and_named(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *good = connect_peer(&house, NODE);
    send_text(good, "before");
    (void)expect(&house, "before", NODE);
    void *stranger = connect_peer(&house, STRANGER);
    send_text(stranger, "let me in");
    expect_refused(&house, STRANGER);
    void *other = connect_peer(&house, OTHER); /* listed, as a coordinator only */
    send_text(other, "and me");
    expect_refused(&house, OTHER);
    send_text(good, "after");
    (void)expect(&house, "after", NODE);
    assert_int_equal(zmq_close(stranger), 0);
    assert_int_equal(zmq_close(other), 0);
    assert_int_equal(zmq_close(good), 0);
    close_house(&house);
}

static void a_key_that_was_removed_does_not_get_in_again(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *admin = connect_peer(&house, ADMIN);
    send_text(admin, "first");
    (void)expect(&house, "first", ADMIN);
    assert_int_equal(zmq_close(admin), 0);
    struct tp__authorized *fewer = authorize(&house, "fewer", 2);
    tp__door_authorize(house.door, fewer);
    tp__authorized_free(house.authorized); /* nobody looks at it any more */
    house.authorized = fewer;
    admin = connect_peer(&house, ADMIN);
    send_text(admin, "again");
    expect_refused(&house, ADMIN);
    void *good = connect_peer(&house, DRIVER);
    send_text(good, "still here");
    (void)expect(&house, "still here", DRIVER);
    assert_int_equal(zmq_close(admin), 0);
    assert_int_equal(zmq_close(good), 0);
    close_house(&house);
}

static void whoever_expects_another_coordinator_says_nothing_to_this_one(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__problem problem;
    void *wrong = tp__socket_connect(house.zmq, house.endpoint, &peers[DRIVER], &peers[STRANGER].public_key, &problem);
    assert_non_null(wrong);
    struct tp__watch *watch = tp__watch_open(house.zmq, wrong);
    assert_non_null(watch);
    send_text(wrong, "secret");
    expect_disconnected(watch);
    void *good = connect_peer(&house, DRIVER);
    send_text(good, "good");
    (void)expect(&house, "good", DRIVER);
    tp__watch_close(watch);
    assert_int_equal(zmq_close(wrong), 0);
    assert_int_equal(zmq_close(good), 0);
    close_house(&house);
}

static void nobody_gets_in_without_curve(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *events = monitor(&house, house.router,
                           ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    void *plain = zmq_socket(house.zmq, ZMQ_DEALER);
    const int linger = 0;
    assert_int_equal(zmq_setsockopt(plain, ZMQ_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(zmq_connect(plain, house.endpoint), 0);
    assert_int_equal(zmq_send(plain, "hello", 5, 0), 5);
    (void)next_event(events); /* any way of failing */
    void *good = connect_peer(&house, NODE);
    send_text(good, "good");
    (void)expect(&house, "good", NODE);
    stop_monitor(house.router, events);
    assert_int_equal(zmq_close(plain), 0);
    assert_int_equal(zmq_close(good), 0);
    close_house(&house);
}

/* libzmq's own choice would be to let everybody in. */
static void without_a_door_keeper_nobody_gets_in(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, false);
    void *events = monitor(&house, house.router,
                           ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    void *listed = connect_peer(&house, NODE);
    send_text(listed, "hello");
    assert_int_not_equal(next_event(events), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    /* once there is one, the same socket gets in */
    struct tp__problem problem;
    assert_int_equal(zmq_close(listed), 0);
    house.door = tp__door_open(house.zmq, house.authorized, on_refused, &house, &problem);
    assert_non_null(house.door);
    listed = connect_peer(&house, NODE);
    send_text(listed, "now");
    (void)expect(&house, "now", NODE);
    stop_monitor(house.router, events);
    assert_int_equal(zmq_close(listed), 0);
    close_house(&house);
}

static void there_is_one_door_keeper(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__problem problem;
    assert_null(tp__door_open(house.zmq, house.authorized, on_refused, &house, &problem));
    assert_int_equal(problem.status, TP_E_SYSTEM);
    close_house(&house);
}

static void what_is_no_frame_is_dropped_and_the_next_one_comes(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *peer = connect_peer(&house, NODE);
    assert_int_equal(zmq_send(peer, "part", 4, ZMQ_SNDMORE), 4);
    assert_int_equal(zmq_send(peer, "", 0, ZMQ_SNDMORE), 0);
    assert_int_equal(zmq_send(peer, "part", 4, 0), 4);
    send_text(peer, "whole");
    struct tp__peer address;
    struct tp__public_key sender;
    char text[64];
    assert_int_equal(receive(house.router, &address, &sender, text), -1);
    assert_string_equal(text, "");
    (void)expect(&house, "whole", NODE);
    assert_int_equal(zmq_close(peer), 0);
    close_house(&house);
}

static void a_peer_cannot_choose_its_routing_id(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    uint8_t own[32], secret[32], server[32];
    assert_true(tp__curve_of_key(&peers[NODE], own, secret));
    assert_true(tp__curve_of_public(&house.key.public_key, server));
    void *named = zmq_socket(house.zmq, ZMQ_DEALER);
    assert_int_equal(zmq_setsockopt(named, ZMQ_CURVE_PUBLICKEY, own, 32), 0);
    assert_int_equal(zmq_setsockopt(named, ZMQ_CURVE_SECRETKEY, secret, 32), 0);
    assert_int_equal(zmq_setsockopt(named, ZMQ_CURVE_SERVERKEY, server, 32), 0);
    assert_int_equal(zmq_setsockopt(named, ZMQ_ROUTING_ID, "alpha", 5), 0);
    assert_int_equal(zmq_connect(named, house.endpoint), 0);
    send_text(named, "hello");
    struct tp__peer address;
    struct tp__public_key sender;
    char text[64];
    assert_int_equal(receive(house.router, &address, &sender, text), -1);
    assert_int_equal(zmq_close(named), 0);
    close_house(&house);
}

static void a_message_past_the_limit_costs_its_sender_the_connection(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    static uint8_t huge[TP__FRAME_LIMIT_BYTES + 1000];
    void *good = connect_peer(&house, DRIVER);
    void *bad = connect_peer(&house, NODE);
    struct tp__watch *watch = tp__watch_open(house.zmq, bad);
    send_text(bad, "first");
    (void)expect(&house, "first", NODE);
    assert_true(tp__socket_send(bad, NULL, huge, sizeof huge));
    expect_disconnected(watch);
    send_text(good, "good");
    (void)expect(&house, "good", DRIVER);
    /* one that is as long as it may be arrives, from wherever in its memory */
    uint8_t *block = calloc(1, TP__FRAME_LIMIT_BYTES + 8);
    assert_non_null(block);
    memcpy(block + 8, "begin", 5);
    assert_true(tp__socket_send_block(good, NULL, block, block + 8, TP__FRAME_LIMIT_BYTES));
    zmq_pollitem_t router = {.socket = house.router, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&router, 1, PATIENCE_MS), 1);
    struct tp__peer address;
    struct tp__public_key sender;
    zmq_msg_t message;
    assert_int_equal(tp__socket_receive(house.router, &address, &sender, &message), 1);
    assert_int_equal(zmq_msg_size(&message), TP__FRAME_LIMIT_BYTES);
    assert_memory_equal(zmq_msg_data(&message), "begin", 5);
    (void)zmq_msg_close(&message);
    tp__watch_close(watch);
    assert_int_equal(zmq_close(bad), 0);
    assert_int_equal(zmq_close(good), 0);
    close_house(&house);
}

static void sending_to_a_peer_that_is_gone_says_so(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *events = monitor(&house, house.router, ZMQ_EVENT_DISCONNECTED);
    void *peer = connect_peer(&house, NODE);
    send_text(peer, "hello");
    const struct tp__peer address = expect(&house, "hello", NODE);
    assert_int_equal(zmq_close(peer), 0);
    (void)next_event(events);
    /* the report is ahead of what the ROUTER itself sees by a moment */
    bool gone = false;
    for (unsigned i = 0; i < 1000000 && !gone; i++)
        gone = !tp__socket_send(house.router, &address, (const uint8_t *)"x", 1);
    assert_true(gone);
    const struct tp__peer nobody = {.size = 5, .id = {0, 1, 2, 3, 4}};
    assert_false(tp__socket_send(house.router, &nobody, (const uint8_t *)"x", 1));
    uint8_t *block = calloc(1, 100); /* it is freed all the same */
    assert_false(tp__socket_send_block(house.router, &nobody, block, block, 100));
    stop_monitor(house.router, events);
    close_house(&house);
}

static void a_watch_sees_the_coordinator_go(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *peer = connect_peer(&house, NODE);
    struct tp__watch *watch = tp__watch_open(house.zmq, peer);
    assert_non_null(watch);
    send_text(peer, "hello");
    (void)expect(&house, "hello", NODE);
    assert_false(tp__watch_disconnected(watch));
    assert_int_equal(zmq_close(house.router), 0);
    house.router = NULL;
    expect_disconnected(watch);
    tp__watch_close(watch);
    assert_int_equal(zmq_close(peer), 0);
    tp__watch_close(NULL);
    close_house(&house);
}

/* A peer with a watch, which says something at once. */
struct watched {
    void *socket;
    struct tp__watch *watch;
};

static struct watched watch_peer(const struct house *house, const char *endpoint, unsigned peer, unsigned coordinator)
{
    struct tp__problem problem;
    const struct tp__public_key *believed =
        coordinator == PEERS ? &house->key.public_key : &peers[coordinator].public_key;
    struct watched watched;
    watched.socket = tp__socket_connect(house->zmq, endpoint, &peers[peer], believed, &problem);
    assert_non_null(watched.socket);
    watched.watch = tp__watch_open(house->zmq, watched.socket);
    assert_non_null(watched.watch);
    send_text(watched.socket, "hello");
    return watched;
}

static void end_watched(struct watched watched)
{
    tp__watch_close(watched.watch);
    assert_int_equal(zmq_close(watched.socket), 0);
}

static void a_watch_tells_why_there_is_no_connection(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct watched one = watch_peer(&house, house.endpoint, STRANGER, PEERS);
    expect_trouble(one.watch, TP__TROUBLE_UNKNOWN);
    end_watched(one);
    one = watch_peer(&house, house.endpoint, DRIVER, OTHER);
    expect_trouble(one.watch, TP__TROUBLE_ANOTHER);
    end_watched(one);
    one = watch_peer(&house, "tcp://127.0.0.1:1", DRIVER, PEERS);
    expect_trouble(one.watch, TP__TROUBLE_NOBODY);
    end_watched(one);
    one = watch_peer(&house, "tcp://no-such-host.invalid:7077", DRIVER, PEERS);
    expect_trouble(one.watch, TP__TROUBLE_NAME);
    end_watched(one);

    one = watch_peer(&house, house.endpoint, DRIVER, PEERS);
    (void)expect(&house, "hello", DRIVER);
    assert_int_equal(tp__watch_trouble(one.watch), TP__TROUBLE_NONE);
    assert_int_equal(zmq_close(house.router), 0);
    house.router = NULL;
    expect_trouble(one.watch, TP__TROUBLE_CLOSED);
    expect_trouble(one.watch, TP__TROUBLE_NOBODY);
    end_watched(one);
    close_house(&house);
}

/* It listens, and never answers: a coordinator that is stopped, or something else. */
static void a_listener_that_says_nothing_is_told_from_nobody(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    char endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    struct watched one = watch_peer(&house, endpoint, DRIVER, PEERS);
    expect_trouble(one.watch, TP__TROUBLE_SILENT);
    end_watched(one);
    assert_int_equal(close(listener), 0);
    close_house(&house);
}

static void a_trouble_is_put_into_words(void **state)
{
    (void)state;
    static const struct {
        enum tp__trouble trouble;
        tp_status status;
        bool is_lasting;
        const char *part;
    } cases[] = {
        {TP__TROUBLE_NAME, TP_E_ADDRESS, true, "not found"},
        {TP__TROUBLE_NOBODY, TP_E_SYSTEM, false, "nobody listens"},
        {TP__TROUBLE_CLOSED, TP_E_SYSTEM, false, "closed"},
        {TP__TROUBLE_SILENT, TP_E_SYSTEM, false, "no coordinator answers"},
        {TP__TROUBLE_NONE, TP_E_SYSTEM, false, "no coordinator answers"},
        {TP__TROUBLE_ANOTHER, TP_E_UNTRUSTED, true, "not the coordinator"},
        {TP__TROUBLE_UNKNOWN, TP_E_UNTRUSTED, true, " stranger`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tp__problem problem;
        tp__trouble_explain(cases[i].trouble, "tcp://head:7077", &peers[STRANGER], TP__ROLE_DRIVER, &problem);
        assert_int_equal(problem.status, cases[i].status);
        assert_non_null(strstr(problem.text, "tcp://head:7077: "));
        assert_non_null(strstr(problem.text, cases[i].part));
        assert_int_equal(tp__trouble_is_lasting(cases[i].trouble), cases[i].is_lasting);
    }
}

/* Closing while reports may come: libzmq's thread must find somebody to report to, or nobody to ask. */
static void watches_close_whatever_is_reported(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    for (unsigned i = 0; i < 200; i++) {
        void *stranger = connect_peer(&house, STRANGER);
        struct tp__watch *watch = tp__watch_open(house.zmq, stranger);
        assert_non_null(watch);
        send_text(stranger, "let me in");
        expect_refused(&house, STRANGER); /* about now the connection ends */
        tp__watch_close(watch);
        assert_int_equal(zmq_close(stranger), 0);
    }
    close_house(&house);
}

static void endpoints_that_are_none_are_refused(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__problem problem;
    static const char *const bad[] = {"",
                                      "tcp:",
                                      "inproc://x",
                                      "ipc:///tmp/x",
                                      "tcp://",
                                      "tcp://127.0.0.1",
                                      "tcp://127.0.0.1:99999999",
                                      "tcp://127.0.0.1:x",
                                      "tcp://:7077",
                                      "tcp://127.0.0.1:0",
                                      "tcp://127.0.0.1:7077x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        problem.text[0] = '\0';
        assert_null(tp__socket_connect(house.zmq, bad[i], &peers[NODE], &house.key.public_key, &problem));
        assert_int_equal(problem.status, TP_E_ADDRESS);
        assert_true(strlen(problem.text) > 0);
        assert_null(tp__socket_bind(house.zmq, bad[i], &house.key, &problem));
        assert_int_equal(problem.status, TP_E_ADDRESS);
    }
    assert_null(tp__socket_connect(house.zmq, "tcp://127.0.0.1:*", &peers[NODE], &house.key.public_key, &problem));
    assert_null(tp__socket_bind(house.zmq, house.endpoint, &house.key, &problem)); /* in use */
    assert_int_equal(problem.status, TP_E_SYSTEM);
    static const struct tp__public_key no_key = {{0}};
    assert_null(tp__socket_connect(house.zmq, house.endpoint, &peers[NODE], &no_key, &problem));
    assert_int_equal(problem.status, TP_E_ARGUMENT);
    close_house(&house);
}

/* ---- who does not even speak ZMTP ---- */

static int connect_raw(const struct house *house)
{
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(strrchr(house->endpoint, ':') + 1));
    assert_int_equal(connect(descriptor, (const struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

static void hostile_handshakes_harm_nobody(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *good = connect_peer(&house, NODE);
    struct dice dice = {0xbad5eed};
    enum { ATTACKS = 300, OPEN = 50 };
    int open_sockets[OPEN];
    for (unsigned i = 0; i < OPEN; i++)
        open_sockets[i] = -1;
    for (unsigned i = 0; i < ATTACKS; i++) {
        const int descriptor = connect_raw(&house);
        uint8_t bytes[512];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)dice_roll(&dice);
        size_t size = dice_below(&dice, sizeof bytes);
        if (i % 3 > 0) { /* a good greeting, then a command of whatever length and content */
            static const uint8_t greeting[16] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'C', 'U', 'R', 'V'};
            memset(bytes, 0, 64);
            memcpy(bytes, greeting, sizeof greeting);
            bytes[16] = 'E';
            size = 64 + dice_below(&dice, sizeof bytes - 64);
            if (i % 3 == 2) {
                static const char *const commands[] = {"\5HELLO", "\10INITIATE", "\5READY", "\7MESSAGE", "\5ERROR"};
                const char *command = commands[dice_below(&dice, 5)];
                bytes[64] = 4;
                bytes[65] = (uint8_t)dice_below(&dice, 256);
                memcpy(bytes + 66, command, strlen(command));
                size = 66 + bytes[65];
            }
        }
        assert_true(send(descriptor, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
        /* some hang up, some stay and say nothing more */
        if (open_sockets[i % OPEN] >= 0)
            (void)close(open_sockets[i % OPEN]);
        open_sockets[i % OPEN] = descriptor;
        if (i % 50 == 0) {
            send_text(good, "good");
            (void)expect(&house, "good", NODE);
        }
    }
    void *late = connect_peer(&house, DRIVER);
    send_text(late, "late");
    (void)expect(&house, "late", DRIVER);
    for (unsigned i = 0; i < OPEN; i++)
        (void)close(open_sockets[i]);
    assert_int_equal(zmq_close(late), 0);
    assert_int_equal(zmq_close(good), 0);
    close_house(&house);
}

/* The door-keeper's own socket is open to this process: what it cannot read it answers with 500. */
static void the_door_keeper_answers_every_question(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    uint8_t listed[32];
    assert_true(tp__curve_of_public(&peers[NODE].public_key, listed));
    const struct {
        unsigned count;
        const char *parts[9];
        size_t last_size;
        const char *status;
    } questions[] = {
        {7, {"1.0", "7", TP__ZAP_DOMAIN, "10.0.0.1", "", "CURVE", (const char *)listed}, 32, "200"},
        {7, {"1.0", "7", TP__ZAP_DOMAIN, "10.0.0.1", "", "CURVE", (const char *)listed}, 31, "500"},
        {7, {"2.0", "7", TP__ZAP_DOMAIN, "10.0.0.1", "", "CURVE", (const char *)listed}, 32, "500"},
        {7, {"1.0", "7", "other", "10.0.0.1", "", "CURVE", (const char *)listed}, 32, "500"},
        {7, {"1.0", "7", TP__ZAP_DOMAIN, "10.0.0.1", "", "PLAIN", (const char *)listed}, 32, "500"},
        {8, {"1.0", "7", TP__ZAP_DOMAIN, "10.0.0.1", "", "CURVE", (const char *)listed, "x"}, 1, "500"},
        {6, {"1.0", "7", TP__ZAP_DOMAIN, "10.0.0.1", "", "CURVE"}, 5, "500"},
        {1, {"1.0"}, 3, "500"},
        {1, {""}, 0, "500"},
    };
    void *asker = zmq_socket(house.zmq, ZMQ_REQ);
    assert_int_equal(zmq_connect(asker, TP__ZAP_ENDPOINT), 0);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        for (unsigned k = 0; k < questions[i].count; k++) {
            const bool last = k + 1 == questions[i].count;
            const size_t size = last ? questions[i].last_size : k == 6 ? 32 : strlen(questions[i].parts[k]);
            assert_true(zmq_send(asker, questions[i].parts[k], size, last ? 0 : ZMQ_SNDMORE) >= 0);
        }
        zmq_pollitem_t item = {.socket = asker, .events = ZMQ_POLLIN};
        assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
        char parts[6][64];
        for (unsigned k = 0; k < 6; k++) {
            const int size = zmq_recv(asker, parts[k], sizeof parts[k] - 1, 0);
            assert_true(size >= 0 && size < 64);
            parts[k][size] = '\0';
        }
        assert_string_equal(parts[0], "1.0");
        assert_string_equal(parts[2], questions[i].status);
        assert_int_equal(strlen(parts[4]), i == 0 ? 44 : 0);
    }
    assert_int_equal(zmq_close(asker), 0);
    close_house(&house);
}

static int make_keys(void **state)
{
    (void)state;
    assert_true(tp__trust_start());
    for (unsigned i = 0; i < PEERS; i++)
        tp__key_generate(&peers[i], peer_names[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listed_peers_get_in_and_are_who_they_are),
        cmocka_unit_test(an_unlisted_key_is_turned_away_and_named),
        cmocka_unit_test(a_key_that_was_removed_does_not_get_in_again),
        cmocka_unit_test(whoever_expects_another_coordinator_says_nothing_to_this_one),
        cmocka_unit_test(nobody_gets_in_without_curve),
        cmocka_unit_test(without_a_door_keeper_nobody_gets_in),
        cmocka_unit_test(there_is_one_door_keeper),
        cmocka_unit_test(what_is_no_frame_is_dropped_and_the_next_one_comes),
        cmocka_unit_test(a_peer_cannot_choose_its_routing_id),
        cmocka_unit_test(a_message_past_the_limit_costs_its_sender_the_connection),
        cmocka_unit_test(sending_to_a_peer_that_is_gone_says_so),
        cmocka_unit_test(a_watch_sees_the_coordinator_go),
        cmocka_unit_test(a_watch_tells_why_there_is_no_connection),
        cmocka_unit_test(a_listener_that_says_nothing_is_told_from_nobody),
        cmocka_unit_test(a_trouble_is_put_into_words),
        cmocka_unit_test(watches_close_whatever_is_reported),
        cmocka_unit_test(endpoints_that_are_none_are_refused),
        cmocka_unit_test(hostile_handshakes_harm_nobody),
        cmocka_unit_test(the_door_keeper_answers_every_question),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
