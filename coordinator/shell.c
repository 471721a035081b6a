/* SPDX-License-Identifier: MIT */
/* Design notes. ZeroMQ's descriptor tells of news once, and any call on the socket may take the news: so the socket is
 * asked before each sleep. It is read until it is empty, but not for ever, so that a flood cannot keep signals and time
 * from their turn. zmq_poll would do the same with several times as many system calls. */
#include "shell.h"

#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/signals.h"
#include "link/gathering.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    MESSAGES_A_ROUND = 1024,
    BYTES_A_ROUND = 4 << 20,
    LINES_A_SECOND = 200, /* of peers that come and go; what is refused is always counted instead */
    STATUS_MS = 10000,
    ENDPOINT_BYTES = 256,
    MOST_IO_THREADS = 8 /* of libzmq: they encrypt */
};

struct shell {
    const struct shell_options *options;
    struct tp__authorized *authorized;
    void *zmq;
    struct tp__gathering *gathering;
    struct tp__socket *socket;
    struct tp__door *door;
    struct coordinator *coordinator;
    int signals;
    int64_t status_ms;
    int64_t second_ms; /* in which so many lines may still be logged one by one */
    int lines_left;
    bool ended;
    char endpoint[ENDPOINT_BYTES];
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void log_text(enum tp__log_level level, const char *event, const char *key, const char *text)
{
    struct tp__pairs pairs = {.length = 0};
    tp__pairs_add(&pairs, key, text);
    tp__log(level, event, pairs.text);
}

/* ---- what the state machine asks for ---- */

static void note_not_sent(void)
{
    tp__log_limited(TP__LOG_DEBUG, "not-sent", "reason=\"the peer is gone, or does not read\"", now_ms());
}

static void on_transmit(void *context, const struct tp__peer *peer, const uint8_t *bytes, size_t size)
{
    struct shell *shell = context;
    if (!tp__socket_send(shell->socket, peer, bytes, size))
        note_not_sent();
}

static void on_transmit_block(void *context, const struct tp__peer *peer, void *block, const uint8_t *bytes,
                              size_t size)
{
    struct shell *shell = context;
    if (!tp__socket_send_block(shell->socket, peer, block, bytes, size))
        note_not_sent();
}

static void on_log(void *context, enum coordinator_level level, const char *event, const char *text)
{
    struct shell *shell = context;
    static const enum tp__log_level levels[] = {TP__LOG_DEBUG, TP__LOG_INFO, TP__LOG_WARNING};
    const int64_t now = now_ms();
    if (now - shell->second_ms >= 1000) {
        shell->second_ms = now;
        shell->lines_left = LINES_A_SECOND;
    }
    if (level == COORDINATOR_DEBUG || strcmp(event, "refused") == 0 || shell->lines_left == 0) {
        tp__log_limited(levels[level], event, text, now);
    } else {
        shell->lines_left--;
        tp__log(levels[level], event, text);
    }
}

/* Runs on the door-keeper's thread. */
static void on_turned_away(const char *address, const char *curve_key_text, void *argument)
{
    (void)argument;
    struct tp__pairs pairs = {.length = 0};
    tp__pairs_add(&pairs, "address", address);
    tp__pairs_add(&pairs, "curve-key", curve_key_text);
    tp__log_limited(TP__LOG_WARNING, "turned-away", pairs.text, now_ms());
}

/* ---- signals ---- */

static void reload(struct shell *shell)
{
    tp__notify_reloading();
    struct tp__problem problem;
    struct tp__authorized *before = shell->authorized;
    struct tp__authorized *fresh = tp__authorized_read(shell->options->authorized_keys, &problem);
    if (fresh) {
        shell->authorized = fresh;
        tp__door_authorize(shell->door, fresh);
        coordinator_authorize(shell->coordinator, fresh, now_ms());
        tp__authorized_free(before);
        log_text(TP__LOG_INFO, "reloaded", "authorized-keys", shell->options->authorized_keys);
    } else {
        struct tp__pairs pairs = {.length = 0};
        tp__pairs_add(&pairs, "reason", problem.text);
        tp__pairs_add(&pairs, "effect", "the list that was read before still holds");
        tp__log(TP__LOG_ERROR, "not-reloaded", pairs.text);
    }
    tp__notify_reloaded();
}

static void take_signals(struct shell *shell)
{
    int number;
    while ((number = tp__signals_next(shell->signals)) != 0) {
        if (number == SIGHUP)
            reload(shell);
        else if (number == SIGTERM || number == SIGINT)
            shell->ended = true;
    }
}

/* ---- the loop ---- */

static void receive(struct shell *shell)
{
    size_t bytes = 0;
    for (int i = 0; i < MESSAGES_A_ROUND && bytes < BYTES_A_ROUND; i++) {
        zmq_msg_t message;
        struct tp__peer peer;
        struct tp__public_key sender;
        const int found = tp__socket_receive(shell->socket, &peer, &sender, &message);
        if (found > 0) {
            coordinator_receive(shell->coordinator, &peer, &sender, zmq_msg_data(&message), zmq_msg_size(&message),
                                now_ms());
            tp__gathering_follow(shell->gathering, &message, coordinator_is_alone(shell->coordinator));
        } else if (found < 0) {
            tp__log_limited(TP__LOG_WARNING, "malformed", "reason=\"a message that is none of ours\"", now_ms());
        }
        bytes += zmq_msg_size(&message);
        (void)zmq_msg_close(&message);
        if (found == 0)
            return;
    }
}

static void tell_status(struct shell *shell, int64_t now)
{
    if (now < shell->status_ms)
        return;
    shell->status_ms = now + STATUS_MS;
    const struct coordinator_counts counts = coordinator_count(shell->coordinator);
    tp__notify_status("%s: %zu nodes, %zu sessions, %llu tasks queued", shell->endpoint, counts.nodes, counts.sessions,
                      (unsigned long long)counts.queued_tasks);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int timeout_ms(int64_t due_ms, int64_t now)
{
    if (due_ms == INT64_MAX)
        return -1;
    const int64_t left = due_ms > now ? due_ms - now : 0;
    return left < INT32_MAX ? (int)left : INT32_MAX;
}

static bool loop(struct shell *shell, struct tp__problem *problem)
{
    struct pollfd items[] = {{.fd = tp__socket_descriptor(shell->socket), .events = POLLIN},
                             {.fd = shell->signals, .events = POLLIN}};
    int64_t due_ms = 0;
    while (!shell->ended) {
        int64_t now = now_ms();
        if (now >= due_ms) {
            due_ms = coordinator_tick(shell->coordinator, now);
            due_ms = earlier(due_ms, tp__log_flush(now));
            tell_status(shell, now);
        }
        now = now_ms();
        const bool has_message = tp__socket_has_message(shell->socket);
        if (poll(items, 2, has_message ? 0 : timeout_ms(due_ms, now)) < 0 && errno != EINTR)
            return tp__problem_errno(problem, TP_E_SYSTEM, "cannot wait for messages");
        if (items[1].revents != 0)
            take_signals(shell);
        if (items[0].revents != 0)
            tp__socket_told(shell->socket);
        if (has_message || items[0].revents != 0) {
            receive(shell);
            due_ms = earlier(due_ms, now_ms() + COORDINATOR_TICK_MS);
        }
    }
    return true;
}

/* ---- start and end ---- */

static int io_threads(void)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 2 ? 1 : processors / 2 < MOST_IO_THREADS ? (int)(processors / 2) : MOST_IO_THREADS;
}

static bool open_socket(struct shell *shell, struct tp__problem *problem)
{
    const struct shell_options *options = shell->options;
    shell->zmq = zmq_ctx_new();
    if (!shell->zmq || zmq_ctx_set(shell->zmq, ZMQ_IO_THREADS, io_threads()) != 0)
        return tp__problem_set(problem, TP_E_SYSTEM, "libzmq cannot start: %s", zmq_strerror(errno));
    shell->gathering = tp__gathering_new(shell->zmq);
    if (!shell->gathering)
        return tp__problem_set(problem, TP_E_NOMEM, "no memory for the threads");
    shell->door = tp__door_open(shell->zmq, shell->authorized, on_turned_away, NULL, problem);
    if (!shell->door)
        return false;
    shell->socket = tp__socket_bind(shell->zmq, options->listen, options->key, problem);
    if (!shell->socket) {
        struct tp__problem reason = *problem;
        if (strstr(reason.text, strerror(EADDRINUSE)))
            (void)tp__problem_set(problem, reason.status,
                                  "%s: another coordinator may be running; say another port with --listen",
                                  reason.text);
        return false;
    }
    return tp__socket_endpoint(shell->socket, shell->endpoint, sizeof shell->endpoint) ||
           tp__problem_set(problem, TP_E_SYSTEM, "cannot find out where the socket listens");
}

static bool start(struct shell *shell, struct tp__problem *problem)
{
    const struct shell_options *options = shell->options;
    shell->authorized = tp__authorized_read(options->authorized_keys, problem);
    if (!shell->authorized || !open_socket(shell, problem))
        return false;
    const struct coordinator_actions actions = {
        .transmit = on_transmit, .transmit_block = on_transmit_block, .log = on_log, .context = shell};
    shell->coordinator = coordinator_new(&options->coordinator, shell->authorized, &actions, now_ms());
    if (!shell->coordinator)
        return tp__problem_set(problem, TP_E_NOMEM, "no memory for the coordinator");
    struct tp__pairs pairs = {.length = 0};
    char key[45];
    tp__public_key_text(&options->key->public_key, key);
    tp__pairs_add(&pairs, "endpoint", shell->endpoint);
    tp__pairs_add(&pairs, "key", key);
    tp__pairs_add(&pairs, "name", options->coordinator.name);
    tp__pairs_add_number(&pairs, "drivers", (int64_t)tp__authorized_count(shell->authorized, TP__ROLE_DRIVER));
    tp__pairs_add_number(&pairs, "nodes", (int64_t)tp__authorized_count(shell->authorized, TP__ROLE_NODE));
    tp__log(TP__LOG_INFO, "listening", pairs.text);
    return tp__notify_ready(options->ready_fd, shell->endpoint, problem);
}

static void stop(struct shell *shell)
{
    if (shell->coordinator) {
        tp__notify_stopping();
        coordinator_stop(shell->coordinator, now_ms());
        (void)tp__log_flush(INT64_MAX / 2);
        tp__log(TP__LOG_INFO, "stopped", NULL);
    }
    coordinator_free(shell->coordinator);
    tp__socket_close(shell->socket);
    if (shell->door)
        tp__door_close(shell->door);
    if (shell->zmq)
        (void)zmq_ctx_term(shell->zmq); /* after LINGER: the Byes go out */
    tp__gathering_free(shell->gathering);
    tp__authorized_free(shell->authorized);
}

bool shell_run(const struct shell_options *options, int signals, struct tp__problem *problem)
{
    struct shell shell = {.options = options, .signals = signals};
    const bool ok = start(&shell, problem) && loop(&shell, problem);
    stop(&shell);
    return ok;
}
