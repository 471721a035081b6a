/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * Two sets: sessions with work, nodes with credit; and each session and each node knows as a set whom it uses. Between
 * events no node with credit is used by a session with work. So when a session gets work, no other session wants the
 * nodes that it finds; and when a node gets credit, no other node is open to the sessions that it finds. Each event
 * looks for partners of the one thing that has changed, by the intersection of two sets (set.h), and each look but the
 * last one places a run. Nothing is scanned.
 *
 * That is so but for nodes that are full of a session: they take only tasks of it that are deeper than those at the
 * head of its queue (docs/protocol.md says why). They stay in the sets and are passed over: that costs a look, and only
 * where nodes are full.
 *
 * Sessions take turns at a node by tasks: QUANTUM of them, in as many runs as it takes, unless nobody else wants it.
 * The turn is remembered over events, so that small credits add up to the same.
 *
 * A run leaves min(credit, max(1, queued / (2 x nodes)), 1,024) tasks long: while much is queued runs are long, towards
 * the end they get short, so that all nodes end at the same time. How many nodes of the session have credit is not
 * counted exactly, as a change of one node would have to be told to all sessions; the smaller one of "nodes with
 * credit" and "nodes of the session" is never less, and equal as long as nodes take all sessions.
 *
 * What was placed is told with the next frame that goes to the driver, when enough has gathered, or at the next tick: a
 * driver that runs one task after the other is not woken for it alone.
 */
#include "placement.h"

#include "peers.h"
#include "report.h"
#include "run.h"
#include "sessions.h"
#include "uses.h"

#include <stdlib.h>

enum {
    QUANTUM = 32,                 /* tasks */
    WAITING_LIMIT_BYTES = 1 << 20 /* a link on which so much waits gets no tasks */
};

struct placed_run {
    uint64_t batch;
    uint32_t first, run;
    struct tp__id incarnation;
};

/* ---- telling ---- */

size_t placement_take_news(struct session *session, struct placement_news *news)
{
    const uint32_t count = session->placed_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct placed_run *placed = &session->placed[i];
        Taskpool__Run *run = &news->runs[i];
        taskpool__run__init(run);
        run->batch = placed->batch;
        run->first = placed->first;
        run->run = placed->run;
        run->incarnation = tp__field_of_id(&placed->incarnation);
        news->list[i] = run;
    }
    session->placed_count = 0;
    return count;
}

void placement_tell(struct coordinator *coordinator, struct session *session)
{
    (void)coordinator;
    if (session->placed_count == 0)
        return;
    struct placement_news news;
    Taskpool__Placed placed;
    taskpool__placed__init(&placed);
    placed.n_runs = placement_take_news(session, &news);
    placed.runs = news.list;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    (void)peer_send(session->peer, TP__LANE_CONTROL, &frame);
}

void placement_tell_all(struct coordinator *coordinator)
{
    while (coordinator->untold) {
        struct session *session = coordinator->untold;
        coordinator->untold = session->next_untold;
        session->is_untold = false;
        placement_tell(coordinator, session);
    }
}

void placement_note(struct coordinator *coordinator, struct session *session, uint64_t batch, uint32_t first,
                    uint32_t run, const struct tp__id *incarnation)
{
    if (!session->placed)
        session->placed = calloc(PLACEMENT_NEWS, sizeof *session->placed);
    if (!session->placed) {
        if (session->peer)
            peer_reset(session->peer, "no memory to tell what was placed");
        return;
    }
    session->placed[session->placed_count++] = (struct placed_run){batch, first, run, *incarnation};
    if (session->placed_count == PLACEMENT_NEWS)
        placement_tell(coordinator, session);
    if (!session->is_untold) {
        session->is_untold = true;
        session->next_untold = coordinator->untold;
        coordinator->untold = session;
    }
}

/* ---- placing ---- */

static bool can_take(const struct node *node)
{
    return node->peer && !node->peer->ended && !node->silent && !node->draining && node->credit > node->sent &&
           tp__link_queued(node->peer->link, TP__LANE_BULK) < WAITING_LIMIT_BYTES;
}

