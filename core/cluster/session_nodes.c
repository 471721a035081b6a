/* SPDX-License-Identifier: MIT */
/* Design notes. A node is known by the incarnation that it accepted the session with. It is used from its first good
 * Accept until it is lost, replaced by another one of the same node life, or given up by us; an incarnation that was
 * used is never used again, for its stream's keys and positions must not be.
 *
 * What waits in a node's stream is not bounded here but by what its tasks have asked for: a reply for each open
 * operation, a result for each child. None of it can be dropped, and holding it elsewhere would save nothing. */
#include "cluster/session_state.h"

#include <sodium.h>
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

static struct node *find_life(const struct tp__session *session, const struct tp__id *life)
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

static bool is_known(const struct tp__session *session, const struct tp__id *incarnation)
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

/* After a node came, went or began to drain. */
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

/* ---- refusals ---- */

static void forget_refusal(struct tp__session *session, const struct tp__id *life)
{
    for (size_t i = 0; i < session->nodes.refusal_count; i++)
        if (tp__id_equal(&session->nodes.refusals[i].life, life)) {
            session->nodes.refusals[i] = session->nodes.refusals[--session->nodes.refusal_count];
            return;
        }
}

static void refused(struct tp__session *session, const struct tp__id *life, const char *name, tp_status status,
                    const char *reason)
{
    forget_refusal(session, life);
    if (session->nodes.refusal_count == TP__REFUSALS_KEPT) {
        session->nodes.refusals_more++;
        return;
    }
    struct refusal *refusal = &session->nodes.refusals[session->nodes.refusal_count++];
    refusal->life = *life;
    refusal->status = status;
    tp__session_copy_text(refusal->name, sizeof refusal->name, name);
    tp__session_copy_text(refusal->reason, sizeof refusal->reason, reason);
}

tp_status tp__session_explain_no_node(const struct tp__session *session, char *text, size_t size)
{
    size_t length = (size_t)snprintf(text, size, "no node has accepted this program for %d s", TP__PATIENCE_MS / 1000);
    tp_status status = TP_OK;
    for (size_t i = 0; i < session->nodes.refusal_count; i++) {
        const struct refusal *refusal = &session->nodes.refusals[i];
        status = status == TP_OK || status == refusal->status ? refusal->status : TP_E_SESSION_LOST;
        if (length < size)
            length += (size_t)snprintf(text + length, size - length, "; node '%s': %s", refusal->name, refusal->reason);
    }
    if (session->nodes.refusals_more > 0 && length < size)
        length += (size_t)snprintf(text + length, size - length, "; and %zu more", session->nodes.refusals_more);
    if (session->program.unreadable && length < size)
        length += (size_t)snprintf(text + length, size - length,
                                   "; the program's file cannot be read any more, so that it cannot be sent to them");
    if (session->nodes.refusal_count == 0 && length < size)
        (void)snprintf(text + length, size - length,
                       "; coordinator '%s' named none: is a node running and connected to it, and this driver's key in "
                       "the node's authorized_keys?",
                       session->wire.coordinator);
    return status == TP_OK ? TP_E_SESSION_LOST : status;
}

/* ---- accepts ---- */

static void send_use(struct tp__session *session, const struct node *node)
{
    Taskpool__Use use;
    taskpool__use__init(&use);
    use.incarnation = tp__field_of_id(&node->incarnation);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_USE;
    frame.use = &use;
    tp__session_send(session, TP__LANE_CONTROL, &frame);
}

static void send_forget(struct tp__session *session, const struct tp__id *incarnation)
{
    Taskpool__Forget forget;
    taskpool__forget__init(&forget);
    forget.session = tp__field_of_id(&session->id);
    forget.incarnation = tp__field_of_id(incarnation);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_FORGET;
    frame.forget = &forget;
    if (tp__session_is_linked(session)) /* else it will be said when the node names the incarnation again */
        tp__session_send(session, TP__LANE_CONTROL, &frame);
}

