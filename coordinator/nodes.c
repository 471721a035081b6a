/* SPDX-License-Identifier: MIT */
#include "nodes.h"

#include "offers.h"
#include "peers.h"
#include "placement.h"
#include "programs.h"
#include "recall.h"
#include "report.h"
#include "sessions.h"
#include "uses.h"

#include <stdlib.h>

enum { BEFORE_MS = 60000 }; /* a node that is new here may have known another coordinator, or this one's last life */

int64_t node_heard_ms(const struct node *node)
{
    return node->peer ? peer_heard_ms(node->peer) : node->heard_ms;
}

const char *node_condition(const struct node *node)
{
    if (!node->peer || node->silent)
        return "silent";
    if (node->draining)
        return node->report.drained ? "drained" : "draining";
    return "up";
}

/* ---- coming ---- */

static bool find_slot(struct coordinator *coordinator, uint32_t *slot)
{
    for (*slot = 0; *slot < coordinator->node_slots; ++*slot)
        if (!coordinator->nodes[*slot])
            return true;
    const uint32_t slots = coordinator->node_slots > 0 ? 2 * coordinator->node_slots : 64;
    struct node **nodes = realloc(coordinator->nodes, slots * sizeof(struct node *));
    if (!nodes)
        return false;
    memset(nodes + coordinator->node_slots, 0, (slots - coordinator->node_slots) * sizeof(struct node *));
    coordinator->nodes = nodes;
    coordinator->node_slots = slots;
    return true;
}

static struct node *make_node(struct coordinator *coordinator, const struct tp__id *life)
{
    uint32_t slot;
    struct node *node = find_slot(coordinator, &slot) ? calloc(1, sizeof *node) : NULL;
    if (!node || !map_add(&coordinator->nodes_by_life, life, node)) {
        free(node);
        return NULL;
    }
    node->life = *life;
    node->slot = slot;
    node->heard_ms = coordinator->now_ms - BEFORE_MS;
    coordinator->nodes[slot] = node;
    coordinator->node_count++;
    return node;
}

static struct node *find_or_make(struct peer *peer, const struct tp__id *life, const char *name)
{
    struct coordinator *coordinator = peer->coordinator;
    if (map_find(&coordinator->lost_by_life, life)) {
        peer_refuse(peer, TP_E_NODE_LOST, "node %s was declared lost; it must begin a new life", name);
        return NULL;
    }
    struct node *node = map_find(&coordinator->nodes_by_life, life);
    if (node && memcmp(&node->key, &peer->key, sizeof peer->key) != 0) {
        peer_refuse(peer, TP_E_UNTRUSTED, "this life belongs to another key");
        return NULL;
    }
    if (node)
        return node;
    if (coordinator->node_count >= NODE_LIMIT) {
        peer_refuse(peer, TP_E_LIMIT, "%d nodes are here already", NODE_LIMIT);
        return NULL;
    }
    node = make_node(coordinator, life);
    if (!node) {
        peer_refuse(peer, TP_E_NOMEM, "the coordinator is out of memory");
        return NULL;
    }
    node->key = peer->key;
    return node;
}

bool node_hello(struct peer *peer, const struct tp__id *life, const char *key_name, const Taskpool__Hello *hello)
{
    char name[TP__NAME_LIMIT + 1];
    report_clean_name(name, sizeof name, hello->name[0] ? hello->name : key_name);
    struct node *node = find_or_make(peer, life, name);
    if (!node)
        return false;
    if (node->peer) {
        node->heard_ms = peer_heard_ms(node->peer);
        node->peer->node = NULL;
        peer_reset(node->peer, "its node has made a new link");
    }
    memcpy(node->name, name, sizeof name);
    report_clean_name(node->version, sizeof node->version, hello->version);
    node->peer = peer;
    peer->node = node;
    node->workers = hello->workers < WORKERS_LIMIT ? hello->workers : WORKERS_LIMIT;
    node->draining |= hello->draining; /* it may not have been told yet */
    node->silent = false;
    node->credit = node->sent = 0;
    node->credits++;
    memset(&node->report, 0, sizeof node->report);
    node->rate_finished = 0;
    node->had_waiting = false;
    placement_node_changed(peer->coordinator, node);
    return true;
}

