/* SPDX-License-Identifier: MIT */
/** @file
 * The inside of the driver's session: its state, and what each of its rooms offers the others.
 *
 *     session.c             the calls of session.h; what follows every event
 *     session_link.c        the link to the coordinator, made anew when it breaks; frames
 *     session_tasks.c       the table of unresolved tasks by sequence, and how each of them ends
 *     session_batches.c     tasks that wait go to the coordinator; which were placed where
 *     session_lanes.c       those that wait, by depth
 *     session_nodes.c       nodes that are used, the numbers of their workers, how they are lost
 *     session_accepts.c     which nodes are believed
 *     session_refusals.c    why nodes do not take the program, and how long tasks wait for one that does
 *     session_streams.c     records to and from nodes
 *     session_reconcile.c   what is still held after a break
 *     session_losses.c      attempts that are gone: again, or not
 *     session_records.c     what nodes say about tasks
 *     session_children.c    tasks that were submitted by tasks, and their time limits
 *     session_operations.c  channel operations of running tasks; effects
 *     session_program.c     chunks of the program for nodes that lack it
 *     session_why.c         questions of people
 *
 * One event is one call of session.h. Rooms change the state and note what is left to do (a node that has `failed`, a
 * link to be made anew, streams that have something to send); tp__session_settle does it at the end of the event, so
 * that no node or link goes while somebody uses it. Actions are called when the state is whole: they may call
 * tp__session_reply, tp__session_submit and tp__session_cancel.
 */
#ifndef TP_CLUSTER_SESSION_STATE_H
#define TP_CLUSTER_SESSION_STATE_H

#include "cluster/session.h"
#include "cluster/session_index.h"
#include "cluster/session_lanes.h"
#include "cluster/session_ring.h"
#include "link/link.h"
#include "trust/batch.h"
#include "trust/program.h"
#include "trust/stream.h"

enum {
    TP__PAGE_TASKS = 256,
    TP__LOSSES_LIMIT = 16,
    TP__REFUSALS_LIMIT = 3,
    TP__DEFAULT_ATTEMPTS = 3,
    TP__OPERATIONS_LIMIT = 4 << 20,       /* open, of all tasks */
    TP__ASSEMBLY_LIMIT_BYTES = 256 << 20, /* records of one node of which parts are missing */
    TP__BULK_LANE_BYTES = 1 << 20,        /* in the link's lane of bulk, before more tasks or streams follow */
    TP__DEFAULT_QUEUE_LIMIT_BYTES = 256 << 20,
    TP__NODE_WORKERS_LIMIT = 1 << 14,
    TP__RECONNECT_MS = 100,  /* between two new links at least */
    TP__UNHEARD_MS = 1000,   /* until the socket is tried again when there is none */
    TP__SETTLE_MS = 500,     /* how long nodes are waited for after a new link ... */
    TP__GRACE_MS = 10000,    /* ... and those whose tasks cannot be run again */
    TP__PATIENCE_MS = 30000, /* how long tasks wait for a node that accepts the session ... */
    TP__REFUSED_MS = 5000,   /* ... and for another one when all that there are have refused for good */
    TP__TICK_MS = 20000,
    TP__RESEND_MS = 30000 /* what a node has not acknowledged while it was silent for so long is sent again */
};

/* ---- tasks ---- */

enum task_state {
    TASK_WAITING, /* to be sent */
    TASK_QUEUED,  /* at the coordinator */
    TASK_LIMBO,   /* was there when the link broke: perhaps a node has it */
    TASK_PLACED,  /* at a node */
    TASK_STATES
};

enum task_mark {
    MARK_GRANTED = 1, /* this dispatch was allowed to start, at most once */
    MARK_EFFECT = 2   /* it did what must not be done twice */
};

