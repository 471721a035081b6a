/* SPDX-License-Identifier: MIT */
/** @file
 * The inside of the agent: its state, and what each of its rooms offers the others. Not for the shell.
 *
 *     agent.c      the calls of agent.h; what follows every event     uplink.c     the link to the coordinator
 *     sessions.c   offers, accepts, ends                              programs.c   fetching programs
 *     runs.c       verifying tasks and their payloads                 tasks.c      the table of tasks, those that wait
 *     workers.c    worker processes and their records                 give.c       handing tasks to them
 *     streams.c    records from and for drivers                       blame.c      what a dead process leaves
 *     credit.c     how many tasks the node wants                      rooms.c      and how deep they must be
 *     recall.c     handing tasks back
 *
 * One event is one call of agent.h. Rooms change the state and note what is left to do (`dirty`, `failed`,
 * `wants_socket`); agent_settle does that at the end of the event: nothing is freed under somebody's feet.
 */
#ifndef NODE_AGENT_STATE_H
#define NODE_AGENT_STATE_H

#include "agent.h"

#include "link/link.h"
#include "trust/batch.h"
#include "trust/program.h"
#include "trust/stream.h"

enum {
    PROCESSES_LIMIT = 64,            /* of a session, besides the common one; one more for each level of depth */
    STALLED_LIMIT = 4096 + 64,       /* tasks of a session that wait for a process; more than come for one credit */
    WAITING_LIMIT_BYTES = 512 << 20, /* payloads of tasks that are not handed to a worker process */
    STREAM_LIMIT_BYTES = 16 << 20,   /* unacknowledged: nothing more of that session starts */
    STREAM_PAUSE_BYTES = 128 << 20,  /* ...: its processes are not listened to */
    STREAM_KILL_BYTES = 1 << 30,     /* ...: the process that goes on is killed */
    OUTPUT_LIMIT_BYTES = 4 << 20,    /* ...: output is dropped */
    FRESH_MS = 60000,                /* how old the last word of a driver may be */
    GONE_MS = 90000,                 /* ... until its session ends, while there is a coordinator */
    PAYLOAD_PATIENCE_MS = 60000,     /* between two parts of a payload */
    STOP_PATIENCE_MS = 10000,        /* between STOP and the end of a process */
    VERIFIED_BATCHES = 64
};

/* ---- tasks ---- */

enum waiting_state { WAITING_PAYLOAD, WAITING_CLAIM, WAITING_QUEUE, WAITING_STATES };

/** A task that is in the agent, not in a process. */
struct waiting {
    struct waiting *next, *previous;
    struct tp__leaf leaf; /**< its payload is at `payload` below */
    enum waiting_state state;
    uint32_t worker; /**< isolated: the process that starts for it; 0: none yet */
    uint8_t *payload;
    uint32_t received; /**< bytes of the payload */
    uint32_t capacity;
    int64_t progress_ms; /**< when the last part came */
};

struct waiting_list {
    struct waiting *head, *tail;
    size_t count;
};

struct task {
    uint64_t sequence; /**< 0: this place of the table is free */
    uint32_t dispatch;
    uint32_t index;          /**< in the program's table */
    struct waiting *waiting; /**< NULL: it is in process `worker` */
    uint32_t worker;
};

/** Open addressing with linear probing; never more than half full. */
struct task_table {
    struct task *places;
    size_t capacity; /**< 0 or a power of two */
    size_t count;
};

/* ---- sessions ---- */

enum session_state {
    SESSION_FETCHING, /**< the program */
    SESSION_STARTING, /**< the common process is not READY yet */
    SESSION_ACCEPTED,
    SESSION_REFUSED
};

struct verified_batch {
    uint64_t batch;
    uint32_t count; /**< 0: none */
    struct tp__hash root;
};

struct task_names {
    uint8_t *texts; /**< as in READY: u32 length, bytes */
    uint32_t *offsets;
    uint32_t count;
};

struct session {
    struct session *next;
    enum session_state state;
    struct {
        struct tp__offer content;
        struct tp__hash hash;
    } offer;
    struct tp__problem refusal; /**< if REFUSED */
    int64_t heard_ms;           /**< when its driver was last known to be there */
    struct tp__problem failed;  /**< not TP_OK: settle begins it anew (NOMEM) or refuses it */