static void tell_drivers(struct coordinator *coordinator, struct node *node, Taskpool__NodeCondition condition,
                         const char *reason)
{
    for (struct use *use = node->uses; use; use = use->next)
        if (!tp__id_is_none(&use->incarnation))
            session_send_node_state(coordinator, use->session, &use->incarnation, condition, reason);
}

/* What is queued for it alone would wait until it leaves, and count as work for as long. It goes back behind the word
 * that the node drains: at that its driver has sent it elsewhere. */
static void begin_draining(struct coordinator *coordinator, struct node *node)
{
    recall_send(node, UINT32_MAX, true);
    tell_drivers(coordinator, node, TASKPOOL__NODE_CONDITION__NODE_DRAINING, "it is drained");
    for (struct use *use = node->uses; use; use = use->next)
        placement_give_back(coordinator, use);
}

void node_welcomed(struct node *node)
{
    struct coordinator *coordinator = node->peer->coordinator;
    offers_send_all(coordinator, node);
    sessions_send_ended(coordinator, node);
    for (struct use *use = node->uses; use; use = use->next) {
        use->answers = 0;
        use->sent = use->limited = 0;
    }
    tell_drivers(coordinator, node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "its link is new");
    if (node->draining)
        begin_draining(coordinator, node);
}

/* ---- being there ---- */

static void hear_rooms(struct node *node, const Taskpool__Credit *credit)
{
    struct coordinator *coordinator = node->peer->coordinator;
    node->credits++;
    for (size_t i = 0; i < credit->n_rooms; i++) {
        const Taskpool__Room *room = credit->rooms[i];
        struct tp__id id;
        const bool is_id = tp__id_read(&id, room->session.data, room->session.len);
        struct session *session = is_id ? map_find(&coordinator->sessions_by_id, &id) : NULL;
        struct use *use = session ? use_find(session, node) : NULL;
        if (use) /* the session may have ended */
            use_limit(use, room);
    }
}

void node_credit_received(struct node *node, const Taskpool__Credit *credit)
{
    struct coordinator *coordinator = node->peer->coordinator;
    node->credit = credit->total;
    if (node->credit > node->sent && node->credit - node->sent > CREDIT_LIMIT)
        node->credit = node->sent + CREDIT_LIMIT;
    node->report.running = credit->running;
    node->report.queued = credit->queued;
    node->report.finished = credit->finished;
    node->report.drained = credit->drained;
    node->report.sent = node->sent;
    hear_rooms(node, credit);
    placement_node_changed(coordinator, node);
}

void node_heard(struct coordinator *coordinator, struct node *node)
{
    if (node->silent) {
        node->silent = false;
        report(coordinator, COORDINATOR_INFO, "node-heard", "node=%s", node->name);
    }
    if (node->credit > node->sent && !set_has(&coordinator->with_credit, node->slot))
        placement_node_changed(coordinator, node);
    if (node->fetches)
        programs_node_ready(coordinator, node);
}

void node_drain(struct coordinator *coordinator, struct node *node)
{
    if (node->draining)
        return;
    node->draining = true;
    report(coordinator, COORDINATOR_INFO, "node-draining", "node=%s", node->name);
    placement_node_changed(coordinator, node);
    begin_draining(coordinator, node);
}

void node_unlinked(struct coordinator *coordinator, struct node *node)
{
    node->heard_ms = peer_heard_ms(node->peer);
    node->peer->node = NULL;
    node->peer = NULL;
    placement_node_changed(coordinator, node);
    programs_node_left(coordinator, node);
}

/* ---- going ---- */

/* The oldest of the remembered gives way. Without memory a lost life is not known later; then its node comes back with
 * incarnations that its drivers have given up, and they tell it so. */
