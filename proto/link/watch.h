/* SPDX-License-Identifier: MIT */
/** @file
 * What becomes of a peer's connection: that it has gone, and why none comes about.
 *
 * It belongs to one DEALER. Open it after tp__socket_connect, close it before the socket.
 */
#ifndef TP_PROTO_WATCH_H
#define TP_PROTO_WATCH_H

#include "link/socket.h"

/** Why there is no connection, as far as it shows. */
enum tp__trouble {
    TP__TROUBLE_NONE,    /**< there is one, or it is not known yet */
    TP__TROUBLE_NAME,    /**< the host has no address, or no network leads there */
    TP__TROUBLE_NOBODY,  /**< nobody takes connections there */
    TP__TROUBLE_CLOSED,  /**< taken, and closed again */
    TP__TROUBLE_SILENT,  /**< taken, and no word of a handshake */
    TP__TROUBLE_ANOTHER, /**< who is there has not the key that is believed */
    TP__TROUBLE_UNKNOWN, /**< the door-keeper turned our key away */
};

struct tp__watch;

/** NULL on failure (errno). */
struct tp__watch *tp__watch_open(void *zmq_context, struct tp__socket *socket);
void tp__watch_close(struct tp__watch *watch); /* NULL is allowed */

/** Become readable with news, until they are read: a descriptor for poll(2) (-1 on failure), and ZeroMQ's socket for
 *  zmq_poll. */
int tp__watch_descriptor(const struct tp__watch *watch);
void *tp__watch_zmq(const struct tp__watch *watch);
/** Reads the news. True if a connection has gone since the last call: a hint to make a new link at once. */
bool tp__watch_disconnected(struct tp__watch *watch);
/** As of the last read. */
enum tp__trouble tp__watch_trouble(const struct tp__watch *watch);

/** Will it stay so, until somebody mends a list or an address? */
bool tp__trouble_is_lasting(enum tp__trouble trouble);
/** In words for people: "ENDPOINT: what is wrong, and what to do"; with the status that fits. `own` is the key that was
 *  used, in that role. */
void tp__trouble_explain(enum tp__trouble trouble, const char *endpoint, const struct tp__key *own, enum tp__role role,
                         struct tp__problem *problem);

#endif
