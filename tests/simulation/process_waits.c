/* SPDX-License-Identifier: MIT */
#include "process_state.h"

#include "cluster.h"
#include "plan.h"
#include "trust/leaf.h"

#include <stdlib.h>
#include <string.h>

/* ---- channels ---- */

static void append_channel(struct tp__buffer *body, uint8_t channel)
{
    const uint8_t bytes[] = {2, 'c', (uint8_t)('0' + channel)};
    process_append(body, bytes, sizeof bytes);
}

static void append_message(struct process *process, struct run *run, uint8_t channel, bool counted,
                           struct tp__buffer *body)
{
    struct note *note =
        note_new(process_ledger(process), run->work, run->dispatch, channel, run->step, run->order[channel]++);
    uint8_t bytes[NOTE_BYTES];
    note_put(process_ledger(process), note, bytes);
    if (counted)
        process_append_u32(body, NOTE_BYTES);
    process_append(body, bytes, sizeof bytes);
}

static void append_kind(struct tp__buffer *body)
{
    const uint8_t kind = 7;
    process_append(body, &kind, 1);
    process_append_u32(body, NOTE_BYTES);
}

static void timed_out(struct world *world, void *object, uint64_t operation, bool live)
{
    struct process *process = object;
    (void)world;
    if (!process_begin(process, live) || process->dead)
        return;
    for (struct run *run = process->runs; run; run = run->next)
        if (run->operation == operation) {
            process_say(process, run, TP__RECORD_WITHDRAW, run->operation, NULL, 0);
            return;
        }
}

void run_operate(struct process *process, struct run *run, const struct step *step)
{
    struct tp__buffer body = {0};
    const uint8_t wait = step->wait;
    const uint8_t send = 1;
    const uint8_t receive = 0;
    uint8_t action = TP__CHANNEL_SEND;
    if (step->kind == STEP_SELECT) {
        const uint8_t head[] = {TP__CHANNEL_SELECT, wait, 2};
        process_append(&body, head, sizeof head);
        process_append(&body, &send, 1);
        append_channel(&body, step->channel);
        append_kind(&body);
        append_message(process, run, step->channel, true, &body);
        process_append(&body, &receive, 1);
        append_channel(&body, step->other);
        append_kind(&body);
    } else {
        if (step->kind == STEP_RECEIVE)
            action = TP__CHANNEL_RECEIVE;
        process_append(&body, &action, 1);
        append_channel(&body, step->channel);
        process_append(&body, &wait, 1);
        append_kind(&body);
        if (step->kind == STEP_SEND)
            append_message(process, run, step->channel, false, &body);
    }
    run->operation = ++process->next_operation;
    process_say(process, run, TP__RECORD_OPERATION, run->operation, body.bytes, body.size);
    tp__buffer_free(&body);
    if (step->time_us > 0)
        process_after(process, step->time_us, timed_out, run->operation);
}

/* Each receiver sees a sender's messages in order, save one that was returned. */
static void take(struct process *process, struct run *run, struct note *note)
{
    struct world *world = process_world(process);
    world_check(world,
                note->sender != run->work || note->dispatch == run->dispatch || note->returned ||
                    note->state == NOTE_HELD,
                "message %u is taken by who sent it", note->number);
    for (size_t i = 0; i < run->taken_count; i++) {
        const struct note *before = run->taken[i];
        world_check(world, before != note, "task %u takes message %u twice", run->work->number, note->number);
        world_check(world,
                    before->sender != note->sender || before->dispatch != note->dispatch ||
                        before->channel != note->channel || before->order < note->order || note->returned,
                    "task %u takes message %u after a later one of its sender", run->work->number, note->number);
    }
    run->taken[run->taken_count++] = note;
}