static void remember(struct coordinator *coordinator, const struct node *node, bool has_left)
{
    if (!coordinator->lost)
        coordinator->lost = calloc(LOST_LIVES, sizeof *coordinator->lost);
    if (!coordinator->lost)
        return;
    struct lost_life *lost = &coordinator->lost[coordinator->next_lost];
    if (coordinator->lost_count == LOST_LIVES)
        map_remove(&coordinator->lost_by_life, &lost->life);
    *lost = (struct lost_life){
        .life = node->life, .at_ms = coordinator->now_ms, .workers = node->workers, .has_left = has_left};
    memcpy(lost->name, node->name, sizeof lost->name);
    if (!map_add(&coordinator->lost_by_life, &lost->life, lost))
        return;
    coordinator->next_lost = (coordinator->next_lost + 1) % LOST_LIVES;
    if (coordinator->lost_count < LOST_LIVES)
        coordinator->lost_count++;
}

static void free_node(struct coordinator *coordinator, struct node *node)
{
    while (node->uses)
        use_free(coordinator, node->uses);
    set_remove(&coordinator->with_credit, node->slot);
    map_remove(&coordinator->nodes_by_life, &node->life);
    coordinator->nodes[node->slot] = NULL;
    coordinator->node_count--;
    set_free(&node->users);
    set_free(&node->pinned);
    free(node);
}

static void end_node(struct coordinator *coordinator, struct node *node, const char *reason, bool has_left)
{
    for (struct use *use = node->uses; use; use = use->next)
        use_end(coordinator, use, reason);
    programs_node_left(coordinator, node);
    remember(coordinator, node, has_left);
    if (node->peer) {
        peer_refuse(node->peer, TP_E_NODE_LOST, "%s", reason);
        node->peer->node = NULL;
    }
    free_node(coordinator, node);
}

void node_lost(struct coordinator *coordinator, struct node *node, const char *reason)
{
    report(coordinator, COORDINATOR_WARNING, "node-lost", "node=%s reason=\"%s\"", node->name, reason);
    end_node(coordinator, node, reason, false);
}

void node_left(struct coordinator *coordinator, struct node *node, const char *reason)
{
    report(coordinator, COORDINATOR_INFO, "node-left", "node=%s reason=\"%s\"", node->name, reason);
    end_node(coordinator, node, "it has left the cluster", true);
}

int64_t nodes_tick(struct coordinator *coordinator)
{
    int64_t due_ms = INT64_MAX;
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        struct node *node = coordinator->nodes[slot];
        if (!node)
            continue;
        const int64_t heard_ms = node_heard_ms(node);
        const int64_t silent_ms = coordinator->now_ms - heard_ms;
        if (silent_ms >= TP__LOST_MS) {
            node_lost(coordinator, node, "nothing was heard of it for 3 s");
            continue;
        }
        if (silent_ms >= TP__SILENT_MS && !node->silent) {
            node->silent = true;
            report(coordinator, COORDINATOR_WARNING, "node-silent", "node=%s", node->name);
            placement_node_changed(coordinator, node);
        }
        const int64_t next_ms = heard_ms + (node->silent ? TP__LOST_MS : TP__SILENT_MS);
        if (next_ms < due_ms)
            due_ms = next_ms;
    }
    return due_ms;
}

void nodes_authorize(struct coordinator *coordinator)
{
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        struct node *node = coordinator->nodes[slot];
        if (!node || tp__authorized_find(coordinator->authorized, TP__ROLE_NODE, &node->key))
            continue;
        if (node->peer)
            peer_refuse(node->peer, TP_E_UNTRUSTED, "its key was removed from authorized_keys");
        node_lost(coordinator, node, "its key was removed from the coordinator's authorized_keys");
    }
}

void nodes_free(struct coordinator *coordinator)
{
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++)
        if (coordinator->nodes[slot])
            free_node(coordinator, coordinator->nodes[slot]);
    free(coordinator->nodes);
    free(coordinator->lost);
    map_free(&coordinator->nodes_by_life);
    map_free(&coordinator->lost_by_life);
}

uint64_t nodes_bytes(const struct coordinator *coordinator)
{
    uint64_t bytes = map_bytes(&coordinator->nodes_by_life) + map_bytes(&coordinator->lost_by_life) +
                     coordinator->node_slots * sizeof(struct node *) +
                     (coordinator->lost ? LOST_LIVES * sizeof *coordinator->lost : 0);
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        const struct node *node = coordinator->nodes[slot];
        if (node)
            bytes += sizeof *node + set_bytes(&node->users) + set_bytes(&node->pinned);
    }
    return bytes;
}
