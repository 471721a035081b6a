/* SPDX-License-Identifier: MIT */
/* Design notes. Sequences are dense and ascending: tasks lie in pages of consecutive ones, and a page goes when all of
 * its tasks have ended. Nothing ever moves, so lists link the tasks themselves.
 *
 * How a task ends, exactly once: what its attempt left behind is taken back (operations, children), a child's result is
 * said to its parent, the entry is freed, and only then the action is called, which may submit or cancel tasks. */
#include "cluster/session_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the table ---- */

static uint64_t page_of(uint64_t sequence)
{
    return (sequence - 1) / TP__PAGE_TASKS;
}

static struct page *find_page(const struct tp__session *session, uint64_t number)
{
    struct index_entry *entry = tp__session_index_find(&session->tasks.pages, number);
    return entry ? TP__RING_OF(entry, struct page, entry) : NULL;
}

static struct page *new_page(struct tp__session *session, uint64_t number)
{
    struct page *page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    page->entry.key = number;
    if (!tp__session_index_add(&session->tasks.pages, &page->entry)) {
        free(page);
        return NULL;
    }
    tp__ring_append(&session->tasks.ring, &page->ring);
    session->tasks.page_count++;
    return page;
}

static void free_page(struct tp__session *session, struct page *page)
{
    if (session->tasks.last == page)
        session->tasks.last = NULL;
    tp__session_index_remove(&session->tasks.pages, &page->entry);
    tp__ring_remove(&page->ring);
    session->tasks.page_count--;
    free(page);
}

struct task *tp__session_task_new(struct tp__session *session, const uint8_t *payload, size_t length, uint8_t *owned)
{
    const uint64_t sequence = session->tasks.next_sequence;
    struct page *page = session->tasks.last;
    if (!page || page->entry.key != page_of(sequence))
        page = find_page(session, page_of(sequence));
    uint8_t *kept = owned || length == 0 ? owned : malloc(length);
    if (length > 0 && !kept)
        return NULL;
    if (!page)
        page = new_page(session, page_of(sequence));
    if (!page) {
        if (kept != owned)
            free(kept);
        return NULL;
    }
    session->tasks.last = page;
    session->tasks.next_sequence++;
    page->used++;
    if (kept != owned)
        memcpy(kept, payload, length);
    struct task *task = &page->tasks[(sequence - 1) % TP__PAGE_TASKS];
    *task = (struct task){.sequence = sequence, .payload = kept, .length = (uint32_t)length, .dispatch = 1};
    tp__ring_init(&task->ring);
    session->tasks.unresolved++;
    session->tasks.by_state[TASK_WAITING]++;
    session->tasks.bytes += length;
    if (session->tasks.unresolved >= session->options.limit_tasks ||
        session->tasks.bytes >= session->options.limit_bytes)
        session->full = true;
    return task;
}

struct task *tp__session_task_find(const struct tp__session *session, uint64_t sequence)
{
    if (sequence == 0)
        return NULL;
    struct page *page = session->tasks.last;
    if (!page || page->entry.key != page_of(sequence))
        page = find_page(session, page_of(sequence));
    struct task *task = page ? &page->tasks[(sequence - 1) % TP__PAGE_TASKS] : NULL;
    return task && task->sequence == sequence ? task : NULL;
}

struct task *tp__session_task_from(const struct tp__session *session, uint64_t from)
{
    struct page *page = from > 1 ? find_page(session, page_of(from)) : NULL;
    const struct ring *ring = page ? &page->ring : session->tasks.ring.next;
    for (; ring != &session->tasks.ring; ring = ring->next) {
        page = TP__RING_OF(ring, struct page, ring);
        const uint64_t start = page->entry.key * TP__PAGE_TASKS + 1;
        for (uint64_t i = from > start ? from - start : 0; i < TP__PAGE_TASKS; i++)
            if (page->tasks[i].sequence != 0)
                return &page->tasks[i];
    }
    return NULL;
}

struct rare *tp__session_task_rare(struct task *task)
{
    if (task->rare)
        return task->rare;
    struct rare *rare = calloc(1, sizeof *rare);
    if (!rare)
        return NULL;
    rare->task = task;
    rare->worker = -1;
    tp__ring_init(&rare->children);
    tp__ring_init(&rare->operations);
    tp__ring_init(&rare->siblings);
    task->rare = rare;
    return rare;
}

const char *tp__session_task_name(const struct tp__session *session, const struct task *task)
{
    const char *name = session->actions.task_name(session->actions.context, task->function);
    return name ? name : "";
}

