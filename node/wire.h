/* SPDX-License-Identifier: MIT */
/** @file
 * The connection to the coordinator: the socket under the agent's link, which is made anew when it goes, and the watch
 * on it.
 */
#ifndef NODE_WIRE_H
#define NODE_WIRE_H

#include "agent.h"
#include "events.h"
#include "link/gathering.h"
#include "link/socket.h"
#include "link/watch.h"
#include "silence.h"

/** Fill in the first part, zero the rest, then wire_open. */
struct wire {
    const char *endpoint; /**< "tcp://host:port" */
    const struct tp__key *own_key;
    struct tp__public_key coordinator;
    struct agent *agent; /**< gets what comes */
    struct events *events;
    int ready_fd; /**< told of the first welcome; -1: none */

    void *zmq;
    struct tp__gathering *gathering;
    struct tp__socket *socket; /**< NULL while none can be had */
    struct tp__watch *watch;
    struct event_source socket_source, watch_source;
    bool watch_has_news;
    int64_t connected_ms; /**< when the socket was made */
    int64_t reconnect_ms; /**< when it is to be made anew; INT64_MAX: it is not */
    bool is_welcomed;     /**< on this socket */
    bool was_welcomed;    /**< ever */
    struct silence silence;
};

/** Connects. After a failure too, wire_close. */
bool wire_open(struct wire *wire, struct tp__problem *problem);
/** Waits until what was sent is on its way, or for 200 ms. */
void wire_close(struct wire *wire);

/** What cannot be sent is missed by the link. */
void wire_send(struct wire *wire, const uint8_t *bytes, size_t size);
/** Takes over `block`, from malloc, in which the bytes lie. */
void wire_send_block(struct wire *wire, void *block, const uint8_t *bytes, size_t size);

/** Asks for a new socket: the next wire_mend makes it. */
void wire_reconnect(struct wire *wire);
/** From now on this is the key of the coordinator. */
void wire_believe(struct wire *wire, const struct tp__public_key *coordinator);

/** Gives the agent what has come. True if there may be more; stores whether there was anything. */
bool wire_receive(struct wire *wire, bool *has_received);
/** Looks after the connection, and tells that nobody answers. Returns when it wants to be called next. */
int64_t wire_mend(struct wire *wire);
/** To be asked before each sleep, after everything that could have touched the socket. */
bool wire_has_message(struct wire *wire);

#endif
