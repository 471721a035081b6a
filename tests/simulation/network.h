/* SPDX-License-Identifier: MIT */
/** @file
 * The network: connections between peers (drivers, nodes) and coordinators, as ZeroMQ makes them. Messages of one
 * direction of a connection keep their order, all others overtake each other. A connection that breaks loses what is
 * under way, in silence, and comes back under another routing id; what was sent meanwhile follows over it.
 */
#ifndef TESTS_SIMULATION_NETWORK_H
#define TESTS_SIMULATION_NETWORK_H

#include "link/socket.h"
#include "world.h"

struct head;
struct liar;
struct connection;

/** A peer's end: a host with one socket. */
struct station {
    struct host host;
    struct connection *connection; /**< NULL: no socket */
    struct tp__key key;
    int64_t cut_us; /**< nothing gets through until then */
    void (*receive)(struct station *station, const uint8_t *bytes, size_t size);
    void (*connected)(struct station *station); /**< the socket is new */
};

enum way { WAY_UP, WAY_DOWN }; /* to the coordinator, from it */

struct message {
    struct message *next;
    struct connection *connection;
    uint32_t epoch;
    uint32_t route;
    enum way way;
    size_t size;
    uint8_t bytes[];
};

struct connection {
    struct connection *next;
    struct station *station;   /**< NULL: it has closed it */
    struct head *head;         /**< NULL: is not connected at the moment */
    struct tp__public_key key; /**< of the station */
    uint32_t route;            /**< its routing id there */
    uint32_t epoch;            /**< raised when it breaks */
    int64_t arrives_us[2];     /**< the last message of each way */
    struct message *waiting, **waiting_tail;
    struct liar *liar; /**< between the link's ends; NULL: honest */
};

struct network {
    struct world *world;
    struct connection *connections;
    struct connection **routes; /**< by routing id; NULL: gone */
    size_t route_count, route_capacity;
    uint64_t lost, breaks;
    uint32_t loss; /**< messages in a million */
};

struct network *network_new(struct world *world);
void network_free(struct network *network);

/** Closes the station's socket, opens another; `connected` follows. */
void network_open(struct network *network, struct station *station);
void network_close(struct network *network, struct station *station);
void network_send_up(struct network *network, struct station *station, const uint8_t *bytes, size_t size);
void network_send_down(struct network *network, struct head *head, const struct tp__peer *to, const uint8_t *bytes,
                       size_t size);
/** Carries it, past any liar. */
void network_carry(struct network *network, struct connection *connection, enum way way, const uint8_t *bytes,
                   size_t size);

/** The connection breaks. `told`: the peer's socket reports it. */
void network_break(struct network *network, struct connection *connection, bool told);
/** All of a coordinator's connections break. */
void network_break_head(struct network *network, struct head *head);

#endif
