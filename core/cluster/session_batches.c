/* SPDX-License-Identifier: MIT */
/* Design notes. Tasks that wait stand in a lane for each depth; the deepest go first, as what they produce is waited
 * for by what is parked. Tasks that are pinned stand at their node, and those that have none at the moment apart.
 *
 * A batch is made of what waits when there is room: in the budget that the coordinator gave, and in the link's lane of
 * bulk, which is kept short so that deeper tasks that come later do not stand behind a million others. It is remembered
 * until the coordinator has said of each of its tasks where it went: only then has it left the coordinator. Tasks that
 * are run again get batches of their own, which the coordinator places before the others of their depth.
 *
 * Batches that begin with a large task stay here when so much is ahead of them that the coordinator has enough to do:
 * there they would only take memory once more. What is pinned is not ahead of others, nor they of it.
 *
 * A part of the budget is a reserve. A batch goes into it only if it is deeper than those that are in it: so tasks that
 * no node takes now, as all are full, never keep back the deeper ones that what is parked there waits for. Of the last
 * eighth a batch takes one task: of a tree in which one task of each level fits into that, the deepest always gets
 * there. */
#include "cluster/session_state.h"

#include "trust/tree.h"

#include <sodium.h>
#include <stdlib.h>

enum {
    PAYLOAD_PART_BYTES = TP__PART_BYTES,
    RESERVE_PARTS = 64,
    LARGE_AHEAD_BYTES = 32 << 20 /* what the fastest links carry while the coordinator says that it has room again */
};

/* ---- what waits ---- */

static void wait_pinned(struct tp__session *session, struct task *task, bool first)
{
    struct node *node = tp__session_node_of_worker(session, (size_t)task->rare->worker, &task->rare->local);
    task->node = node;
    if (!node) {
        tp__ring_append(first ? session->sending.homeless.next : &session->sending.homeless, &task->ring);
        return;
    }
    tp__lanes_put(&node->waiting, task->depth, &task->ring, first);
    if (tp__ring_is_empty(&node->pinned))
        tp__ring_append(&session->sending.pinned, &node->pinned);
}

void tp__session_wait(struct tp__session *session, struct task *task, bool first)
{
    tp__ring_remove(&task->ring);
    tp__session_task_set_state(session, task, TASK_WAITING);
    if (task->rare && task->rare->worker >= 0) {
        wait_pinned(session, task, first);
        return;
    }
    task->node = NULL;
    tp__lanes_put(&session->sending.waiting, task->depth, &task->ring, first);
}

void tp__session_house(struct tp__session *session)
{
    struct ring homeless;
    tp__ring_init(&homeless);
    tp__ring_splice(&homeless, &session->sending.homeless);
    while (!tp__ring_is_empty(&homeless))
        tp__session_wait(session, TP__RING_OF(homeless.next, struct task, ring), false);
}

/* ---- making a batch ---- */

static bool is_large(const struct task *task)
{
    return task->length > TP__LEAF_INLINE_LIMIT_BYTES;
}

static struct tp__leaf leaf_of(const struct task *task)
{
    const struct rare *rare = task->rare;
    struct tp__leaf leaf = {.sequence = task->sequence,
                            .parent = rare ? rare->parent : 0,
                            .dispatch = task->dispatch,
                            .task = task->function,
                            .flags = task->flags,
                            .cell = task->cell,
                            .worker = rare && task->node ? rare->local + 1 : 0,
                            .stack_kib = task->stack_kib,
                            .depth = task->depth,
                            .length = task->length};
    if (is_large(task)) {
        leaf.flags |= TP__LEAF_LARGE;
        leaf.payload_hash = tp__hash_of(task->payload, task->length);
    } else {
        leaf.payload = task->payload;
    }
    return leaf;
}

/* What its leaf counts for at the coordinator (tp__leaf_counted_size), and no less than what it takes. */
static uint32_t leaf_bytes(const struct task *task)
{
    return TP__LEAF_HEADER_LIMIT_BYTES + (is_large(task) ? (uint32_t)sizeof(struct tp__hash) : task->length);
}

static bool is_again(const struct task *task)
{
    return task->dispatch > 1;
}

/* What the task takes of the coordinator's budget. */
static uint32_t bytes_of(const struct task *task)
{
    return leaf_bytes(task) + (is_large(task) ? task->length : 0);
}

