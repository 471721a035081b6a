/* SPDX-License-Identifier: MIT */
#include "cluster/session_state.h"

#include <stdlib.h>

static uint64_t key_of(uint64_t sequence, uint32_t number)
{
    return sequence * UINT64_C(0x9e3779b97f4a7c15) ^ number;
}

static struct operation *find(const struct tp__session *session, uint64_t sequence, uint32_t number)
{
    struct index_entry *entry = tp__session_index_find(&session->operations.index, key_of(sequence, number));
    for (; entry; entry = tp__session_index_next(entry)) {
        struct operation *operation = TP__RING_OF(entry, struct operation, entry);
        if (operation->task->sequence == sequence && operation->number == number)
            return operation;
    }
    return NULL;
}

static struct operation *add(struct tp__session *session, struct task *task, uint32_t number)
{
    struct rare *rare = tp__session_task_rare(task);
    struct operation *operation = rare ? malloc(sizeof *operation) : NULL;
    if (!operation)
        return NULL;
    *operation = (struct operation){.entry = {.key = key_of(task->sequence, number)}, .task = task, .number = number};
    if (!tp__session_index_add(&session->operations.index, &operation->entry)) {
        free(operation);
        return NULL;
    }
    tp__ring_append(&rare->operations, &operation->ring);
    return operation;
}

static void drop(struct tp__session *session, struct operation *operation)
{
    tp__session_index_remove(&session->operations.index, &operation->entry);
    tp__ring_remove(&operation->ring);
    free(operation);
}

static struct tp__session_operation name_of(const struct task *task, uint32_t number)
{
    return (struct tp__session_operation){task->sequence, task->dispatch, number};
}

void tp__session_mark_effect(struct task *task)
{
    /* whose ancestors are marked if it is */
    while (task && !(task->marks & MARK_EFFECT)) {
        task->marks |= MARK_EFFECT;
        task = task->rare ? task->rare->guardian : NULL;
    }
}

static void say_reply(struct tp__session *session, const struct task *task, uint32_t number, const uint8_t *body,
                      size_t size)
{
    const struct tp__record record = {.type = TP__RECORD_REPLY,
                                      .task = task->sequence,
                                      .dispatch = task->dispatch,
                                      .operation = number,
                                      .body = body,
                                      .size = (uint32_t)size};
    tp__session_say(session, task->node, &record);
}

static void refuse(struct tp__session *session, const struct task *task, uint32_t number, tp_status status)
{
    uint8_t body[13]; /* u32 status, u32 case, u8 kind, u32 size */
    tp__put_u32(tp__put_u8(tp__put_u32(tp__put_u32(body, status), 0), 0), 0);
    say_reply(session, task, number, body, sizeof body);
}

void tp__session_operate(struct tp__session *session, struct task *task, const struct tp__record *record)
{
    if (find(session, task->sequence, record->operation)) { /* one answer is on its way for both */
        session->tasks.refused++;
        return;
    }
    const bool too_many = session->operations.index.count >= TP__OPERATIONS_LIMIT;
    if (too_many || !add(session, task, record->operation)) {
        refuse(session, task, record->operation, too_many ? TP_E_LIMIT : TP_E_NOMEM);
        return;
    }
    const struct tp__session_operation name = name_of(task, record->operation);
    session->actions.operation(session->actions.context, &name, record->body, record->size);
}

void tp__session_withdraw(struct tp__session *session, struct task *task, uint32_t number)
{
    const struct operation *operation = find(session, task->sequence, number);
    if (!operation || operation->taken)
        return; /* its reply is on the way */
    const struct tp__session_operation name = name_of(task, number);
    session->actions.withdraw(session->actions.context, &name);
}

void tp__session_confirm(struct tp__session *session, struct task *task, uint32_t number)
{
    struct operation *operation = find(session, task->sequence, number);
    if (!operation || !operation->taken) {
        session->tasks.refused++;
        return;
    }
    const struct tp__session_operation name = name_of(task, number);
    drop(session, operation);
    tp__session_mark_effect(task);
    session->actions.confirmed(session->actions.context, &name);
}

void tp__session_drop_operations(struct tp__session *session, struct task *task)
{
    while (!tp__ring_is_empty(&task->rare->operations)) {
        struct operation *operation = TP__RING_OF(task->rare->operations.next, struct operation, ring);
        const struct tp__session_operation name = name_of(task, operation->number);
        drop(session, operation);
        if (session->actions.dropped(session->actions.context, &name))
            tp__session_mark_effect(task);
    }
}

void tp__session_reply(struct tp__session *session, const struct tp__session_operation *operation, const uint8_t *body,
                       size_t size, bool took, bool sent)
{
    struct operation *open = find(session, operation->task, operation->operation);
    if (!open || open->taken || open->task->dispatch != operation->dispatch)
        return; /* dropped meanwhile */
    struct task *task = open->task;
    if (sent)
        tp__session_mark_effect(task);
    say_reply(session, task, open->number, body, size);
    if (took)
        open->taken = true;
    else
        drop(session, open);
}
