/* SPDX-License-Identifier: MIT */
/** @file
 * An agent between fakes: a coordinator that relays, drivers with real keys, and processes that only write down what
 * they are told. Nothing happens but in the calls below; messages lie in queues until world_run carries them.
 */
#ifndef TESTS_AGENT_WORLD_H
#define TESTS_AGENT_WORLD_H

#include "agent.h"
#include "link/link.h"
#include "trust/batch.h"
#include "trust/program.h"
#include "trust/stream.h"
#include "trust/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* after the above */
#include <cmocka.h>

enum { WORLD_DRIVERS = 4, WORLD_PROCESSES = 256, WORLD_TASKS = 3, WORLD_PROGRAM_LIMIT_BYTES = 64 << 20 };
extern const char *const world_task_names[WORLD_TASKS]; /**< "square", "fib", "explode" */

struct world_message {
    struct world_message *next;
    size_t size;
    uint8_t bytes[];
};
struct world_queue {
    struct world_message *head, *tail;
    size_t count;
};

struct world_process {
    uint32_t id;
    struct agent_worker_options options;
    struct tp__buffer told; /**< records that it was sent, but OPEN */
    uint32_t first_worker;  /**< as OPEN or its start has said */
    bool killed, ended, paused;
    uint64_t started;
    int64_t fresh_until_ms; /**< tasks may start until then */
};

struct world_driver {
    struct world *world;
    struct tp__key key;
    struct tp__offer offer;
    uint8_t signed_offer[TP__OFFER_LIMIT_BYTES];
    size_t signed_offer_size;
    uint8_t signing_secret[64];
    uint8_t exchange_secret[32];
    uint64_t batch; /**< the last number */

    /* what the agent answered */
    unsigned accepts, refusals;
    struct tp__id incarnation;
    tp_status status;
    char reason[256];
    struct tp__stream *stream;
    struct tp__buffer heard; /**< records of the stream, all that came */
    bool deaf;               /**< opens no stream frames */
};

struct world {
    struct agent *agent;
    int64_t now_ms;
    struct tp__key node_key;
    struct tp__authorized *authorized;

    struct world_queue to_coordinator, to_agent;
    struct tp__link *link; /**< the coordinator's end; NULL: it is away */
    bool mute;             /**< does not welcome */
    unsigned hellos, reconnects;
    bool hello_draining, said_bye;
    struct tp__id life;
    uint64_t credit, finished;
    uint32_t queued;
    unsigned credits; /**< frames */
    bool has_room;    /**< the last one was about a session's limit */
    int64_t room;     /**< ... its total */
    bool link_broke;

    struct world_process processes[WORLD_PROCESSES];
    size_t process_count;
    bool processes_fail; /**< worker_start fails */
    struct world_driver *drivers[WORLD_DRIVERS];
    size_t driver_count;

    /* programs */
    bool has_program, refuses_program;
    uint8_t *program;
    size_t program_size;
    unsigned stored, completed;
    bool answers_needs; /**< with the true program */
    unsigned needs;
    uint32_t needed[16]; /**< chunks of the last Need */
    size_t needed_count;
    bool needed_list;

    unsigned warnings;
    char last_warning[512];
};

struct world *world_new(void);
struct world *world_new_with_limit(uint32_t task_limit);
void world_free(struct world *world);
/** Carries messages until there are none. */
void world_run(struct world *world);
/** Time passes, in steps as the agent asks for them; heartbeats flow if the coordinator is there. */
void world_pass(struct world *world, int64_t ms);
/** The coordinator goes (its end of the link forgets everything), and comes back. */
void world_cut(struct world *world);
/** A frame from the coordinator; numbers are filled in. */
void world_send(struct world *world, Taskpool__Frame *frame);
/** Authorizes these drivers only. */
void world_authorize(struct world *world, struct world_driver **drivers, size_t count);
struct agent_counts world_counts(const struct world *world);

/** True while the agent runs, not the fakes: a test that fails allocations fails those of the agent. */
extern bool world_is_in_agent;

/* ---- drivers ---- */

struct world_driver *driver_new(struct world *world); /* authorized */
void driver_offer(struct world_driver *driver);
/** Offers, lets the process be ready, opens the stream. */
struct world_process *driver_begin(struct world_driver *driver);
void driver_open(struct world_driver *driver, uint32_t first_worker);
void driver_say(struct world_driver *driver, enum tp__record_type type, uint64_t task, uint32_t dispatch,
                uint32_t operation, const void *body, size_t size);
/** Sends what the stream has. */
void driver_pump(struct world_driver *driver);
/** A batch of these leaves, whole; returns its number. */
uint64_t driver_submit(struct world_driver *driver, const struct tp__leaf *leaves, uint32_t count);
/** One plain task with this sequence, dispatch 1. */
void driver_submit_plain(struct world_driver *driver, uint64_t sequence);
/** A batch, not sent: for tests that send parts of it, or change it. */
struct world_batch {
    Taskpool__Tasks tasks;
    uint8_t leaves[TP__BATCH_LIMIT_BYTES];
    uint8_t signature[TP__SIGNATURE_BYTES];
    struct tp__hash hashes[TP__BATCH_LIMIT];
    struct tp__hash proof[TP__PROOF_LIMIT];
    size_t leaf_ends[TP__BATCH_LIMIT];
};
void driver_sign(struct world_driver *driver, struct world_batch *batch, const struct tp__leaf *leaves, uint32_t count);
/** Narrows it to a run, with its proof. */
void batch_narrow(struct world_batch *batch, uint32_t first, uint32_t run);
void driver_send_batch(struct world_driver *driver, struct world_batch *batch);
void driver_send_payload(struct world_driver *driver, const struct tp__leaf *leaf, uint32_t offset,
                         const uint8_t *bytes, size_t size);
/** How many records of that type about that task (0: any) came; `*last` is the last one. */
size_t driver_heard(const struct world_driver *driver, enum tp__record_type type, uint64_t task,
                    struct tp__record *last);
/** The reason in the last RETURNED of a task; 0: none came. */
enum tp__returned driver_returned(const struct world_driver *driver, uint64_t task);

/* ---- processes ---- */

struct world_process *world_process(struct world *world, size_t index); /* in the order of their start */
void process_ready(struct world *world, struct world_process *process);
void process_say(struct world *world, struct world_process *process, enum tp__record_type type, uint64_t task,
                 uint32_t dispatch, const void *body, size_t size);
void process_finish(struct world *world, struct world_process *process, uint64_t task);
size_t process_told(const struct world_process *process, enum tp__record_type type, uint64_t task,
                    struct tp__record *last);
void process_end(struct world *world, struct world_process *process, const struct agent_crash *crash);

static inline struct tp__leaf plain_leaf(uint64_t sequence)
{
    return (struct tp__leaf){.sequence = sequence, .dispatch = 1, .length = 5, .payload = (const uint8_t *)"hello"};
}

#endif
