/* SPDX-License-Identifier: MIT */
/** @file
 * What tasks do, and the ledger of all of them: the simulation knows of every task what was asked, how often it has
 * started, and what came of it, and compares that with what the protocol promises.
 *
 * A task is a short script that follows from its seed, so that the right result follows too. Its payload names it and
 * cannot be forged: it carries a hash that only the simulation can make.
 */
#ifndef TESTS_SIMULATION_WORK_H
#define TESTS_SIMULATION_WORK_H

#include "cluster/session.h"
#include "wire/record.h"
#include "world.h"

struct driver;
struct note;

enum step_kind {
    STEP_COMPUTE, /**< runs for a while */
    STEP_SLEEP,   /**< parks for a while */
    STEP_OUTPUT,
    STEP_SEND,
    STEP_RECEIVE, /**< perhaps with a time limit */
    STEP_SELECT,  /**< sends to one channel or receives from another */
    STEP_CHILD,
    STEP_JOIN, /**< waits for all children */
    STEP_CANCEL_CHILD,
    STEP_FAIL, /**< raises an error */
    STEP_CRASH /**< ends its process */
};

struct step {
    enum step_kind kind;
    uint32_t time_us;       /**< COMPUTE, SLEEP; RECEIVE: the limit, 0 for none */
    uint8_t channel, other; /**< SEND, RECEIVE, SELECT */
    bool wait;              /**< false: at once or not at all */
};

enum { STEPS_LIMIT = 16, WORK_NAMES = 3, CHANNELS = 4, DEPTH_LIMIT = 3, TREES_DEPTH_LIMIT = 12 };

enum fate { FATE_OPEN, FATE_VALUE, FATE_FAILED, FATE_CANCELLED };

struct work {
    uint32_t number;
    struct driver *driver;
    struct work *parent; /**< NULL: the driver's program asked for it */
    uint64_t seed;
    uint8_t depth;
    uint8_t step_count;
    bool at_most_once, isolated;
    bool is_named, is_tainted; /**< by a rogue node; an ancestor of such a one */
    bool fragile;              /**< it, or one below it, does what must not be done twice: it may be lost */
    uint32_t payload_bytes, result_bytes;
    struct step steps[STEPS_LIMIT];

    struct tp__id session;
    uint64_t sequence; /**< 0: not known yet (a child) */
    enum fate fate;
    uint32_t starts; /**< in processes */
    struct arrival {
        uint64_t process;
        uint32_t dispatch;
    } * arrivals; /**< in processes */
    size_t arrival_count, arrival_capacity;
    uint64_t dispatches; /**< a bit for each of the first 64 that have started */
    uint32_t effects;    /**< bits: the SEND at that step was accepted */
};

struct ledger {
    struct world *world;
    uint64_t secret;
    struct work **works;
    size_t work_count, work_capacity;
    struct note **notes; /**< messages on channels */
    size_t note_count, note_capacity;
    uint64_t starts, values, failures, cancelled, lost, crashed;
};

struct ledger *ledger_new(struct world *world);
void ledger_free(struct ledger *ledger);

/** A rogue node has named it: what comes of it, and of those above and below it, proves nothing. */
void work_slander(struct work *work);
/** A new task of a driver's program (parent NULL), or of a task. */
struct work *work_new(struct ledger *ledger, struct driver *driver, struct work *parent, uint64_t seed);
/** Its payload, of work->payload_bytes, in memory from malloc. */
uint8_t *work_payload(const struct ledger *ledger, const struct work *work);
/** A task arrives at a worker process: which one? NULL: it is none that anybody has submitted, as it stands. */
struct work *work_of_payload(const struct ledger *ledger, const uint8_t *payload, size_t size);

/** It reaches a process (numbers of processes are never used again). Checks that it has not been there. */
void work_arrives(struct ledger *ledger, struct work *work, uint64_t process, uint32_t dispatch);
/** It starts in a process of that session. Checks that it may. */
void work_starts(struct ledger *ledger, struct work *work, const struct tp__id *session, uint64_t sequence,
                 uint32_t dispatch);

/* ---- results ---- */

/** What a result says: a value, and the messages that the task has taken. */
void work_put_result(const struct ledger *ledger, const struct work *work, uint64_t value, struct note *const *taken,
                     size_t taken_count, struct tp__buffer *buffer);
/** Reads and checks one, whoever got it; returns its value. */
uint64_t work_check_result(struct ledger *ledger, struct work *work, const uint8_t *bytes, size_t size);
/** A task has failed with that: may it have? */
void work_check_failure(struct ledger *ledger, struct work *work, tp_status status, const char *message);
/** What a child adds to its parent's value. */
uint64_t work_fold(uint64_t value, uint64_t child);
/** What stands for the value of a task that fails as its script says. */
uint64_t work_failed_value(const struct work *work);
/** Does it end with an error of its own? */
bool work_is_to_fail(const struct work *work);

/* ---- messages on channels ---- */

enum note_state { NOTE_NEW, NOTE_QUEUED, NOTE_HELD, NOTE_GONE };

struct note {
    uint32_t number;
    struct driver *driver;
    struct work *sender; /**< NULL: the driver's program */
    uint32_t dispatch;   /**< of the sender */
    uint32_t order;      /**< among what that attempt sends to that channel */
    uint8_t channel, step;
    enum note_state state;
    bool returned;      /**< was put back once */
    struct work *taker; /**< GONE: who has confirmed it; NULL: the driver's program */
    uint32_t taker_dispatch;
    struct work *shown_by; /**< in whose result it stands */
    struct note *next;     /**< in its queue */
};

enum { NOTE_BYTES = 12 };
struct note *note_new(struct ledger *ledger, struct work *sender, uint32_t dispatch, uint8_t channel, uint8_t step,
                      uint32_t order);
void note_put(const struct ledger *ledger, const struct note *note, uint8_t to[NOTE_BYTES]);
/** Fails if nobody has made it. */
struct note *note_read(struct ledger *ledger, const uint8_t *bytes, size_t size);
void note_accepted(struct ledger *ledger, struct note *note);

/** When all is quiet: nothing was lost or taken twice. */
void ledger_check_notes(struct ledger *ledger);

#endif
