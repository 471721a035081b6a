/* SPDX-License-Identifier: MIT */
#include "cluster/session_state.h"

#include <sodium.h>
#include <stdlib.h>

enum { DEFAULT_LIMIT_TASKS = 16 << 20, DEFAULT_LIMIT_BYTES = 1 << 30 };

/* ---- life ---- */

static bool make_keys(struct tp__session *session)
{
    const struct tp__session_options *options = &session->options;
    struct tp__offer offer = {.driver = options->key->public_key,
                              .session = session->id,
                              .program = options->program,
                              .program_length = options->program_length,
                              .protocol = TP__PROTOCOL_VERSION};
    crypto_sign_keypair(offer.signing_key, session->keys.signing_secret);
    crypto_kx_keypair(session->keys.exchange_public, session->keys.exchange_secret);
    memcpy(offer.exchange_key, session->keys.exchange_public, sizeof offer.exchange_key);
    memcpy(offer.machine, options->machine, sizeof offer.machine);
    memcpy(offer.program_name, options->program_name, sizeof offer.program_name);
    session->keys.offer_size = tp__offer_sign(&offer, options->key, session->keys.offer);
    session->keys.offer_hash = tp__hash_of(session->keys.offer, session->keys.offer_size);
    session->sending.making = malloc(sizeof *session->sending.making);
    return session->sending.making;
}

struct tp__session *tp__session_new(const struct tp__session_options *options,
                                    const struct tp__session_actions *actions, int64_t now_ms)
{
    struct tp__session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->options = *options;
    session->options.machine[sizeof session->options.machine - 1] = '\0';
    session->options.program_name[TP__NAME_LIMIT] = '\0';
    if (session->options.limit_tasks == 0)
        session->options.limit_tasks = DEFAULT_LIMIT_TASKS;
    if (session->options.limit_bytes == 0)
        session->options.limit_bytes = DEFAULT_LIMIT_BYTES;
    if (session->options.limit_depth == 0 || session->options.limit_depth > TP__DEPTH_LIMIT)
        session->options.limit_depth = TP__DEPTH_LIMIT;
    session->actions = *actions;
    session->now_ms = now_ms;
    session->id = tp__id_new();
    session->tasks.next_sequence = 1;
    session->sending.next_batch = 1;
    session->program.count = tp__program_chunk_count(options->program_length);
    session->wire.reconnect_ms = INT64_MAX;
    session->nodes.none_ms = INT64_MAX;
    session->reconcile.settle_ms = session->reconcile.grace_ms = INT64_MAX;
    session->timers.tick_ms = now_ms + TP__TICK_MS;
    session->timers.resend_ms = now_ms + TP__RESEND_MS;
    session->timers.acknowledge_ms = INT64_MAX;
    struct ring *rings[] = {&session->tasks.ring,     &session->tasks.queued,         &session->tasks.limbo,
                            &session->sending.pinned, &session->sending.homeless,     &session->nodes.ring,
                            &session->nodes.dirty,    &session->nodes.unacknowledged, &session->sending.reserve};
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
        tp__ring_init(rings[i]);
    tp__lanes_init(&session->sending.waiting);
    if (!make_keys(session)) {
        tp__session_free(session);
        return NULL;
    }
    return session;
}

static void free_tasks(struct tp__session *session)
{
    while (!tp__ring_is_empty(&session->tasks.ring)) {
        struct page *page = TP__RING_OF(session->tasks.ring.next, struct page, ring);
        for (uint32_t i = 0; i < TP__PAGE_TASKS; i++) {
            struct task *task = &page->tasks[i];
            if (task->sequence == 0)
                continue;
            free(task->payload);
            free(task->rare);
        }
        tp__ring_remove(&page->ring);
        free(page);
    }
    tp__session_index_fini(&session->tasks.pages);
}

static void free_operations(struct tp__session *session)
{
    struct index *index = &session->operations.index;
    for (size_t i = 0; i < index->bucket_count; i++)
        while (index->buckets[i]) {
            struct index_entry *entry = index->buckets[i];
            index->buckets[i] = entry->next;
            free(TP__RING_OF(entry, struct operation, entry));
        }
    tp__session_index_fini(index);
}