struct task {
    struct ring ring;  /* by state: a lane, `waiting` of a node; `queued`; `limbo`; `placed` of a node */
    uint64_t sequence; /* 0: this entry of the page is free */
    void *tag;         /* NULL: a child */
    uint8_t *payload;  /* NULL if it is empty */
    struct rare *rare; /* NULL: none of that */
    struct node *node; /* PLACED: where; else the one that it is pinned to at the moment, or NULL */
    uint32_t length;   /* of the payload */
    uint32_t dispatch; /* the current one; of a task that waits, the next */
    uint32_t function; /* index in the program's table */
    uint32_t cell;
    uint32_t stack_kib;
    uint32_t generation; /* PLACED: of the node when it was placed or last seen there */
    uint16_t depth;
    uint8_t state;
    uint8_t flags; /* AT_MOST_ONCE, ISOLATED */
    uint8_t marks;
    uint8_t losses;
    uint8_t suspicions;
    uint8_t refusals;
    uint8_t max_attempts;
};

/** What few tasks have. */
struct rare {
    struct task *task;
    int worker;           /* that it is pinned to, -1: none */
    uint32_t local;       /* its number on task->node */
    struct ring children; /* of the current attempt, through `siblings`; those of children that have ended too */
    struct ring operations;
    /* a child: */
    struct ring siblings;
    struct task *guardian; /* the nearest ancestor that is unresolved; NULL: none */
    uint64_t parent;       /* the one that asked for it */
    uint32_t operation;
    bool awaited;                   /* the guardian is the parent, and gets the result */
    struct index_entry child_entry; /* in children.index, if awaited */
    int64_t deadline_ms;
    uint64_t timeout_ms;
    size_t heap_place; /* in children.deadlines, from 1; 0: no time limit */
};

struct page {
    struct index_entry entry; /* key: (sequence - 1) / TP__PAGE_TASKS */
    struct ring ring;         /* ascending */
    uint32_t used;
    struct task tasks[TP__PAGE_TASKS];
};

struct operation {
    struct index_entry entry;
    struct ring ring; /* of the task */
    struct task *task;
    uint32_t number;
    bool taken; /* a message was received, and is not confirmed */
};

/* ---- batches ---- */

struct batch {
    struct index_entry entry; /* key: its number */
    struct ring ring;         /* pinned: of its node */
    struct ring reserve;      /* in sending.reserve: it took more than its share of the coordinator's budget */
    struct node *node;        /* pinned; NULL: anywhere */
    uint32_t depth;
    uint32_t count;
    uint32_t left; /* not placed yet */
    struct batch_task {
        uint64_t sequence;
        uint32_t dispatch; /* 0: was placed */
        uint32_t bytes;
    } tasks[];
};

/* ---- nodes ---- */

struct node {
    struct index_entry entry; /* key: the first 8 bytes of the incarnation */
    struct ring ring;         /* ascending by first_worker */
    struct tp__id incarnation;
    struct tp__id life;
    struct tp__public_key key;
    char name[TP__NAME_LIMIT + 1];
    uint32_t workers;
    uint32_t first_worker;
    bool draining;
    bool reachable;   /* the coordinator named it on this link */
    char failed[128]; /* not empty: to be given up, and why */

    struct tp__stream *stream;
    struct tp__assembly assembly;
    struct ring dirty;          /* in nodes.dirty: its stream may have something to send */
    struct ring unacknowledged; /* in nodes.unacknowledged: what it sent can wait for its acknowledgement */
    size_t unacknowledged_bytes;
    int64_t heard_ms;

    struct ring placed;
    struct ring queued;   /* pinned here, at the coordinator */
    struct lanes waiting; /* pinned here */
    struct ring pinned;   /* in sending.pinned: `waiting` is not empty */
    struct ring batches;

    uint32_t generation; /* raised when frames on the way to it may have been lost */
    uint32_t asked;      /* the generation of the last RECONCILE ... */
    uint32_t judged;     /* ... and of the last HELD */
    uint32_t broken;     /* the generation that the last new link of ours began; 0: none */
    bool unanswered;     /* no HELD since then */
    uint32_t distrusted; /* it has nothing of what is in limbo before its HELD for this generation */
};

