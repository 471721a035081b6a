/* SPDX-License-Identifier: MIT */
/* Design notes. A tool that asks one thing must not wait where it can know: the watch tells why there is no connection.
 * Whatever fails takes the socket with it. */
#include "connection.h"

#include "identity.h"
#include "link/link.h"
#include "link/socket.h"
#include "link/watch.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/version.h>
#include <time.h>
#include <zmq.h>

struct connection {
    struct identity identity;
    struct tp__public_key coordinator;
    char endpoint[ENDPOINT_BYTES];
    int64_t timeout_ms;
    const volatile sig_atomic_t *stop;

    void *zmq;
    struct tp__socket *socket; /* NULL: there is no link */
    struct tp__watch *watch;
    struct tp__link *link;
    bool welcomed;

    uint64_t asked; /* the number of the question */
    Taskpool__Answer *answer;

    int code; /* why there is no link any more; EXIT_DONE: there is */
    struct tp__problem problem;
};

static const volatile sig_atomic_t never;

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first reason counts. */
static void give_up(struct connection *connection, int code, tp_status status, const char *text)
{
    if (connection->code != EXIT_DONE)
        return;
    connection->code = code;
    (void)tp__problem_set(&connection->problem, status, "%s: %s", connection->endpoint, text);
}

/* ---- the link ---- */

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct connection *connection = context;
    if (!tp__socket_send(connection->socket, NULL, bytes, size))
        give_up(connection, EXIT_UNREACHABLE, TP_E_SYSTEM, "nothing can be sent");
}

/* By name, node10 behind node9. */
static int compare_nodes(const void *a, const void *b)
{
    const Taskpool__NodeStatus *const *first = a;
    const Taskpool__NodeStatus *const *second = b;
    return strverscmp((*first)->name, (*second)->name);
}

static void keep(struct connection *connection, const Taskpool__Answer *answer)
{
    if (answer->id != connection->asked || connection->answer)
        return; /* of a question that was given up */
    const size_t size = taskpool__answer__get_packed_size(answer);
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes)
        connection->answer = taskpool__answer__unpack(NULL, taskpool__answer__pack(answer, bytes), bytes);
    free(bytes);
    if (!connection->answer)
        give_up(connection, EXIT_FAILED, TP_E_NOMEM, "no memory for the answer");
    else if (connection->answer->n_nodes > 0)
        qsort(connection->answer->nodes, connection->answer->n_nodes, sizeof *connection->answer->nodes, compare_nodes);
}

static void received(void *context, const Taskpool__Frame *frame)
{
    struct connection *connection = context;
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_WELCOME:
        connection->welcomed = true;
        return;
    case TASKPOOL__FRAME__BODY_ANSWER:
        keep(connection, frame->answer);
        return;
    case TASKPOOL__FRAME__BODY_REFUSAL: {
        char text[200];
        (void)snprintf(text, sizeof text, "the coordinator refuses: %.160s", text_clean(frame->refusal->reason).bytes);
        give_up(connection, frame->refusal->status == TP_E_UNTRUSTED ? EXIT_REFUSED : EXIT_FAILED, TP_E_UNTRUSTED,
                text);
        return;
    }
    case TASKPOOL__FRAME__BODY_BYE:
        give_up(connection, EXIT_UNREACHABLE, TP_E_SYSTEM, "the coordinator stops");
        return;
    default:
        give_up(connection, EXIT_FAILED, TP_E_DECODE, "the coordinator answers with something else");
    }
}

static void broken(void *context, const char *reason)
{
    char text[200];
    (void)snprintf(text, sizeof text, "the link broke: %.160s", reason);
    give_up(context, EXIT_UNREACHABLE, TP_E_SYSTEM, text);
}

static void send_hello(struct connection *connection)
{
    char version[] = TP_VERSION;
    const struct tp__id life = tp__id_new();
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = TASKPOOL__ROLE__ROLE_ADMIN;
    hello.life = tp__field_of_id(&life);
    hello.name = connection->identity.key.name;
    hello.version = version;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_HELLO;
    frame.hello = &hello;
    if (!tp__link_send(connection->link, TP__LANE_CONTROL, &frame))
        give_up(connection, EXIT_FAILED, TP_E_NOMEM, "no memory for a frame");
}

