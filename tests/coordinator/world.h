/* SPDX-License-Identifier: MIT */
/** @file
 * A coordinator and its peers in one thread, in virtual time: drivers, nodes and tools that are made of real links and
 * nothing else, so that each frame is the test's to send, to look at, or to forge.
 */
#ifndef TESTS_COORDINATOR_WORLD_H
#define TESTS_COORDINATOR_WORLD_H

#include "coordinator.h"
#include "link/link.h"
#include "state.h"
#include "trust/batch.h"
#include "trust/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WORLD_KEYS = 4, WORLD_ENDS = 2048 }; /* keys of each role that are authorized */

struct end;

struct world {
    struct coordinator *coordinator;
    struct tp__authorized *authorized;
    struct tp__key drivers[WORLD_KEYS], nodes[WORLD_KEYS], tools[WORLD_KEYS], stranger;
    int64_t now_ms;
    struct end *ends[WORLD_ENDS];
    size_t end_count;
    struct message *head, **tail; /* under way to the coordinator */
    char last_refused[512];       /* the log's last line about a refused frame or link */
    char last_end[512];           /* ... about the end of a node */
    uint64_t log_lines;
};

/** One connection. */
struct end {
    struct world *world;
    struct tp__peer id;
    const struct tp__key *key;
    struct tp__link *link;
    struct tp__id life;
    struct message *head, **tail; /* under way to it */
    Taskpool__Frame **frames;     /* that it has received and the test has not taken */
    size_t frame_count, frame_capacity;
    char broken[128]; /* why its link broke; "" if it did not */
    bool deaf;        /* what comes waits */
    /* of a driver */
    uint8_t signing_secret[64], signing_public[32];
    uint8_t offer[TP__OFFER_LIMIT_BYTES];
    size_t offer_size;
    uint64_t batches, sequence;
    /* of a node */
    uint64_t tasks_received;
    int64_t task_limit; /* that its accepts tell; 0: none */
};

/** True while the coordinator runs, and not what it calls: for a test that lets its allocations fail. */
extern bool world_in_coordinator;

struct world *world_open(const struct coordinator_options *options);
void world_close(struct world *world);
/** Delivers everything until nothing is under way. */
void world_run(struct world *world);
/** Lets time pass in steps of 50 ms, with everyone's heartbeats. */
void world_pass(struct world *world, int64_t ms);
struct coordinator_counts world_counts(const struct world *world);

/** A new connection, with a link that has said nothing. */
struct end *world_connect(struct world *world, const struct tp__key *key);
/** The connection is gone, and says nothing more. */
void end_cut(struct end *end);
void end_hello(struct end *end, Taskpool__Role role, const struct tp__id *life, const char *name, uint32_t workers);
/** Sends a frame of the kind that `message` is of, over the link. */
void end_send(struct end *end, enum tp__lane lane, Taskpool__Frame__BodyCase body_case, void *message);
/** Sends bytes or a frame past the link; its numbers are its own. */
void end_send_raw(struct end *end, const uint8_t *bytes, size_t size);
void end_send_frame_raw(struct end *end, Taskpool__Frame *frame);
/** The next frame of that kind that it has received: yours. NULL if there is none. */
Taskpool__Frame *end_take(struct end *end, Taskpool__Frame__BodyCase body_case);
/** Frees those of that kind, and says how many they were. */
size_t end_drop(struct end *end, Taskpool__Frame__BodyCase body_case);
/** The Refusal that it got, whose status is returned; fails the test if there was none. */
tp_status end_refusal(struct end *end);

struct tp__id world_id(uint64_t number);

/** A driver or node that has said Hello and was welcomed. The driver has offered its session, too. */
struct end *world_driver(struct world *world, size_t key, uint64_t session);
struct end *world_node(struct world *world, size_t key, uint64_t life, uint32_t workers);
struct end *world_tool(struct world *world, size_t key);
void driver_offer(struct end *driver);
/** The node accepts, with an incarnation that follows from its life and the session; the driver says Use. */
struct tp__id node_accept(struct end *node, const struct end *driver, uint64_t incarnation);
void driver_use(struct end *driver, const struct tp__id *incarnation);
struct tp__id world_join(struct end *node, struct end *driver);
void node_credit(struct end *node, uint64_t total, uint32_t running, uint32_t queued);
/** The node is near its limit of that session. */
void node_credit_with_room(struct end *node, uint64_t total, const struct end *driver, int64_t room);

struct batch_options {
    uint32_t depth;
    uint32_t dispatch;    /* 0: the first one */
    size_t payload_bytes; /* 0: 64 */
    const struct tp__id *incarnation;
};
/** Sends a batch of small tasks, with ascending sequences. Returns its number. */
uint64_t driver_tasks(struct end *driver, uint32_t count, const struct batch_options *options);
/** How many tasks of that session a node has received since the last call; each run is verified. */
uint64_t node_take_tasks(struct end *node, const struct end *driver);
uint64_t node_take_tasks_in_runs(struct end *node, const struct end *driver, uint32_t *runs);

#endif