/* Without memory a node is as one without credit, until it is heard next. */
static void update_node(struct coordinator *coordinator, struct node *node)
{
    if (!can_take(node))
        set_remove(&coordinator->with_credit, node->slot);
    else if (!set_add(&coordinator->with_credit, node->slot))
        report(coordinator, COORDINATOR_WARNING, "memory", "node=%s reason=\"it gets no tasks for a while\"",
               node->name);
}

void placement_uncount(struct coordinator *coordinator, struct session *session, uint64_t tasks, uint64_t bytes)
{
    session->queued_tasks -= tasks;
    session->queued_bytes -= bytes;
    coordinator->queued.tasks -= tasks;
    coordinator->queued.bytes -= bytes;
}

static uint32_t share_of(const struct coordinator *coordinator, const struct session *session)
{
    const uint32_t credit = coordinator->with_credit.members;
    const uint32_t nodes = credit < session->nodes.members ? credit : session->nodes.members;
    const uint64_t share = session->queue.tasks / (2 * (uint64_t)(nodes > 0 ? nodes : 1));
    return share < 1 ? 1 : share > TP__BATCH_LIMIT ? TP__BATCH_LIMIT : (uint32_t)share;
}

/* How many tasks of that depth the node still takes of the session. */
static uint64_t room_for(const struct use *use, uint32_t depth)
{
    if (use->limited != use->node->credits)
        return UINT64_MAX;
    const int64_t room = use->room + depth - (int64_t)use->sent;
    return room > 0 ? (uint64_t)room : 0;
}

static bool fits(const struct use *use, const struct queue *queue)
{
    return queue->tasks > 0 && room_for(use, queue_head(queue)->depth) > 0;
}

/* Sends a run of `use`'s session to its node, at most `limit` tasks. Returns how many. None if the node takes none of
 * that session now; or none at all, as its link has filled up or ended since it was looked at last: then it is out of
 * the set. */
static uint32_t place(struct coordinator *coordinator, struct use *use, uint32_t limit)
{
    struct session *session = use->session;
    struct node *node = use->node;
    if (!can_take(node)) {
        set_remove(&coordinator->with_credit, node->slot);
        return 0;
    }
    const bool is_pinned = fits(use, &use->pinned);
    struct queue *queue = is_pinned ? &use->pinned : &session->queue;
    if (!is_pinned && !fits(use, queue))
        return 0;
    const uint32_t share = is_pinned ? TP__BATCH_LIMIT : share_of(coordinator, session);
    const uint64_t credit = node->credit - node->sent;
    const uint64_t room = room_for(use, queue_head(queue)->depth);
    limit = limit < share ? limit : share;
    limit = credit < limit ? (uint32_t)credit : limit;
    limit = room < limit ? (uint32_t)room : limit;
    const uint32_t placed = run_send(coordinator, use, queue, limit);
    node->sent += placed;
    use->sent += placed;
    session->placed_tasks += placed;
    coordinator->placed_tasks += placed;
    if (use->pinned.tasks == 0)
        set_remove(&node->pinned, session->slot);
    if (session->queue.tasks == 0)
        set_remove(&coordinator->with_work, session->slot);
    update_node(coordinator, node);
    return placed;
}

static void no_memory(struct session *session)
{
    if (session->peer)
        peer_reset(session->peer, "no memory for its tasks");
}

void placement_session_changed(struct coordinator *coordinator, struct session *session)
{
    if (session->queue.tasks > 0 && !set_add(&coordinator->with_work, session->slot)) {
        no_memory(session);
        return;
    }
    uint32_t full = SET_NONE; /* the first node in a row that takes none of these */
    while (session->queue.tasks > 0) {
        const uint32_t slot =
            set_next_common(&coordinator->with_credit, &session->nodes, session->next_node, &coordinator->steps);
        if (slot == SET_NONE || slot == full)
            return;
        session->next_node = slot + 1;
        if (place(coordinator, session->uses[slot], TP__BATCH_LIMIT) > 0)
            full = SET_NONE;
        else if (full == SET_NONE && set_has(&coordinator->with_credit, slot))
            full = slot;
    }
}