/** A node that refused, in words for people; or that this driver does not believe. */
struct refusal {
    struct tp__id life;
    bool is_unlisted;          /* the latter: */
    struct tp__public_key key; /* whose it is, and ... */
    struct tp__id incarnation; /* ... with what it has accepted */
    char name[TP__NAME_LIMIT + 1];
    tp_status status;
    char reason[TP__PROBLEM_BYTES];
};
enum { TP__REFUSALS_KEPT = 32 };

struct crash_group {
    uint32_t cell;    /* that crashed */
    uint32_t into[2]; /* its bystanders' new ones: the second one of cells that crashed before */
    bool second;      /* whose turn it is */
};
enum { TP__CRASH_GROUPS = 16 };

/** A batch that is put together: much for the stack of a thread that only calls tp_run. */
struct making {
    uint32_t count;
    uint32_t bytes; /* of the leaves */
    struct task *tasks[TP__BATCH_LIMIT];
    struct tp__hash hashes[TP__BATCH_LIMIT];
    uint8_t leaves[TP__BATCH_LIMIT_BYTES];
};

struct tp__session {
    struct tp__session_options options;
    struct tp__session_actions actions;
    int64_t now_ms;
    struct tp__id id;
    enum tp__session_state state;
    struct tp__problem problem; /* if FAILED */
    bool settling;
    bool closed;
    bool full;
    struct tp__buffer texts; /* of the error that is being told */

    struct {
        uint8_t signing_secret[64];
        uint8_t exchange_public[32];
        uint8_t exchange_secret[32];
        uint8_t offer[TP__OFFER_LIMIT_BYTES];
        size_t offer_size;
        struct tp__hash offer_hash;
    } keys;

    struct {
        struct tp__link *link;
        bool welcomed;
        bool broken; /* to be made anew */
        int64_t connected_ms;
        int64_t reconnect_ms; /* when the socket is asked for; INT64_MAX: it is there */
        uint64_t queue_limit_bytes;
        uint32_t expected_answers; /* to the offer: one a node that was there at the welcome */
        uint32_t answers;          /* since then */
        char coordinator[TP__NAME_LIMIT + 1];
        char trouble[128]; /* why the last one broke */
    } wire;

    struct {
        struct index pages;
        struct ring ring;
        struct page *last;
        size_t page_count;
        uint64_t next_sequence;
        uint64_t unresolved;
        uint64_t by_state[TASK_STATES];
        uint64_t bytes; /* of payloads */
        uint64_t dispatches, lost, refused;
        struct ring queued; /* that are not pinned */
        struct ring limbo;
    } tasks;

    struct {
        struct lanes waiting;
        struct ring pinned;   /* nodes with tasks that are pinned there */
        struct ring homeless; /* pinned tasks without a node */
        struct index batches;
        size_t batch_bytes;
        struct ring reserve; /* each deeper than those before it */
        uint64_t next_batch;
        uint64_t queued_bytes; /* at the coordinator ... */
        uint64_t shared_bytes; /* ... of tasks that may go to any node */
        struct making *making; /* the batch that is being made */
        uint32_t next_cell;
    } sending;

    struct {
        struct index index;
        struct ring ring;
        struct node **order; /* those that pinned tasks go to, by first_worker */
        size_t *ends;        /* of their workers, counted through */
        size_t order_count, order_capacity;
        size_t count, workers;
        int strict_worker; /* the next one of TP_ROUND_ROBIN_STRICT */
        struct ring dirty;
        struct ring unacknowledged;
        struct index known; /* every incarnation that was ever used: its keys must never be used again */
        struct refusal refusals[TP__REFUSALS_KEPT];
        size_t refusal_count;
        bool refusals_cut;  /* there were more */
        int64_t refused_ms; /* when the last one did */
        int64_t none_ms;    /* since when tasks wait and no node has accepted; INT64_MAX: not so */
    } nodes;