void tp__session_free(struct tp__session *session)
{
    if (!session)
        return;
    tp__link_free(session->wire.link);
    tp__session_drop_batches(session, NULL);
    tp__session_index_fini(&session->sending.batches);
    free_operations(session);
    free_tasks(session);
    tp__session_nodes_fini(session);
    tp__session_index_fini(&session->children.index);
    free(session->children.deadlines);
    tp__lanes_fini(&session->sending.waiting);
    free(session->sending.making);
    tp__buffer_free(&session->texts);
    sodium_memzero(session, sizeof *session);
    free(session);
}

void tp__session_fail(struct tp__session *session, tp_status status, const char *text)
{
    if (session->state == TP__SESSION_FAILED)
        return;
    session->state = TP__SESSION_FAILED;
    tp__problem_set(&session->problem, status, "%s", text);
    tp__session_wire_close(session, "the session has failed");
    const struct tp__session_error error = {.status = status, .message = session->problem.text, .worker = -1};
    tp__session_reject_all(session, &error);
}

enum tp__session_state tp__session_state(const struct tp__session *session, struct tp__problem *problem)
{
    if (session->state == TP__SESSION_FAILED && problem)
        *problem = session->problem;
    return session->state;
}

/* ---- events ---- */

void tp__session_settle(struct tp__session *session)
{
    if (session->settling || session->closed || session->state == TP__SESSION_FAILED)
        return; /* who settles sees to it, or nothing is left to do */
    session->settling = true;
    tp__session_give_up_failed(session);
    tp__session_send_chunks(session);
    tp__session_pump(session);
    tp__session_send_waiting(session);
    tp__session_wire_settle(session);
    session->settling = false;
}

void tp__session_connected(struct tp__session *session, int64_t now_ms)
{
    session->now_ms = now_ms;
    if (session->closed || session->state == TP__SESSION_FAILED)
        return;
    tp__session_wire_connected(session);
    tp__session_settle(session);
}