/* How much of the coordinator's budget may be filled with any tasks of that depth. The rest is a reserve. */
static uint64_t share_of(const struct tp__session *session, uint32_t depth)
{
    const uint64_t limit = session->wire.queue_limit_bytes;
    return depth == 0 ? limit / 2 : limit / 4 * 3;
}

/* Would so many bytes, of which some are that task's, be more than the coordinator needs? */
static bool is_enough(const struct task *task, uint64_t shared_bytes)
{
    const bool is_pinned = task->rare && task->rare->worker >= 0;
    return is_large(task) && !is_pinned && shared_bytes > LARGE_AHEAD_BYTES;
}

/* Is there room for a batch that begins with that task? The first one may be past the budget if nothing is queued. */
static bool fits(const struct tp__session *session, const struct task *task)
{
    const uint64_t queued = session->sending.queued_bytes;
    const uint64_t with = queued + bytes_of(task);
    if (queued == 0 ||
        (with <= share_of(session, task->depth) && !is_enough(task, session->sending.shared_bytes + bytes_of(task))))
        return true;
    const struct ring *last = session->sending.reserve.previous;
    const bool is_deeper =
        last == &session->sending.reserve || task->depth > TP__RING_OF(last, const struct batch, reserve)->depth;
    return is_deeper && with <= session->wire.queue_limit_bytes;
}

/* How much may be queued with the tasks of that batch behind the first. In the reserve few: of what they could take
 * there a small part, so that much is left for deeper ones. */
static uint64_t budget_of(const struct tp__session *session, const struct task *first)
{
    const uint64_t queued = session->sending.queued_bytes;
    const uint64_t share = share_of(session, first->depth);
    const uint64_t most = session->wire.queue_limit_bytes / 8 * 7;
    if (queued + bytes_of(first) <= share)
        return share;
    return most > queued ? queued + (most - queued) / RESERVE_PARTS : 0;
}

/* The first ones of a list that fit into one batch, and into the coordinator's budget; at least one. */
static struct making *pick(struct tp__session *session, struct ring *from)
{
    struct making *making = session->sending.making;
    making->count = making->bytes = 0;
    uint64_t taken = session->sending.queued_bytes;
    uint64_t apart = 0; /* bytes of payloads that follow in frames of their own */
    uint8_t *to = making->leaves;
    const struct task *first = TP__RING_OF(from->next, struct task, ring);
    const uint64_t budget = budget_of(session, first);
    for (struct ring *ring = from->next; ring != from && making->count < TP__BATCH_LIMIT; ring = ring->next) {
        struct task *task = TP__RING_OF(ring, struct task, ring);
        if (task->depth != first->depth || is_again(task) != is_again(first) ||
            making->bytes + leaf_bytes(task) > TP__BATCH_LIMIT_BYTES ||
            (task != first && taken + bytes_of(task) > budget) || apart > TP__BULK_LANE_BYTES)
            break;
        const struct tp__leaf leaf = leaf_of(task);
        to = tp__leaf_write(to, &leaf);
        if (leaf.flags & TP__LEAF_LARGE)
            apart += task->length;
        taken += bytes_of(task);
        making->bytes = (uint32_t)(to - making->leaves);
        making->tasks[making->count++] = task;
    }
    return making;
}

static struct batch *new_batch(struct tp__session *session, const struct making *making, struct node *node)
{
    const size_t size = sizeof(struct batch) + making->count * sizeof(struct batch_task);
    struct batch *batch = malloc(size);
    if (!batch)
        return NULL;
    batch->entry.key = session->sending.next_batch;
    if (!tp__session_index_add(&session->sending.batches, &batch->entry)) {
        free(batch);
        return NULL;
    }
    session->sending.next_batch++;
    session->sending.batch_bytes += size;
    tp__ring_init(&batch->ring);
    tp__ring_init(&batch->reserve);
    batch->node = node;
    batch->depth = making->tasks[0]->depth;
    batch->count = batch->left = making->count;
    if (node)
        tp__ring_append(&node->batches, &batch->ring);
    return batch;
}

static void free_batch(struct tp__session *session, struct batch *batch)
{
    tp__session_index_remove(&session->sending.batches, &batch->entry);
    tp__ring_remove(&batch->ring);
    tp__ring_remove(&batch->reserve);
    session->sending.batch_bytes -= sizeof *batch + batch->count * sizeof batch->tasks[0];
    free(batch);
}

