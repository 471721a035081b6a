/* SPDX-License-Identifier: MIT */
#include "cluster/session_state.h"

#include <limits.h>

/* ---- reading errors ---- */

/* Appends a text and a 0 to session->texts; stores where. */
static bool copy_text(struct tp__session *session, struct tp__reader *body, size_t *offset)
{
    size_t length;
    const char *text = tp__get_text(body, &length);
    *offset = session->texts.size;
    return body->ok && tp__buffer_append(&session->texts, text, length) && tp__buffer_append(&session->texts, "", 1);
}

bool tp__session_read_error(struct tp__session *session, struct tp__reader *body, struct tp__session_error *error)
{
    const uint32_t status = tp__get_u32(body);
    const uint32_t worker = tp__get_u32(body);
    size_t message;
    size_t task;
    size_t backtrace;
    size_t node = 0;
    session->texts.size = 0;
    if (!copy_text(session, body, &message) || !copy_text(session, body, &task) ||
        !copy_text(session, body, &backtrace))
        return false;
    if (tp__reader_left(body) > 0 && !copy_text(session, body, &node))
        return false;
    const char *texts = (const char *)session->texts.bytes;
    *error =
        (struct tp__session_error){.status = status > TP_OK && status <= TP_E_OVERFLOW ? (tp_status)status : TP_E_TASK,
                                   .message = texts + message,
                                   .task = texts + task,
                                   .backtrace = texts + backtrace,
                                   .node = node > 0 ? texts + node : NULL,
                                   .worker = worker > 0 && worker <= INT_MAX ? (int)(worker - 1) : -1};
    return true;
}

static void failed(struct tp__session *session, struct task *task, struct tp__reader *body)
{
    struct tp__session_error error;
    if (!tp__session_read_error(session, body, &error)) {
        tp__session_node_failed(task->node, "it sent a malformed record");
        return;
    }
    error.node = error.node ? error.node : task->node->name;
    tp__session_reject(session, task, &error, false);
}

/* ---- claims ---- */

static void claimed(struct tp__session *session, struct task *task)
{
    if (!(task->flags & TP__LEAF_AT_MOST_ONCE) || (task->marks & MARK_GRANTED)) {
        session->tasks.refused++;
        tp__session_say_short(session, task->node, TP__RECORD_REFUSE, task->sequence, task->dispatch);
        return;
    }
    task->marks |= MARK_GRANTED;
    tp__session_mark_effect(task->rare ? task->rare->guardian : NULL);
    tp__session_say_short(session, task->node, TP__RECORD_GRANT, task->sequence, task->dispatch);
}

/* ---- records ---- */

static void output(struct tp__session *session, const struct node *node, const struct tp__record *record)
{
    struct tp__reader body = tp__reader_of(record->body, record->size);
    const uint8_t descriptor = tp__get_u8(&body);
    const uint32_t dropped = tp__get_u32(&body);
    if (!body.ok || descriptor < 1 || descriptor > 2) {
        session->tasks.refused++;
        return;
    }
    const struct task *task = tp__session_task_find(session, record->task);
    session->actions.output(session->actions.context, node->name, task ? tp__session_task_name(session, task) : "",
                            descriptor, dropped, body.at, tp__reader_left(&body));
}

/* The task, if the record is of its current attempt. It places one in limbo. */
static struct task *current(struct tp__session *session, struct node *node, const struct tp__record *record)
{
    struct task *task = tp__session_task_find(session, record->task);
    if (!task || task->dispatch != record->dispatch || !tp__session_may_have(task, node))
        return NULL;
    if (task->state != TASK_PLACED)
        tp__session_task_place(session, task, node);
    return task;
}