void tp__session_receive(struct tp__session *session, const uint8_t *bytes, size_t size, int64_t now_ms)
{
    session->now_ms = now_ms;
    if (session->wire.link && !session->wire.broken)
        tp__link_receive(session->wire.link, bytes, size, now_ms);
    tp__session_settle(session);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t tp__session_tick(struct tp__session *session, int64_t now_ms)
{
    session->now_ms = now_ms;
    if (session->closed || session->state == TP__SESSION_FAILED)
        return INT64_MAX;
    tp__session_children_tick(session);
    tp__session_reconcile_tick(session);
    tp__session_streams_tick(session);
    tp__session_patience_tick(session);
    const int64_t wire_ms = tp__session_wire_tick(session);
    tp__session_settle(session);
    int64_t next_ms = earlier(wire_ms, session->wire.reconnect_ms);
    next_ms = earlier(next_ms, tp__session_children_due(session));
    next_ms = earlier(next_ms, earlier(session->reconcile.settle_ms, session->reconcile.grace_ms));
    next_ms = earlier(next_ms, earlier(session->timers.tick_ms, session->timers.resend_ms));
    next_ms = earlier(next_ms, session->timers.acknowledge_ms);
    if (session->nodes.none_ms != INT64_MAX)
        next_ms = earlier(next_ms, session->nodes.none_ms + TP__PATIENCE_MS);
    return next_ms;
}

void tp__session_flush(struct tp__session *session, int64_t now_ms)
{
    session->now_ms = now_ms;
    tp__session_settle(session);
}

void tp__session_close(struct tp__session *session, int64_t now_ms)
{
    session->now_ms = now_ms;
    if (session->closed || session->state == TP__SESSION_FAILED)
        return;
    tp__session_wire_close(session, "the pool was closed");
    session->closed = true;
}

void tp__session_give_up(struct tp__session *session, tp_status status, const char *why, int64_t now_ms)
{
    session->now_ms = now_ms;
    if (!session->closed)
        tp__session_fail(session, status, why);
}

/* ---- tasks of the program ---- */

void tp__session_task_limit_attempts(struct task *task, uint32_t max_attempts)
{
    const uint32_t wanted = max_attempts > 0 ? max_attempts : TP__DEFAULT_ATTEMPTS;
    task->max_attempts = (uint8_t)(wanted < UINT8_MAX ? wanted : UINT8_MAX); /* TP__LOSSES_LIMIT ends it before */
}

bool tp__session_spread(struct tp__session *session, struct task *task)
{
    if (!session->options.strict || (task->rare && task->rare->worker >= 0))
        return true;
    struct rare *rare = tp__session_task_rare(task);
    if (!rare)
        return false;
    rare->worker = session->nodes.strict_worker;
    session->nodes.strict_worker = rare->worker < INT32_MAX ? rare->worker + 1 : 0;
    return true;
}

static tp_status why_not(const struct tp__session *session, const struct tp__session_task *task)
{
    const uint32_t known_flags = TP__LEAF_AT_MOST_ONCE | TP__LEAF_ISOLATED;
    if (session->state == TP__SESSION_FAILED || session->closed)
        return TP_E_SESSION_LOST;
    if (task->length > TP__PAYLOAD_LIMIT_BYTES || !task->tag || (task->flags & ~known_flags) != 0 ||
        (task->worker >= 0 && (size_t)task->worker >= session->nodes.workers))
        return TP_E_ARGUMENT;
    return TP_OK;
}

/* NULL without memory. */
static struct task *add(struct tp__session *session, const struct tp__session_task *submitted)
{
    struct task *task = tp__session_task_new(session, submitted->payload, submitted->length, submitted->owned_payload);
    if (!task)
        return NULL;
    task->tag = submitted->tag;
    task->function = submitted->task;
    task->flags = (uint8_t)submitted->flags;
    task->stack_kib = submitted->stack_kib > 0 ? submitted->stack_kib : session->options.stack_kib;
    tp__session_task_limit_attempts(task, submitted->max_attempts);
    struct rare *rare = submitted->worker >= 0 ? tp__session_task_rare(task) : NULL;
    if (rare)
        rare->worker = submitted->worker;
    if ((submitted->worker < 0 || rare) && tp__session_spread(session, task))
        return task;
    if (submitted->owned_payload)
        task->payload = NULL; /* it stays the caller's */
    tp__session_task_free(session, task);
    return NULL;
}

uint64_t tp__session_submit(struct tp__session *session, const struct tp__session_task *task, tp_status *status)
{
    *status = why_not(session, task);
    if (*status != TP_OK)
        return 0;
    struct task *added = add(session, task);
    if (!added) {
        *status = TP_E_NOMEM;
        return 0;
    }
    tp__session_wait(session, added, false);
    return added->sequence;
}

uint64_t tp__session_unresolved(const struct tp__session *session)
{
    return session->tasks.unresolved;
}

bool tp__session_is_full(const struct tp__session *session)
{
    return session->full;
}

void tp__session_cancel(struct tp__session *session, uint64_t sequence)
{
    struct task *task = tp__session_task_find(session, sequence);
    if (task && task->tag)
        tp__session_stop(session, task);
}

/* ---- for people and tests ---- */

bool tp__session_is_answered(const struct tp__session *session)
{
    return session->wire.welcomed && session->wire.answers >= session->wire.expected_answers;
}

struct tp__session_counts tp__session_count(const struct tp__session *session)
{
    struct tp__session_counts counts = {
        .unresolved = session->tasks.unresolved,
        .waiting = session->tasks.by_state[TASK_WAITING],
        .queued = session->tasks.by_state[TASK_QUEUED] + session->tasks.by_state[TASK_LIMBO],
        .placed = session->tasks.by_state[TASK_PLACED],
        .memory_bytes = session->tasks.bytes + session->tasks.page_count * sizeof(struct page) +
                        session->sending.batch_bytes + session->operations.index.count * sizeof(struct operation),
        .nodes = session->nodes.count,
        .workers = session->nodes.workers,
        .dispatches = session->tasks.dispatches,
        .lost = session->tasks.lost,
        .refused = session->tasks.refused,
    };
    for (const struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next) {
        const struct node *node = TP__RING_OF(ring, const struct node, ring);
        counts.memory_bytes += sizeof *node + node->assembly.held_bytes + tp__stream_unacknowledged(node->stream);
    }
    if (session->wire.link)
        for (enum tp__lane lane = TP__LANE_BULK; lane < TP__LANES; lane++)
            counts.memory_bytes += tp__link_queued(session->wire.link, lane);
    return counts;
}
