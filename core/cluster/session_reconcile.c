/* SPDX-License-Identifier: MIT */
/* Design notes. Frames on the way to a node are lost when its link breaks, or ours. Each time its `generation` is
 * raised, and RECONCILE(generation) follows on the stream, behind whatever the node got before. HELD(generation) lists
 * what is there, and judges the tasks that were placed there in an earlier generation and no others: those that it does
 * not list are lost. One question at a time: after the answer the next generation is asked for.
 *
 * After a new link of ours there is a limbo as well: tasks that were queued at the coordinator, which dropped them, or
 * placed them without our hearing of it. A HELD takes its tasks out of it. When every node has answered, or after
 * TP__SETTLE_MS, the rest is sent again, and so are the tasks of nodes that have not answered. Those that could not be
 * sent again get TP__GRACE_MS, after which the node that is silent still is lost.
 *
 * A node is believed about tasks that were placed there, and about those in limbo until it has answered. The
 * coordinator says what it placed before anything of the node about it: what is queued is nowhere else, and a node that
 * says something of it is told to forget it; so is one that is not believed about what is in limbo. As more of the same
 * may be on its way, such a node has nothing of what is in limbo, until it answers a question that followed: what that
 * answer lists is there, and none of it was told to go. */
#include "cluster/session_state.h"

#include <stdio.h>

void tp__session_ask_held(struct tp__session *session, struct node *node)
{
    if (node->asked > node->judged)
        return;
    node->asked = node->generation;
    uint8_t body[8];
    tp__put_u64(body, node->asked);
    const struct tp__record record = {.type = TP__RECORD_RECONCILE, .body = body, .size = sizeof body};
    tp__session_say(session, node, &record);
}

/* ---- limbo ---- */

static void settle_limbo(struct tp__session *session)
{
    session->reconcile.settle_ms = INT64_MAX;
    while (!tp__ring_is_empty(&session->tasks.limbo)) /* from the last, which keeps their order */
        tp__session_again(session, TP__RING_OF(session->tasks.limbo.previous, struct task, ring));
}

static void settle_if_answered(struct tp__session *session)
{
    if (session->reconcile.unanswered > 0 || session->reconcile.grace_ms == INT64_MAX)
        return;
    session->reconcile.grace_ms = INT64_MAX;
    if (session->reconcile.settle_ms != INT64_MAX)
        settle_limbo(session);
}

void tp__session_reconcile_answered(struct tp__session *session, struct node *node)
{
    if (!node->unanswered)
        return;
    node->unanswered = false;
    session->reconcile.unanswered--;
    settle_if_answered(session);
}

static void to_limbo(struct tp__session *session, struct ring *from)
{
    while (!tp__ring_is_empty(from)) {
        struct task *task = TP__RING_OF(from->next, struct task, ring);
        tp__ring_remove(&task->ring);
        tp__ring_append(&session->tasks.limbo, &task->ring);
        tp__session_task_set_state(session, task, TASK_LIMBO);
        task->node = NULL;
    }
}

void tp__session_reconcile_unlinked(struct tp__session *session)
{
    to_limbo(session, &session->tasks.queued);
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next) {
        struct node *node = TP__RING_OF(ring, struct node, ring);
        to_limbo(session, &node->queued);
        node->broken = ++node->generation;
        session->reconcile.unanswered += !node->unanswered;
        node->unanswered = true;
    }
    session->reconcile.settle_ms = session->reconcile.grace_ms = INT64_MAX; /* from the Welcome on */
}

void tp__session_reconcile_welcomed(struct tp__session *session)
{
    session->reconcile.settle_ms = session->now_ms + TP__SETTLE_MS;
    session->reconcile.grace_ms = session->now_ms + TP__GRACE_MS;
    settle_if_answered(session);
}

/* ---- what a node holds ---- */

bool tp__session_may_have(const struct task *task, const struct node *node)
{
    if (task->state == TASK_PLACED)
        return task->node == node;
    return task->state == TASK_LIMBO && node->unanswered && node->judged >= node->distrusted;
}

