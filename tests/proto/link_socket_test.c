/* SPDX-License-Identifier: MIT */
/* What sockets make of messages that are no frames or too long, of peers that are gone or choose their own name, and of
 * endpoints that are none. */
#include "link_support.h"

static void what_is_no_frame_is_dropped_and_the_next_one_comes(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__socket *peer = connect_peer(&house, NODE);
    assert_int_equal(zmq_send(tp__socket_zmq(peer), "part", 4, ZMQ_SNDMORE), 4);
    assert_int_equal(zmq_send(tp__socket_zmq(peer), "", 0, ZMQ_SNDMORE), 0);
    assert_int_equal(zmq_send(tp__socket_zmq(peer), "part", 4, 0), 4);
    send_text(peer, "whole");
    struct tp__peer address;
    struct tp__public_key sender;
    char text[64];
    assert_int_equal(receive(house.router, &address, &sender, text), -1);
    assert_string_equal(text, "");
    (void)expect(&house, "whole", NODE);
    tp__socket_close(peer);
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
    assert_int_equal(zmq_send(named, "hello", 5, 0), 5);
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
    struct tp__socket *good = connect_peer(&house, DRIVER);
    struct tp__socket *bad = connect_peer(&house, NODE);
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
    zmq_pollitem_t router = {.socket = tp__socket_zmq(house.router), .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&router, 1, PATIENCE_MS), 1);
    struct tp__peer address;
    struct tp__public_key sender;
    zmq_msg_t message;
    assert_int_equal(tp__socket_receive(house.router, &address, &sender, &message), 1);
    assert_int_equal(zmq_msg_size(&message), TP__FRAME_LIMIT_BYTES);
    assert_memory_equal(zmq_msg_data(&message), "begin", 5);
    (void)zmq_msg_close(&message);
    tp__watch_close(watch);
    tp__socket_close(bad);
    tp__socket_close(good);
    close_house(&house);
}

static void sending_to_a_peer_that_is_gone_says_so(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    void *events = monitor(&house, house.router, ZMQ_EVENT_DISCONNECTED);
    struct tp__socket *peer = connect_peer(&house, NODE);
    send_text(peer, "hello");
    const struct tp__peer address = expect(&house, "hello", NODE);
    tp__socket_close(peer);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_frame_is_dropped_and_the_next_one_comes),
        cmocka_unit_test(a_peer_cannot_choose_its_routing_id),
        cmocka_unit_test(a_message_past_the_limit_costs_its_sender_the_connection),
        cmocka_unit_test(sending_to_a_peer_that_is_gone_says_so),
        cmocka_unit_test(endpoints_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
