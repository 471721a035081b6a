/* SPDX-License-Identifier: MIT */
#include "peers.h"

#include "frames.h"
#include "nodes.h"
#include "query.h"
#include "report.h"
#include "sessions.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WAITING_LIMIT_BYTES = 64 << 20,    /* for one link, */
    WAITING_OF_STREAM_BYTES = 6 << 20, /* and more for each stream over it: what relay.c lets wait, and one frame */
    UNREAD_MS = 10000,                 /* a link that takes nothing for so long is not read */
    SHORTEST_TICK_MS = 10
};

_Static_assert(sizeof(struct tp__peer) == sizeof(struct tp__id), "a routing id serves as a map's key");

static const struct tp__id *key_of(const struct tp__peer *id)
{
    return (const struct tp__id *)id;
}

/* ---- ending ---- */

static void end(struct peer *peer)
{
    peer->ended = true;
    peer->next_ended = peer->coordinator->ended_peers;
    peer->coordinator->ended_peers = peer;
}

/* A frame outside of any link. */
static void transmit_frame(struct coordinator *coordinator, const struct tp__peer *id, Taskpool__Frame *frame)
{
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    if (bytes)
        coordinator->actions.transmit(coordinator->actions.context, id, bytes, size);
    free(bytes);
}

static void transmit_reset(struct coordinator *coordinator, const struct tp__peer *id)
{
    Taskpool__Reset reset;
    taskpool__reset__init(&reset);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_RESET;
    frame.reset = &reset;
    transmit_frame(coordinator, id, &frame);
}

void peer_refuse(struct peer *peer, tp_status status, const char *format, ...)
{
    if (peer->ended)
        return;
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    report(peer->coordinator, COORDINATOR_WARNING, "link-refused", "%s status=%s reason=\"%s\"", report_peer(peer).text,
           report_status(status), reason);
    Taskpool__Refusal refusal;
    taskpool__refusal__init(&refusal);
    refusal.status = status;
    refusal.reason = reason;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_REFUSAL;
    frame.refusal = &refusal;
    (void)tp__link_send(peer->link, TP__LANE_CONTROL, &frame);
    end(peer);
}

void peer_say_bye(struct peer *peer, const char *reason)
{
    if (peer->ended)
        return;
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    bye.reason = (char *)(uintptr_t)reason;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_BYE;
    frame.bye = &bye;
    (void)tp__link_send(peer->link, TP__LANE_CONTROL, &frame);
    end(peer);
}

void peer_drop(struct peer *peer, const char *reason)
{
    if (peer->ended)
        return;
    report(peer->coordinator, COORDINATOR_INFO, "link-ended", "%s reason=\"%s\"", report_peer(peer).text, reason);
    end(peer);
}

void peer_reset(struct peer *peer, const char *reason)
{
    if (peer->ended)
        return;
    transmit_reset(peer->coordinator, &peer->id);
    peer_drop(peer, reason);
}

/* ---- sending ---- */

static size_t waiting_bytes(const struct peer *peer)
{
    return tp__link_queued(peer->link, TP__LANE_BULK) + tp__link_queued(peer->link, TP__LANE_PROGRAM);
}

uint64_t peer_bulk_gone(const struct peer *peer)
{
    return peer->bulk_bytes - tp__link_queued(peer->link, TP__LANE_BULK);
}

int64_t peer_heard_ms(const struct peer *peer)
{
    return tp__link_heard_ms(peer->link);
}

static size_t waiting_limit(const struct peer *peer)
{
    const size_t streams = peer->session ? peer->session->nodes.members : peer->node ? peer->node->users.members : 0;
    return WAITING_LIMIT_BYTES + streams * WAITING_OF_STREAM_BYTES;
}

bool peer_send(struct peer *peer, enum tp__lane lane, Taskpool__Frame *frame)
{
    if (!peer || peer->ended)
        return false;
    const size_t before = lane == TP__LANE_CONTROL ? 0 : tp__link_queued(peer->link, lane);
    if (!tp__link_send(peer->link, lane, frame)) {
        peer_reset(peer, "no memory for a frame");
        return false;
    }
    const size_t after = lane == TP__LANE_CONTROL ? 0 : tp__link_queued(peer->link, lane);
    if (after <= before)
        return true;
    peer->queued_bytes += after - before;
    if (lane == TP__LANE_BULK)
        peer->bulk_bytes += after - before;
    const size_t waiting = waiting_bytes(peer);
    if (waiting > waiting_limit(peer)) {
        peer_refuse(peer, TP_E_LIMIT, "%zu MiB wait for this link: it is not read fast enough", waiting >> 20);
        return false;
    }
    return true;
}

