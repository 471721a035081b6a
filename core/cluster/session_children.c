/* SPDX-License-Identifier: MIT */
/* Design notes. A child is awaited by the attempt that asked for it, and stands in that task's list of children. When a
 * task ends with a result or an error of its own, its children go on, and nobody gets what they give: the task's own
 * guardian takes them over, so that they are stopped when the attempt that they come from in the end is lost, and so
 * that what they do counts as an effect of it. When an attempt is lost or cancelled, all below it is stopped. */
#include "cluster/session_state.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t key_of(uint64_t parent, uint32_t operation)
{
    return parent * UINT64_C(0x9e3779b97f4a7c15) ^ operation;
}

static struct rare *find(const struct tp__session *session, uint64_t parent, uint32_t operation)
{
    struct index_entry *entry = tp__session_index_find(&session->children.index, key_of(parent, operation));
    for (; entry; entry = tp__session_index_next(entry)) {
        struct rare *rare = TP__RING_OF(entry, struct rare, child_entry);
        if (rare->parent == parent && rare->operation == operation)
            return rare;
    }
    return NULL;
}

/* ---- time limits: a heap, the earliest at 1 ---- */

static void put_at(struct tp__session *session, size_t place, struct rare *rare)
{
    session->children.deadlines[place] = rare;
    rare->heap_place = place;
}

static bool is_earlier(const struct rare *a, const struct rare *b)
{
    return a->deadline_ms != b->deadline_ms ? a->deadline_ms < b->deadline_ms : a->task->sequence < b->task->sequence;
}

static void sift(struct tp__session *session, size_t place, struct rare *rare)
{
    struct rare **heap = session->children.deadlines;
    const size_t count = session->children.deadline_count;
    for (; place > 1 && is_earlier(rare, heap[place / 2]); place /= 2)
        put_at(session, place, heap[place / 2]);
    for (;;) {
        size_t below = 2 * place;
        if (below > count)
            break;
        if (below + 1 <= count && is_earlier(heap[below + 1], heap[below]))
            below++;
        if (!is_earlier(heap[below], rare))
            break;
        put_at(session, place, heap[below]);
        place = below;
    }
    put_at(session, place, rare);
}

static bool limit_time(struct tp__session *session, struct rare *rare, uint64_t timeout_ms)
{
    size_t capacity = session->children.deadline_capacity;
    if (session->children.deadline_count + 1 >= capacity) {
        capacity = capacity ? 2 * capacity : 64;
        struct rare **heap = realloc(session->children.deadlines, capacity * sizeof *heap);
        if (!heap)
            return false;
        session->children.deadlines = heap;
        session->children.deadline_capacity = capacity;
    }
    const uint64_t longest = (uint64_t)(INT64_MAX - 1 - session->now_ms);
    rare->timeout_ms = timeout_ms;
    rare->deadline_ms = session->now_ms + (int64_t)(timeout_ms < longest ? timeout_ms : longest);
    sift(session, ++session->children.deadline_count, rare);
    return true;
}

static void unlimit_time(struct tp__session *session, struct rare *rare)
{
    const size_t place = rare->heap_place;
    if (place == 0)
        return;
    rare->heap_place = 0;
    struct rare *last = session->children.deadlines[session->children.deadline_count--];
    if (last != rare)
        sift(session, place, last);
}

int64_t tp__session_children_due(const struct tp__session *session)
{
    return session->children.deadline_count > 0 ? session->children.deadlines[1]->deadline_ms : INT64_MAX;
}

void tp__session_children_tick(struct tp__session *session)
{
    while (tp__session_children_due(session) <= session->now_ms) {
        struct task *child = session->children.deadlines[1]->task;
        const uint64_t timeout_ms = child->rare->timeout_ms;
        if (child->state == TASK_PLACED)
            tp__session_say_short(session, child->node, TP__RECORD_CANCEL, child->sequence, child->dispatch);
        tp__session_reject_text(session, child, TP_E_TIMEOUT, child->state == TASK_PLACED ? child->node->name : NULL,
                                true, "task '%s' took longer than its %llu ms", tp__session_task_name(session, child),
                                (unsigned long long)timeout_ms);
    }
}

/* ---- beginning ---- */

