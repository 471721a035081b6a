/* SPDX-License-Identifier: MIT */
/** @file
 * A session on a stage: its coordinator and its nodes are played by the test, with real links, signatures and streams,
 * in a time that the test tells. Everything that the session does is written down.
 *
 * stage_new welcomes it; stage_node makes a node that accepts. stage_run carries frames to and fro until nothing is on
 * the way: after each step of a test.
 */
#ifndef TESTS_SESSION_STAGE_H
#define TESTS_SESSION_STAGE_H

/* what cmocka.h wants */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/session.h"
#include "link/link.h"
#include "trust/batch.h"
#include "trust/stream.h"

#include <stdio.h>
#include <stdlib.h>

enum { STAGE_NODES = 8 };

/** A task's end, an operation, ... as an action told it. */
struct stage_event {
    enum stage_kind {
        STAGE_RESULT,
        STAGE_FAILURE,
        STAGE_CHILD_BEGAN,
        STAGE_CHILD_ENDED,
        STAGE_OPERATION,
        STAGE_WITHDRAW,
        STAGE_CONFIRMED,
        STAGE_DROPPED,
        STAGE_OUTPUT,
        STAGE_RECONNECT
    } kind;
    uintptr_t tag;
    uint64_t sequence; /* of a child */
    struct tp__session_operation operation;
    tp_status status;
    int worker;
    uint32_t number; /* output: dropped bytes */
    char message[4096];
    char task[64];
    char node[64];
    char backtrace[64];
    uint8_t bytes[64]; /* the first ones */
    size_t size;
};

/** A record that a node received. */
struct stage_record {
    struct tp__record record;
    uint8_t bytes[1100]; /* the first ones of the body */
};

struct stage_node {
    struct stage *stage;
    struct tp__key key;
    struct tp__id life;
    struct tp__id incarnation;
    char name[64];
    uint32_t workers;
    uint8_t accept[TP__ACCEPT_LIMIT_BYTES];
    size_t accept_size;
    struct tp__stream *stream;
    bool used; /* Use came */
    bool forgotten;
    bool cut; /* stream frames do not get through */
    struct stage_record *records;
    size_t record_count, record_read;
};

/** A leaf that the coordinator received. */
struct stage_leaf {
    struct tp__leaf leaf; /* without its payload */
    uint8_t payload[64];
    uint64_t batch;
    uint32_t index, count;
    struct tp__id incarnation; /* pinned */
    uint32_t depth;
};

struct stage {
    struct tp__session *session;
    struct tp__session_options options;
    int64_t now_ms;
    struct tp__key driver;
    struct tp__authorized *authorized;
    struct stage_node nodes[STAGE_NODES];
    size_t node_count;

    struct tp__link *link; /* the coordinator's end */
    bool link_broken;
    bool mute; /* the coordinator does not answer a Hello */
    bool no_offer_yet;
    bool deaf; /* frames to the coordinator are lost */
    struct stage_message {
        struct stage_message *next;
        size_t size;
        bool to_session;
        uint8_t bytes[];
    } * first, **last;

    struct tp__offer offer; /* checked */
    struct tp__hash offer_hash;
    struct tp__id session_id;
    size_t hellos, offers, byes;

    struct stage_leaf *leaves;
    size_t leaf_count, leaf_read;
    size_t payload_bytes;
    uint32_t payload_end;
    size_t chunks, lists;
    uint64_t chunk_indices;
    Taskpool__Frame *answer; /* the last one */

    struct stage_event *events;
    size_t event_count, event_read;
    size_t workers;
    bool may_have_sent; /* what `dropped` says */
    void (*on_operation)(struct stage *stage, const struct tp__session_operation *operation);
};

/** What the coordinator has room for: 1 MiB, unless a test says so before stage_new. */
extern uint64_t stage_queue_bytes;
/** How many nodes it says to have; 0 unless a test says so before stage_new. */
extern uint32_t stage_nodes_there;
/** The session is at work, not the stage around it. */
extern volatile bool stage_in_session; /* volatile: compilers know that malloc does not read it */