/* Its parts could not be put together. */
static void refuse_body(struct tp__session *session, struct node *node, struct task *task, tp_status status)
{
    const uint64_t sequence = task->sequence;
    const uint32_t dispatch = task->dispatch;
    tp__session_reject_text(session, task, status, node->name, true,
                            "task '%s' on node '%s' gave back or asked for more than %s",
                            tp__session_task_name(session, task), node->name,
                            status == TP_E_LIMIT ? "the 16 MiB that a value may take" : "this driver has memory for");
    tp__session_say_short(session, node, TP__RECORD_CANCEL, sequence, dispatch);
}

static void of_task(struct tp__session *session, struct node *node, struct task *task, const struct tp__record *record)
{
    struct tp__reader body = tp__reader_of(record->body, record->size);
    switch (record->type) {
    case TP__RECORD_RESULT:
        tp__session_resolve(session, task, record->body, record->size);
        return;
    case TP__RECORD_FAILURE:
        failed(session, task, &body);
        return;
    case TP__RECORD_RETURNED:
        tp__session_returned(session, task, &body);
        return;
    case TP__RECORD_CRASHED:
        tp__session_crashed(session, task, &body);
        return;
    case TP__RECORD_CLAIM:
        claimed(session, task);
        return;
    case TP__RECORD_OPERATION:
        tp__session_operate(session, task, record);
        return;
    case TP__RECORD_WITHDRAW:
        tp__session_withdraw(session, task, record->operation);
        return;
    case TP__RECORD_CONFIRM:
        tp__session_confirm(session, task, record->operation);
        return;
    case TP__RECORD_CHILD:
        tp__session_child(session, task, record);
        return;
    case TP__RECORD_CHILD_CANCEL:
        tp__session_child_cancel(session, task, record->operation);
        return;
    default:
        tp__session_node_failed(node, "it sent a record that is not for drivers");
    }
}

/* Of a node, not of an attempt. */
static void read_of_node(struct tp__session *session, struct node *node, struct tp__record *record)
{
    tp_status status;
    if (!tp__assembly_add(&node->assembly, record, &status)) {
        if (status != TP_OK)
            tp__session_node_failed(node, "it sent a record that is too large");
        return;
    }
    struct tp__reader body = tp__reader_of(record->body, record->size);
    if (record->type == TP__RECORD_HELD)
        tp__session_held(session, node, &body);
    else
        output(session, node, record);
}

/* Of an attempt that there is not, or not there. If no node is known to have it, a coordinator that lies may have sent
 * it without a word, and it may be found there later: what it said until then would be missing. */
static void refuse(struct tp__session *session, struct node *node, const struct tp__record *record)
{
    const struct task *task = tp__session_task_find(session, record->task);
    const bool was_hidden = tp__session_distrust(node, task, record->dispatch);
    if (record->type == TP__RECORD_CLAIM) /* it waits for an answer */
        tp__session_say_short(session, node, TP__RECORD_REFUSE, record->task, record->dispatch);
    else if (was_hidden)
        tp__session_say_short(session, node, TP__RECORD_CANCEL, record->task, record->dispatch);
}

static void read_of_task(struct tp__session *session, struct node *node, struct tp__record *record)
{
    struct task *task = current(session, node, record);
    if (!task) {
        session->tasks.refused++;
        refuse(session, node, record);
        return;
    }
    tp_status status;
    if (tp__assembly_add(&node->assembly, record, &status))
        of_task(session, node, task, record);
    else if (status != TP_OK)
        refuse_body(session, node, task, status);
}

void tp__session_records(struct tp__session *session, struct node *node, struct tp__reader *records)
{
    session->crashes.count = 0;
    struct tp__record record;
    while (tp__reader_left(records) > 0 && !node->failed[0]) {
        if (tp__record_read(records, &record) != TP__RECORD_FOUND) {
            tp__session_node_failed(node, "it sent a malformed record");
            return;
        }
        if (record.type == TP__RECORD_HELD || record.type == TP__RECORD_OUTPUT)
            read_of_node(session, node, &record);
        else
            read_of_task(session, node, &record);
    }
}
