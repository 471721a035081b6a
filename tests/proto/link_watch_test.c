/* SPDX-License-Identifier: MIT */
/* A watch sees a connection end, and tells why there is none: also in words, for whoever started the program. */
#include "link_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_trouble(struct tp__watch *watch, enum tp__trouble trouble)
{
    while (tp__watch_trouble(watch) != trouble) {
        await_news(watch);
        (void)tp__watch_disconnected(watch);
    }
}

static void a_watch_sees_the_coordinator_go(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, true);
    struct tp__socket *peer = connect_peer(&house, NODE);
    struct tp__watch *watch = tp__watch_open(house.zmq, peer);
    assert_non_null(watch);
    send_text(peer, "hello");
    (void)expect(&house, "hello", NODE);
    assert_false(tp__watch_disconnected(watch));
    tp__socket_close(house.router);
    house.router = NULL;
    expect_disconnected(watch);
    tp__watch_close(watch);
    tp__socket_close(peer);
    tp__watch_close(NULL);
    close_house(&house);
}

/* A peer with a watch, which says something at once. */
struct watched {
    struct tp__socket *socket;
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
    tp__socket_close(watched.socket);
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
    tp__socket_close(house.router);
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
        struct tp__socket *stranger = connect_peer(&house, STRANGER);
        struct tp__watch *watch = tp__watch_open(house.zmq, stranger);
        assert_non_null(watch);
        send_text(stranger, "let me in");
        expect_refused(&house, STRANGER); /* about now the connection ends */
        tp__watch_close(watch);
        tp__socket_close(stranger);
    }
    close_house(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_sees_the_coordinator_go),
        cmocka_unit_test(a_watch_tells_why_there_is_no_connection),
        cmocka_unit_test(a_listener_that_says_nothing_is_told_from_nobody),
        cmocka_unit_test(a_trouble_is_put_into_words),
        cmocka_unit_test(watches_close_whatever_is_reported),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