static void mark_dirty(struct tp__session *session, struct node *node)
{
    if (tp__ring_is_empty(&node->dirty))
        tp__ring_append(&session->nodes.dirty, &node->dirty);
}

static void free_node(struct node *node)
{
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
    struct ring *rings[] = {&node->ring,    &node->dirty,  &node->placed, &node->queued,
                            &node->waiting, &node->pinned, &node->batches};
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
        tp__ring_init(rings[i]);
    return node;
}

/* NULL without memory. */
static struct node *add_node(struct tp__session *session, const struct tp__accept *accept,
                             const struct tp__stream_keys *keys)
{
    struct node *node = reserve_order(session) ? new_node(session, accept, keys) : NULL;
    if (!node)
        return NULL;
    if (!know(session, &accept->incarnation) || !tp__session_index_add(&session->nodes.index, &node->entry)) {
        free_node(node);
        return NULL;
    }
    session->nodes.count++;
    return node;
}

static void use_node(struct tp__session *session, const Taskpool__Accept *accept, const struct tp__accept *content,
                     const struct tp__id *life, const char *name)
{
    const struct tp__hash hash = tp__hash_of(accept->signed_accept.data, accept->signed_accept.len);
    struct tp__stream_keys keys;
    if (!tp__stream_keys_of_driver(&keys, session->keys.exchange_public, session->keys.exchange_secret,
                                   content->exchange_key, &hash)) {
        session->tasks.refused++;
        refused(session, life, name, TP_E_UNTRUSTED, "its exchange key is none");
        return;
    }
    struct node *node = add_node(session, content, &keys);
    sodium_memzero(&keys, sizeof keys);
    if (!node) {
        refused(session, life, name, TP_E_NOMEM, "this driver has no memory for it");
        send_forget(session, &content->incarnation); /* it will accept anew */
        return;
    }
    node->life = *life;
    tp__session_copy_text(node->name, sizeof node->name, name);
    node->workers = accept->workers < TP__NODE_WORKERS_LIMIT ? accept->workers : TP__NODE_WORKERS_LIMIT;
    node->heard_ms = session->now_ms;
    node->reachable = true;
    struct ring *place = find_numbers(session, node->workers, &node->first_worker);
    tp__ring_append(place, &node->ring);
    forget_refusal(session, life);
    send_use(session, node);
    uint8_t body[4];
    tp__put_u32(body, node->first_worker);
    const struct tp__record open = {.type = TP__RECORD_OPEN, .body = body, .size = sizeof body};
    tp__session_say(session, node, &open);
    number(session);
}

/* Named again, on a new link of its or of ours. */
static void repeated(struct tp__session *session, struct node *node)
{
    send_use(session, node);
    tp__stream_resend(node->stream);
    node->reachable = true;
    mark_dirty(session, node);
    if (node->broken > node->judged)
        tp__session_ask_held(session, node);
}

void tp__session_accepted(struct tp__session *session, const Taskpool__Accept *accept)
{
    struct tp__id id;
    struct tp__id life;
    if (!tp__id_read(&id, accept->session.data, accept->session.len) || !tp__id_equal(&id, &session->id) ||
        !tp__id_read(&life, accept->node_life.data, accept->node_life.len)) {
        session->tasks.refused++;
        return;
    }
    session->wire.answers++;
    if (accept->signed_accept.len == 0) {
        const bool known = accept->status != TP_OK && accept->status <= TP_E_OVERFLOW;
        refused(session, &life, accept->node_name, known ? (tp_status)accept->status : TP_E_SESSION_LOST,
                accept->reason);
        return;
    }
    struct tp__accept content;
    if (!tp__accept_verify(&content, accept->signed_accept.data, accept->signed_accept.len) ||
        memcmp(&content.offer, &session->keys.offer_hash, sizeof content.offer) != 0 ||
        !tp__id_read(&id, accept->incarnation.data, accept->incarnation.len) ||
        !tp__id_equal(&id, &content.incarnation)) {
        session->tasks.refused++;
        refused(session, &life, accept->node_name, TP_E_UNTRUSTED, "its acceptance is not signed, or of another offer");
        return;
    }
    const char *name = tp__authorized_find(session->options.authorized, TP__ROLE_NODE, &content.node);
    if (!name) {
        session->tasks.refused++;
        refused(session, &life, accept->node_name, TP_E_UNTRUSTED,
                "its key is not in this driver's authorized_keys: add it there with the role node");
        return;
    }
    struct node *node = tp__session_node_find(session, id.bytes, sizeof id.bytes);
    if (node) {
        repeated(session, node);
        return;
    }
    if (is_known(session, &id)) {
        send_forget(session, &id);
        return;
    }
    struct node *former = find_life(session, &life);
    if (former) {
        char why[256];
        (void)snprintf(why, sizeof why, "node '%s' was lost: it began anew", former->name);
        tp__session_node_lost(session, former, why);
    }
    use_node(session, accept, &content, &life, accept->node_name[0] ? accept->node_name : name);
}