/* An answer for a child that did not come to be. */
static void refuse(struct tp__session *session, const struct task *parent, uint32_t operation, const char *name,
                   tp_status status, const char *message)
{
    struct tp__buffer body = {NULL, 0, 0};
    uint8_t head[8];
    tp__put_u32(tp__put_u32(head, status), 0);
    if (tp__buffer_append(&body, head, sizeof head) && tp__put_text(&body, message, strlen(message)) &&
        tp__put_text(&body, name, strlen(name)) && tp__put_text(&body, "", 0) && tp__put_text(&body, "", 0)) {
        const struct tp__record record = {.type = TP__RECORD_CHILD_FAILURE,
                                          .task = parent->sequence,
                                          .dispatch = parent->dispatch,
                                          .operation = operation,
                                          .body = body.bytes,
                                          .size = (uint32_t)body.size};
        tp__session_say(session, parent->node, &record);
    } else {
        tp__session_node_failed(parent->node, "this driver has no memory for what it has to say to it");
    }
    tp__buffer_free(&body);
}

struct wish {
    uint32_t function;
    uint64_t timeout_ms;
    uint32_t max_attempts;
    uint32_t flags;
    uint32_t worker; /* + 1 */
    uint32_t stack_kib;
};

/* Would a child of it have as many unresolved tasks above it as there are depths? Then no depth would be left that
 * could keep a way free for it. Those that have ended do not count: a task may submit its own successor for ever. */
static bool is_nested_too_deep(const struct tp__session *session, const struct task *parent)
{
    uint32_t above = 0;
    if (parent->depth == session->options.limit_depth)
        for (const struct task *task = parent; task; task = task->rare ? task->rare->guardian : NULL)
            above++;
    return above > session->options.limit_depth;
}

/* NULL: it can begin. */
static const char *why_not(const struct tp__session *session, const struct task *parent, const struct tp__reader *body,
                           const struct wish *wish, const char *name, tp_status *status)
{
    *status = TP_E_ARGUMENT;
    if (!body->ok || (wish->flags & ~(uint32_t)(TP__LEAF_AT_MOST_ONCE | TP__LEAF_ISOLATED)) != 0)
        return "the request for a child task is malformed";
    if (!name[0])
        return "there is no such task in this program";
    if (wish->worker > session->nodes.workers)
        return "the pool has no worker of that number";
    *status = TP_E_LIMIT;
    if (tp__reader_left(body) > TP__PAYLOAD_LIMIT_BYTES)
        return "the captured values take more than 16 MiB";
    if (is_nested_too_deep(session, parent))
        return "tasks that wait for tasks that they submitted are nested too deep: is there a recursion without an "
               "end?";
    *status = TP_E_FULL;
    if (session->full)
        return "the session has as many unresolved tasks, or bytes of captured values, as it may";
    return NULL;
}

/* Makes it a child of `parent`. False without memory. */
static bool make_child(struct tp__session *session, struct task *parent, uint32_t operation, struct task *child,
                       const struct wish *wish)
{
    struct rare *above = tp__session_task_rare(parent);
    struct rare *rare = tp__session_task_rare(child);
    if (!above || !rare)
        return false;
    rare->parent = parent->sequence;
    rare->operation = operation;
    rare->child_entry.key = key_of(parent->sequence, operation);
    if (wish->worker > 0)
        rare->worker = (int)(wish->worker - 1);
    if (wish->timeout_ms > 0 && !limit_time(session, rare, wish->timeout_ms))
        return false;
    if (!tp__session_index_add(&session->children.index, &rare->child_entry)) {
        unlimit_time(session, rare);
        return false;
    }
    rare->awaited = true;
    rare->guardian = parent;
    tp__ring_append(&above->children, &rare->siblings);
    return true;
}

void tp__session_child(struct tp__session *session, struct task *parent, const struct tp__record *record)
{
    struct tp__reader body = tp__reader_of(record->body, record->size);
    struct wish wish = {.function = tp__get_u32(&body)};
    wish.timeout_ms = tp__get_u64(&body);
    wish.max_attempts = tp__get_u32(&body);
    wish.flags = tp__get_u32(&body);
    wish.worker = tp__get_u32(&body);
    wish.stack_kib = tp__get_u32(&body);
    if (find(session, parent->sequence, record->operation)) { /* it has that child already */
        session->tasks.refused++;
        return;
    }
    const struct task asked = {.function = wish.function};
    const char *name = tp__session_task_name(session, &asked);
    tp_status status;
    const char *reason = why_not(session, parent, &body, &wish, name, &status);
    if (reason) {
        refuse(session, parent, record->operation, name, status, reason);
        return;
    }
    struct task *child = tp__session_task_new(session, body.at, tp__reader_left(&body), NULL);
    if (!child) {
        refuse(session, parent, record->operation, name, TP_E_NOMEM, "the driver is out of memory");
        return;
    }
    child->function = wish.function;
    child->flags = (uint8_t)wish.flags;
    child->stack_kib = wish.stack_kib > 0 ? wish.stack_kib : session->options.stack_kib;
    child->depth = (uint16_t)(parent->depth < session->options.limit_depth ? parent->depth + 1 : parent->depth);
    tp__session_task_limit_attempts(child, wish.max_attempts);
    if (!make_child(session, parent, record->operation, child, &wish)) {
        tp__session_task_free(session, child);
        refuse(session, parent, record->operation, name, TP_E_NOMEM, "the driver is out of memory");
        return;
    }
    tp__session_spread(session, child);
    tp__session_wait(session, child, false);
    session->actions.child_began(session->actions.context, child->sequence);
}

