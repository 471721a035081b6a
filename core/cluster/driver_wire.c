/* SPDX-License-Identifier: MIT */
/* The socket under the session's link, and the watch on it. */
#include "cluster/driver.h"
#include "link/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    RECONNECT_MS = 1000,   /* a new socket at most so often, when the connection goes again and again */
    MESSAGES_A_ROUND = 64, /* received before what was submitted meanwhile is looked at, or so many bytes */
    BYTES_A_ROUND = 4 << 20,
};

/* What is lost on its way out breaks the link, which is noticed. */
void tp__driver_transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct tp__driver *driver = context;
    if (driver->socket)
        (void)tp__socket_send(driver->socket, NULL, bytes, size);
}

void tp__driver_transmit_block(void *context, void *block, const uint8_t *bytes, size_t size)
{
    struct tp__driver *driver = context;
    if (driver->socket)
        (void)tp__socket_send_block(driver->socket, NULL, block, bytes, size);
    else
        free(block);
}

void tp__driver_disconnect(struct tp__driver *driver)
{
    if (driver->watch)
        tp__watch_close(driver->watch);
    tp__socket_close(driver->socket);
    driver->watch = NULL;
    driver->socket = NULL;
    driver->socket_descriptor = driver->watch_descriptor = -1; /* poll leaves those out */
}

void tp__driver_reconnect(void *context)
{
    struct tp__driver *driver = context;
    tp__driver_disconnect(driver);
    driver->connected_ms = tp__now_ms();
    driver->reconnect_ms = INT64_MAX;
    struct tp__problem problem;
    driver->socket_number++;
    driver->socket = tp__socket_connect(driver->zmq, driver->endpoint, &driver->key, &driver->coordinator, &problem);
    if (!driver->socket) {
        tp__driver_say(driver, "%s: %s", driver->endpoint, problem.text);
        return; /* the session tries again when it has waited for long enough */
    }
    driver->watch = tp__watch_open(driver->zmq, driver->socket);
    driver->socket_descriptor = tp__socket_descriptor(driver->socket);
    driver->watch_descriptor = driver->watch ? tp__watch_descriptor(driver->watch) : -1;
    driver->watch_has_news = true; /* what came before its descriptor was looked at */
    tp__session_connected(driver->session, tp__now_ms());
}

void tp__driver_receive(struct tp__driver *driver)
{
    size_t bytes = 0;
    for (int i = 0; i < MESSAGES_A_ROUND && bytes < BYTES_A_ROUND && driver->socket; i++) {
        if (tp__socket_is_empty(driver->socket))
            return;
        zmq_msg_t message;
        const int got = tp__socket_receive(driver->socket, NULL, NULL, &message);
        if (got <= 0)
            continue;
        bytes += zmq_msg_size(&message);
        tp__session_receive(driver->session, zmq_msg_data(&message), zmq_msg_size(&message), tp__now_ms());
        zmq_msg_close(&message);
    }
}

bool tp__driver_has_message(const struct tp__driver *driver)
{
    return driver->socket && tp__socket_has_message(driver->socket);
}

static void note_trouble(struct tp__driver *driver, int64_t now_ms)
{
    const enum tp__trouble trouble = tp__watch_trouble(driver->watch);
    if (trouble == TP__TROUBLE_NONE || trouble == driver->trouble)
        return;
    driver->trouble = trouble;
    driver->trouble_ms = now_ms;
}

void tp__driver_mend(struct tp__driver *driver)
{
    const int64_t now_ms = tp__now_ms();
    const bool has_news = driver->watch_has_news && driver->watch;
    driver->watch_has_news = false;
    if (has_news) {
        const bool is_gone = tp__watch_disconnected(driver->watch);
        note_trouble(driver, now_ms);
        if (is_gone) {
            tp__driver_disconnect(driver);
            driver->reconnect_ms = driver->connected_ms + RECONNECT_MS;
        }
    }
    if (driver->reconnect_ms <= now_ms)
        tp__driver_reconnect(driver);
}
