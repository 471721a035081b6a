/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * libzmq reports events of a socket by sending them over a PAIR of its own, from its I/O thread and blocking. So nobody
 * may be gone at the other end before the reports are stopped, for which the DEALER is needed.
 *
 * The events of one attempt to connect, in their order:
 *
 *     CONNECT_RETRIED                                        the name was not found, or connect(2) failed at once
 *     CONNECT_DELAYED  CLOSED  CONNECT_RETRIED               refused, or no answer for 3 s
 *     CONNECT_DELAYED  CONNECTED  HANDSHAKE_SUCCEEDED        later perhaps DISCONNECTED
 *     CONNECT_DELAYED  CONNECTED  HANDSHAKE_FAILED...  DISCONNECTED  CONNECT_RETRIED
 *
 * A coordinator whose key is another cannot read the handshake and closes the connection; so may anybody else. The
 * door-keeper's answer comes as HANDSHAKE_FAILED_AUTH.
 */
#include "link/watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct tp__watch {
    void *watched; /* ZeroMQ's socket */
    void *reports;
    bool is_begun;     /* the beginning of this attempt was seen: the first one may be older than the watch */
    bool is_tried;     /* the network was asked */
    bool is_connected; /* ... and somebody took the connection */
    enum tp__trouble trouble;
};

