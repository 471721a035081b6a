/* SPDX-License-Identifier: MIT */
/* Real sockets over loopback, with CURVE: who gets in, who does not, and that the latter harm nobody. To see that
 * something does not arrive, a test waits for the sign that it was refused, then for a message of somebody else. */
#include "link_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static void listed_peers_get_in_and_are_who_they_are(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__socket *sockets[3];
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
        tp__socket_close(sockets[i]);
    close_house(&house);
}

static void an_unlisted_key_is_turned_away_and_named(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__socket *good = connect_peer(&house, NODE);
    send_text(good, "before");
    (void)expect(&house, "before", NODE);
    struct tp__socket *stranger = connect_peer(&house, STRANGER);
    send_text(stranger, "let me in");
    expect_refused(&house, STRANGER);
    struct tp__socket *other = connect_peer(&house, OTHER); /* listed, as a coordinator only */
    send_text(other, "and me");
    expect_refused(&house, OTHER);
    send_text(good, "after");
    (void)expect(&house, "after", NODE);
    tp__socket_close(stranger);
    tp__socket_close(other);
    tp__socket_close(good);
    close_house(&house);
}

static void a_key_that_was_removed_does_not_get_in_again(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__socket *admin = connect_peer(&house, ADMIN);
    send_text(admin, "first");
    (void)expect(&house, "first", ADMIN);
    tp__socket_close(admin);
    struct tp__authorized *fewer = authorize(&house, "fewer", 2);
    tp__door_authorize(house.door, fewer);
    tp__authorized_free(house.authorized); /* nobody looks at it any more */
    house.authorized = fewer;
    admin = connect_peer(&house, ADMIN);
    send_text(admin, "again");
    expect_refused(&house, ADMIN);
    struct tp__socket *good = connect_peer(&house, DRIVER);
    send_text(good, "still here");
    (void)expect(&house, "still here", DRIVER);
    tp__socket_close(admin);
    tp__socket_close(good);
    close_house(&house);
}

static void whoever_expects_another_coordinator_says_nothing_to_this_one(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__problem problem;
    struct tp__socket *wrong =
        tp__socket_connect(house.zmq, house.endpoint, &peers[DRIVER], &peers[STRANGER].public_key, &problem);
    assert_non_null(wrong);
    struct tp__watch *watch = tp__watch_open(house.zmq, wrong);
    assert_non_null(watch);
    send_text(wrong, "secret");
    expect_disconnected(watch);
    struct tp__socket *good = connect_peer(&house, DRIVER);
    send_text(good, "good");
    (void)expect(&house, "good", DRIVER);
    tp__watch_close(watch);
    tp__socket_close(wrong);
    tp__socket_close(good);
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
    struct tp__socket *good = connect_peer(&house, NODE);
    send_text(good, "good");
    (void)expect(&house, "good", NODE);
    stop_monitor(house.router, events);
    assert_int_equal(zmq_close(plain), 0);
    tp__socket_close(good);
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
    struct tp__socket *listed = connect_peer(&house, NODE);
    send_text(listed, "hello");
    assert_int_not_equal(next_event(events), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    /* once there is one, the same socket gets in */
    struct tp__problem problem;
    tp__socket_close(listed);
    house.door = tp__door_open(house.zmq, house.authorized, on_refused, &house, &problem);
    assert_non_null(house.door);
    listed = connect_peer(&house, NODE);
    send_text(listed, "now");
    (void)expect(&house, "now", NODE);
    stop_monitor(house.router, events);
    tp__socket_close(listed);
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
    struct tp__socket *good = connect_peer(&house, NODE);
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
    struct tp__socket *late = connect_peer(&house, DRIVER);
    send_text(late, "late");
    (void)expect(&house, "late", DRIVER);
    for (unsigned i = 0; i < OPEN; i++)
        (void)close(open_sockets[i]);
    tp__socket_close(late);
    tp__socket_close(good);
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
        cmocka_unit_test(hostile_handshakes_harm_nobody),
        cmocka_unit_test(the_door_keeper_answers_every_question),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