/* So that the coordinator does not take it for a peer that has fallen silent. */
static void say_bye(struct connection *connection)
{
    char reason[] = "it has asked all that it wanted";
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    bye.reason = reason;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_BYE;
    frame.bye = &bye;
    if (connection->code == EXIT_DONE && connection->welcomed)
        (void)tp__link_send(connection->link, TP__LANE_CONTROL, &frame);
}

/* ---- the socket ---- */

static void disconnect(struct connection *connection)
{
    if (!connection->socket)
        return;
    tp__link_free(connection->link);
    tp__watch_close(connection->watch); /* before the socket that it watches */
    tp__socket_close(connection->socket);
    connection->link = NULL;
    connection->watch = NULL;
    connection->socket = NULL;
}

static void connect_anew(struct connection *connection)
{
    connection->code = EXIT_DONE;
    connection->welcomed = false;
    struct tp__problem problem;
    connection->socket = tp__socket_connect(connection->zmq, connection->endpoint, &connection->identity.key,
                                            &connection->coordinator, &problem);
    if (!connection->socket) {
        give_up(connection, problem.status == TP_E_ADDRESS ? EXIT_USAGE : EXIT_UNREACHABLE, problem.status,
                problem.text);
        return;
    }
    const struct tp__link_events events = {
        .transmit = transmit, .received = received, .broken = broken, .context = connection};
    connection->link = tp__link_new(&events, now_ms());
    connection->watch = tp__watch_open(connection->zmq, connection->socket);
    if (!connection->link || !connection->watch)
        give_up(connection, EXIT_FAILED, TP_E_NOMEM, "no memory for a link");
    else
        send_hello(connection);
}

/* A tool does not wait for what may change: whatever is wrong is said at once. */
static void explain(struct connection *connection, enum tp__trouble trouble)
{
    if (connection->code != EXIT_DONE)
        return;
    connection->code = trouble == TP__TROUBLE_UNKNOWN ? EXIT_REFUSED : EXIT_UNREACHABLE;
    tp__trouble_explain(trouble, connection->endpoint, &connection->identity.key, TP__ROLE_ADMIN, &connection->problem);
}

static void read_socket(struct connection *connection)
{
    while (connection->code == EXIT_DONE) {
        zmq_msg_t message;
        const int got = tp__socket_receive(connection->socket, NULL, NULL, &message);
        if (got > 0)
            tp__link_receive(connection->link, zmq_msg_data(&message), zmq_msg_size(&message), now_ms());
        (void)zmq_msg_close(&message);
        if (got == 0)
            return;
        if (got < 0)
            give_up(connection, EXIT_FAILED, TP_E_DECODE, "the coordinator sent a malformed message");
    }
}

/* What there is to read, and what is due; waits until then, at most until `end_ms`. */
static void turn(struct connection *connection, int64_t end_ms)
{
    const int64_t due_ms = tp__link_tick(connection->link, now_ms());
    const int64_t now = now_ms();
    const int64_t until_ms = due_ms < end_ms ? due_ms : end_ms;
    zmq_pollitem_t items[] = {{.socket = tp__socket_zmq(connection->socket), .events = ZMQ_POLLIN},
                              {.socket = tp__watch_zmq(connection->watch), .events = ZMQ_POLLIN}};
    (void)zmq_poll(items, 2, until_ms > now ? (long)(until_ms - now) : 0);
    /* What came before the connection ended is read before its end is looked at: it may say why. */
    const bool is_gone = tp__watch_disconnected(connection->watch);
    const enum tp__trouble trouble = tp__watch_trouble(connection->watch);
    read_socket(connection);
    if (connection->welcomed && is_gone)
        give_up(connection, EXIT_UNREACHABLE, TP_E_SYSTEM, "the connection was closed");
    else if (trouble != TP__TROUBLE_NONE)
        explain(connection, trouble);
    if (now_ms() - tp__link_heard_ms(connection->link) > TP__LOST_MS && connection->welcomed)
        give_up(connection, EXIT_UNREACHABLE, TP_E_TIMEOUT, "the coordinator was silent for 3 s");
}

