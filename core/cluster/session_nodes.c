/* SPDX-License-Identifier: MIT */
/* Design notes. A node is known by the incarnation that it accepted the session with. It is used from its first good
 * Accept until it is lost, replaced by another one of the same node life, or given up by us; an incarnation that was
 * used is never used again, for its stream's keys and positions must not be. */
#include "cluster/session_state.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- finding ---- */

static uint64_t key_of(const struct tp__id *incarnation)
{
    uint64_t key;
    memcpy(&key, incarnation->bytes, sizeof key);
    return key;
}

struct node *tp__session_node_find(const struct tp__session *session, const uint8_t *bytes, size_t size)
{
    struct tp__id incarnation;
    if (!tp__id_read(&incarnation, bytes, size))
        return NULL;
    struct index_entry *entry = tp__session_index_find(&session->nodes.index, key_of(&incarnation));
    for (; entry; entry = tp__session_index_next(entry)) {
        struct node *node = TP__RING_OF(entry, struct node, entry);
        if (tp__id_equal(&node->incarnation, &incarnation))
            return node;
    }
    return NULL;
}

struct node *tp__session_node_of_life(const struct tp__session *session, const struct tp__id *life)
{
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next) {
        struct node *node = TP__RING_OF(ring, struct node, ring);
        if (tp__id_equal(&node->life, life))
            return node;
    }
    return NULL;
}

/* An incarnation that was used. */
struct known {
    struct index_entry entry;
    struct tp__id incarnation;
};

bool tp__session_node_was_used(const struct tp__session *session, const struct tp__id *incarnation)
{
    struct index_entry *entry = tp__session_index_find(&session->nodes.known, key_of(incarnation));
    for (; entry; entry = tp__session_index_next(entry))
        if (tp__id_equal(&TP__RING_OF(entry, struct known, entry)->incarnation, incarnation))
            return true;
    return false;
}

static bool know(struct tp__session *session, const struct tp__id *incarnation)
{
    struct known *known = malloc(sizeof *known);
    if (!known)
        return false;
    known->entry.key = key_of(incarnation);
    known->incarnation = *incarnation;
    if (tp__session_index_add(&session->nodes.known, &known->entry))
        return true;
    free(known);
    return false;
}

/* ---- the numbers of workers ---- */

struct node *tp__session_node_of_worker(const struct tp__session *session, size_t worker, uint32_t *local)
{
    *local = 0;
    if (session->nodes.workers == 0)
        return NULL;
    worker %= session->nodes.workers;
    size_t low = 0;
    size_t high = session->nodes.order_count;
    while (high - low > 1) { /* the last one that begins at or before it */
        const size_t middle = low + (high - low) / 2;
        if (session->nodes.ends[middle - 1] <= worker)
            low = middle;
        else
            high = middle;
    }
    *local = (uint32_t)(worker - (low > 0 ? session->nodes.ends[low - 1] : 0));
    return session->nodes.order[low];
}

/* The lowest numbers that are free, and where in the list the node belongs then. */
static struct ring *find_numbers(struct tp__session *session, uint32_t workers, uint32_t *first)
{
    *first = 0;
    struct ring *ring = session->nodes.ring.next;
    for (; ring != &session->nodes.ring; ring = ring->next) {
        const struct node *node = TP__RING_OF(ring, const struct node, ring);
        if (node->first_worker - *first >= workers)
            break;
        *first = node->first_worker + node->workers;
    }
    return ring;
}

/* There is room for one node more in the order. */
static bool reserve_order(struct tp__session *session)
{
    if (session->nodes.count < session->nodes.order_capacity)
        return true;
    const size_t capacity = session->nodes.order_capacity ? 2 * session->nodes.order_capacity : 16;
    struct node **order = realloc(session->nodes.order, capacity * sizeof *order);
    if (!order)
        return false;
    session->nodes.order = order;
    size_t *ends = realloc(session->nodes.ends, capacity * sizeof *ends);
    if (!ends)
        return false;
    session->nodes.ends = ends;
    session->nodes.order_capacity = capacity;
    return true;
}

/* After a node came, went, began to drain or does so no more. */
static void number(struct tp__session *session)
{
    size_t count = 0;
    size_t workers = 0;
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next) {
        struct node *node = TP__RING_OF(ring, struct node, ring);
        if (node->draining)
            continue;
        workers += node->workers;
        session->nodes.order[count] = node;
        session->nodes.ends[count++] = workers;
    }
    session->nodes.order_count = count;
    session->nodes.workers = workers;
    tp__session_house(session);
    session->actions.workers(session->actions.context, workers);
}

/* ---- coming ---- */

static void free_node(struct node *node)
{
    tp__lanes_fini(&node->waiting);
    tp__stream_free(node->stream);
    tp__assembly_free(&node->assembly);
    free(node);
}

static struct node *new_node(struct tp__session *session, const struct tp__accept *accept,
                             const struct tp__stream_keys *keys)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->stream = tp__stream_new(keys, &session->id, &accept->incarnation);
    if (!node->stream) {
        free(node);
        return NULL;
    }
    node->incarnation = accept->incarnation;
    node->entry.key = key_of(&accept->incarnation);
    node->assembly.limit_bytes = TP__ASSEMBLY_LIMIT_BYTES;
    struct ring *rings[] = {&node->ring,   &node->dirty,   &node->placed,        &node->queued,
                            &node->pinned, &node->batches, &node->unacknowledged};
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
        tp__ring_init(rings[i]);
    tp__lanes_init(&node->waiting);
    return node;
}