static void send_leaves(struct tp__session *session, const struct batch *batch, struct making *making)
{
    if (!tp__batch_hash(making->leaves, making->bytes, making->count, making->hashes)) {
        tp__session_unlink(session, "a batch could not be hashed"); /* it is well-formed: we wrote it */
        return;
    }
    const struct tp__hash root = tp__tree_root(making->hashes, making->count);
    uint8_t signature[TP__SIGNATURE_BYTES];
    tp__batch_sign(session->keys.signing_secret, &session->id, batch->entry.key, making->count, &root, signature);
    Taskpool__Tasks tasks;
    taskpool__tasks__init(&tasks);
    tasks.session = tp__field_of_id(&session->id);
    tasks.batch = batch->entry.key;
    tasks.count = tasks.run = making->count;
    tasks.signature = tp__field(signature, sizeof signature);
    tasks.leaves = tp__field(making->leaves, making->bytes);
    tasks.depth = batch->depth;
    if (batch->node)
        tasks.incarnation = tp__field_of_id(&batch->node->incarnation);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_TASKS;
    frame.tasks = &tasks;
    tp__session_send(session, TP__LANE_BULK, &frame);
}

static void send_payload(struct tp__session *session, const struct task *task)
{
    for (uint32_t offset = 0; offset < task->length; offset += PAYLOAD_PART_BYTES) {
        const uint32_t left = task->length - offset;
        Taskpool__Payload payload;
        taskpool__payload__init(&payload);
        payload.session = tp__field_of_id(&session->id);
        payload.sequence = task->sequence;
        payload.dispatch = task->dispatch;
        payload.offset = offset;
        payload.part = tp__field(task->payload + offset, left < PAYLOAD_PART_BYTES ? left : PAYLOAD_PART_BYTES);
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        frame.body_case = TASKPOOL__FRAME__BODY_PAYLOAD;
        frame.payload = &payload;
        tp__session_send(session, TP__LANE_BULK, &frame);
    }
}

static void send_batch(struct tp__session *session, struct ring *from, struct node *node)
{
    struct making *making = pick(session, from);
    if (making->count == 0)
        return;
    struct batch *batch = new_batch(session, making, node);
    if (!batch)
        return; /* they wait until the next event */
    for (uint32_t i = 0; i < making->count; i++) {
        struct task *task = making->tasks[i];
        batch->tasks[i] = (struct batch_task){task->sequence, task->dispatch, bytes_of(task)};
        session->sending.queued_bytes += bytes_of(task);
        session->sending.shared_bytes += node ? 0 : bytes_of(task);
        tp__ring_remove(&task->ring);
        tp__ring_append(node ? &node->queued : &session->tasks.queued, &task->ring);
        tp__session_task_set_state(session, task, TASK_QUEUED);
    }
    session->tasks.dispatches += making->count;
    if (session->sending.queued_bytes > share_of(session, batch->depth) ||
        is_enough(making->tasks[0], session->sending.shared_bytes))
        tp__ring_append(&session->sending.reserve, &batch->reserve);
    send_leaves(session, batch, making);
    for (uint32_t i = 0; i < making->count; i++)
        if (is_large(making->tasks[i]))
            send_payload(session, making->tasks[i]);
}

/* The deepest ones that wait; NULL: none does. One at the front that would never fit fails: the coordinator takes a
 * frame more than it says. */
static struct ring *deepest_that_fits(struct tp__session *session, struct lanes *lanes)
{
    const uint64_t limit = session->wire.queue_limit_bytes + TP__FRAME_LIMIT_BYTES;
    for (;;) {
        struct ring *lane = tp__lanes_deepest(lanes);
        struct task *task = lane ? TP__RING_OF(lane->next, struct task, ring) : NULL;
        if (!task || bytes_of(task) <= limit || !tp__session_is_linked(session))
            return lane;
        tp__session_reject_text(session, task, TP_E_LIMIT, NULL, true,
                                "the captures of task '%s' take %u bytes; coordinator '%s' queues at most %llu",
                                tp__session_task_name(session, task), (unsigned)bytes_of(task),
                                session->wire.coordinator, (unsigned long long)session->wire.queue_limit_bytes);
    }
}

