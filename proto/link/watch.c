/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * libzmq reports events of a socket by sending them over a PAIR of its own, from its I/O thread and blocking. So nobody
 * may be gone at the other end before the reports are stopped, for which the DEALER is needed: its pointer is kept in
 * the watch's routing id, which means nothing to a PAIR.
 */
#include "link/socket.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* A routing id must not begin with a zero. */
enum { MARK = 'w', NOTE_BYTES = 1 + sizeof(void *) };

void *tp__watch_open(void *zmq_context, void *socket)
{
    static _Atomic unsigned long count;
    char address[48];
    /* relaxed: only the number must be its own */
    (void)snprintf(address, sizeof address, "inproc://taskpool.watch.%lu",
                   atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
    void *watch = zmq_socket(zmq_context, ZMQ_PAIR);
    if (!watch)
        return NULL;
    /* libzmq's thread waits when it cannot hand an event on: there is always room */
    const int none = 0;
    bool good = zmq_setsockopt(watch, ZMQ_LINGER, &none, sizeof none) == 0;
    good = good && zmq_setsockopt(watch, ZMQ_RCVHWM, &none, sizeof none) == 0;
    char note[NOTE_BYTES] = {MARK};
    memcpy(note + 1, &socket, sizeof(void *));
    good = good && zmq_setsockopt(watch, ZMQ_ROUTING_ID, note, sizeof note) == 0;
    good = good && zmq_socket_monitor(socket, address, ZMQ_EVENT_DISCONNECTED) == 0;
    if (good && zmq_connect(watch, address) == 0)
        return watch;
    (void)zmq_socket_monitor(socket, NULL, 0);
    (void)zmq_close(watch);
    return NULL;
}

bool tp__watch_disconnected(void *watch)
{
    bool disconnected = false;
    for (;;) {
        zmq_msg_t part;
        (void)zmq_msg_init(&part);
        const int size = zmq_msg_recv(&part, watch, ZMQ_DONTWAIT);
        if (size < 0) {
            (void)zmq_msg_close(&part);
            return disconnected;
        }
        /* nothing but disconnects is asked for; the second part of each is the endpoint */
        disconnected = true;
        (void)zmq_msg_close(&part);
    }
}

void tp__watch_close(void *watch)
{
    if (!watch)
        return;
    char note[NOTE_BYTES];
    size_t size = sizeof note;
    if (zmq_getsockopt(watch, ZMQ_ROUTING_ID, note, &size) == 0 && size == sizeof note) {
        void *socket;
        memcpy(&socket, note + 1, sizeof(void *));
        (void)zmq_socket_monitor(socket, NULL, 0);
    }
    (void)zmq_close(watch);
}