/* The next session from slot `from` on, around the circle, that has a task which may go to the node. */
static uint32_t next_session(struct coordinator *coordinator, const struct node *node, uint32_t from)
{
    const uint32_t any = set_next_common(&coordinator->with_work, &node->users, from, &coordinator->steps);
    const uint32_t pinned = set_next_common(&node->pinned, &node->users, from, &coordinator->steps);
    /* what is behind `from` wraps to the end of the numbers, and none is the last of all */
    if (any == SET_NONE || pinned == SET_NONE)
        return any == SET_NONE ? pinned : any;
    return any - from < pinned - from ? any : pinned;
}

/* The session whose turn it is, and how many tasks it may place. */
static uint32_t take_turn(struct coordinator *coordinator, const struct node *node, uint32_t *limit)
{
    const uint32_t from = coordinator->turn.slot + (coordinator->turn.left == 0);
    const uint32_t slot = next_session(coordinator, node, from);
    if (slot == SET_NONE)
        return SET_NONE;
    if (slot != coordinator->turn.slot || coordinator->turn.left == 0) {
        coordinator->turn.slot = slot;
        coordinator->turn.left = QUANTUM;
    }
    const bool is_alone = next_session(coordinator, node, slot + 1) == slot;
    *limit = is_alone ? TP__BATCH_LIMIT : coordinator->turn.left;
    return slot;
}

static void serve(struct coordinator *coordinator, const struct node *node)
{
    uint32_t limit;
    uint32_t slot;
    uint32_t full = SET_NONE; /* the first session in a row of which it takes none */
    while (set_has(&coordinator->with_credit, node->slot) &&
           (slot = take_turn(coordinator, node, &limit)) != SET_NONE && slot != full) {
        const uint32_t placed = place(coordinator, coordinator->sessions[slot]->uses[node->slot], limit);
        coordinator->turn.left -= placed < coordinator->turn.left ? placed : coordinator->turn.left;
        if (placed > 0)
            full = SET_NONE;
        else if (full == SET_NONE)
            full = slot;
        if (placed == 0)
            coordinator->turn.left = 0;
    }
}

void placement_node_changed(struct coordinator *coordinator, struct node *node)
{
    update_node(coordinator, node);
    serve(coordinator, node);
}

void placement_pinned_changed(struct coordinator *coordinator, struct use *use)
{
    if (use->node->draining)
        placement_give_back(coordinator, use); /* sent before its driver heard of that */
    else if (use->pinned.tasks > 0 && !set_add(&use->node->pinned, use->session->slot))
        no_memory(use->session);
    else
        serve(coordinator, use->node);
}

void placement_session_silent(struct coordinator *coordinator, struct session *session)
{
    session->is_silent = true;
    set_remove(&coordinator->with_work, session->slot);
    for (uint32_t slot = 0; slot < session->use_capacity; slot++)
        if (session->uses[slot])
            set_remove(&session->uses[slot]->node->pinned, session->slot);
}

void placement_session_heard(struct coordinator *coordinator, struct session *session)
{
    session->is_silent = false;
    for (uint32_t slot = 0; slot < session->use_capacity; slot++)
        if (session->uses[slot] && session->uses[slot]->pinned.tasks > 0)
            placement_pinned_changed(coordinator, session->uses[slot]);
    placement_session_changed(coordinator, session);
}

/* ---- going ---- */

void placement_give_back(struct coordinator *coordinator, struct use *use)
{
    while (use->pinned.tasks > 0)
        (void)run_give_back(coordinator, use, &use->pinned);
    set_remove(&use->node->pinned, use->session->slot);
}

void placement_forget(struct coordinator *coordinator, struct session *session)
{
    set_remove(&coordinator->with_work, session->slot);
    if (!session->is_untold)
        return;
    struct session **place = &coordinator->untold;
    while (*place != session)
        place = &(*place)->next_untold;
    *place = session->next_untold;
}
