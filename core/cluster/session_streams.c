/* SPDX-License-Identifier: MIT */
/* Design notes. What waits in a node's stream is not bounded here but by what its tasks have asked for: a reply for
 * each open operation, a result for each child. None of it can be dropped, and holding it elsewhere would save
 * nothing.
 *
 * What a node sends is acknowledged at once when it has sent half of what may be under way, else with what is said to
 * it next, or a little later: whoever runs one task after the other would pay for messages to nodes that wait for
 * nothing. */
#include "cluster/session_state.h"

#include <stdio.h>

enum { ACKNOWLEDGE_BYTES = TP__STREAM_WINDOW_BYTES / 2, ACKNOWLEDGE_MS = 50 };

void tp__session_node_dirty(struct tp__session *session, struct node *node)
{
    if (tp__ring_is_empty(&node->dirty))
        tp__ring_append(&session->nodes.dirty, &node->dirty);
}

void tp__session_say(struct tp__session *session, struct node *node, const struct tp__record *record)
{
    tp__session_node_dirty(session, node);
    if (!tp__stream_append(node->stream, record))
        tp__session_node_failed(node, "this driver has no memory for what it has to say to it");
}

void tp__session_say_short(struct tp__session *session, struct node *node, enum tp__record_type type, uint64_t task,
                           uint32_t dispatch)
{
    const struct tp__record record = {.type = (uint8_t)type, .task = task, .dispatch = dispatch};
    tp__session_say(session, node, &record);
}

static void acknowledge_soon(struct tp__session *session, struct node *node, size_t size)
{
    node->unacknowledged_bytes += size;
    if (node->unacknowledged_bytes >= ACKNOWLEDGE_BYTES) {
        tp__session_node_dirty(session, node);
        return;
    }
    if (tp__ring_is_empty(&node->unacknowledged))
        tp__ring_append(&session->nodes.unacknowledged, &node->unacknowledged);
    if (session->timers.acknowledge_ms == INT64_MAX)
        session->timers.acknowledge_ms = session->now_ms + ACKNOWLEDGE_MS;
}

static void acknowledge_all(struct tp__session *session)
{
    session->timers.acknowledge_ms = INT64_MAX;
    while (!tp__ring_is_empty(&session->nodes.unacknowledged)) {
        struct node *node = TP__RING_OF(session->nodes.unacknowledged.next, struct node, unacknowledged);
        tp__ring_remove(&node->unacknowledged);
        tp__session_node_dirty(session, node);
    }
}

void tp__session_stream(struct tp__session *session, const Taskpool__StreamFrame *frame)
{
    struct node *node = tp__session_node_find(session, frame->incarnation.data, frame->incarnation.len);
    struct tp__reader records;
    if (!node || node->failed[0])
        return; /* given up meanwhile */
    switch (tp__stream_receive(node->stream, frame->position, frame->acknowledgement, frame->sealed.data,
                               frame->sealed.len, &records)) {
    case TP__STREAM_FRESH:
        node->heard_ms = session->now_ms;
        acknowledge_soon(session, node, frame->sealed.len);
        tp__session_records(session, node, &records);
        if (node->failed[0])
            tp__session_node_dirty(session, node); /* to be given up */
        return;
    case TP__STREAM_NOTHING:
        node->heard_ms = session->now_ms;
        tp__session_node_dirty(session, node);
        return;
    case TP__STREAM_GAP: /* it comes again when its path is made anew, or after a time */
    case TP__STREAM_FORGED:
        session->tasks.refused++;
    }
}

/* A new frame acknowledges; behind one that is sent again an acknowledgement follows, as what it says is old. */
static void send_sealed(struct tp__session *session, struct node *node, const struct tp__sealed *sealed)
{
    tp__ring_remove(&node->unacknowledged);
    node->unacknowledged_bytes = 0;
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    stream.session = tp__field_of_id(&session->id);
    stream.incarnation = tp__field_of_id(&node->incarnation);
    stream.position = sealed->position;
    stream.acknowledgement = sealed->acknowledgement;
    stream.sealed = tp__field(sealed->bytes, sealed->size);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &stream;
    tp__session_send(session, TP__LANE_BULK, &frame);
}

/* What cannot be sent now stays dirty and is looked at after the next event: an acknowledgement that makes room, or the
 * node's Accept on the new link. */
void tp__session_pump(struct tp__session *session)
{
    struct ring later;
    tp__ring_init(&later);
    while (!tp__ring_is_empty(&session->nodes.dirty)) {
        struct node *node = TP__RING_OF(session->nodes.dirty.next, struct node, dirty);
        tp__ring_remove(&node->dirty);
        struct tp__sealed sealed;
        bool room = true;
        while (node->reachable &&
               (room = tp__session_is_linked(session) &&
                       tp__link_queued(session->wire.link, TP__LANE_BULK) < TP__BULK_LANE_BYTES) &&
               tp__stream_next(node->stream, &sealed))
            send_sealed(session, node, &sealed);
        if (!room || node->failed[0])
            tp__ring_append(&later, &node->dirty);
        if (!room)
            break;
    }
    tp__ring_splice(&session->nodes.dirty, &later);
}

/* ---- time ---- */

static void say_tick(struct tp__session *session)
{
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next)
        tp__session_say_short(session, TP__RING_OF(ring, struct node, ring), TP__RECORD_TICK, 0, 0);
}

/* The path loses nothing while links hold; whoever relays may. */
static void resend_unheard(struct tp__session *session)
{
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next) {
        struct node *node = TP__RING_OF(ring, struct node, ring);
        if (tp__stream_unacknowledged(node->stream) == 0 || session->now_ms - node->heard_ms < TP__RESEND_MS)
            continue;
        tp__stream_resend(node->stream);
        tp__session_node_dirty(session, node);
    }
}

void tp__session_streams_tick(struct tp__session *session)
{
    if (session->now_ms >= session->timers.tick_ms) {
        session->timers.tick_ms = session->now_ms + TP__TICK_MS;
        say_tick(session);
    }
    if (session->now_ms >= session->timers.resend_ms) {
        session->timers.resend_ms = session->now_ms + TP__RESEND_MS;
        resend_unheard(session);
    }
    if (session->now_ms >= session->timers.acknowledge_ms)
        acknowledge_all(session);
}
