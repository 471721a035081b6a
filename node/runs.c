/* SPDX-License-Identifier: MIT */
/* Design notes. Nothing of a frame is believed, nor kept, before its leaves and proof have led to a root that the
 * session's key has signed; a root that was verified a moment ago is remembered, so that the runs of one batch cost one
 * signature. Each leaf is then taken once (the window).
 *
 * Everything refused is answered, so that the driver sends it again, but never with an answer that could be taken for
 * one about a task that is here: a lying coordinator could otherwise have a running task started elsewhere. */
#include "agent_state.h"

#include "trust/tree.h"

#include <stdlib.h>

/* ---- verifying ---- */

static bool verify_root(struct session *session, const Taskpool__Tasks *tasks, const struct tp__hash *root)
{
    struct verified_batch *known = &session->trust.verified[tasks->batch % VERIFIED_BATCHES];
    if (known->count == tasks->count && known->batch == tasks->batch && memcmp(&known->root, root, sizeof *root) == 0)
        return true;
    if (tasks->signature.len != TP__SIGNATURE_BYTES ||
        !tp__batch_verify(session->offer.content.signing_key, &session->offer.content.session, tasks->batch,
                          tasks->count, root, tasks->signature.data))
        return false;
    *known = (struct verified_batch){.batch = tasks->batch, .count = tasks->count, .root = *root};
    return true;
}

/* NULL, or what is wrong. */
static const char *verify(struct session *session, const Taskpool__Tasks *tasks, struct tp__hash *root)
{
    struct tp__hash hashes[TP__BATCH_LIMIT];
    struct tp__hash proof[TP__PROOF_LIMIT];
    if (tasks->count == 0 || tasks->count > TP__BATCH_LIMIT || tasks->run == 0 || tasks->run > tasks->count ||
        tasks->first > tasks->count - tasks->run)
        return "no such run";
    if (tasks->proof.len % sizeof *proof != 0 || tasks->proof.len > sizeof proof)
        return "the proof has an impossible length";
    if (!tp__batch_hash_run(tasks->leaves.data, tasks->leaves.len, tasks->first, tasks->run, hashes))
        return "its tasks are malformed";
    if (tasks->proof.len > 0)
        memcpy(proof, tasks->proof.data, tasks->proof.len);
    if (!tp__tree_root_of_run(hashes, tasks->count, tasks->first, tasks->run, proof,
                              (uint32_t)(tasks->proof.len / sizeof *proof), root))
        return "the proof has another length than it must";
    return verify_root(session, tasks, root) ? NULL : "the signature is wrong";
}

static void refuse_run(struct agent *agent, struct session *session, const Taskpool__Tasks *tasks, const char *what)
{
    char name[33];
    agent_refuse(agent, REFUSED_RUN, what, "session=%s batch=%llu", session_name(session, name),
                 (unsigned long long)tasks->batch);
    struct tp__reader reader = tp__reader_of(tasks->leaves.data, tasks->leaves.len);
    struct tp__leaf leaf;
    for (uint32_t i = 0; i < tasks->run && i < TP__BATCH_LIMIT && tp__leaf_read(&reader, &leaf); i++)
        if (!task_find(session, leaf.sequence))
            stream_return(session, leaf.sequence, leaf.dispatch, TP__RETURNED_REFUSED, what);
}

/* ---- taking ---- */

static void return_leaf(struct session *session, const struct tp__leaf *leaf, enum tp__returned reason,
                        const char *text)
{
    stream_return(session, leaf->sequence, leaf->dispatch, reason, text);
}