    /* of this acceptance */
    struct tp__id incarnation;
    uint8_t accept[TP__ACCEPT_LIMIT_BYTES];
    size_t accept_size;
    bool announced; /**< Accept was sent on this link */
    struct {
        struct tp__stream *stream;
        bool opened;      /**< the driver's first frame came */
        int64_t fresh_ms; /**< when its last new frame came */
        uint32_t first_worker;
        uint32_t dropped_output_bytes;
    } talk;
    struct {
        struct tp__window *window;
        struct verified_batch verified[VERIFIED_BATCHES];
    } trust;
    struct task_table tasks;
    struct {
        uint64_t received; /**< tasks, over this link */
        bool is_said;      /**< by the last Accept or Credit */
        int64_t said;
    } room;
    struct waiting_list waiting[WAITING_STATES];
    struct task_names names;
    struct worker *common; /**< NULL: not running */
    size_t processes;      /**< besides it */
    uint64_t stalled; /**< tasks that waited for a process when the queue was looked at last, as there were enough */
    bool dirty;       /**< tasks of the queue may have a process now */
    bool held_back;   /**< nothing may start */
    int64_t held_back_ms; /**< ... since when */
};

/* ---- processes ---- */

enum worker_state {
    WORKER_STARTING,
    WORKER_READY,
    WORKER_STOPPING, /**< STOP was sent */
    WORKER_KILLED    /**< waits for its end; what it says is ignored */
};

struct worker {
    uint32_t id;
    enum worker_state state;
    struct session *session; /**< NULL: it ended before the process */
    bool was_ready;
    bool common; /**< the session's, for tasks without a cell */
    uint32_t cell;
    uint64_t isolated; /**< sequence of the task that it is for; 0: not isolated */
    uint32_t threads;
    size_t tasks;       /**< that it was given and that are not over */
    uint64_t given;     /**< ever, less those that came back unstarted */
    uint64_t settled;   /**< of those given, how many will never start; known when it has no tasks */
    uint64_t cancelled; /**< of those given: they may run there still */
    bool paused;
    int64_t fresh_until_ms;  /**< as it was told */
    int64_t stop_ms;         /**< when it is killed, if STOPPING */
    const char *verdict;     /**< why it was killed: static; NULL: it was not, or for nothing of its own */
    struct tp__buffer in;    /**< a record that is not whole yet */
    struct tp__buffer out;   /**< gathered for the process during the event */
    struct tp__buffer ready; /**< the body of READY, if it comes in parts */
};

/* ---- programs that are on the way ---- */

enum { CHUNKS_UNDER_WAY = 4 };

struct fetch {
    struct fetch *next;
    struct tp__hash root;
    uint64_t length;
    uint32_t count;          /**< of chunks */
    struct tp__hash *hashes; /**< NULL: the list is not here yet */
    uint32_t stored;
    uint32_t next_chunk; /**< all before it have been asked for */
    uint32_t under_way[CHUNKS_UNDER_WAY];
    unsigned under_way_count;
    unsigned wrong; /**< chunks that were not what they should be */
    int64_t asked_ms;
};

/* ---- the agent ---- */

enum uplink_state { UPLINK_NONE, UPLINK_HELLO, UPLINK_WELCOMED };

/** What came and had no effect, by kind: counted, and told to people at 1, 2, 4, 8 ... */
enum refused_kind {
    REFUSED_FRAME, /**< no business here, or malformed */
    REFUSED_OFFER,
    REFUSED_SESSION, /**< of a session or an incarnation that is not here */
    REFUSED_RUN,     /**< signature, proof, layout */
    REFUSED_LEAF,    /**< taken before, or too old */
    REFUSED_PAYLOAD,
    REFUSED_STREAM,
    REFUSED_CHUNK,
    REFUSED_RECORD, /**< of a worker process */
    REFUSED_KINDS
};

struct credit {
    uint64_t received;        /**< tasks since this link's Hello */
    uint64_t sent;            /**< the last total that was announced */
    uint64_t most;            /**< the highest that was announced on this link: all that may come */
    bool announced;           /**< on this link */
    bool waits;               /**< an announcement is due, and waits for a result to leave with */
    int64_t waits_ms;         /**< ... since when */
    uint64_t waits_finished;  /**< ... and what had finished then */
    uint32_t running, queued; /**< as they were announced */
    uint64_t finished;
    bool drained;
    int64_t sent_ms;
    double rate;       /**< finished a millisecond */
    double task_bytes; /**< what a task that comes captures, on average */
    uint64_t window_finished;
    int64_t window_ms; /**< when the measured window began */
    bool is_asking;    /**< all credit was used, more was announced, and nothing of it has come that could start */
    int64_t asked_ms;
    uint64_t asked_received; /**< what had come by then */
    int64_t trip_ms;         /**< from announced credit to tasks that can start */
    int64_t poll_ms;         /**< how long to the next look at started tasks */
    uint64_t polled;         /**< waiting tasks at the last look */
};

struct agent {
    struct agent_options options;
    struct agent_actions actions;
    const struct tp__key *key;
    const struct tp__authorized *authorized;
    int64_t now_ms;
    struct tp__id life;