void tp__session_task_set_state(struct tp__session *session, struct task *task, enum task_state state)
{
    session->tasks.by_state[task->state]--;
    session->tasks.by_state[state]++;
    task->state = (uint8_t)state;
}

void tp__session_task_place(struct tp__session *session, struct task *task, struct node *node)
{
    tp__ring_remove(&task->ring);
    tp__ring_append(&node->placed, &task->ring);
    tp__session_task_set_state(session, task, TASK_PLACED);
    task->node = node;
    task->generation = node->generation;
}

/* A submitter that waits is not woken for each place, but when an eighth is free. */
static void find_room(struct tp__session *session)
{
    const struct tp__session_options *options = &session->options;
    if (!session->full || session->tasks.unresolved > options->limit_tasks - options->limit_tasks / 8 - 1 ||
        session->tasks.bytes > options->limit_bytes - options->limit_bytes / 8 - 1)
        return;
    session->full = false;
}

void tp__session_task_free(struct tp__session *session, struct task *task)
{
    struct page *page = session->tasks.last;
    if (!page || page->entry.key != page_of(task->sequence))
        page = find_page(session, page_of(task->sequence));
    tp__ring_remove(&task->ring);
    session->tasks.unresolved--;
    session->tasks.by_state[task->state]--;
    session->tasks.bytes -= task->length;
    free(task->payload);
    free(task->rare);
    task->sequence = 0;
    if (--page->used == 0)
        free_page(session, page);
    find_room(session);
}

/* ---- how tasks end ---- */

/* What is still needed of a task when its entry is free. */
struct ended {
    uint64_t sequence;
    void *tag;
    struct node *node; /* NULL: it was at none */
    uint32_t dispatch;
};

static struct ended release(struct tp__session *session, struct task *task)
{
    const struct ended ended = {task->sequence, task->tag, task->state == TASK_PLACED ? task->node : NULL,
                                task->dispatch};
    if (!task->tag)
        tp__session_child_detach(session, task);
    tp__session_task_free(session, task);
    return ended;
}

/* After the action: what it was given may lie in what the node's assembly holds for the task. */
static void finish(struct tp__session *session, const struct ended *ended)
{
    if (ended->node)
        tp__assembly_forget(&ended->node->assembly, ended->sequence, ended->dispatch);
    if (!ended->tag)
        session->actions.child_ended(session->actions.context, ended->sequence);
}

void tp__session_resolve(struct tp__session *session, struct task *task, const uint8_t *value, size_t size)
{
    if (task->rare) {
        tp__session_drop_operations(session, task);
        tp__session_adopt(session, task);
        tp__session_child_resolved(session, task, value, size);
    }
    const struct ended ended = release(session, task);
    if (ended.tag)
        session->actions.result(session->actions.context, ended.tag, value, size);
    finish(session, &ended);
}

void tp__session_reject(struct tp__session *session, struct task *task, const struct tp__session_error *error,
                        bool attempt_lost)
{
    struct tp__session_error whole = *error;
    whole.task = whole.task && whole.task[0] ? whole.task : tp__session_task_name(session, task);
    whole.node = whole.node ? whole.node : "";
    whole.backtrace = whole.backtrace ? whole.backtrace : "";
    if (task->rare) {
        tp__session_drop_operations(session, task);
        if (attempt_lost)
            tp__session_stop_children(session, task);
        else
            tp__session_adopt(session, task);
        tp__session_child_rejected(session, task, &whole);
    }
    const struct ended ended = release(session, task);
    if (ended.tag)
        session->actions.failure(session->actions.context, ended.tag, &whole);
    finish(session, &ended);
}

void tp__session_reject_text(struct tp__session *session, struct task *task, tp_status status, const char *node,
                             bool attempt_lost, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const struct tp__session_error error = {.status = status, .message = message, .node = node, .worker = -1};
    tp__session_reject(session, task, &error, attempt_lost);
}

void tp__session_reject_all(struct tp__session *session, const struct tp__session_error *error)
{
    const uint64_t end = session->tasks.next_sequence; /* what is submitted meanwhile stays */
    struct task *task = tp__session_task_from(session, 1);
    while (task && task->sequence < end) {
        const uint64_t sequence = task->sequence;
        tp__session_reject(session, task, error, true);
        task = tp__session_task_from(session, sequence + 1);
    }
}

void tp__session_stop(struct tp__session *session, struct task *task)
{
    if (task->rare) {
        tp__session_drop_operations(session, task);
        tp__session_stop_children(session, task);
    }
    if (task->state == TASK_PLACED)
        tp__session_say_short(session, task->node, TP__RECORD_CANCEL, task->sequence, task->dispatch);
    const struct ended ended = release(session, task);
    finish(session, &ended);
}
