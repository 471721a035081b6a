/* SPDX-License-Identifier: MIT */
/* A coordinator that lies: the real one, whose frames go through here before they are sent (ld --wrap=peer_send). $LIE
 * says how it lies; a line "lied N" on standard error whenever it has done so a power of two times. */
#include "frames.h"
#include "nodes.h"
#include "peers.h"
#include "trust/batch.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FEW = 2, /* a task that is refused three times fails, and one that was refused is the next that is placed */
    FLOOD = 40,
    FLOOD_WAITING_BYTES = 16 << 20 /* a link for which much more waits is given up */
};

bool __real_peer_send(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame);
bool __wrap_peer_send(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame);

static bool is_lie(const char *name)
{
    const char *lie = getenv("LIE");
    return lie && strcmp(lie, name) == 0;
}

static unsigned long lies;

static void count_lie(void)
{
    lies++;
    if ((lies & (lies - 1)) == 0)
        fprintf(stderr, "lied %lu\n", lies);
}

static bool send_real(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    return __real_peer_send(peer, lane, frame);
}

/* Sends it with one byte of the field changed; the caller's bytes stay. */
static bool send_altered(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame, ProtobufCBinaryData *field,
                         size_t at)
{
    const ProtobufCBinaryData before = *field;
    uint8_t *copy = malloc(before.len);
    if (!copy)
        abort();
    memcpy(copy, before.data, before.len);
    copy[at] ^= 1;
    field->data = copy;
    count_lie();
    const bool sent = send_real(peer, lane, frame);
    *field = before;
    free(copy);
    return sent;
}

/* ---- tasks ---- */

static const struct session *session_of(const struct peer *peer, const Taskpool__Tasks *tasks)
{
    return map_find(&peer->coordinator->sessions_by_id, (const struct tp__id *)tasks->session.data);
}

/* To another node that the session uses, as if it had been meant for it. */
static void send_to_another(const struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    Taskpool__Tasks *tasks = frame->tasks;
    const struct session *session = session_of(peer, tasks);
    for (uint32_t slot = 0; session && slot < session->use_capacity; slot++) {
        const struct use *use = session->uses[slot];
        if (!use || use->node == peer->node || !use->used || !use->node->peer)
            continue;
        const ProtobufCBinaryData before = tasks->incarnation;
        tasks->incarnation = tp__field_of_id(&use->incarnation);
        count_lie();
        (void)send_real(use->node->peer, lane, frame);
        tasks->incarnation = before;
        return;
    }
}

static bool send_tasks(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    Taskpool__Tasks *tasks = frame->tasks;
    if (is_lie("altered-captures") || (is_lie("few-altered-captures") && lies < FEW))
        return send_altered(peer, lane, frame, &tasks->leaves, tasks->leaves.len - 1);
    if (is_lie("altered-flags") && lies < FEW) /* at most once: no more */
        return send_altered(peer, lane, frame, &tasks->leaves, 0);
    if (is_lie("altered-signature") && lies < FEW)
        return send_altered(peer, lane, frame, &tasks->signature, 7);
    if (is_lie("altered-batch-number") && lies < FEW) {
        tasks->batch += 1000;
        count_lie();
        const bool sent = send_real(peer, lane, frame);
        tasks->batch -= 1000;
        return sent;
    }
    const bool sent = send_real(peer, lane, frame);
    if (sent && is_lie("replayed-tasks")) {
        count_lie();
        return send_real(peer, lane, frame);
    }
    if (sent && is_lie("tasks-on-two-nodes"))
        send_to_another(peer, lane, frame);
    return sent;
}

/* ---- streams ---- */

static bool send_stream(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    Taskpool__StreamFrame *stream = frame->stream;
    if (is_lie("forged-streams")) { /* a forged one before each */
        (void)send_altered(peer, lane, frame, &stream->sealed, stream->sealed.len / 2);
    } else if (is_lie("forged-positions")) {
        stream->position += 1;
        count_lie();
        (void)send_real(peer, lane, frame);
        stream->position -= 1;
    }
    const bool sent = send_real(peer, lane, frame);
    if (sent && is_lie("replayed-streams")) {
        count_lie();
        return send_real(peer, lane, frame);
    }
    return sent;
}

/* ---- what nobody asked for ---- */