static bool open_reports(struct tp__watch *watch, void *zmq_context)
{
    static _Atomic unsigned long count;
    char address[48];
    /* relaxed: only the number must be its own */
    (void)snprintf(address, sizeof address, "inproc://taskpool.watch.%lu",
                   atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
    watch->reports = zmq_socket(zmq_context, ZMQ_PAIR);
    if (!watch->reports)
        return false;
    /* libzmq's thread waits when it cannot hand an event on: there is always room */
    const int none = 0;
    const int events = ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CONNECTED |
                       ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED;
    return zmq_setsockopt(watch->reports, ZMQ_LINGER, &none, sizeof none) == 0 &&
           zmq_setsockopt(watch->reports, ZMQ_RCVHWM, &none, sizeof none) == 0 &&
           zmq_socket_monitor(watch->watched, address, events) == 0 && zmq_connect(watch->reports, address) == 0;
}

struct tp__watch *tp__watch_open(void *zmq_context, struct tp__socket *socket)
{
    struct tp__watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->watched = tp__socket_zmq(socket);
    if (open_reports(watch, zmq_context))
        return watch;
    const int saved = errno;
    tp__watch_close(watch);
    errno = saved;
    return NULL;
}

void tp__watch_close(struct tp__watch *watch)
{
    if (!watch)
        return;
    (void)zmq_socket_monitor(watch->watched, NULL, 0);
    if (watch->reports)
        (void)zmq_close(watch->reports);
    free(watch);
}

int tp__watch_descriptor(const struct tp__watch *watch)
{
    int descriptor = -1;
    size_t size = sizeof descriptor;
    return zmq_getsockopt(watch->reports, ZMQ_FD, &descriptor, &size) == 0 ? descriptor : -1;
}

void *tp__watch_zmq(const struct tp__watch *watch)
{
    return watch->reports;
}

/* ---- news ---- */

static void begin_attempt(struct tp__watch *watch, bool is_tried)
{
    watch->is_begun = true;
    watch->is_tried = is_tried;
    watch->is_connected = false;
}

static void take(struct tp__watch *watch, unsigned event, uint32_t value)
{
    switch (event) {
    case ZMQ_EVENT_CONNECT_DELAYED:
        begin_attempt(watch, true);
        return;
    case ZMQ_EVENT_CONNECTED:
        watch->is_tried = watch->is_connected = true;
        return;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        watch->trouble = TP__TROUBLE_NONE;
        return;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        watch->trouble = TP__TROUBLE_UNKNOWN;
        return;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        watch->trouble = TP__TROUBLE_ANOTHER;
        return;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: /* EAGAIN: its time ran out */
        watch->trouble = value == EAGAIN ? TP__TROUBLE_SILENT : TP__TROUBLE_ANOTHER;
        return;
    case ZMQ_EVENT_DISCONNECTED:
        if (watch->trouble == TP__TROUBLE_NONE || watch->trouble == TP__TROUBLE_NOBODY)
            watch->trouble = TP__TROUBLE_CLOSED;
        return;
    case ZMQ_EVENT_CONNECT_RETRIED:
        if (watch->is_begun && !watch->is_connected)
            watch->trouble = watch->is_tried ? TP__TROUBLE_NOBODY : TP__TROUBLE_NAME;
        begin_attempt(watch, false);
        return;
    }
}

/* An event and a value, 6 bytes; then, in a part of its own, the endpoint. False if there is none. */
static bool read_report(struct tp__watch *watch, unsigned *event, uint32_t *value)
{
    bool found = false;
    for (int more = 1; more;) {
        uint8_t bytes[6];
        const int size = zmq_recv(watch->reports, bytes, sizeof bytes, ZMQ_DONTWAIT);
        if (size < 0)
            return false;
        size_t more_size = sizeof more;
        if (zmq_getsockopt(watch->reports, ZMQ_RCVMORE, &more, &more_size) != 0)
            return false;
        if (!found && size == (int)sizeof bytes) {
            uint16_t number;
            memcpy(&number, bytes, sizeof number);
            memcpy(value, bytes + sizeof number, sizeof *value);
            *event = number;
            found = true;
        }
    }
    return found;
}

bool tp__watch_disconnected(struct tp__watch *watch)
{
    bool disconnected = false;
    unsigned event = 0;
    uint32_t value = 0;
    while (read_report(watch, &event, &value)) {
        take(watch, event, value);
        disconnected |= event == ZMQ_EVENT_DISCONNECTED;
    }
    return disconnected;
}

enum tp__trouble tp__watch_trouble(const struct tp__watch *watch)
{
    return watch->trouble;
}

/* ---- words ---- */

bool tp__trouble_is_lasting(enum tp__trouble trouble)
{
    return trouble == TP__TROUBLE_NAME || trouble == TP__TROUBLE_ANOTHER || trouble == TP__TROUBLE_UNKNOWN;
}

void tp__trouble_explain(enum tp__trouble trouble, const char *endpoint, const struct tp__key *own, enum tp__role role,
                         struct tp__problem *problem)
{
    char key[45];
    switch (trouble) {
    case TP__TROUBLE_NAME:
        (void)tp__problem_set(problem, TP_E_ADDRESS,
                              "%s: the host is not found: its name does not resolve, or no network leads to it",
                              endpoint);
        return;
    case TP__TROUBLE_NOBODY:
        (void)tp__problem_set(problem, TP_E_SYSTEM,
                              "%s: nobody listens there, or a firewall is in between: is the coordinator running?",
                              endpoint);
        return;
    case TP__TROUBLE_CLOSED:
        (void)tp__problem_set(problem, TP_E_SYSTEM, "%s: the connection was closed at once: is that a coordinator?",
                              endpoint);
        return;
    case TP__TROUBLE_ANOTHER:
        (void)tp__problem_set(problem, TP_E_UNTRUSTED,
                              "%s: who listens there is not the coordinator whose key is in authorized_keys", endpoint);
        return;
    case TP__TROUBLE_UNKNOWN:
        tp__public_key_text(&own->public_key, key);
        (void)tp__problem_set(problem, TP_E_UNTRUSTED,
                              "%s: the coordinator does not know this key: list it there and have it reload: "
                              "`taskpool authorize %s %s %s`",
                              endpoint, tp__role_name(role), key, own->name);
        return;
    case TP__TROUBLE_SILENT:
    case TP__TROUBLE_NONE:
        break;
    }
    (void)tp__problem_set(problem, TP_E_SYSTEM, "%s: no coordinator answers there: is it stopped, or something else?",
                          endpoint);
}