    struct {
        size_t unanswered; /* nodes */
        int64_t settle_ms; /* INT64_MAX: nothing to settle */
        int64_t grace_ms;
    } reconcile;

    struct {
        struct index index;      /* awaited ones, by parent and operation */
        struct rare **deadlines; /* a heap; [0] is not used */
        size_t deadline_count, deadline_capacity;
    } children;

    struct {
        struct index index;
    } operations;

    struct {
        struct crash_group groups[TP__CRASH_GROUPS]; /* of the frame that is being read */
        size_t count;
    } crashes;

    struct {
        uint8_t needed[TP__PROGRAM_LIMIT_BYTES / TP__CHUNK_BYTES / 8]; /* a bit a chunk */
        bool list_needed;
        bool unreadable;
        uint32_t count, cursor, needed_count;
    } program;

    struct {
        int64_t tick_ms;
        int64_t resend_ms;
        int64_t acknowledge_ms; /* what nodes sent; INT64_MAX: there is nothing */
    } timers;
};

/* ---- session.c ---- */

/** What is left to do after an event. */
void tp__session_settle(struct tp__session *session);
/** Ends the session: every task fails with it. */
void tp__session_fail(struct tp__session *session, tp_status status, const char *text);
void tp__session_task_limit_attempts(struct task *task, uint32_t max_attempts); /* 0: the default */
/** TP_ROUND_ROBIN_STRICT: pins it to the next worker, unless it is pinned. False without memory (never if it has a
 *  `rare`). */
bool tp__session_spread(struct tp__session *session, struct task *task);

/* ---- session_link.c ---- */

/** Queues a frame; a failure breaks the link. */
void tp__session_send(struct tp__session *session, enum tp__lane lane, Taskpool__Frame *frame);
/** Frames on the way may be lost: drops the link, and wants a new socket. */
void tp__session_unlink(struct tp__session *session, const char *why);
void tp__session_wire_connected(struct tp__session *session);
void tp__session_wire_settle(struct tp__session *session);
/** Returns when it wants to be called next. */
int64_t tp__session_wire_tick(struct tp__session *session);
/** Says Bye; nothing goes either way from then on. */
void tp__session_wire_close(struct tp__session *session, const char *reason);
/** A name or a reason that comes from elsewhere, cut and without control characters. */
void tp__session_copy_text(char *to, size_t size, const char *from);

/* ---- session_tasks.c ---- */

/** A new one, WAITING and in no list. NULL without memory. `payload` is copied; or `owned`, from malloc, taken over. */
struct task *tp__session_task_new(struct tp__session *session, const uint8_t *payload, size_t length, uint8_t *owned);
struct task *tp__session_task_find(const struct tp__session *session, uint64_t sequence);
/** The oldest one with a sequence of at least `from`; NULL: none. */
struct task *tp__session_task_from(const struct tp__session *session, uint64_t from);
/** NULL without memory. */
struct rare *tp__session_task_rare(struct task *task);
const char *tp__session_task_name(const struct tp__session *session, const struct task *task);
void tp__session_task_set_state(struct tp__session *session, struct task *task, enum task_state state);
/** It is at that node now. */
void tp__session_task_place(struct tp__session *session, struct task *task, struct node *node);
/** Frees it; it is in no list but that of its state. */
void tp__session_task_free(struct tp__session *session, struct task *task);

/* The attempt of the task is over, and the task with it: tells whoever asked for it. */
void tp__session_resolve(struct tp__session *session, struct task *task, const uint8_t *value, size_t size);
/** Fails it. `attempt_lost`: what its children do is undone as well. Fields of the error that are NULL count as "". */
void tp__session_reject(struct tp__session *session, struct task *task, const struct tp__session_error *error,
                        bool attempt_lost);
