/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include "clock.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    MESSAGES_AT_ONCE = 256,
    BYTES_AT_ONCE = 4 << 20,
    RECONNECT_MS = 1000 /* at most so often when the connection goes again and again */
};

static void log_reason(enum tp__log_level level, const char *event, const char *text)
{
    struct tp__pairs pairs = {.length = 0};
    tp__pairs_add(&pairs, "reason", text);
    tp__log(level, event, pairs.text);
}

/* ---- the socket ---- */

static void on_socket_news(struct event_source *source, uint32_t happened)
{
    (void)happened;
    tp__socket_told(EVENTS_OWNER(source, struct wire, socket_source)->socket);
}

static void on_watch_news(struct event_source *source, uint32_t happened)
{
    (void)happened;
    EVENTS_OWNER(source, struct wire, watch_source)->watch_has_news = true;
}

static bool listen_to(struct wire *wire, struct event_source *source, int descriptor,
                      void (*ready)(struct event_source *, uint32_t), struct tp__problem *problem)
{
    if (descriptor < 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot watch a socket");
    return events_add(wire->events, source, descriptor, EPOLLIN, ready, problem);
}

static void disconnect(struct wire *wire)
{
    events_remove(wire->events, &wire->watch_source);
    events_remove(wire->events, &wire->socket_source);
    tp__watch_close(wire->watch); /* before the socket that it watches */
    tp__socket_close(wire->socket);
    wire->watch = NULL;
    wire->socket = NULL;
}

static bool connect_socket(struct wire *wire, struct tp__problem *problem)
{
    disconnect(wire);
    wire->connected_ms = node_now_ms();
    if (wire->is_welcomed)
        silence_begin(&wire->silence, wire->connected_ms);
    wire->reconnect_ms = INT64_MAX;
    wire->is_welcomed = false;
    wire->socket = tp__socket_connect(wire->zmq, wire->endpoint, wire->own_key, &wire->coordinator, problem);
    if (!wire->socket)
        return false;
    wire->watch = tp__watch_open(wire->zmq, wire->socket);
    if (!wire->watch)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot watch the connection to the coordinator");
    wire->watch_has_news = true; /* what came before its descriptor was looked at */
    return listen_to(wire, &wire->socket_source, tp__socket_descriptor(wire->socket), on_socket_news, problem) &&
           listen_to(wire, &wire->watch_source, tp__watch_descriptor(wire->watch), on_watch_news, problem);
}

static void connect_again(struct wire *wire)
{
    struct tp__problem problem;
    if (connect_socket(wire, &problem)) {
        agent_connected(wire->agent, node_now_ms());
        return;
    }
    log_reason(TP__LOG_ERROR, "no-socket", problem.text);
    wire->reconnect_ms = wire->connected_ms + RECONNECT_MS;
}

bool wire_open(struct wire *wire, struct tp__problem *problem)
{
    wire->socket_source.descriptor = wire->watch_source.descriptor = -1;
    wire->reconnect_ms = INT64_MAX;
    wire->zmq = zmq_ctx_new();
    if (!wire->zmq)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot start ZeroMQ");
    wire->gathering = tp__gathering_new(wire->zmq);
    if (!wire->gathering)
        return tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    silence_begin(&wire->silence, node_now_ms());
    return connect_socket(wire, problem);
}

void wire_close(struct wire *wire)
{
    if (!wire->zmq)
        return;
    disconnect(wire);
    (void)zmq_ctx_term(wire->zmq);
    tp__gathering_free(wire->gathering);
}

/* ---- sending ---- */

static void note_lost(void)
{
    tp__log_limited(TP__LOG_WARNING, "frame-lost", "reason=\"the socket is full\"", node_now_ms());
}

void wire_send(struct wire *wire, const uint8_t *bytes, size_t size)
{
    if (wire->socket && !tp__socket_send(wire->socket, NULL, bytes, size))
        note_lost();
}

void wire_send_block(struct wire *wire, void *block, const uint8_t *bytes, size_t size)
{
    if (!wire->socket)
        free(block);
    else if (!tp__socket_send_block(wire->socket, NULL, block, bytes, size))
        note_lost();
}

void wire_reconnect(struct wire *wire)
{
    wire->reconnect_ms = node_now_ms();
}

void wire_believe(struct wire *wire, const struct tp__public_key *coordinator)
{
    if (memcmp(coordinator, &wire->coordinator, sizeof *coordinator) != 0 && wire->socket)
        wire_reconnect(wire);
    wire->coordinator = *coordinator;
}

/* ---- receiving ---- */

static void note_welcome(struct wire *wire, const uint8_t *bytes, size_t size)
{
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    wire->is_welcomed = frame && frame->body_case == TASKPOOL__FRAME__BODY_WELCOME;
    tp__frame_free(frame);
    if (!wire->is_welcomed)
        return;
    silence_end(&wire->silence);
    tp__notify_status("connected to %s", wire->endpoint);
    struct tp__problem problem;
    if (!wire->was_welcomed && !tp__notify_ready(wire->ready_fd, NULL, &problem))
        log_reason(TP__LOG_WARNING, "not-announced", problem.text);
    wire->was_welcomed = true;
}

bool wire_receive(struct wire *wire, bool *has_received)
{
    size_t bytes = 0;
    for (int i = 0; i < MESSAGES_AT_ONCE && bytes < BYTES_AT_ONCE; i++) {
        if (!wire->socket || tp__socket_is_empty(wire->socket) || wire->reconnect_ms != INT64_MAX)
            return false;
        zmq_msg_t message;
        if (tp__socket_receive(wire->socket, NULL, NULL, &message) > 0) {
            const uint8_t *content = zmq_msg_data(&message);
            const size_t size = zmq_msg_size(&message);
            *has_received = true;
            bytes += size;
            if (!wire->is_welcomed)
                note_welcome(wire, content, size);
            agent_receive(wire->agent, content, size, node_now_ms());
            tp__gathering_follow(wire->gathering, &message, agent_is_alone(wire->agent));
        }
        (void)zmq_msg_close(&message);
    }
    return true;
}

bool wire_has_message(struct wire *wire)
{
    return wire->socket && tp__socket_has_message(wire->socket);
}

/* ---- looking after it ---- */

/* Its connection has gone: a new link at once, but not over and over again. */
static void look_at_watch(struct wire *wire)
{
    const bool has_news = wire->watch_has_news && wire->watch;
    wire->watch_has_news = false;
    if (!has_news || !tp__watch_disconnected(wire->watch) || wire->reconnect_ms != INT64_MAX)
        return;
    wire->reconnect_ms = wire->is_welcomed ? node_now_ms() : wire->connected_ms + RECONNECT_MS;
}

/* Returns when it wants to be called next. */
static int64_t tell_silence(struct wire *wire, int64_t now_ms)
{
    const enum tp__trouble trouble = wire->watch ? tp__watch_trouble(wire->watch) : TP__TROUBLE_NONE;
    int64_t next_ms;
    if (!silence_is_due(&wire->silence, trouble, now_ms, &next_ms))
        return next_ms;
    struct tp__problem problem;
    tp__trouble_explain(trouble, wire->endpoint, wire->own_key, TP__ROLE_NODE, &problem);
    log_reason(TP__LOG_WARNING, "coordinator-silent", problem.text);
    tp__notify_status("%s", problem.text);
    return next_ms;
}

int64_t wire_mend(struct wire *wire)
{
    look_at_watch(wire);
    const int64_t now_ms = node_now_ms();
    const bool is_due = wire->reconnect_ms <= now_ms;
    if (is_due)
        connect_again(wire);
    const int64_t tell_ms = tell_silence(wire, now_ms);
    if (is_due)
        return now_ms; /* what came meanwhile is in no descriptor */
    return tell_ms < wire->reconnect_ms ? tell_ms : wire->reconnect_ms;
}