static void send_nonsense(struct peer *peer)
{
    static uint8_t junk[100000];
    randombytes_buf(junk, 512);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);

    Taskpool__Tasks tasks;
    taskpool__tasks__init(&tasks);
    tasks.session = tasks.incarnation = tp__field(junk, 16);
    tasks.count = tasks.run = 1;
    tasks.signature = tp__field(junk, TP__SIGNATURE_BYTES);
    tasks.leaves = tp__field(junk, sizeof junk);
    frame.body_case = TASKPOOL__FRAME__BODY_TASKS;
    frame.tasks = &tasks;
    (void)send_real(peer, TP__LANE_BULK, &frame);

    Taskpool__Payload payload;
    taskpool__payload__init(&payload);
    payload.session = tp__field(junk, 16);
    payload.sequence = 1;
    payload.dispatch = 1;
    payload.part = tp__field(junk, sizeof junk);
    frame.body_case = TASKPOOL__FRAME__BODY_PAYLOAD;
    frame.payload = &payload;
    (void)send_real(peer, TP__LANE_BULK, &frame);

    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    stream.session = stream.incarnation = tp__field(junk, 16);
    stream.position = 3;
    stream.sealed = tp__field(junk, sizeof junk);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &stream;
    (void)send_real(peer, TP__LANE_BULK, &frame);

    Taskpool__Chunk chunk;
    taskpool__chunk__init(&chunk);
    chunk.root = tp__field(junk, 32);
    chunk.index = 7;
    chunk.data = tp__field(junk, sizeof junk);
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    (void)send_real(peer, TP__LANE_PROGRAM, &frame);

    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    offer.session = tp__field(junk, 16);
    offer.signed_offer = tp__field(junk, 300);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    (void)send_real(peer, TP__LANE_CONTROL, &frame);

    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = accept.incarnation = accept.node_life = tp__field(junk, 16);
    accept.signed_accept = tp__field(junk, 200);
    accept.node_name = (char *)(uintptr_t) "nobody";
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &accept;
    (void)send_real(peer, TP__LANE_CONTROL, &frame);

    Taskpool__Run run;
    taskpool__run__init(&run);
    run.batch = 1;
    run.run = 200;
    run.incarnation = tp__field(junk, 16);
    Taskpool__Run *runs[] = {&run};
    Taskpool__Placed placed;
    taskpool__placed__init(&placed);
    placed.n_runs = 1;
    placed.runs = runs;
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    (void)send_real(peer, TP__LANE_CONTROL, &frame);

    Taskpool__NodeState state;
    taskpool__node_state__init(&state);
    state.incarnation = tp__field(junk, 16);
    state.condition = TASKPOOL__NODE_CONDITION__NODE_LOST;
    frame.body_case = TASKPOOL__FRAME__BODY_NODE_STATE;
    frame.node_state = &state;
    (void)send_real(peer, TP__LANE_CONTROL, &frame);
    count_lie();
}

/* As much as a link bears. Not from within the relay of a stream, which would take it for bytes of that stream. */
static void flood(struct peer *peer)
{
    for (int i = 0; i < FLOOD && peer && !peer->ended; i++)
        if (peer->bulk_bytes - peer_bulk_gone(peer) < FLOOD_WAITING_BYTES)
            send_nonsense(peer);
}

/* A program whose bytes were changed on the way. */
static bool send_chunk(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    Taskpool__Chunk *chunk = frame->chunk;
    if ((is_lie("altered-program") || (is_lie("few-altered-chunks") && lies < 2)) && !chunk->list && peer->node)
        return send_altered(peer, lane, frame, &chunk->data, chunk->data.len / 2);
    return send_real(peer, lane, frame);
}

static bool send_accept(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    Taskpool__Accept *accept = frame->accept;
    if (is_lie("forged-accepts") &&
        accept->signed_accept.len > 40) /* one that is not the node's, before the real one */
        (void)send_altered(peer, lane, frame, &accept->signed_accept, accept->signed_accept.len - 70);
    return send_real(peer, lane, frame);
}

static bool send_offer(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    Taskpool__Offer *offer = frame->offer;
    if (is_lie("forged-offers")) /* another program, in the driver's name */
        (void)send_altered(peer, lane, frame, &offer->signed_offer, 150);
    return send_real(peer, lane, frame);
}

bool __wrap_peer_send(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    if (!peer || peer->ended)
        return false;
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_TASKS:
        if (is_lie("nonsense"))
            flood(peer);
        if (is_lie("nonsense-to-drivers")) {
            const struct session *session = session_of(peer, frame->tasks);
            flood(session ? session->peer : NULL);
        }
        if (peer->ended)
            return false;
        return send_tasks(peer, lane, frame);
    case TASKPOOL__FRAME__BODY_STREAM:
        return send_stream(peer, lane, frame);
    case TASKPOOL__FRAME__BODY_CHUNK:
        return send_chunk(peer, lane, frame);
    case TASKPOOL__FRAME__BODY_ACCEPT:
        return send_accept(peer, lane, frame);
    case TASKPOOL__FRAME__BODY_OFFER:
        return send_offer(peer, lane, frame);
    default:
        return send_real(peer, lane, frame);
    }
}