/* ---- receiving ---- */

static void on_transmit(void *context, const uint8_t *bytes, size_t size)
{
    const struct peer *peer = context;
    const struct coordinator_actions *actions = &peer->coordinator->actions;
    actions->transmit(actions->context, &peer->id, bytes, size);
}

static void on_transmit_block(void *context, void *block, const uint8_t *bytes, size_t size)
{
    const struct peer *peer = context;
    const struct coordinator_actions *actions = &peer->coordinator->actions;
    actions->transmit_block(actions->context, &peer->id, block, bytes, size);
}

static void on_received(void *context, const Taskpool__Frame *frame)
{
    struct peer *peer = context;
    if (!peer->ended)
        frames_received(peer, frame);
}

static void on_broken(void *context, const char *reason)
{
    peer_reset(context, reason);
}

static struct peer *make_peer(struct coordinator *coordinator, const struct tp__peer *id,
                              const struct tp__public_key *sender)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    *peer = (struct peer){.coordinator = coordinator,
                          .id = *id,
                          .key = *sender,
                          .number = ++coordinator->links_made,
                          .gone_ms = coordinator->now_ms};
    const struct tp__link_events events = {.transmit = on_transmit,
                                           .transmit_block =
                                               coordinator->actions.transmit_block ? on_transmit_block : NULL,
                                           .received = on_received,
                                           .broken = on_broken,
                                           .context = peer};
    peer->link = tp__link_new(&events, coordinator->now_ms);
    if (!peer->link || !map_add(&coordinator->peers_by_id, key_of(id), peer)) {
        tp__link_free(peer->link);
        free(peer);
        return NULL;
    }
    peer->next = coordinator->peers;
    if (peer->next)
        peer->next->previous = peer;
    coordinator->peers = peer;
    coordinator->peer_count++;
    return peer;
}

/* Frame 1 that is a Hello makes a link. All other frames of a link that is not known are answered by a Reset, save
 * those that end a link themselves. */
static struct peer *receive_first(struct coordinator *coordinator, const struct tp__peer *id,
                                  const struct tp__public_key *sender, const uint8_t *bytes, size_t size)
{
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    bool is_hello = false;
    bool is_end = false;
    if (frame) {
        is_hello = frame->body_case == TASKPOOL__FRAME__BODY_HELLO && frame->number == 1;
        is_end = frame->body_case == TASKPOOL__FRAME__BODY_RESET || frame->body_case == TASKPOOL__FRAME__BODY_BYE ||
                 frame->body_case == TASKPOOL__FRAME__BODY_REFUSAL;
        tp__frame_free(frame);
    }
    struct peer *peer = NULL;
    if (is_hello && !coordinator->stopped && coordinator->peer_count < PEER_LIMIT)
        peer = make_peer(coordinator, id, sender);
    if (!peer && !is_end)
        transmit_reset(coordinator, id);
    return peer;
}

/* Only a frame 1 can begin a new link where there is one already; looking at two bytes spares all others a second
 * unpacking. */
static bool may_be_first(const uint8_t *bytes, size_t size)
{
    const uint8_t number_tag = 1 << 3 | PROTOBUF_C_WIRE_TYPE_VARINT; /* Frame.number */
    return size >= 2 && bytes[0] == number_tag && bytes[1] == 1;
}

static bool is_hello(const uint8_t *bytes, size_t size)
{
    Taskpool__Frame *frame = may_be_first(bytes, size) ? tp__frame_unpack(bytes, size) : NULL;
    const bool is = frame && frame->body_case == TASKPOOL__FRAME__BODY_HELLO && frame->number == 1;
    if (frame)
        tp__frame_free(frame);
    return is;
}