bool tp__session_distrust(struct node *node, const struct task *task, uint32_t dispatch)
{
    if (!task || task->dispatch != dispatch || (task->state != TASK_QUEUED && task->state != TASK_LIMBO))
        return false;
    node->distrusted = node->asked + 1;
    return true;
}

static void held_one(struct tp__session *session, struct node *node, uint64_t sequence, uint32_t dispatch,
                     enum tp__held held)
{
    struct task *task = tp__session_task_find(session, sequence);
    if (!task || task->dispatch != dispatch || !tp__session_may_have(task, node)) {
        if (held != TP__HELD_FINISHED) /* what is finished needs no stopping */
            tp__session_say_short(session, node, TP__RECORD_CANCEL, sequence, dispatch);
        (void)tp__session_distrust(node, task, dispatch);
        return;
    }
    if (task->state != TASK_PLACED) {
        tp__session_task_place(session, task, node);
        task->generation = node->asked;
    } else if (task->generation < node->asked) {
        task->generation = node->asked;
    }
}

/* Not seen in any HELD since a generation that is over. `all`: also those that can only fail now. */
static void lose_unseen(struct tp__session *session, struct node *node, uint32_t generation, bool all, const char *why)
{
    struct ring unseen;
    tp__ring_init(&unseen);
    for (struct ring *ring = node->placed.next; ring != &node->placed;) {
        struct task *task = TP__RING_OF(ring, struct task, ring);
        ring = ring->next;
        if (task->generation >= generation || (!all && tp__session_is_precious(task)))
            continue;
        tp__ring_remove(&task->ring);
        tp__ring_append(&unseen, &task->ring);
    }
    while (!tp__ring_is_empty(&unseen))
        tp__session_lose(session, TP__RING_OF(unseen.previous, struct task, ring), node->name, why);
}

void tp__session_held(struct tp__session *session, struct node *node, struct tp__reader *body)
{
    const uint64_t nonce = tp__get_u64(body);
    if (!body->ok || nonce != node->asked || node->asked == node->judged) {
        tp__session_node_failed(node, "it answered a question that was not asked");
        return;
    }
    node->judged = (uint32_t)nonce;
    while (tp__reader_left(body) > 0) {
        const uint64_t sequence = tp__get_u64(body);
        const uint32_t dispatch = tp__get_u32(body);
        const uint8_t held = tp__get_u8(body);
        if (!body->ok || held < TP__HELD_QUEUED || held > TP__HELD_FINISHED) {
            tp__session_node_failed(node, "it sent a malformed record");
            return;
        }
        held_one(session, node, sequence, dispatch, (enum tp__held)held);
    }
    char why[192];
    (void)snprintf(why, sizeof why, "the link of node '%s' broke, and the task was not there afterwards", node->name);
    lose_unseen(session, node, node->judged, true, why);
    if (node->judged < node->generation)
        tp__session_ask_held(session, node);
    if (node->judged >= node->broken)
        tp__session_reconcile_answered(session, node);
}

/* ---- time ---- */

static void pass_over_silent(struct tp__session *session)
{
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next) {
        struct node *node = TP__RING_OF(ring, struct node, ring);
        if (!node->unanswered)
            continue;
        char why[192];
        (void)snprintf(why, sizeof why, "node '%s' did not answer after the link to the coordinator broke", node->name);
        lose_unseen(session, node, node->broken, false, why);
    }
}

static void lose_silent(struct tp__session *session)
{
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring;) {
        struct node *node = TP__RING_OF(ring, struct node, ring);
        ring = ring->next;
        if (!node->unanswered)
            continue;
        char why[192];
        (void)snprintf(why, sizeof why,
                       "node '%s' was lost: it was silent for %d s after the link to the coordinator broke", node->name,
                       TP__GRACE_MS / 1000);
        tp__session_node_lost(session, node, why);
    }
}

void tp__session_reconcile_tick(struct tp__session *session)
{
    if (session->now_ms >= session->reconcile.settle_ms) {
        settle_limbo(session);
        pass_over_silent(session);
    }
    if (session->now_ms >= session->reconcile.grace_ms) {
        session->reconcile.grace_ms = INT64_MAX;
        lose_silent(session);
    }
}
