/* SPDX-License-Identifier: MIT */
#include "cluster/session_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ANSWERS_LIMIT = 20,
    LOOKS_LIMIT = 1 << 20, /* tasks that are looked at for a name: people wait, and so do tasks */
    TASK_TEXT_BYTES = 33 + 1 + 20
};

struct answer {
    Taskpool__TaskStatus statuses[ANSWERS_LIMIT];
    Taskpool__TaskStatus *pointers[ANSWERS_LIMIT];
    struct {
        char task[TASK_TEXT_BYTES];
        char name[256];
        char node[TP__NAME_LIMIT + 1];
        char reason[TP__PROBLEM_BYTES];
    } texts[ANSWERS_LIMIT];
    size_t count;
};

static void explain_waiting(const struct tp__session *session, const struct task *task, char *text, size_t size)
{
    if (!tp__session_is_linked(session))
        (void)snprintf(text, size, "there is no link to the coordinator at the moment%s%s",
                       session->wire.trouble[0] ? ": " : "", session->wire.trouble);
    else if (task->rare && task->rare->worker >= 0 && !task->node)
        (void)snprintf(text, size, "it is pinned to worker %d, and no node has accepted the program",
                       task->rare->worker);
    else if (task->losses + task->refusals > 0)
        (void)snprintf(text, size, "it was lost or refused %d times and is about to be sent again",
                       task->losses + task->refusals);
    else
        (void)snprintf(text, size, "%" PRIu64 " bytes of this session are queued at the coordinator already",
                       session->sending.queued_bytes);
}

static size_t length_of(const struct ring *ring)
{
    size_t length = 0;
    for (const struct ring *link = ring->next; link != ring; link = link->next)
        length++;
    return length;
}

static void explain_queued(const struct tp__session *session, const struct task *task, char *text, size_t size)
{
    if (session->nodes.count == 0)
        (void)tp__session_explain_no_node(session, text, size);
    else if (task->node)
        (void)snprintf(text, size, "it is pinned to worker %d, on node '%s', which has no room at the moment",
                       task->rare->worker, task->node->name);
    else
        (void)snprintf(text, size, "it is queued at the coordinator until one of %zu nodes has room",
                       session->nodes.count);
}

static void explain_placed(const struct task *task, char *text, size_t size)
{
    const struct node *node = task->node;
    if (!node->reachable)
        (void)snprintf(text, size, "node '%s' has not been heard of since the link to the coordinator broke",
                       node->name);
    else if (task->rare && !tp__ring_is_empty(&task->rare->operations))
        (void)snprintf(text, size, "it waits at channels: %zu operations", length_of(&task->rare->operations));
    else if (task->rare && !tp__ring_is_empty(&task->rare->children))
        (void)snprintf(text, size, "it has %zu unresolved child tasks", length_of(&task->rare->children));
    else
        (void)snprintf(text, size, "it runs, or is about to");
}

/* Room for one more, or NULL. */
static Taskpool__TaskStatus *add(struct answer *answer, const struct tp__session *session, uint64_t sequence)
{
    if (answer->count == ANSWERS_LIMIT)
        return NULL;
    const size_t i = answer->count++;
    Taskpool__TaskStatus *status = &answer->statuses[i];
    taskpool__task_status__init(status);
    answer->pointers[i] = status;
    char id[33];
    tp__id_text(&session->id, id);
    (void)snprintf(answer->texts[i].task, sizeof answer->texts[i].task, "%s/%" PRIu64, id, sequence);
    status->task = answer->texts[i].task;
    status->name = answer->texts[i].name;
    status->node = answer->texts[i].node;
    status->reason = answer->texts[i].reason;
    return status;
}

static void describe(struct answer *answer, const struct tp__session *session, const struct task *task)
{
    static char states[TASK_STATES][8] = {"waits", "queued", "queued", "placed"};
    Taskpool__TaskStatus *status = add(answer, session, task->sequence);
    if (!status)
        return;
    const size_t i = answer->count - 1;
    tp__session_copy_text(answer->texts[i].name, sizeof answer->texts[i].name, tp__session_task_name(session, task));
    status->state = states[task->state];
    status->dispatch = task->dispatch;
    if (task->state == TASK_PLACED)
        tp__session_copy_text(answer->texts[i].node, sizeof answer->texts[i].node, task->node->name);
    char *reason = answer->texts[i].reason;
    const size_t size = sizeof answer->texts[i].reason;
    if (task->state == TASK_WAITING)
        explain_waiting(session, task, reason, size);
    else if (task->state == TASK_PLACED)
        explain_placed(task, reason, size);
    else
        explain_queued(session, task, reason, size);
}

/* "SESSION/SEQUENCE" of this session. */
static bool parse_sequence(const struct tp__session *session, const char *subject, uint64_t *sequence)
{
    char id[33];
    tp__id_text(&session->id, id);
    if (strncmp(subject, id, 32) != 0 || subject[32] != '/' || subject[33] < '0' || subject[33] > '9')
        return false;
    char *end;
    *sequence = strtoull(subject + 33, &end, 10);
    return *end == '\0';
}

static void by_name(struct answer *answer, const struct tp__session *session, const char *name)
{
    const struct task *task = tp__session_task_from(session, 1);
    for (int looks = 0; task && looks < LOOKS_LIMIT && answer->count < ANSWERS_LIMIT; looks++) {
        if (strcmp(tp__session_task_name(session, task), name) == 0)
            describe(answer, session, task);
        task = tp__session_task_from(session, task->sequence + 1);
    }
}

void tp__session_query(struct tp__session *session, const Taskpool__Query *query)
{
    static char resolved[] = "resolved";
    if (query->kind != TASKPOOL__QUERY_KIND__QUERY_WHY) {
        session->tasks.refused++;
        return;
    }
    struct answer *found = calloc(1, sizeof *found);
    Taskpool__Answer answer;
    taskpool__answer__init(&answer);
    char text[160] = "";
    answer.id = query->id;
    answer.text = text;
    uint64_t sequence = 0;
    if (!found) {
        answer.status = TP_E_NOMEM;
    } else if (parse_sequence(session, query->subject, &sequence)) {
        const struct task *task = tp__session_task_find(session, sequence);
        if (task) {
            describe(found, session, task);
        } else if (sequence > 0 && sequence < session->tasks.next_sequence) {
            add(found, session, sequence)->state = resolved;
        }
    } else {
        by_name(found, session, query->subject);
    }
    if (found && found->count == 0) {
        answer.status = TP_E_ARGUMENT;
        (void)snprintf(text, sizeof text, "program '%s' has no unresolved task of that name or number",
                       session->options.program_name);
    }
    if (found) {
        answer.tasks = found->pointers;
        answer.n_tasks = found->count;
    }
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_ANSWER;
    frame.answer = &answer;
    tp__session_send(session, TP__LANE_CONTROL, &frame);
    free(found);
}