/** With no node yet, linked and welcomed. `adjust` may change the options before; NULL: nothing. */
struct stage *stage_new(void (*adjust)(struct tp__session_options *options));
void stage_free(struct stage *stage);
/** Until nothing is on the way. Flushes the session first. */
void stage_run(struct stage *stage);
/** Sends what stands in the node's stream. */
void stage_pump(struct stage_node *node);
/** Time passes, in steps of at most 100 ms with heartbeats of the coordinator. */
void stage_pass(struct stage *stage, int64_t ms);

/** A node whose key is trusted, and that has accepted. */
struct stage_node *stage_node(struct stage *stage, const char *name, uint32_t workers);
/** The same with one worker, and its first record read. */
struct stage_node *stage_node_open(struct stage *stage, const char *name);
/** One that has not. */
struct stage_node *stage_node_make(struct stage *stage, const char *name, uint32_t workers);
/** A new incarnation and its Accept. */
void stage_accept_anew(struct stage_node *node);
/** Sends what it gave again. */
void stage_accept(struct stage_node *node);
void stage_refuse(struct stage_node *node, tp_status status, const char *reason);

/** A frame of the coordinator. */
void stage_send(struct stage *stage, Taskpool__Frame *frame);
/** Says that a run of a batch, or what is none, was placed. */
void stage_place_run(struct stage *stage, uint64_t batch, uint32_t first, uint32_t length,
                     const struct tp__id *incarnation);
void stage_place(struct stage *stage, const struct stage_leaf *leaf, const struct stage_node *node);
void stage_condition(struct stage_node *node, Taskpool__NodeCondition condition, const char *reason);
/** The link breaks: frames on the way are lost. The session makes a new one. */
void stage_break(struct stage *stage);

/** Submits a small task; its payload is its tag. */
uint64_t stage_submit(struct stage *stage, uintptr_t tag);
uint64_t stage_submit_with(struct stage *stage, uintptr_t tag, uint32_t flags, int worker);
/** The next leaf that the coordinator received; fails without. */
struct stage_leaf *stage_leaf(struct stage *stage);
/** The next one, which is placed at that node. */
struct stage_leaf stage_place_next(struct stage *stage, struct stage_node *node);
/** No further one. */
void stage_no_leaf(struct stage *stage);
/** Submits, places, returns the leaf. */
struct stage_leaf stage_start(struct stage *stage, struct stage_node *node, uintptr_t tag, uint32_t flags);

/** What a node says about a task; runs. */
void stage_say(struct stage_node *node, enum tp__record_type type, const struct tp__leaf *leaf, uint32_t operation,
               const void *body, size_t size);
void stage_result(struct stage_node *node, const struct tp__leaf *leaf, const char *value);
void stage_failure(struct stage_node *node, const struct tp__leaf *leaf, tp_status status, const char *message);
void stage_crash(struct stage_node *node, const struct tp__leaf *leaf, enum tp__crash_role role, bool alone);
void stage_append_crash(struct stage_node *node, const struct tp__leaf *leaf, enum tp__crash_role role, bool alone);
void stage_returned(struct stage_node *node, const struct tp__leaf *leaf, enum tp__returned why, const char *reason);
void stage_child(struct stage_node *node, const struct tp__leaf *parent, uint32_t operation, uint64_t timeout_ms,
                 uint32_t flags);
/** The answer to a RECONCILE with that nonce: `leaves` are all there. */
void stage_held(struct stage_node *node, uint64_t nonce, const struct tp__leaf *leaves, size_t count,
                enum tp__held held);
/** Appends without sending. */
void stage_append(struct stage_node *node, enum tp__record_type type, uint64_t task, uint32_t dispatch,
                  uint32_t operation, const void *body, size_t size);

/** The next record that the node received: it must be of that type. */
struct stage_record *stage_record(struct stage_node *node, enum tp__record_type type);
/** ... and there is no further one. */
void stage_no_record(struct stage_node *node);
/** The nonce of the RECONCILE that is next. */
uint64_t stage_asked(struct stage_node *node);

/** The next event of that kind: others of other kinds in between are passed over. Fails without. */
struct stage_event *stage_event(struct stage *stage, enum stage_kind kind);
/** There is none of that kind left. */
void stage_no_event(struct stage *stage, enum stage_kind kind);
void stage_expect_result(struct stage *stage, uintptr_t tag, const char *value);
struct stage_event *stage_expect_failure(struct stage *stage, uintptr_t tag, tp_status status, const char *part);

void stage_contains(const char *text, const char *part);

#endif
