/* SPDX-License-Identifier: MIT */
/* Design notes: who is run again, and with whom
 *
 * When a process dies, the tasks that were current on its threads are suspects: each goes into a cell of its own, where
 * the next crash proves it guilty. The others that had started, parked, are bystanders: all of one crash share a new
 * cell, apart from new tasks; when that crashes too, its bystanders are halved, so that after a few crashes whoever
 * causes them is alone. Records of one crash come in one go: what is in one frame of a stream and was in one cell
 * counts as one crash. Two that are taken for one, or one for two, cost a process, not a wrong verdict. */
#include "cluster/session_state.h"

#include <stdio.h>

enum { MESSAGE_BYTES = 4096 };

bool tp__session_is_precious(const struct task *task)
{
    return (task->marks & (MARK_GRANTED | MARK_EFFECT)) != 0;
}

/* What the attempt asked for goes with it. Before anything is decided: it may turn out to have had an effect only now,
 * or one of its children may. */
static void end_attempt(struct tp__session *session, struct task *task)
{
    if (task->state == TASK_PLACED)
        tp__assembly_forget(&task->node->assembly, task->sequence, task->dispatch);
    if (task->rare) {
        tp__session_drop_operations(session, task);
        tp__session_stop_children(session, task);
    }
}

void tp__session_again(struct tp__session *session, struct task *task)
{
    end_attempt(session, task);
    task->dispatch++;
    task->marks &= (uint8_t)~MARK_GRANTED;
    tp__session_wait(session, task, true);
}

/* A loss that nobody is blamed for, or not yet. */
static void lose(struct tp__session *session, struct task *task, const char *node, const char *what,
                 const char *backtrace)
{
    char message[MESSAGE_BYTES];
    struct tp__session_error error = {
        .status = TP_E_NODE_LOST, .message = message, .node = node, .backtrace = backtrace, .worker = -1};
    const char *name = tp__session_task_name(session, task);
    end_attempt(session, task);
    session->tasks.lost++;
    task->losses++;
    if (task->marks & MARK_EFFECT)
        (void)snprintf(message, sizeof message,
                       "task '%s' had sent or taken messages, or started at-most-once tasks, and was not run again, "
                       "which would repeat them; what happened: %s",
                       name, what);
    else if (task->marks & MARK_GRANTED)
        (void)snprintf(message, sizeof message,
                       "task '%s' may have run, and runs at most once: find out what it did before you submit it "
                       "again; what happened: %s",
                       name, what);
    else if (task->losses >= TP__LOSSES_LIMIT)
        (void)snprintf(message, sizeof message, "task '%s' was lost %d times and is not run again; the last time: %s",
                       name, TP__LOSSES_LIMIT, what);
    else {
        tp__session_again(session, task);
        return;
    }
    tp__session_reject(session, task, &error, true);
}

void tp__session_lose(struct tp__session *session, struct task *task, const char *node, const char *what)
{
    lose(session, task, node, what, NULL);
}

/* ---- crashes ---- */

static uint32_t new_cell(struct tp__session *session)
{
    if (++session->sending.next_cell == 0) /* 0 is the common one */
        session->sending.next_cell = 1;
    return session->sending.next_cell;
}

/* The new cell for a bystander of a crash of `cell`. */
static uint32_t cell_of_bystander(struct tp__session *session, uint32_t cell)
{
    struct crash_group *group = NULL;
    for (size_t i = 0; i < session->crashes.count && !group; i++)
        if (session->crashes.groups[i].cell == cell)
            group = &session->crashes.groups[i];
    if (!group) {
        if (session->crashes.count == TP__CRASH_GROUPS)
            return new_cell(session); /* alone, which is always right */
        group = &session->crashes.groups[session->crashes.count++];
        *group = (struct crash_group){.cell = cell};
    }
    const bool second = group->second && cell != 0;
    group->second = !group->second;
    if (group->into[second] == 0)
        group->into[second] = new_cell(session);
    return group->into[second];
}

/* Guilty: the crash is the task's own error, in the node's words. */
static void reject_guilty(struct tp__session *session, struct task *task, const struct tp__session_error *crash,
                          bool alone)
{
    char message[MESSAGE_BYTES];
    struct tp__session_error error = *crash;
    session->tasks.lost++;
    if (!alone) {
        (void)snprintf(message, sizeof message,
                       "task '%s' was suspected %u time%s and is not run again; the last time: %s",
                       tp__session_task_name(session, task), (unsigned)task->suspicions,
                       task->suspicions == 1 ? "" : "s", crash->message);
        error.message = message;
    }
    tp__session_reject(session, task, &error, true);
}

void tp__session_crashed(struct tp__session *session, struct task *task, struct tp__reader *body)
{
    struct node *node = task->node;
    const uint8_t role = tp__get_u8(body);
    const uint8_t alone = tp__get_u8(body);
    struct tp__session_error crash;
    if (!tp__session_read_error(session, body, &crash) || (role != TP__CRASH_SUSPECT && role != TP__CRASH_BYSTANDER) ||
        alone > 1) {
        tp__session_node_failed(node, "it sent a malformed record");
        return;
    }
    crash.node = node->name;
    end_attempt(session, task);
    if (!tp__session_is_precious(task)) {
        if (role == TP__CRASH_SUSPECT && (++task->suspicions >= task->max_attempts || alone)) {
            reject_guilty(session, task, &crash, alone);
            return;
        }
        task->cell = role == TP__CRASH_SUSPECT ? new_cell(session) : cell_of_bystander(session, task->cell);
    }
    lose(session, task, node->name, crash.message, crash.backtrace);
}

/* ---- tasks that have not started ---- */

void tp__session_returned(struct tp__session *session, struct task *task, struct tp__reader *body)
{
    struct node *node = task->node;
    const uint8_t returned = tp__get_u8(body);
    size_t length;
    const char *text = tp__get_text(body, &length);
    if (!body->ok || returned < TP__RETURNED_RECALLED || returned > TP__RETURNED_UNREADABLE) {
        tp__session_node_failed(node, "it sent a malformed record");
        return;
    }
    char reason[512];
    (void)snprintf(reason, sizeof reason, "%.*s", (int)(length < sizeof reason ? length : sizeof reason - 1),
                   text ? text : "");
    if (returned == TP__RETURNED_UNREADABLE) {
        tp__session_reject_text(session, task, TP_E_DECODE, node->name, true, "node '%s' cannot run task '%s': %s",
                                node->name, tp__session_task_name(session, task), reason);
        return;
    }
    end_attempt(session, task);
    if (task->marks & MARK_EFFECT) { /* it did what one that has not started cannot do */
        char what[192];
        (void)snprintf(what, sizeof what, "node '%s' handed it back", node->name);
        tp__session_lose(session, task, node->name, what);
        return;
    }
    if (returned == TP__RETURNED_REFUSED && ++task->refusals >= TP__REFUSALS_LIMIT) {
        tp__session_reject_text(session, task, TP_E_UNTRUSTED, node->name, true,
                                "task '%s' was refused %d times, the last time by node '%s': %s",
                                tp__session_task_name(session, task), TP__REFUSALS_LIMIT, node->name, reason);
        return;
    }
    tp__session_again(session, task);
}
