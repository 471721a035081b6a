/* SPDX-License-Identifier: MIT */
#include "link_support.h"

#include <stdio.h>
#include <unistd.h>

const char *const peer_names[PEERS] = {"driver", "node", "admin", "stranger", "other"};
struct tp__key peers[PEERS];

int make_keys(void **state)
{
    (void)state;
    assert_true(tp__trust_start());
    for (unsigned i = 0; i < PEERS; i++)
        tp__key_generate(&peers[i], peer_names[i]);
    return 0;
}

void on_refused(const char *address, const char *curve, void *argument)
{
    const struct house *house = argument;
    char line[128];
    const int length = snprintf(line, sizeof line, "%s %s\n", address, curve);
    (void)!write(house->refused_pipe[1], line, (size_t)length);
}

struct tp__authorized *authorize(const struct house *house, const char *file, unsigned count)
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

void open_house(struct house *house, bool with_door)
{
    *house = (struct house){.directory = "/tmp/taskpool-test-XXXXXX"};
    assert_non_null(mkdtemp(house->directory));
    assert_int_equal(pipe(house->refused_pipe), 0);
    house->zmq = zmq_ctx_new();
    assert_non_null(house->zmq);
    house->gathering = tp__gathering_new(house->zmq);
    assert_non_null(house->gathering);
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

void close_house(struct house *house)
{
    tp__socket_close(house->router);
    tp__door_close(house->door);
    assert_int_equal(zmq_ctx_term(house->zmq), 0);
    tp__gathering_free(house->gathering);
    tp__authorized_free(house->authorized);
    tp__key_wipe(&house->key);
    (void)close(house->refused_pipe[0]);
    (void)close(house->refused_pipe[1]);
    (void)rmdir(house->directory);
}

struct tp__socket *connect_peer(const struct house *house, unsigned peer)
{
    struct tp__problem problem;
    struct tp__socket *socket =
        tp__socket_connect(house->zmq, house->endpoint, &peers[peer], &house->key.public_key, &problem);
    assert_non_null(socket);
    return socket;
}

void send_text(struct tp__socket *dealer, const char *text)
{
    assert_true(tp__socket_send(dealer, NULL, (const uint8_t *)text, strlen(text)));
}

int receive(struct tp__socket *socket, struct tp__peer *peer, struct tp__public_key *sender, char text[64])
{
    zmq_pollitem_t item = {.socket = tp__socket_zmq(socket), .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    zmq_msg_t message;
    const int result = tp__socket_receive(socket, peer, sender, &message);
    (void)snprintf(text, 64, "%.*s", (int)zmq_msg_size(&message), (const char *)zmq_msg_data(&message));
    (void)zmq_msg_close(&message);
    return result;
}

struct tp__peer expect(const struct house *house, const char *text, unsigned from)
{
    struct tp__peer peer;
    struct tp__public_key sender;
    char got[64];
    assert_int_equal(receive(house->router, &peer, &sender, got), 1);
    assert_string_equal(got, text);
    assert_memory_equal(&sender, &peers[from].public_key, sizeof sender);
    return peer;
}

void expect_refused(const struct house *house, unsigned peer)
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

void *monitor(const struct house *house, struct tp__socket *socket, int events)
{
    static unsigned count;
    char address[32];
    (void)snprintf(address, sizeof address, "inproc://monitor-%u", count++);
    assert_int_equal(zmq_socket_monitor(tp__socket_zmq(socket), address, events), 0);
    void *pair = zmq_socket(house->zmq, ZMQ_PAIR);
    assert_int_equal(zmq_connect(pair, address), 0);
    return pair;
}

unsigned next_event(void *pair)
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

void stop_monitor(struct tp__socket *socket, void *pair)
{
    assert_int_equal(zmq_socket_monitor(tp__socket_zmq(socket), NULL, 0), 0);
    assert_int_equal(zmq_close(pair), 0);
}

void await_news(struct tp__watch *watch)
{
    zmq_pollitem_t item = {.socket = tp__watch_zmq(watch), .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
}

void expect_disconnected(struct tp__watch *watch)
{
    do
        await_news(watch);
    while (!tp__watch_disconnected(watch));
}