static bool has_room(const struct tp__session *session, const struct ring *from)
{
    return tp__session_is_linked(session) && tp__link_queued(session->wire.link, TP__LANE_BULK) < TP__BULK_LANE_BYTES &&
           fits(session, TP__RING_OF(from->next, const struct task, ring));
}

/* One batch for each node with pinned tasks. True if there was one. */
static bool send_pinned(struct tp__session *session)
{
    struct ring seen;
    tp__ring_init(&seen);
    bool sent = false;
    while (!tp__ring_is_empty(&session->sending.pinned)) {
        struct node *node = TP__RING_OF(session->sending.pinned.next, struct node, pinned);
        tp__ring_remove(&node->pinned);
        struct ring *lane = deepest_that_fits(session, &node->waiting);
        if (!lane)
            continue;
        tp__ring_append(&seen, &node->pinned);
        if (!node->reachable || !has_room(session, lane))
            continue;
        send_batch(session, lane, node);
        sent = true;
    }
    tp__ring_splice(&session->sending.pinned, &seen);
    return sent;
}

void tp__session_send_waiting(struct tp__session *session)
{
    for (bool sent = true; sent && session->tasks.by_state[TASK_WAITING] > 0;) {
        const uint64_t waiting = session->tasks.by_state[TASK_WAITING];
        sent = send_pinned(session);
        struct ring *lane = deepest_that_fits(session, &session->sending.waiting);
        if (lane && has_room(session, lane)) {
            send_batch(session, lane, NULL);
            sent = true;
        }
        if (session->tasks.by_state[TASK_WAITING] == waiting)
            break; /* without memory */
    }
}

/* ---- what was placed ---- */

void tp__session_drop_batches(struct tp__session *session, struct node *node)
{
    if (!node) {
        for (size_t i = 0; i < session->sending.batches.bucket_count; i++)
            while (session->sending.batches.buckets[i])
                free_batch(session, TP__RING_OF(session->sending.batches.buckets[i], struct batch, entry));
        session->sending.queued_bytes = session->sending.shared_bytes = 0;
        return;
    }
    while (!tp__ring_is_empty(&node->batches)) {
        struct batch *batch = TP__RING_OF(node->batches.next, struct batch, ring);
        for (uint32_t i = 0; i < batch->count; i++)
            if (batch->tasks[i].dispatch != 0)
                session->sending.queued_bytes -= batch->tasks[i].bytes;
        free_batch(session, batch);
    }
}

/* `node` NULL: at an incarnation that is none of ours, or not the one that the batch was for. No task starts there. */
static void placed_one(struct tp__session *session, const struct batch_task *placed, struct node *node)
{
    struct task *task = tp__session_task_find(session, placed->sequence);
    if (!task || task->dispatch != placed->dispatch) {
        if (node) /* it has ended, or was sent again, since it was sent */
            tp__session_say_short(session, node, TP__RECORD_CANCEL, placed->sequence, placed->dispatch);
    } else if (task->state == TASK_QUEUED) {
        if (node)
            tp__session_task_place(session, task, node);
        else
            tp__session_again(session, task);
    }
}

static void placed_run(struct tp__session *session, const Taskpool__Run *run)
{
    struct index_entry *entry = tp__session_index_find(&session->sending.batches, run->batch);
    struct batch *batch = entry ? TP__RING_OF(entry, struct batch, entry) : NULL;
    if (!batch || run->run == 0 || run->run > batch->count || run->first > batch->count - run->run) {
        session->tasks.refused++;
        return;
    }
    struct node *node = tp__session_node_find(session, run->incarnation.data, run->incarnation.len);
    if (batch->node && batch->node != node)
        node = NULL;
    for (uint32_t i = run->first; i < run->first + run->run; i++) {
        const struct batch_task placed = batch->tasks[i];
        if (placed.dispatch == 0) {
            session->tasks.refused++;
            continue;
        }
        batch->tasks[i].dispatch = 0;
        batch->left--;
        session->sending.queued_bytes -= placed.bytes;
        session->sending.shared_bytes -= batch->node ? 0 : placed.bytes;
        placed_one(session, &placed, node);
    }
    if (batch->left == 0)
        free_batch(session, batch);
}

void tp__session_placed(struct tp__session *session, Taskpool__Run *const *runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        placed_run(session, runs[i]);
}
