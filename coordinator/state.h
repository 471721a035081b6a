/* SPDX-License-Identifier: MIT */
/** @file
 * What the coordinator remembers: the structs that its rooms share. Each struct says which room keeps it.
 */
#ifndef COORDINATOR_STATE_H
#define COORDINATOR_STATE_H

#include "coordinator.h"
#include "link/link.h"
#include "map.h"
#include "queue.h"
#include "set.h"
#include "trust/offer.h"

enum {
    PEER_LIMIT = 65536,
    NODE_LIMIT = 16384,
    LOST_LIVES = 4096,     /* remembered */
    ENDED_SESSIONS = 4096, /* remembered */
    VERSION_LIMIT = 31,    /* bytes of a version, for people */
    CREDIT_LIMIT = 4096,   /* of a node: docs/protocol.md */
    WORKERS_LIMIT = 65536  /* of a node */
};

/** One link, and who is at its other end. peers.c */
struct peer {
    struct coordinator *coordinator;
    struct peer *next, *previous; /* all of them */
    struct peer *next_ended;
    bool ended;         /* nothing goes to it any more; it is freed when the event that ended it has been dealt with */
    enum tp__role role; /* 0 until it was welcomed */
    struct tp__peer id; /* routing id */
    struct tp__public_key key;
    struct tp__link *link;
    struct node *node;       /* of a node's link */
    struct session *session; /* of a driver's */

    uint64_t number;       /* of this link among all: tells it from one before it */
    uint64_t bulk_bytes;   /* of that lane that had to wait for the window, all in all */
    uint64_t queued_bytes; /* the same of all lanes */
    uint64_t gone_bytes;   /* of these, when it was looked at last */
    int64_t gone_ms;       /* when that changed last */
};

/** How much of one stream waits for one link: two ages of frames, so that what has gone is forgotten in time.
 *  relay.c */
struct flow {
    uint64_t link;             /* number of the link that it is about */
    uint64_t old_end, new_end; /* of the link's bulk_bytes: they have gone when that many have */
    uint32_t old_bytes, new_bytes;
};

/** One session on one node. uses.c */
struct use {
    struct session *session;
    struct node *node;
    struct use *next, *previous; /* of the node */
    struct tp__id incarnation;   /* none: not accepted */
    bool used;                   /* the driver has agreed: tasks may go there */
    uint32_t answers;            /* accepts and refusals since either link was made */
    uint64_t sent;               /* tasks that went to this incarnation over the node's link */
    uint64_t limited;            /* `credits` of the node when it said `room`: that holds as long; 0: it did not */
    int64_t room;                /* how many of depth 0 it takes in all, and one more for each level of depth */
    struct queue pinned;         /* tasks that go to this incarnation only */
    struct flow to_node, to_driver;
};

/** A node's life. nodes.c */
struct node {
    struct tp__id life;
    struct tp__public_key key;
    uint32_t slot;
    struct peer *peer; /* NULL: its link broke, and it has some time to come back */
    struct use *uses;
    struct set users;      /* slots of the sessions that use it */
    struct set pinned;     /* slots of those that have tasks queued for it alone */
    struct fetch *fetches; /* programs that it asks for: programs.c */

    bool silent, draining;
    int64_t heard_ms; /* when its link broke: when it was heard last */
    uint32_t workers;
    uint64_t credit;  /* tasks that it can take over this link, in all */
    uint64_t sent;    /* tasks that it was sent over this link */
    uint64_t credits; /* how often it has said so, and Hello, ever */
    struct {          /* what it said last */
        uint32_t running, queued;
        uint64_t finished, sent;
        bool drained;
    } report;
    bool had_waiting;       /* at the last look of recall.c, and nothing was queued here */
    uint64_t rate_finished; /* report.finished a second ago */
    double rate;
    char name[TP__NAME_LIMIT + 1];
    char version[VERSION_LIMIT + 1];
};

/** A driver's session. sessions.c */
struct session {
    struct tp__id id;
    struct tp__public_key key;
    uint32_t slot;
    struct peer *peer; /* NULL: its link broke, and its lease runs */
    bool is_silent;    /* its tasks wait: the queues stay, out of the sets of placement.c */
    int64_t heard_ms;  /* without a link: when it was heard last */

    uint8_t *signed_offer; /* NULL: has not come yet */
    uint32_t signed_offer_size;
    bool offered; /* over this link */
    struct program *program;
    struct session *next_source; /* of the program: programs.c */
    uint64_t program_length;
    bool is_bad_source; /* sent what is not the program */

    struct queue queue;                      /* tasks that may go to any node in use */
    struct batch *incoming, **incoming_tail; /* batches whose payloads are not complete: queue.c */
    uint64_t queued_tasks, queued_bytes;     /* in all queues and incoming */
    uint64_t placed_tasks;

    struct use **uses; /* by slot of the node */
    uint32_t use_capacity;
    struct map incarnations; /* to its uses */
    struct set nodes;        /* slots of the nodes in use */
    uint32_t next_node;      /* whose turn it is */

    struct placed_run *placed; /* not told yet: placement.c */
    uint32_t placed_count;
    bool is_untold;
    struct session *next_untold;

    char name[TP__NAME_LIMIT + 1]; /* of the key */
    char program_name[TP__NAME_LIMIT + 1];
};

struct lost_life {
    struct tp__id life;
    int64_t at_ms;
    uint32_t workers;
    bool has_left; /* it said so: nobody need be shown that it is missing */
    char name[TP__NAME_LIMIT + 1];
};

struct ended_session {
    struct tp__id id;
    int64_t at_ms;
};

struct coordinator {
    struct coordinator_actions actions;
    struct coordinator_options options; /* with the defaults filled in */
    const struct tp__authorized *authorized;
    int64_t now_ms, started_ms;
    bool stopped;

    struct peer *peers;
    struct peer *ended_peers;
    size_t peer_count;
    struct map peers_by_id;
    uint64_t links_made;

    struct node **nodes; /* by slot; NULL: free */
    uint32_t node_slots;
    uint32_t node_count;
    struct map nodes_by_life;
    struct lost_life *lost; /* a ring */
    uint32_t lost_count, next_lost;
    struct map lost_by_life;

    struct session **sessions; /* by slot; NULL: free */
    uint32_t session_slots;
    uint32_t session_count;
    struct map sessions_by_id;
    struct ended_session *ended; /* a ring */
    uint32_t ended_count, next_ended;
    struct map ended_by_id;

    size_t use_count;
    struct set with_credit; /* slots of nodes that can take tasks now */
    struct set with_work;   /* slots of sessions with tasks for any node */
    struct {
        uint32_t slot; /* whose turn it is */
        uint32_t left; /* tasks that it may still place */
    } turn;
    struct session *untold; /* with runs that their drivers have not been told of */

    struct program *programs;
    uint64_t program_bytes; /* of chunks that are here or asked for */

    struct query *queries;
    uint64_t last_query;

    struct {
        uint64_t tasks, bytes, memory_bytes;
    } queued;
    uint64_t placed_tasks, refused_frames;
    int64_t second_ms; /* when rates were measured last */
    int64_t recall_ms;
    uint64_t rate_placed;
    double rate;
    uint64_t steps; /* looks at a node, session, batch or leaf while placing: tests watch it */
};

#endif
