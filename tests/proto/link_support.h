/* SPDX-License-Identifier: MIT */
/** @file
 * A house for the tests of the link's real sockets: a coordinator's side over loopback, with CURVE and a door-keeper.
 * Peers connect to it, and the test awaits what comes, who is refused and what a watch sees.
 */
#ifndef TESTS_LINK_SUPPORT_H
#define TESTS_LINK_SUPPORT_H

#include "wire_support.h"

#include "link/gathering.h"
#include "link/socket.h"
#include "link/watch.h"
#include "link/zap.h"

#include <zmq.h>

enum { PATIENCE_MS = 60000 };

/** A coordinator's side, and whom the door turned away. */
struct house {
    void *zmq;
    struct tp__gathering *gathering;
    struct tp__key key;
    char directory[64];
    struct tp__authorized *authorized;
    struct tp__door *door;
    struct tp__socket *router;
    char endpoint[64];
    int refused_pipe[2]; /* the CURVE key's text of each */
};

/** The house knows the first three as what they are called, and the other one as a coordinator. */
enum { DRIVER, NODE, ADMIN, STRANGER, OTHER, PEERS };
extern const char *const peer_names[PEERS];
extern struct tp__key peers[PEERS];

/** Makes the peers' keys: the setup of a group of tests. */
int make_keys(void **state);

void open_house(struct house *house, bool with_door);
void close_house(struct house *house);
/** The list of the first `count` peers and the other one, by way of a file of that name. */
struct tp__authorized *authorize(const struct house *house, const char *file, unsigned count);
/** What a door calls: for expect_refused. `argument` is the house. */
void on_refused(const char *address, const char *curve, void *argument);

struct tp__socket *connect_peer(const struct house *house, unsigned peer);
void send_text(struct tp__socket *dealer, const char *text);
/** Waits for a message and returns what tp__socket_receive says to it. */
int receive(struct tp__socket *socket, struct tp__peer *peer, struct tp__public_key *sender, char text[64]);
/** The next message at the ROUTER is this one, from that peer. */
struct tp__peer expect(const struct house *house, const char *text, unsigned from);
/** The next one that the door turns away is that peer. */
void expect_refused(const struct house *house, unsigned peer);

/** The reports of libzmq about `events` of a socket, and the next one. */
void *monitor(const struct house *house, struct tp__socket *socket, int events);
unsigned next_event(void *pair);
void stop_monitor(struct tp__socket *socket, void *pair);

void await_news(struct tp__watch *watch);
void expect_disconnected(struct tp__watch *watch);

#endif