void run_replied(struct process *process, const struct tp__record *record)
{
    struct run *run = run_find(process, record->task, record->dispatch);
    if (!run || run->operation == 0 || run->operation != record->operation)
        return; /* to something that was said in vain */
    struct tp__reader body = tp__reader_of(record->body, record->size);
    const tp_status status = tp__get_u32(&body);
    const uint32_t chosen = tp__get_u32(&body);
    (void)tp__get_bytes(&body, 5);
    const struct step *step = &run->work->steps[run->step];
    world_check(process_world(process),
                body.ok && (status == TP_OK || status == TP_E_CLOSED || (status == TP_E_TIMEOUT && step->time_us > 0) ||
                            ((status == TP_E_FULL || status == TP_E_EMPTY) && !step->wait)),
                "a channel operation of task %u ended with %s", run->work->number, tp_status_name(status));
    if (status == TP_OK && (step->kind == STEP_RECEIVE || (step->kind == STEP_SELECT && chosen == 1))) {
        take(process, run, note_read(process_ledger(process), body.at, tp__reader_left(&body)));
        process_say(process, run, TP__RECORD_CONFIRM, run->operation, NULL, 0);
    }
    run->operation = 0;
    run->step++;
    run_wake(process, run);
}

/* ---- children ---- */

void run_submit_child(struct process *process, struct run *run)
{
    struct work *child = work_new(process_ledger(process), run->work->driver, run->work,
                                  random_mix(run->work->seed, (uint64_t)run->step + 1));
    uint8_t *payload = work_payload(process_ledger(process), child);
    struct tp__buffer body = {0};
    const uint64_t timeout_ms = 0;
    process_append_u32(&body, child->number % WORK_NAMES);
    process_append(&body, &timeout_ms, sizeof timeout_ms);
    process_append_u32(&body, 0);
    process_append_u32(&body,
                       (child->at_most_once ? TP__LEAF_AT_MOST_ONCE : 0u) | (child->isolated ? TP__LEAF_ISOLATED : 0u));
    process_append_u32(&body, 0);
    process_append_u32(&body, 0);
    process_append(&body, payload, child->payload_bytes);
    run->children[run->child_count] = (struct child){.work = child, .operation = ++process->next_operation};
    process_say(process, run, TP__RECORD_CHILD, run->children[run->child_count++].operation, body.bytes, body.size);
    tp__buffer_free(&body);
    free(payload);
}

bool run_has_open_children(const struct run *run)
{
    for (size_t i = 0; i < run->child_count; i++)
        if (run->children[i].state == CHILD_OPEN)
            return true;
    return false;
}

static struct child *find_child(const struct process *process, const struct tp__record *record, struct run **of)
{
    struct run *run = run_find(process, record->task, record->dispatch);
    *of = run;
    for (size_t i = 0; run && i < run->child_count; i++)
        if (run->children[i].operation == record->operation)
            return &run->children[i];
    return NULL;
}

static void child_ended(struct process *process, struct run *run, struct child *child, uint64_t value)
{
    world_check(process_world(process), child->state == CHILD_OPEN, "a child of task %u resolves twice",
                run->work->number);
    child->state = CHILD_ENDED;
    child->value = value;
    if (run->joining && !run_has_open_children(run)) {
        run->joining = false;
        run->step++;
        run_wake(process, run);
    }
}

void run_child_succeeded(struct process *process, const struct tp__record *record)
{
    struct run *run;
    struct child *child = find_child(process, record, &run);
    if (child && child->state != CHILD_FORGOTTEN)
        child_ended(process, run, child,
                    work_check_result(process_ledger(process), child->work, record->body, record->size));
}

void run_child_failed(struct process *process, const struct tp__record *record)
{
    struct run *run;
    struct child *child = find_child(process, record, &run);
    if (!child || child->state == CHILD_FORGOTTEN)
        return;
    struct tp__reader body = tp__reader_of(record->body, record->size);
    const tp_status status = tp__get_u32(&body);
    (void)tp__get_u32(&body);
    size_t length;
    const char *text = tp__get_text(&body, &length);
    char message[256];
    (void)snprintf(message, sizeof message, "%.*s", text ? (int)length : 0, text ? text : "");
    if (status == TP_E_FULL && plan_has(process_world(process), PLAN_FULL))
        world_trace(process_world(process), "a child of task %u is refused: %s", run->work->number, message);
    else
        work_check_failure(process_ledger(process), child->work, status, message);
    if (status != TP_E_TASK || !work_is_to_fail(child->work)) {
        run->trouble = status;
        memcpy(run->trouble_text, message, sizeof message);
    }
    child->work->fate = FATE_FAILED;
    child_ended(process, run, child, work_failed_value(child->work));
}