/** The same with one message, of a task that is at `node` (NULL: nowhere). */
void tp__session_reject_text(struct tp__session *session, struct task *task, tp_status status, const char *node,
                             bool attempt_lost, const char *format, ...) __attribute__((format(printf, 6, 7), cold));
/** Rejects all that there are now. */
void tp__session_reject_all(struct tp__session *session, const struct tp__session_error *error);
/** Nobody wants it any more: stops it and what it asked for, wherever that is, and tells nobody. */
void tp__session_stop(struct tp__session *session, struct task *task);

/* ---- session_batches.c ---- */

/** It waits to be sent, behind or before what waits. */
void tp__session_wait(struct tp__session *session, struct task *task, bool first);
void tp__session_send_waiting(struct tp__session *session);
void tp__session_placed(struct tp__session *session, Taskpool__Run *const *runs, size_t count);
void tp__session_drop_batches(struct tp__session *session, struct node *node); /* NULL: all */
/** Pinned tasks that wait for a node. */
void tp__session_house(struct tp__session *session);

/* ---- session_nodes.c ---- */

struct node *tp__session_node_find(const struct tp__session *session, const uint8_t *bytes, size_t size);
struct node *tp__session_node_of_life(const struct tp__session *session, const struct tp__id *life);
bool tp__session_node_was_used(const struct tp__session *session, const struct tp__id *incarnation);
/** By the number of a worker in the pool; NULL: there are no workers. `*local` is its number there. */
struct node *tp__session_node_of_worker(const struct tp__session *session, size_t worker, uint32_t *local);
/** NULL without memory. */
struct node *tp__session_node_add(struct tp__session *session, const struct tp__accept *accept,
                                  const struct tp__stream_keys *keys, uint32_t workers);
void tp__session_node_state(struct tp__session *session, const Taskpool__NodeState *state);
/** Something is wrong with it: the incarnation will be given up at the end of the event. */
void tp__session_node_failed(struct node *node, const char *why);
/** Its tasks are lost, `why` in the form "node 'b' was lost: ...". */
void tp__session_node_lost(struct tp__session *session, struct node *node, const char *why);
void tp__session_give_up_failed(struct tp__session *session);
void tp__session_nodes_unlinked(struct tp__session *session);
/** The coordinator names it on a link that is new: whether it drains is said anew behind that. */
void tp__session_node_again(struct tp__session *session, struct node *node);
void tp__session_nodes_fini(struct tp__session *session);

/* ---- session_accepts.c ---- */

void tp__session_accepted(struct tp__session *session, const Taskpool__Accept *accept);
/** The node drops all of that incarnation, and accepts anew. */
void tp__session_forget(struct tp__session *session, const struct tp__id *incarnation);

/* ---- session_refusals.c ---- */

void tp__session_refused(struct tp__session *session, const struct tp__id *life, const char *name, tp_status status,
                         const char *reason);
/** Its key is not in this driver's list. */
void tp__session_refuse_unlisted(struct tp__session *session, const struct tp__id *life, const char *name,
                                 const struct tp__accept *accept);
/** The list is another one: they accept anew if they are in it. */
void tp__session_ask_unlisted(struct tp__session *session);
/** It has accepted. */
void tp__session_refusal_over(struct tp__session *session, const struct tp__id *life);
/** No node has accepted for too long: why, in words. */
tp_status tp__session_explain_no_node(const struct tp__session *session, char *bytes, size_t size);
void tp__session_patience_tick(struct tp__session *session);

/* ---- session_streams.c ---- */

void tp__session_stream(struct tp__session *session, const Taskpool__StreamFrame *frame);
/** Appends to the node's stream. */
void tp__session_say(struct tp__session *session, struct node *node, const struct tp__record *record);
void tp__session_say_short(struct tp__session *session, struct node *node, enum tp__record_type type, uint64_t task,
                           uint32_t dispatch);
