/* SPDX-License-Identifier: MIT */
#include "tasks.h"

#include "peers.h"
#include "placement.h"
#include "sessions.h"
#include "uses.h"

/* What a driver counts and what is counted here may differ by what is under way. */
enum { SLACK_BYTES = TP__FRAME_LIMIT_BYTES };

static void count(struct coordinator *coordinator, struct session *session, uint64_t tasks, uint64_t bytes)
{
    session->queued_tasks += tasks;
    session->queued_bytes += bytes;
    coordinator->queued.tasks += tasks;
    coordinator->queued.bytes += bytes;
}

/* ---- queueing ---- */

/* A batch for an incarnation that has ended meanwhile: its driver gets it back as if it had been placed there. */
static void give_back(struct coordinator *coordinator, struct session *session, struct batch *batch,
                      const struct tp__id *incarnation)
{
    placement_note(coordinator, session, batch->number, 0, batch->count, incarnation);
    placement_uncount(coordinator, session, batch->count, batch_counted_bytes(batch));
    batch_free(batch, &coordinator->queued.memory_bytes);
    session_send_node_state(coordinator, session, incarnation, TASKPOOL__NODE_CONDITION__NODE_LOST,
                            "the node is not here any more");
}

/* All of the batch is here now. */
static void enqueue(struct peer *peer, struct batch *batch, const struct tp__id *incarnation)
{
    struct coordinator *coordinator = peer->coordinator;
    struct session *session = peer->session;
    const bool is_pinned = !tp__id_is_none(incarnation);
    struct use *use = is_pinned ? use_find_incarnation(session, incarnation) : NULL;
    if (is_pinned && !use) {
        give_back(coordinator, session, batch, incarnation);
    } else if (!queue_add(use ? &use->pinned : &session->queue, batch, &coordinator->queued.memory_bytes)) {
        placement_uncount(coordinator, session, batch->count, batch_counted_bytes(batch));
        batch_free(batch, &coordinator->queued.memory_bytes);
        peer_reset(peer, "no memory for its tasks");
    } else if (use) {
        placement_pinned_changed(coordinator, use);
    } else {
        placement_session_changed(coordinator, session);
    }
}

/* Batches whose payloads have come, in order, as far as there are any. */
static void enqueue_complete(struct peer *peer)
{
    struct session *session = peer->session;
    while (!peer->ended && session->incoming && batch_is_complete(session->incoming)) {
        struct batch *batch = session->incoming;
        session->incoming = batch->next;
        if (!session->incoming)
            session->incoming_tail = &session->incoming;
        const struct tp__id incarnation = batch->payloads->incarnation;
        enqueue(peer, batch, &incarnation);
    }
}

static void drop_incoming(struct coordinator *coordinator, struct session *session)
{
    while (session->incoming) {
        struct batch *batch = session->incoming;
        session->incoming = batch->next;
        batch_free(batch, &coordinator->queued.memory_bytes);
    }
    session->incoming_tail = &session->incoming;
}

void tasks_drop(struct coordinator *coordinator, struct session *session)
{
    drop_incoming(coordinator, session);
    queue_clear(&session->queue, &coordinator->queued.memory_bytes);
    set_remove(&coordinator->with_work, session->slot);
    for (uint32_t slot = 0; slot < session->use_capacity; slot++) {
        struct use *use = session->uses[slot];
        if (!use || use->pinned.tasks == 0)
            continue;
        queue_clear(&use->pinned, &coordinator->queued.memory_bytes);
        set_remove(&use->node->pinned, session->slot);
    }
    placement_uncount(coordinator, session, session->queued_tasks, session->queued_bytes);
}

/* ---- frames ---- */

static bool is_past_limit(struct peer *peer, uint64_t bytes)
{
    const uint64_t limit = peer->coordinator->options.queue_limit_bytes;
    if (peer->session->queued_bytes + bytes <= limit + SLACK_BYTES)
        return false;
    peer_refuse(peer, TP_E_LIMIT, "a session may have %llu bytes queued here, and it has sent more",
                (unsigned long long)limit);
    return true;
}

static const char *find_fault(const struct session *session, const Taskpool__Tasks *tasks, struct tp__id *incarnation)
{
    struct tp__id id;
    if (!tp__id_read(&id, tasks->session.data, tasks->session.len) || !tp__id_equal(&id, &session->id))
        return "tasks of another session";
    if (tasks->signature.len != TP__SIGNATURE_BYTES)
        return "a batch without a signature";
    if (tasks->first != 0 || tasks->run != tasks->count || tasks->proof.len > 0)
        return "a batch that is not whole";
    if (tasks->incarnation.len > 0 && !tp__id_read(incarnation, tasks->incarnation.data, tasks->incarnation.len))
        return "an incarnation that is not 16 bytes";
    return NULL;
}

void tasks_received(struct peer *peer, const Taskpool__Tasks *tasks)
{
    struct coordinator *coordinator = peer->coordinator;
    struct session *session = peer->session;
    struct tp__id incarnation = {{0}};
    const char *fault = find_fault(session, tasks, &incarnation);
    if (fault) {
        peer_refuse(peer, TP_E_DECODE, "%s", fault);
        return;
    }
    bool malformed;
    struct batch *batch =
        batch_new(tasks->leaves.data, tasks->leaves.len, tasks->count, &coordinator->queued.memory_bytes, &malformed);
    if (!batch) {
        if (malformed)
            peer_refuse(peer, TP_E_DECODE, "a batch whose leaves are malformed");
        else
            peer_reset(peer, "no memory for its tasks");
        return;
    }
    if (is_past_limit(peer, batch->counted_size)) {
        batch_free(batch, &coordinator->queued.memory_bytes);
        return;
    }
    batch->number = tasks->batch;
    batch->depth = tasks->depth < TP__DEPTH_LIMIT ? tasks->depth : TP__DEPTH_LIMIT;
    memcpy(batch->signature, tasks->signature.data, sizeof batch->signature);
    count(coordinator, session, batch->count, batch->counted_size);
    if (!batch->payloads) {
        enqueue(peer, batch, &incarnation);
        return;
    }
    batch->payloads->incarnation = incarnation;
    *session->incoming_tail = batch;
    session->incoming_tail = &batch->next;
}

void tasks_payload_received(struct peer *peer, const Taskpool__Payload *payload)
{
    struct coordinator *coordinator = peer->coordinator;
    struct session *session = peer->session;
    struct tp__id id;
    if (!tp__id_read(&id, payload->session.data, payload->session.len) || !tp__id_equal(&id, &session->id)) {
        peer_refuse(peer, TP_E_DECODE, "a payload of another session");
        return;
    }
    if (is_past_limit(peer, payload->part.len))
        return;
    const enum batch_part taken =
        session->incoming ? batch_add_part(session->incoming, payload->sequence, payload->dispatch, payload->offset,
                                           payload->part.data, payload->part.len, &coordinator->queued.memory_bytes)
                          : BATCH_PART_REFUSED;
    switch (taken) {
    case BATCH_PART_TAKEN:
        count(coordinator, session, 0, payload->part.len);
        enqueue_complete(peer);
        return;
    case BATCH_PART_REFUSED:
        peer_refuse(peer, TP_E_DECODE, "a part of a payload that is not the next one of the next large task");
        return;
    case BATCH_PART_NOMEM:
        peer_reset(peer, "no memory for its tasks");
        return;
    }
}