/* True if its leaf has not been here yet, and no later dispatch of the task. */
static bool is_new(struct agent *agent, struct session *session, const Taskpool__Tasks *tasks, uint32_t index,
                   const struct tp__hash *root, const struct tp__leaf *leaf)
{
    struct task *known = task_find(session, leaf->sequence);
    const enum tp__window_answer answer = tp__window_take(session->trust.window, tasks->batch, root, index);
    if (answer == TP__WINDOW_NEW && !known)
        return true;
    if (answer == TP__WINDOW_NEW && known->dispatch < leaf->dispatch) {
        task_cancel(agent, session, known); /* the driver has given that attempt up */
        return true;
    }
    if (answer == TP__WINDOW_NOMEM) {
        return_leaf(session, leaf, TP__RETURNED_RECALLED, "the node is out of memory");
        return false;
    }
    agent_refuse(agent, REFUSED_LEAF, answer == TP__WINDOW_STALE ? "the batch is too old" : "it was here before",
                 "batch=%llu task=%llu dispatch=%u", (unsigned long long)tasks->batch,
                 (unsigned long long)leaf->sequence, leaf->dispatch);
    if (!known)
        return_leaf(session, leaf, answer == TP__WINDOW_OTHER_ROOT ? TP__RETURNED_REFUSED : TP__RETURNED_STALE,
                    answer == TP__WINDOW_OTHER_ROOT ? "another batch has this number" : "it was signed too long ago");
    return false;
}

static void take(struct agent *agent, struct session *session, const struct tp__leaf *leaf)
{
    if (agent->draining) {
        return_leaf(session, leaf, TP__RETURNED_RECALLED, "the node is draining");
        return;
    }
    if (!room_is_there(agent, session, leaf->depth)) { /* the coordinator should know: an old one, or one that lies */
        agent_refuse(agent, REFUSED_LEAF, "there is no room for a task of that depth", "task=%llu depth=%u",
                     (unsigned long long)leaf->sequence, leaf->depth);
        return_leaf(session, leaf, TP__RETURNED_RECALLED, "the node is full");
        return;
    }
    credit_arrived(agent, leaf->length);
    struct task *task = task_insert(agent, session, leaf);
    if (!task) {
        return_leaf(session, leaf, TP__RETURNED_RECALLED, "the node is out of memory");
        return;
    }
    const bool claims = leaf->flags & TP__LEAF_AT_MOST_ONCE;
    const bool large = leaf->flags & TP__LEAF_LARGE;
    if (!large && !claims) {
        give_or_wait(agent, session, task, leaf);
        return;
    }
    if (!task_wait(agent, session, task, leaf, large ? WAITING_PAYLOAD : WAITING_CLAIM)) {
        task_remove(agent, session, task);
        return_leaf(session, leaf, TP__RETURNED_RECALLED, "the node is full");
        return;
    }
    if (!large)
        stream_say(session,
                   &(struct tp__record){.type = TP__RECORD_CLAIM, .task = leaf->sequence, .dispatch = leaf->dispatch});
}

void run_received(struct agent *agent, const Taskpool__Tasks *tasks)
{
    agent->credit.received += tasks->run <= TP__BATCH_LIMIT ? tasks->run : TP__BATCH_LIMIT;
    struct session *session = session_find(agent, tasks->session.data, tasks->session.len);
    struct tp__id incarnation;
    if (!session || session->state != SESSION_ACCEPTED ||
        (tasks->incarnation.len > 0 && (!tp__id_read(&incarnation, tasks->incarnation.data, tasks->incarnation.len) ||
                                        !tp__id_equal(&incarnation, &session->incarnation)))) {
        agent_refuse(agent, REFUSED_SESSION, "no such incarnation", "frame=tasks");
        return;
    }
    session->room.received += tasks->run <= TP__BATCH_LIMIT ? tasks->run : TP__BATCH_LIMIT;
    struct tp__hash root;
    const char *what = verify(session, tasks, &root);
    if (what) {
        refuse_run(agent, session, tasks, what);
        return;
    }
    struct tp__reader reader = tp__reader_of(tasks->leaves.data, tasks->leaves.len);
    struct tp__leaf leaf;
    for (uint32_t i = 0; i < tasks->run && tp__leaf_read(&reader, &leaf); i++)
        if (is_new(agent, session, tasks, tasks->first + i, &root, &leaf))
            take(agent, session, &leaf);
}

/* ---- payloads that travel apart ---- */

static void give_up(struct agent *agent, struct session *session, struct task *task, enum tp__returned reason,
                    const char *text)
{
    stream_return(session, task->sequence, task->dispatch, reason, text);
    task_remove(agent, session, task);
}