void peers_receive(struct coordinator *coordinator, const struct tp__peer *id, const struct tp__public_key *sender,
                   const uint8_t *bytes, size_t size)
{
    struct peer *peer = map_find(&coordinator->peers_by_id, key_of(id));
    if (peer && memcmp(&peer->key, sender, sizeof *sender) != 0) {
        report_refused(peer, "any", "it came with another key than the one that made this link");
        return;
    }
    struct tp__id life = {{0}}; /* of the node that had this link before */
    if (peer && is_hello(bytes, size)) {
        if (peer->node)
            life = peer->node->life;
        peer_drop(peer, "a new link begins here");
        peers_sweep(coordinator);
        peer = NULL;
    }
    if (!peer)
        peer = receive_first(coordinator, id, sender, bytes, size);
    if (!peer)
        return;
    tp__link_receive(peer->link, bytes, size, coordinator->now_ms);
    if (peer->node && !peer->ended)
        node_heard(coordinator, peer->node);
    if (peer->session && !peer->ended)
        session_heard(coordinator, peer->session);
    /* one connection does not leave a trail of lives that are waited for */
    struct node *former = tp__id_is_none(&life) ? NULL : map_find(&coordinator->nodes_by_life, &life);
    if (former && !former->peer)
        node_lost(coordinator, former, "its connection has begun another life");
}

/* ---- time ---- */

static void check_read(struct peer *peer)
{
    const uint64_t waiting = waiting_bytes(peer);
    const uint64_t gone = peer->queued_bytes - waiting;
    if (waiting == 0 || gone != peer->gone_bytes) {
        peer->gone_bytes = gone;
        peer->gone_ms = peer->coordinator->now_ms;
    } else if (peer->coordinator->now_ms - peer->gone_ms >= UNREAD_MS) {
        peer_refuse(peer, TP_E_LIMIT, "nothing was read for %d s", UNREAD_MS / 1000);
    }
}

int64_t peers_tick(struct coordinator *coordinator)
{
    const int64_t now_ms = coordinator->now_ms;
    int64_t due_ms = INT64_MAX;
    for (struct peer *peer = coordinator->peers; peer; peer = peer->next) {
        if (peer->ended)
            continue;
        const int64_t link_due_ms = tp__link_tick(peer->link, now_ms);
        if (link_due_ms < due_ms)
            due_ms = link_due_ms;
        check_read(peer);
        const bool is_tool = !peer->node && !peer->session;
        if (is_tool && now_ms - peer_heard_ms(peer) >= TP__LOST_MS)
            peer_reset(peer, "it is silent");
    }
    return due_ms < now_ms + SHORTEST_TICK_MS ? now_ms + SHORTEST_TICK_MS : due_ms;
}

void peers_authorize(struct coordinator *coordinator)
{
    for (struct peer *peer = coordinator->peers; peer; peer = peer->next)
        if (!peer->ended && !tp__authorized_find(coordinator->authorized, peer->role, &peer->key))
            peer_refuse(peer, TP_E_UNTRUSTED, "its key was removed from authorized_keys");
}

void peers_say_bye(struct coordinator *coordinator, const char *reason)
{
    for (struct peer *peer = coordinator->peers; peer; peer = peer->next)
        peer_say_bye(peer, reason);
}

uint64_t peers_bytes(const struct coordinator *coordinator)
{
    uint64_t bytes = map_bytes(&coordinator->peers_by_id) + coordinator->peer_count * sizeof(struct peer);
    for (const struct peer *peer = coordinator->peers; peer; peer = peer->next)
        bytes += waiting_bytes(peer);
    return bytes;
}

/* ---- forgetting ---- */

static void forget(struct coordinator *coordinator, struct peer *peer)
{
    map_remove(&coordinator->peers_by_id, key_of(&peer->id));
    if (peer->previous)
        peer->previous->next = peer->next;
    else
        coordinator->peers = peer->next;
    if (peer->next)
        peer->next->previous = peer->previous;
    coordinator->peer_count--;
    if (peer->node)
        peer->node->peer = NULL;
    if (peer->session)
        peer->session->peer = NULL;
    tp__link_free(peer->link);
    free(peer);
}

void peers_sweep(struct coordinator *coordinator)
{
    while (coordinator->ended_peers) {
        struct peer *peer = coordinator->ended_peers;
        coordinator->ended_peers = peer->next_ended;
        if (peer->node)
            node_unlinked(coordinator, peer->node);
        if (peer->session)
            session_unlinked(coordinator, peer->session);
        if (peer->role == TP__ROLE_ADMIN)
            query_peer_left(coordinator, peer);
        forget(coordinator, peer);
    }
}

void peers_free(struct coordinator *coordinator)
{
    while (coordinator->peers)
        forget(coordinator, coordinator->peers);
    coordinator->ended_peers = NULL;
    map_free(&coordinator->peers_by_id);
}