    struct {
        struct tp__link *link;
        enum uplink_state state;
        bool wants_socket; /**< settle calls actions.reconnect once retry_ms has come */
        int64_t retry_ms;
        int64_t connected_ms;
        unsigned failures; /**< links in a row that were not welcomed */
        int64_t heard_ms;  /**< when a welcomed link was heard last */
    } uplink;

    struct session *sessions; /**< in the order of their offers */
    struct worker **workers;  /**< by rising id */
    size_t worker_count, worker_capacity;
    uint32_t last_worker;
    bool idle_workers; /**< there may be some to stop */
    struct fetch *fetches;

    struct credit credit;
    bool draining;
    bool leaving; /**< by agent_drain: Bye when all is done */
    bool said_bye;

    uint64_t tasks, finished;
    uint64_t waiting_bytes;
    uint64_t refused[REFUSED_KINDS];
    uint64_t late; /**< records of tasks that were cancelled meanwhile */
};

/** `format` is "key=value key=value", of values that need no quotes; `reason`, text from anywhere, comes behind it.
 *  NULL: none. */
void agent_log(struct agent *agent, enum agent_level level, const char *event, const char *reason, const char *format,
               ...) __attribute__((format(printf, 5, 6), cold));
/** Counts what had no effect. */
void agent_refuse(struct agent *agent, enum refused_kind kind, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* ---- uplink.c ---- */

void uplink_connect(struct agent *agent);
/** The link is no more: what was under way may be lost. A new one is made now, or a bit later. */
void uplink_break(struct agent *agent, const char *reason);
/** False if there is no welcomed link. */
bool uplink_send(struct agent *agent, enum tp__lane lane, Taskpool__Frame *frame);
int64_t uplink_tick(struct agent *agent);
void uplink_free(struct agent *agent);

/* ---- sessions.c ---- */

struct session *session_find(struct agent *agent, const uint8_t *id, size_t size);
void session_offered(struct agent *agent, const Taskpool__Offer *offer);
void session_forgotten(struct agent *agent, const Taskpool__Forget *forget);
void session_ended(struct agent *agent, const Taskpool__SessionEnd *end);
/** Its program is in the cache: starts the common process. */
void session_start(struct agent *agent, struct session *session);
/** READY came: accepts. */
void session_ready(struct agent *agent, struct session *session);
/** Drops all of it but the offer, and tells the driver why. */
void session_refuse(struct agent *agent, struct session *session, tp_status status, const char *reason);
/** Notes that it cannot go on as it is; settle acts. TP_E_NOMEM: begins anew with another incarnation. */
void session_fail(struct session *session, tp_status status, const char *reason);
void session_act_on_failure(struct agent *agent, struct session *session);
/** The link is new: repeats the Accept. */
void session_announce(struct agent *agent, struct session *session);
void session_end(struct agent *agent, struct session *session, const char *reason);
/** Ends those whose driver's key is not authorized any more. */
void session_check_keys(struct agent *agent);
/** Drops and frees all of it. */
void session_free(struct agent *agent, struct session *session);
const char *session_name(const struct session *session, char text[33]);

/* ---- programs.c ---- */

void program_want(struct agent *agent, struct session *session);
void program_chunk(struct agent *agent, const Taskpool__Chunk *chunk);
/** Asks again for what was under way. */
void program_ask_again(struct agent *agent);
int64_t program_tick(struct agent *agent);
/** Forgets fetches that no session waits for. */
void program_sweep(struct agent *agent);

/* ---- runs.c ---- */

void run_received(struct agent *agent, const Taskpool__Tasks *tasks);
void payload_received(struct agent *agent, const Taskpool__Payload *payload);
/** Forgets those whose payload is not whole. */
void payload_forget(struct agent *agent, struct session *session);
int64_t payload_tick(struct agent *agent, struct session *session);

/* ---- tasks.c ---- */

struct task *task_find(const struct session *session, uint64_t sequence);
/** The same if its dispatch is that one. */
struct task *task_find_current(const struct session *session, uint64_t sequence, uint32_t dispatch);
/** It must not be there. NULL without memory. */
struct task *task_insert(struct agent *agent, struct session *session, const struct tp__leaf *leaf);
/** It is over: takes it out of the table, its process' count and the lists. Later entries may move. */
void task_remove(struct agent *agent, struct session *session, struct task *task);
/** Tells its process that nothing of it is of interest, and removes it. */
void task_cancel(struct agent *agent, struct session *session, struct task *task);
void tasks_clear(struct agent *agent, struct session *session);
/** Its name in the program's table. */
const char *task_name(const struct session *session, uint32_t index, size_t *size);

/** Puts a task into a list with a copy of its payload (none for LARGE). False without memory. */
bool task_wait(struct agent *agent, struct session *session, struct task *task, const struct tp__leaf *leaf,
               enum waiting_state state);
void waiting_move(struct session *session, struct waiting *waiting, enum waiting_state state);
/** Takes it out of its list and frees it. */
void waiting_free(struct agent *agent, struct session *session, struct waiting *waiting);

/* ---- give.c ---- */

/** May tasks of the session start now? */
bool session_may_start(const struct agent *agent, const struct session *session);
/** A whole, new, granted task: hands it to its process at once, or lets it wait for one. `*task` is removed if that
 *  cannot be. */
void give_or_wait(struct agent *agent, struct session *session, struct task *task, const struct tp__leaf *leaf);
/** Hands out what waits in the queue, starting processes. */
void give_queue(struct agent *agent, struct session *session);

/** Tasks that wait for a process that may not start yet. */
uint64_t session_stalled(const struct session *session);

/* ---- workers.c ---- */

struct worker *worker_find(const struct agent *agent, uint32_t id);
/** Starts a process. NULL if it cannot: then `problem` says why. */
struct worker *worker_begin(struct agent *agent, struct session *session, uint32_t cell, uint64_t isolated,
                            struct tp__problem *problem);
/** The process of a cell that takes tasks (it may be STARTING). */
struct worker *worker_of_cell(const struct agent *agent, const struct session *session, uint32_t cell);
void worker_kill(struct agent *agent, struct worker *worker, const char *verdict);
/** Removes it from the agent. */
void worker_forget(struct agent *agent, struct worker *worker);
/** Kills all processes of a session and cuts them off. */
void workers_abandon(struct agent *agent, struct session *session);
/** A record for a process, and one without a body. */
void worker_append(struct agent *agent, struct worker *worker, const struct tp__record *record);
void worker_tell(struct agent *agent, struct worker *worker, enum tp__record_type type, uint64_t task,
                 uint32_t dispatch);
/** Asks for `count` tasks that have not started; UINT32_MAX: all. */
void worker_ask_back(struct agent *agent, struct worker *worker, uint32_t count);
/** Tasks that it has and that have not started. */
uint64_t worker_waiting(const struct agent *agent, const struct worker *worker);
void worker_records(struct agent *agent, struct worker *worker, const uint8_t *bytes, size_t size);
/** Sends what was gathered, stops those with nothing to do, pauses those whose driver lags behind. */
void workers_settle(struct agent *agent);
int64_t workers_tick(struct agent *agent);

/* ---- streams.c ---- */

void stream_received(struct agent *agent, const Taskpool__StreamFrame *frame);
/** A record for the driver. Failing for want of memory, the session begins anew. */
void stream_say(struct session *session, const struct tp__record *record);
void stream_return(struct session *session, uint64_t task, uint32_t dispatch, enum tp__returned reason,
                   const char *text);
void stream_output(struct session *session, int descriptor, uint64_t task, uint32_t dispatch, const uint8_t *bytes,
                   size_t size);
/** Sends the frames that are due. */
void stream_pump(struct agent *agent, struct session *session);
size_t stream_unacknowledged(const struct session *session);

/* ---- blame.c ---- */

void blame(struct agent *agent, struct worker *worker, const struct agent_crash *crash);
/** A process for these waiting tasks could not start. */
void blame_start(struct agent *agent, struct session *session, uint32_t cell, uint64_t isolated, const char *reason);

/* ---- credit.c ---- */

void credit_reset(struct agent *agent);
void credit_update(struct agent *agent);
/** A task came, with so many bytes of captures. */
void credit_arrived(struct agent *agent, uint32_t bytes);
int64_t credit_tick(struct agent *agent);
/** Tasks that are here and have not started. */
uint64_t credit_waiting(const struct agent *agent);

/* ---- rooms.c ---- */

/** Is there room for one more task of that depth? */
bool room_is_there(const struct agent *agent, const struct session *session, uint32_t depth);
/** How many of depth 0 the coordinator may send in all. */
int64_t room_of(const struct agent *agent, const struct session *session);
/** The link is new: the coordinator counts from 0. */
void rooms_reset(struct agent *agent);
/** Has a session room for more tasks than was said, so that the coordinator should know? */
bool rooms_are_news(const struct agent *agent);
/** Lists the sessions that are within `under_way` tasks of their limit. False without memory. The caller frees
 *  message->rooms. */
bool rooms_write(const struct agent *agent, uint64_t under_way, Taskpool__Credit *message)
    __attribute__((warn_unused_result));
/** It was sent. */
void rooms_said(struct agent *agent, uint64_t under_way);

/* ---- recall.c ---- */

void recall(struct agent *agent, uint32_t count);
/** All that has not started, and none are taken any more. */
void recall_all(struct agent *agent);
/** Nothing of the session may start: what its processes have not started goes back. */
void recall_from_workers(struct agent *agent, struct session *session);

#endif
