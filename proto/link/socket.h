/* SPDX-License-Identifier: MIT */
/** @file
 * The ZeroMQ sockets under links, with CURVE on every one, and the door-keeper (ZAP) of the coordinator.
 */
#ifndef TP_PROTO_SOCKET_H
#define TP_PROTO_SOCKET_H

#include "trust/keys.h"

/** One thread at a time uses it. */
struct tp__socket;

/** A DEALER that is connected to a coordinator whose key is known. `endpoint` is "tcp://host:port". NULL on failure. */
struct tp__socket *tp__socket_connect(void *zmq_context, const char *endpoint, const struct tp__key *own,
                                      const struct tp__public_key *coordinator, struct tp__problem *problem);

/** The ROUTER of a coordinator, bound to "tcp://host:port" (port "*": any). The door-keeper must be running. */
struct tp__socket *tp__socket_bind(void *zmq_context, const char *endpoint, const struct tp__key *own,
                                   struct tp__problem *problem);
/** Where it is bound: "tcp://127.0.0.1:34567". */
bool tp__socket_endpoint(struct tp__socket *socket, char *text, size_t size);

/** What was sent goes out all the same, until the context ends. NULL is allowed. */
void tp__socket_close(struct tp__socket *socket);

/** ZeroMQ's own, for zmq_poll and zmq_socket_monitor. */
void *tp__socket_zmq(const struct tp__socket *socket);

/** Answers ZeroMQ's questions who may connect (RFC 27), on a thread of its own: CURVE keys of `authorized`, in any role
 *  but that of a coordinator, get their Ed25519 key in base64 as user id; everybody else is turned away, counted and
 *  named. */
struct tp__door;
typedef void tp__door_refused_fn(const char *address, const char *curve_key_text, void *argument);
struct tp__door *tp__door_open(void *zmq_context, const struct tp__authorized *authorized, tp__door_refused_fn *refused,
                               void *argument, struct tp__problem *problem);
/** Replaces the list, of which the door keeps no copy: `authorized` must stay until the next call or the close. */
void tp__door_authorize(struct tp__door *door, const struct tp__authorized *authorized);
void tp__door_close(struct tp__door *door);

/** Receives one message without waiting. On a ROUTER `peer` gets the routing id. `*sender` is the Ed25519 key that the
 *  door-keeper found (on a DEALER it is not touched). Returns 1; 0 if there is none; -1 if one was malformed (several
 *  parts, no user id, a routing id of the peer's own making, too large) and dropped. `zmq_message` is a zmq_msg_t that
 *  the call initializes: close it with zmq_msg_close, whatever was returned. */
struct tp__peer {
    uint8_t size;
    uint8_t id[15];
};
int tp__socket_receive(struct tp__socket *socket, struct tp__peer *peer, struct tp__public_key *sender,
                       void *zmq_message);
/** Sends without waiting. False: the peer is gone, or its pipe full. */
bool tp__socket_send(struct tp__socket *socket, const struct tp__peer *peer, const uint8_t *bytes, size_t size);
/** The same without a copy: takes over `block`, from malloc, in which the bytes lie. */
bool tp__socket_send_block(struct tp__socket *socket, const struct tp__peer *peer, void *block, const uint8_t *bytes,
                           size_t size);

/** For poll(2): the descriptor becomes readable when something has changed; any call on the socket may take that news.
 *  So before each sleep, ask whether a message is there, and say when the descriptor has told. -1 on failure. */
int tp__socket_descriptor(const struct tp__socket *socket);
void tp__socket_told(struct tp__socket *socket);
bool tp__socket_has_message(struct tp__socket *socket);
/** Nothing was called on it since it was found empty, and the descriptor has not told: there is nothing to receive. */
bool tp__socket_is_empty(const struct tp__socket *socket);

#endif