/* ---- ending ---- */

/* Nobody awaits it any more. */
static void leave(struct tp__session *session, struct rare *rare)
{
    if (rare->awaited)
        tp__session_index_remove(&session->children.index, &rare->child_entry);
    rare->awaited = false;
}

static void say_to_parent(struct tp__session *session, const struct rare *rare, enum tp__record_type type,
                          const uint8_t *body, size_t size)
{
    const struct task *parent = rare->guardian;
    const struct tp__record record = {.type = (uint8_t)type,
                                      .task = parent->sequence,
                                      .dispatch = parent->dispatch,
                                      .operation = rare->operation,
                                      .body = body,
                                      .size = (uint32_t)size};
    tp__session_say(session, parent->node, &record);
}

void tp__session_child_resolved(struct tp__session *session, struct task *child, const uint8_t *value, size_t size)
{
    if (child->rare->awaited)
        say_to_parent(session, child->rare, TP__RECORD_CHILD_RESULT, value, size);
}

void tp__session_child_rejected(struct tp__session *session, struct task *child, const struct tp__session_error *error)
{
    const struct rare *rare = child->rare;
    if (!rare->awaited)
        return;
    struct tp__buffer body = {NULL, 0, 0};
    uint8_t head[8];
    tp__put_u32(tp__put_u32(head, error->status), (uint32_t)(error->worker + 1));
    bool complete = tp__buffer_append(&body, head, sizeof head);
    const char *texts[] = {error->message, error->task, error->backtrace, error->node};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && complete; i++)
        complete = tp__put_text(&body, texts[i], strlen(texts[i]));
    if (complete)
        say_to_parent(session, rare, TP__RECORD_CHILD_FAILURE, body.bytes, body.size);
    else
        tp__session_node_failed(rare->guardian->node, "this driver has no memory for what it has to say to it");
    tp__buffer_free(&body);
}

void tp__session_child_detach(struct tp__session *session, struct task *child)
{
    leave(session, child->rare);
    unlimit_time(session, child->rare);
    tp__ring_remove(&child->rare->siblings);
}

void tp__session_child_cancel(struct tp__session *session, struct task *parent, uint32_t operation)
{
    const struct rare *rare = find(session, parent->sequence, operation);
    if (rare) /* else its result is on the way */
        tp__session_stop(session, rare->task);
}

void tp__session_adopt(struct tp__session *session, struct task *task)
{
    struct task *guardian = task->rare->guardian;
    struct ring *children = &task->rare->children;
    for (struct ring *ring = children->next; ring != children; ring = ring->next) {
        struct rare *rare = TP__RING_OF(ring, struct rare, siblings);
        leave(session, rare);
        rare->guardian = guardian;
    }
    if (guardian) {
        tp__ring_splice(&guardian->rare->children, children);
        return;
    }
    while (!tp__ring_is_empty(children))
        tp__ring_remove(children->next);
}

/* Not by calling itself: tasks may be nested as deep as they like. A child's children join the list before it goes. */
void tp__session_stop_children(struct tp__session *session, struct task *task)
{
    struct ring *doomed = &task->rare->children;
    while (!tp__ring_is_empty(doomed)) {
        struct rare *rare = TP__RING_OF(doomed->next, struct rare, siblings);
        struct ring *children = &rare->children;
        for (struct ring *ring = children->next; ring != children; ring = ring->next) {
            struct rare *below = TP__RING_OF(ring, struct rare, siblings);
            leave(session, below);
            below->guardian = task;
        }
        tp__ring_splice(doomed, children);
        tp__session_stop(session, rare->task);
    }
}