/* ---- losing ---- */

static void move_pinned(struct tp__session *session, struct node *node)
{
    while (!tp__ring_is_empty(&node->queued))
        tp__session_again(session, TP__RING_OF(node->queued.next, struct task, ring));
    while (!tp__ring_is_empty(&node->waiting))
        tp__session_wait(session, TP__RING_OF(node->waiting.next, struct task, ring), false);
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
        send_forget(session, &node->incarnation);
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
        mark_dirty(session, node);
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

/* ---- streams ---- */

void tp__session_say(struct tp__session *session, struct node *node, const struct tp__record *record)
{
    mark_dirty(session, node);
    if (!tp__stream_append(node->stream, record))
        tp__session_node_failed(node, "this driver has no memory for what it has to say to it");
}

void tp__session_say_short(struct tp__session *session, struct node *node, enum tp__record_type type, uint64_t task,
                           uint32_t dispatch)
{
    const struct tp__record record = {.type = (uint8_t)type, .task = task, .dispatch = dispatch};
    tp__session_say(session, node, &record);
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
        mark_dirty(session, node);
        tp__session_records(session, node, &records);
        return;
    case TP__STREAM_NOTHING:
        node->heard_ms = session->now_ms;
        mark_dirty(session, node);
        return;
    case TP__STREAM_GAP: /* it comes again when its path is made anew, or after a time */
    case TP__STREAM_FORGED:
        session->tasks.refused++;
    }
}

static void send_sealed(struct tp__session *session, const struct node *node, const struct tp__sealed *sealed)
{
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

void tp__session_nodes_unlinked(struct tp__session *session)
{
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next)
        TP__RING_OF(ring, struct node, ring)->reachable = false;
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
        mark_dirty(session, node);
    }
}

static void fail_without_nodes(struct tp__session *session)
{
    const bool wanting = session->nodes.count == 0 && session->tasks.unresolved > 0 && session->wire.welcomed;
    if (!wanting) {
        session->nodes.none_ms = INT64_MAX;
        return;
    }
    if (session->nodes.none_ms == INT64_MAX)
        session->nodes.none_ms = session->now_ms;
    if (session->now_ms - session->nodes.none_ms < TP__PATIENCE_MS)
        return;
    session->nodes.none_ms = INT64_MAX;
    char text[2048];
    const struct tp__session_error error = {
        .status = tp__session_explain_no_node(session, text, sizeof text), .message = text, .worker = -1};
    tp__session_reject_all(session, &error);
}

void tp__session_nodes_tick(struct tp__session *session)
{
    if (session->now_ms >= session->timers.tick_ms) {
        session->timers.tick_ms = session->now_ms + TP__TICK_MS;
        say_tick(session);
    }
    if (session->now_ms >= session->timers.resend_ms) {
        session->timers.resend_ms = session->now_ms + TP__RESEND_MS;
        resend_unheard(session);
    }
    fail_without_nodes(session);
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