struct node *tp__session_node_add(struct tp__session *session, const struct tp__accept *accept,
                                  const struct tp__stream_keys *keys, uint32_t workers)
{
    struct node *node = reserve_order(session) ? new_node(session, accept, keys) : NULL;
    if (!node)
        return NULL;
    if (!know(session, &accept->incarnation) || !tp__session_index_add(&session->nodes.index, &node->entry)) {
        free_node(node);
        return NULL;
    }
    node->workers = workers < TP__NODE_WORKERS_LIMIT ? workers : TP__NODE_WORKERS_LIMIT;
    struct ring *place = find_numbers(session, node->workers, &node->first_worker);
    tp__ring_append(place, &node->ring);
    session->nodes.count++;
    number(session);
    return node;
}

/* ---- losing ---- */

static void move_pinned(struct tp__session *session, struct node *node)
{
    while (!tp__ring_is_empty(&node->queued))
        tp__session_again(session, TP__RING_OF(node->queued.next, struct task, ring));
    struct ring *lane;
    while ((lane = tp__lanes_deepest(&node->waiting)) != NULL)
        tp__session_wait(session, TP__RING_OF(lane->next, struct task, ring), false);
    tp__ring_remove(&node->pinned);
}

void tp__session_node_lost(struct tp__session *session, struct node *node, const char *why)
{
    tp__session_index_remove(&session->nodes.index, &node->entry);
    tp__ring_remove(&node->ring);
    session->nodes.count--;
    number(session);
    tp__session_reconcile_answered(session, node);
    tp__session_drop_batches(session, node);
    move_pinned(session, node);
    /* from the last: each goes in front of those that wait, which keeps their order */
    while (!tp__ring_is_empty(&node->placed))
        tp__session_lose(session, TP__RING_OF(node->placed.previous, struct task, ring), node->name, why);
    tp__ring_remove(&node->dirty);
    tp__ring_remove(&node->unacknowledged);
    free_node(node);
}

void tp__session_node_failed(struct node *node, const char *why)
{
    if (!node->failed[0])
        (void)snprintf(node->failed, sizeof node->failed, "%s", why);
}

void tp__session_give_up_failed(struct tp__session *session)
{
    /* A node that failed is among the dirty ones. */
    for (struct ring *ring = session->nodes.dirty.next; ring != &session->nodes.dirty;) {
        struct node *node = TP__RING_OF(ring, struct node, dirty);
        ring = ring->next;
        if (!node->failed[0])
            continue;
        char why[256];
        (void)snprintf(why, sizeof why, "node '%s' was given up: %s", node->name, node->failed);
        tp__session_forget(session, &node->incarnation);
        tp__session_node_lost(session, node, why);
        ring = session->nodes.dirty.next; /* losing its tasks may have changed the list */
    }
}

void tp__session_node_state(struct tp__session *session, const Taskpool__NodeState *state)
{
    struct node *node = tp__session_node_find(session, state->incarnation.data, state->incarnation.len);
    if (!node)
        return; /* given up meanwhile */
    char why[256];
    switch (state->condition) {
    case TASKPOOL__NODE_CONDITION__NODE_LOST: {
        char reason[128];
        tp__session_copy_text(reason, sizeof reason, state->reason);
        (void)snprintf(why, sizeof why, "node '%s' was lost%s%s", node->name, reason[0] ? ": " : "", reason);
        tp__session_node_lost(session, node, why);
        return;
    }
    case TASKPOOL__NODE_CONDITION__NODE_RELINKED:
        node->generation++;
        tp__stream_resend(node->stream);
        tp__session_node_dirty(session, node);
        tp__session_ask_held(session, node);
        return;
    case TASKPOOL__NODE_CONDITION__NODE_DRAINING:
        if (node->draining)
            return;
        node->draining = true;
        number(session);
        move_pinned(session, node);
        return;
    default:
        session->tasks.refused++;
    }
}

void tp__session_node_again(struct tp__session *session, struct node *node)
{
    node->reachable = true;
    if (!node->draining)
        return;
    node->draining = false;
    number(session);
}

void tp__session_nodes_unlinked(struct tp__session *session)
{
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next)
        TP__RING_OF(ring, struct node, ring)->reachable = false;
}

void tp__session_nodes_fini(struct tp__session *session)
{
    while (!tp__ring_is_empty(&session->nodes.ring)) {
        struct node *node = TP__RING_OF(session->nodes.ring.next, struct node, ring);
        tp__ring_remove(&node->ring);
        free_node(node);
    }
    for (size_t i = 0; i < session->nodes.known.bucket_count; i++)
        while (session->nodes.known.buckets[i]) {
            struct index_entry *entry = session->nodes.known.buckets[i];
            tp__session_index_remove(&session->nodes.known, entry);
            free(TP__RING_OF(entry, struct known, entry));
        }
    tp__session_index_fini(&session->nodes.known);
    tp__session_index_fini(&session->nodes.index);
    free(session->nodes.order);
    free(session->nodes.ends);
}