/** Its stream may have something to send. */
void tp__session_node_dirty(struct tp__session *session, struct node *node);
void tp__session_pump(struct tp__session *session);
void tp__session_streams_tick(struct tp__session *session);

/* ---- session_reconcile.c ---- */

/** Asks the node for what it has, unless it has been asked and has not answered. */
void tp__session_ask_held(struct tp__session *session, struct node *node);
void tp__session_held(struct tp__session *session, struct node *node, struct tp__reader *body);
/** Can that node have the current dispatch of the task, as far as is known here? */
bool tp__session_may_have(const struct task *task, const struct node *node);
/** The node speaks of a task that it cannot have. True if no other is known to have it: the coordinator hid where it
 *  went, and the node is not believed about such tasks until it has forgotten it. */
bool tp__session_distrust(struct node *node, const struct task *task, uint32_t dispatch);
void tp__session_reconcile_unlinked(struct tp__session *session);
void tp__session_reconcile_welcomed(struct tp__session *session);
void tp__session_reconcile_answered(struct tp__session *session, struct node *node);
void tp__session_reconcile_tick(struct tp__session *session);

/* ---- session_losses.c ---- */

/** Its attempt is gone without being to blame: `what` says "node 'b' was lost: it was silent for 3 s". */
void tp__session_lose(struct tp__session *session, struct task *task, const char *node, const char *what);
/** Whether losing it now would end it. */
bool tp__session_is_precious(const struct task *task);
/** It has not started: sends it again. */
void tp__session_again(struct tp__session *session, struct task *task);
void tp__session_crashed(struct tp__session *session, struct task *task, struct tp__reader *body);
void tp__session_returned(struct tp__session *session, struct task *task, struct tp__reader *body);

/* ---- session_records.c ---- */

void tp__session_records(struct tp__session *session, struct node *node, struct tp__reader *records);
/** u32 status, u32 worker + 1, texts: message, task, backtrace, perhaps node (else NULL). False if malformed (or
 *  without memory). The strings are valid until the next call. */
bool tp__session_read_error(struct tp__session *session, struct tp__reader *body, struct tp__session_error *error);

/* ---- session_children.c ---- */

void tp__session_child(struct tp__session *session, struct task *parent, const struct tp__record *record);
void tp__session_child_cancel(struct tp__session *session, struct task *parent, uint32_t operation);
/** The result of a child, for the parent that awaits it; nothing if nobody does. */
void tp__session_child_resolved(struct tp__session *session, struct task *child, const uint8_t *value, size_t size);
void tp__session_child_rejected(struct tp__session *session, struct task *child, const struct tp__session_error *error);
/** The child is about to be freed: takes it off its guardian, the index, the time limits. */
void tp__session_child_detach(struct tp__session *session, struct task *child);
/** A task has ended, its children go on: its guardian gets them. */
void tp__session_adopt(struct tp__session *session, struct task *task);
/** The attempt is gone: stops its children, and theirs. */
void tp__session_stop_children(struct tp__session *session, struct task *task);
void tp__session_children_tick(struct tp__session *session);
int64_t tp__session_children_due(const struct tp__session *session);

/* ---- session_operations.c ---- */

void tp__session_operate(struct tp__session *session, struct task *task, const struct tp__record *record);
void tp__session_withdraw(struct tp__session *session, struct task *task, uint32_t number);
void tp__session_confirm(struct tp__session *session, struct task *task, uint32_t number);
void tp__session_drop_operations(struct tp__session *session, struct task *task);
/** The task (NULL: none) and its ancestors are not run again. */
void tp__session_mark_effect(struct task *task);

/* ---- session_program.c ---- */

void tp__session_need(struct tp__session *session, const Taskpool__Need *need);
void tp__session_send_chunks(struct tp__session *session);

/* ---- session_why.c ---- */

void tp__session_query(struct tp__session *session, const Taskpool__Query *query);

#endif