/* ---- asking ---- */

static void send_query(struct connection *connection, Taskpool__QueryKind kind, const char *subject)
{
    Taskpool__Query query;
    taskpool__query__init(&query);
    query.id = ++connection->asked;
    query.kind = kind;
    query.subject = (char *)(uintptr_t)subject;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_QUERY;
    frame.query = &query;
    if (connection->code == EXIT_DONE && !tp__link_send(connection->link, TP__LANE_CONTROL, &frame))
        give_up(connection, EXIT_FAILED, TP_E_NOMEM, "no memory for a frame");
}

static void forget_answer(struct connection *connection)
{
    if (connection->answer)
        taskpool__answer__free_unpacked(connection->answer, NULL);
    connection->answer = NULL;
}

const Taskpool__Answer *connection_ask(struct connection *connection, Taskpool__QueryKind kind, const char *subject,
                                       struct tp__problem *problem, int *code)
{
    const int64_t end_ms = now_ms() + connection->timeout_ms;
    forget_answer(connection);
    if (!connection->socket)
        connect_anew(connection);
    send_query(connection, kind, subject);
    while (connection->code == EXIT_DONE && !connection->answer && !*connection->stop) {
        if (now_ms() >= end_ms)
            give_up(connection, EXIT_UNREACHABLE, TP_E_TIMEOUT,
                    connection->welcomed ? "the coordinator does not answer" : "no coordinator answers in time");
        else
            turn(connection, end_ms);
    }
    const Taskpool__Answer *answer = connection->answer;
    *code = connection->code;
    if (answer && answer->status != TP_OK) {
        (void)tp__problem_set(problem, (tp_status)answer->status, "%s", text_clean(answer->text).bytes);
        *code = EXIT_FAILED;
        return NULL;
    }
    if (connection->code != EXIT_DONE) {
        *problem = connection->problem;
        disconnect(connection);
    } else if (!answer) {
        (void)tp__problem_set(problem, TP_E_CANCELLED, "interrupted");
        *code = EXIT_FAILED;
    }
    return answer;
}

void connection_wait(struct connection *connection, int64_t ms)
{
    const int64_t end_ms = now_ms() + ms;
    while (connection->socket && now_ms() < end_ms && !*connection->stop) {
        turn(connection, end_ms);
        if (connection->code != EXIT_DONE)
            disconnect(connection);
    }
    int64_t left_ms = end_ms - now_ms();
    if (left_ms > 0 && !*connection->stop)
        (void)zmq_poll(NULL, 0, (long)left_ms);
}

/* ---- begin and end ---- */

struct connection *connection_new(const struct tp__config *config, struct tp__problem *problem, int *code)
{
    struct connection *connection = calloc(1, sizeof *connection);
    *code = EXIT_FAILED;
    if (!connection) {
        (void)tp__problem_set(problem, TP_E_NOMEM, "out of memory");
        return NULL;
    }
    connection->stop = &never;
    connection->timeout_ms = tp__config_number(config, "timeout");
    connection->zmq = zmq_ctx_new();
    bool good = connection->zmq || tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    if (good && !identity_endpoint(tp__config_text(config, "coordinator"), connection->endpoint, problem)) {
        *code = EXIT_USAGE;
        good = false;
    }
    good = good && identity_read(&connection->identity, tp__config_text(config, "key"),
                                 tp__config_text(config, "authorized-keys"), problem);
    good = good && identity_coordinator(&connection->identity, connection->endpoint, &connection->coordinator, problem);
    if (good)
        return connection;
    connection_free(connection);
    return NULL;
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    say_bye(connection);
    disconnect(connection);
    forget_answer(connection);
    identity_fini(&connection->identity);
    if (connection->zmq)
        (void)zmq_ctx_term(connection->zmq);
    free(connection);
}

void connection_stop_at(struct connection *connection, const volatile sig_atomic_t *stop)
{
    connection->stop = stop;
}

const char *connection_endpoint(const struct connection *connection)
{
    return connection->endpoint;
}