/* Memory is taken as the bytes arrive, not as the leaf says. */
static bool make_room(struct agent *agent, struct waiting *waiting, size_t more)
{
    const size_t needed = waiting->received + more;
    if (needed <= waiting->capacity)
        return true;
    size_t capacity = 2 * (size_t)waiting->capacity;
    if (capacity < needed)
        capacity = needed;
    if (capacity > waiting->leaf.length)
        capacity = waiting->leaf.length;
    if (agent->waiting_bytes + capacity - waiting->capacity > WAITING_LIMIT_BYTES)
        return false;
    uint8_t *payload = realloc(waiting->payload, capacity);
    if (!payload)
        return false;
    agent->waiting_bytes += capacity - waiting->capacity;
    waiting->payload = payload;
    waiting->capacity = (uint32_t)capacity;
    return true;
}

static void payload_complete(struct agent *agent, struct session *session, struct task *task)
{
    struct waiting *waiting = task->waiting;
    const struct tp__hash hash = tp__hash_of(waiting->payload, waiting->received);
    if (memcmp(&hash, &waiting->leaf.payload_hash, sizeof hash) != 0) {
        agent_refuse(agent, REFUSED_PAYLOAD, "another hash", "task=%llu", (unsigned long long)task->sequence);
        give_up(agent, session, task, TP__RETURNED_REFUSED, "the payload is not what was signed");
        return;
    }
    waiting->leaf.payload = waiting->payload;
    if (waiting->leaf.flags & TP__LEAF_AT_MOST_ONCE) {
        waiting_move(session, waiting, WAITING_CLAIM);
        stream_say(session,
                   &(struct tp__record){.type = TP__RECORD_CLAIM, .task = task->sequence, .dispatch = task->dispatch});
    } else {
        waiting_move(session, waiting, WAITING_QUEUE);
    }
}

void payload_received(struct agent *agent, const Taskpool__Payload *payload)
{
    struct session *session = session_find(agent, payload->session.data, payload->session.len);
    struct task *task = session ? task_find_current(session, payload->sequence, payload->dispatch) : NULL;
    struct waiting *waiting = task ? task->waiting : NULL;
    if (!waiting || waiting->state != WAITING_PAYLOAD) { /* also of a task that was cancelled or refused */
        agent_refuse(agent, REFUSED_PAYLOAD, "nobody waits for it", "task=%llu", (unsigned long long)payload->sequence);
        return;
    }
    const size_t size = payload->part.len;
    if (payload->offset != waiting->received || size == 0 || size > waiting->leaf.length - waiting->received) {
        agent_refuse(agent, REFUSED_PAYLOAD, "a part that does not fit", "task=%llu",
                     (unsigned long long)payload->sequence);
        give_up(agent, session, task, TP__RETURNED_REFUSED, "the parts of the payload do not fit");
        return;
    }
    if (!make_room(agent, waiting, size)) {
        give_up(agent, session, task, TP__RETURNED_RECALLED, "the node is out of memory");
        return;
    }
    memcpy(waiting->payload + waiting->received, payload->part.data, size);
    waiting->received += (uint32_t)size;
    waiting->progress_ms = agent->now_ms;
    if (waiting->received == waiting->leaf.length)
        payload_complete(agent, session, task);
}

void payload_forget(struct agent *agent, struct session *session)
{
    while (session->waiting[WAITING_PAYLOAD].head)
        task_remove(agent, session, task_find(session, session->waiting[WAITING_PAYLOAD].head->leaf.sequence));
}

int64_t payload_tick(struct agent *agent, struct session *session)
{
    int64_t next = INT64_MAX;
    struct waiting *waiting = session->waiting[WAITING_PAYLOAD].head;
    while (waiting) {
        struct waiting *following = waiting->next;
        const int64_t end_ms = waiting->progress_ms + PAYLOAD_PATIENCE_MS;
        if (end_ms <= agent->now_ms)
            give_up(agent, session, task_find(session, waiting->leaf.sequence), TP__RETURNED_RECALLED,
                    "its payload did not come");
        else if (end_ms < next)
            next = end_ms;
        waiting = following;
    }
    return next;
}
