/* SPDX-License-Identifier: MIT */
/* Design notes. A run is one attempt of one task. It is QUEUED until a thread takes it, and then RUNNING (on a thread),
 * PARKED (waits for a time, a reply, its children) or READY (would go on). Threads take what is READY before what is
 * QUEUED. Steps take no time but COMPUTE. What is said gathers in `out` and reaches the agent a bit later, in pieces
 * that need not be whole records; a process that dies has said what it said. */
#include "process.h"

#include "cluster.h"
#include "plan.h"
#include "trust/leaf.h"

#include <stdlib.h>
#include <string.h>

enum run_state { RUN_QUEUED, RUN_READY, RUN_RUNNING, RUN_PARKED };
enum child_state { CHILD_OPEN, CHILD_ENDED, CHILD_FORGOTTEN };

struct child {
    struct work *work;
    uint32_t operation;
    enum child_state state;
    uint64_t value;
};

struct run {
    struct run *next;
    uint64_t id;
    uint64_t task;
    uint32_t dispatch;
    struct work *work;
    enum run_state state;
    bool started, cancelled;
    bool joining;
    uint8_t step;
    uint32_t operation; /* that it waits for; 0: none */
    uint32_t order[CHANNELS];
    struct child children[STEPS_LIMIT];
    size_t child_count;
    struct note *taken[STEPS_LIMIT];
    size_t taken_count;
    tp_status trouble; /* a child of it was lost */
    char trouble_text[256];
};

static struct world *world_of(const struct process *process)
{
    return process->machine->station.host.world;
}

static struct ledger *ledger_of(const struct process *process)
{
    return world_of(process)->ledger;
}

/* ---- events ---- */

static void free_if_done(struct process *process)
{
    if (!process->gone || process->pending > 0)
        return;
    while (process->runs) {
        struct run *run = process->runs;
        process->runs = run->next;
        free(run);
    }
    tp__buffer_free(&process->in);
    tp__buffer_free(&process->out);
    tp__assembly_free(&process->assembly);
    free(process);
}

static void after(struct process *process, int64_t delay_us, event_fn *happen, uint64_t argument)
{
    process->pending++;
    world_after(world_of(process), delay_us, &process->machine->station.host, happen, process, argument);
}

/* What every event begins with: is the process still there for it? */
static bool begin(struct process *process, bool live)
{
    process->pending--;
    if (live && !process->gone)
        return true;
    free_if_done(process);
    return false;
}

/* ---- to the agent ---- */

static void flush(struct world *world, void *object, uint64_t argument, bool live)
{
    struct process *process = object;
    (void)argument;
    if (!begin(process, live))
        return;
    process->flushing = false;
    if (process->dead || process->paused || process->out.size == 0)
        return;
    struct tp__buffer out = process->out;
    process->out = (struct tp__buffer){0};
    size_t first = out.size;
    if (random_chance(&world->random, 100000)) /* a read may end anywhere */
        first = (size_t)random_below(&world->random, out.size);
    struct machine *machine = process->machine;
    const uint32_t id = process->id;
    process->pending++; /* it stays until the end of this */
    if (first > 0)
        machine_process_said(machine, id, out.bytes, first);
    if (first < out.size && !process->gone)
        machine_process_said(machine, id, out.bytes + first, out.size - first);
    tp__buffer_free(&out);
    process->pending--;
    free_if_done(process);
}

static void flush_soon(struct process *process)
{
    if (process->flushing || process->dead || process->paused)
        return;
    process->flushing = true;
    after(process, random_between(&world_of(process)->random, 5, 100), flush, 0);
}

static void say(struct process *process, const struct run *run, enum tp__record_type type, uint32_t operation,
                const void *body, size_t size)
{
    const struct tp__record record = {.type = (uint8_t)type,
                                      .task = run ? run->task : 0,
                                      .dispatch = run ? run->dispatch : 0,
                                      .operation = operation,
                                      .body = body,
                                      .size = (uint32_t)size};
    if (!tp__record_append(&process->out, &record))
        exit(2);
    flush_soon(process);
}

static void append(struct tp__buffer *buffer, const void *bytes, size_t size)
{
    if (!tp__buffer_append(buffer, bytes, size))
        exit(2);
}

static void append_u32(struct tp__buffer *buffer, uint32_t value)
{
    append(buffer, &value, sizeof value);
}

static void append_text(struct tp__buffer *buffer, const char *text)
{
    if (!tp__put_text(buffer, text, strlen(text)))
        exit(2);
}

static void say_ready(struct world *world, void *object, uint64_t argument, bool live)
{
    struct process *process = object;
    (void)argument;
    (void)world;
    if (!begin(process, live) || process->dead)
        return;
    struct tp__buffer body = {0};
    append_u32(&body, TP__PROTOCOL_VERSION);
    append_u32(&body, WORK_NAMES);
    for (uint32_t i = 0; i < WORK_NAMES; i++)
        append_text(&body, driver_task_name(i));
    say(process, NULL, TP__RECORD_READY, 0, body.bytes, body.size);
    tp__buffer_free(&body);
    process->ready = true;
}

static void say_returned(struct process *process, const struct run *run)
{
    struct tp__buffer body = {0};
    const uint8_t why = TP__RETURNED_RECALLED;
    append(&body, &why, 1);
    append_text(&body, "");
    say(process, run, TP__RECORD_RETURNED, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

static void say_failure(struct process *process, const struct run *run, tp_status status, const char *message)
{
    struct tp__buffer body = {0};
    append_u32(&body, status);
    append_u32(&body, 1);
    append_text(&body, message);
    append_text(&body, driver_task_name(run->work->number % WORK_NAMES));
    append_text(&body, "here\nand there\n");
    say(process, run, TP__RECORD_FAILURE, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

/* ---- the end of the process ---- */

static struct run *find_run(const struct process *process, uint64_t task, uint32_t dispatch)
{
    struct run *run = process->runs;
    while (run && (run->task != task || run->dispatch != dispatch))
        run = run->next;
    return run;
}

static bool has_started(void *context, uint64_t task, uint32_t dispatch)
{
    const struct process *process = context;
    const struct run *run = find_run(process, task, dispatch);
    /* the counters in the memory that is shared with the agent sometimes say so of one that has not */
    return !run || run->started || task % 64 == 7;
}

static void ended(struct world *world, void *object, uint64_t argument, bool live)
{
    struct process *process = object;
    (void)argument;
    (void)world;
    if (!begin(process, live))
        return;
    struct agent_suspect suspects[64];
    struct agent_crash crash = {.signal = 11,
                                .text = "was killed by SIGSEGV at address 0x0",
                                .backtrace = "crash\n",
                                .last_output = "",
                                .suspects = suspects,
                                .has_started = has_started,
                                .context = process};
    for (const struct run *run = process->runs; run && crash.suspect_count < 64; run = run->next)
        if (run->state == RUN_RUNNING && (!process->culprit.known || (process->culprit.task == run->task &&
                                                                      process->culprit.dispatch == run->dispatch)))
            suspects[crash.suspect_count++] = (struct agent_suspect){run->task, run->dispatch};
    struct machine *machine = process->machine;
    process->pending++;
    if (process->out.size > 0)
        machine_process_said(machine, process->id, process->out.bytes, process->out.size);
    if (!process->gone)
        machine_process_ended(machine, process, &crash);
    process->pending--;
    free_if_done(process);
}

void process_kill(struct process *process)
{
    if (process->dead)
        return;
    process->dead = true;
    after(process, random_between(&world_of(process)->random, 50, 5000), ended, 0);
}

void process_die(struct process *process)
{
    if (process->dead)
        return;
    world_trace(world_of(process), "process %u of node %u dies", process->id, process->machine->station.host.number);
    process_kill(process);
}

static void end_if_stopped(struct process *process)
{
    if (process->stopping && !process->runs)
        process_kill(process);
}

void process_forget(struct process *process)
{
    process->dead = process->gone = true;
    free_if_done(process);
}

void process_pause(struct process *process, bool pause)
{
    process->paused = pause;
    if (!pause && process->out.size > 0)
        flush_soon(process);
}

/* ---- runs ---- */

static void schedule(struct process *process);

static void remove_run(struct process *process, struct run *run)
{
    struct run **link = &process->runs;
    while (*link != run)
        link = &(*link)->next;
    *link = run->next;
    if (process->runs_tail == &run->next)
        process->runs_tail = link;
    process->running -= run->state == RUN_RUNNING;
    free(run);
    end_if_stopped(process);
}

static void park(struct process *process, struct run *run)
{
    run->state = RUN_PARKED;
    process->running--;
}

static struct run *run_of(const struct process *process, uint64_t id)
{
    struct run *run = process->runs;
    while (run && run->id != id)
        run = run->next;
    return run;
}

/* It would go on. */
static void wake(struct process *process, struct run *run)
{
    if (run->state == RUN_PARKED)
        run->state = RUN_READY;
    schedule(process);
}

static void woken(struct world *world, void *object, uint64_t id, bool live)
{
    struct process *process = object;
    (void)world;
    if (!begin(process, live) || process->dead)
        return;
    struct run *run = run_of(process, id);
    if (run)
        wake(process, run);
}

static void report(struct process *process, struct run *run)
{
    const struct work *work = run->work;
    uint64_t value = random_mix(work->seed, 1);
    for (size_t i = 0; i < run->child_count; i++)
        if (run->children[i].state == CHILD_ENDED)
            value = work_fold(value, run->children[i].value);
    struct tp__buffer body = {0};
    work_put_result(ledger_of(process), work, value, run->taken, run->taken_count, &body);
    say(process, run, TP__RECORD_RESULT, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

/* ---- channels ---- */

static void append_channel(struct tp__buffer *body, uint8_t channel)
{
    const uint8_t bytes[] = {2, 'c', (uint8_t)('0' + channel)};
    append(body, bytes, sizeof bytes);
}

static void append_message(struct process *process, struct run *run, uint8_t channel, bool counted,
                           struct tp__buffer *body)
{
    struct note *note =
        note_new(ledger_of(process), run->work, run->dispatch, channel, run->step, run->order[channel]++);
    uint8_t bytes[NOTE_BYTES];
    note_put(ledger_of(process), note, bytes);
    if (counted)
        append_u32(body, NOTE_BYTES);
    append(body, bytes, sizeof bytes);
}

static void append_kind(struct tp__buffer *body)
{
    const uint8_t kind = 7;
    append(body, &kind, 1);
    append_u32(body, NOTE_BYTES);
}

static void timed_out(struct world *world, void *object, uint64_t operation, bool live)
{
    struct process *process = object;
    (void)world;
    if (!begin(process, live) || process->dead)
        return;
    for (struct run *run = process->runs; run; run = run->next)
        if (run->operation == operation) {
            say(process, run, TP__RECORD_WITHDRAW, run->operation, NULL, 0);
            return;
        }
}

static void operate(struct process *process, struct run *run, const struct step *step)
{
    struct tp__buffer body = {0};
    const uint8_t wait = step->wait;
    const uint8_t send = 1;
    const uint8_t receive = 0;
    uint8_t action = TP__CHANNEL_SEND;
    if (step->kind == STEP_SELECT) {
        const uint8_t head[] = {TP__CHANNEL_SELECT, wait, 2};
        append(&body, head, sizeof head);
        append(&body, &send, 1);
        append_channel(&body, step->channel);
        append_kind(&body);
        append_message(process, run, step->channel, true, &body);
        append(&body, &receive, 1);
        append_channel(&body, step->other);
        append_kind(&body);
    } else {
        if (step->kind == STEP_RECEIVE)
            action = TP__CHANNEL_RECEIVE;
        append(&body, &action, 1);
        append_channel(&body, step->channel);
        append(&body, &wait, 1);
        append_kind(&body);
        if (step->kind == STEP_SEND)
            append_message(process, run, step->channel, false, &body);
    }
    run->operation = ++process->next_operation;
    say(process, run, TP__RECORD_OPERATION, run->operation, body.bytes, body.size);
    tp__buffer_free(&body);
    if (step->time_us > 0)
        after(process, step->time_us, timed_out, run->operation);
}

/* Each receiver sees a sender's messages in order, save one that was returned. */
static void take(struct process *process, struct run *run, struct note *note)
{
    struct world *world = world_of(process);
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

static void replied(struct process *process, const struct tp__record *record)
{
    struct run *run = find_run(process, record->task, record->dispatch);
    if (!run || run->operation == 0 || run->operation != record->operation)
        return; /* to something that was said in vain */
    struct tp__reader body = tp__reader_of(record->body, record->size);
    const tp_status status = tp__get_u32(&body);
    const uint32_t chosen = tp__get_u32(&body);
    (void)tp__get_bytes(&body, 5);
    const struct step *step = &run->work->steps[run->step];
    world_check(world_of(process),
                body.ok && (status == TP_OK || status == TP_E_CLOSED || (status == TP_E_TIMEOUT && step->time_us > 0) ||
                            ((status == TP_E_FULL || status == TP_E_EMPTY) && !step->wait)),
                "a channel operation of task %u ended with %s", run->work->number, tp_status_name(status));
    if (status == TP_OK && (step->kind == STEP_RECEIVE || (step->kind == STEP_SELECT && chosen == 1))) {
        take(process, run, note_read(ledger_of(process), body.at, tp__reader_left(&body)));
        say(process, run, TP__RECORD_CONFIRM, run->operation, NULL, 0);
    }
    run->operation = 0;
    run->step++;
    wake(process, run);
}

/* ---- children ---- */

static void submit_child(struct process *process, struct run *run)
{
    struct work *child = work_new(ledger_of(process), run->work->driver, run->work,
                                  random_mix(run->work->seed, (uint64_t)run->step + 1));
    uint8_t *payload = work_payload(ledger_of(process), child);
    struct tp__buffer body = {0};
    const uint64_t timeout_ms = 0;
    append_u32(&body, child->number % WORK_NAMES);
    append(&body, &timeout_ms, sizeof timeout_ms);
    append_u32(&body, 0);
    append_u32(&body, (child->at_most_once ? TP__LEAF_AT_MOST_ONCE : 0u) | (child->isolated ? TP__LEAF_ISOLATED : 0u));
    append_u32(&body, 0);
    append_u32(&body, 0);
    append(&body, payload, child->payload_bytes);
    run->children[run->child_count] = (struct child){.work = child, .operation = ++process->next_operation};
    say(process, run, TP__RECORD_CHILD, run->children[run->child_count++].operation, body.bytes, body.size);
    tp__buffer_free(&body);
    free(payload);
}

static bool has_open_children(const struct run *run)
{
    for (size_t i = 0; i < run->child_count; i++)
        if (run->children[i].state == CHILD_OPEN)
            return true;
    return false;
}

static struct child *find_child(const struct process *process, const struct tp__record *record, struct run **of)
{
    struct run *run = find_run(process, record->task, record->dispatch);
    *of = run;
    for (size_t i = 0; run && i < run->child_count; i++)
        if (run->children[i].operation == record->operation)
            return &run->children[i];
    return NULL;
}

static void child_ended(struct process *process, struct run *run, struct child *child, uint64_t value)
{
    world_check(world_of(process), child->state == CHILD_OPEN, "a child of task %u resolves twice", run->work->number);
    child->state = CHILD_ENDED;
    child->value = value;
    if (run->joining && !has_open_children(run)) {
        run->joining = false;
        run->step++;
        wake(process, run);
    }
}

static void child_succeeded(struct process *process, const struct tp__record *record)
{
    struct run *run;
    struct child *child = find_child(process, record, &run);
    if (child && child->state != CHILD_FORGOTTEN)
        child_ended(process, run, child,
                    work_check_result(ledger_of(process), child->work, record->body, record->size));
}

static void child_failed(struct process *process, const struct tp__record *record)
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
    if (status == TP_E_FULL && plan_has(world_of(process), PLAN_FULL))
        world_trace(world_of(process), "a child of task %u is refused: %s", run->work->number, message);
    else
        work_check_failure(ledger_of(process), child->work, status, message);
    if (status != TP_E_TASK || !work_is_to_fail(child->work)) {
        run->trouble = status;
        memcpy(run->trouble_text, message, sizeof message);
    }
    child->work->fate = FATE_FAILED;
    child_ended(process, run, child, work_failed_value(child->work));
}

/* ---- steps ---- */

/* One step. False: the run has parked, computes, or has ended. */
static bool take_step(struct process *process, struct run *run)
{
    const struct work *work = run->work;
    char text[64];
    if (run->step == work->step_count) {
        report(process, run);
        remove_run(process, run);
        return false;
    }
    const struct step *step = &work->steps[run->step];
    switch (step->kind) {
    case STEP_COMPUTE:
        return false; /* see go_on */
    case STEP_SLEEP:
        run->step++;
        park(process, run);
        after(process, step->time_us, woken, run->id);
        return false;
    case STEP_OUTPUT:
        (void)tp__put_u32(tp__put_u8((uint8_t *)text, 1), 0);
        (void)snprintf(text + 5, sizeof text - 5, "task %u speaks", work->number);
        say(process, run, TP__RECORD_OUTPUT, 0, text, 5 + strlen(text + 5));
        run->step++;
        return true;
    case STEP_SEND:
    case STEP_RECEIVE:
    case STEP_SELECT:
        operate(process, run, step);
        park(process, run);
        return false;
    case STEP_CHILD:
        submit_child(process, run);
        run->step++;
        return true;
    case STEP_CANCEL_CHILD: {
        struct child *child = &run->children[run->child_count - 1];
        if (child->state == CHILD_OPEN)
            say(process, run, TP__RECORD_CHILD_CANCEL, child->operation, NULL, 0);
        child->state = CHILD_FORGOTTEN;
        run->step++;
        return true;
    }
    case STEP_JOIN:
        if (!has_open_children(run)) {
            run->step++;
            return true;
        }
        run->joining = true;
        park(process, run);
        return false;
    case STEP_FAIL:
        (void)snprintf(text, sizeof text, "task %u fails", work->number);
        say_failure(process, run, TP_E_TASK, text);
        remove_run(process, run);
        return false;
    case STEP_CRASH:
        process->culprit.known = random_chance(&world_of(process)->random, 800000);
        process->culprit.task = run->task;
        process->culprit.dispatch = run->dispatch;
        world_of(process)->ledger->crashed++;
        process_die(process);
        return false;
    }
    return false;
}

static void computed(struct world *world, void *object, uint64_t id, bool live);

/* A run on a thread goes on until it parks, computes or ends. */
static void go_on(struct process *process, struct run *run)
{
    for (;;) {
        if (run->cancelled) {
            remove_run(process, run);
            return;
        }
        if (run->trouble != TP_OK && !has_open_children(run)) {
            say_failure(process, run, run->trouble, run->trouble_text);
            remove_run(process, run);
            return;
        }
        if (run->step < run->work->step_count && run->work->steps[run->step].kind == STEP_COMPUTE) {
            after(process, run->work->steps[run->step].time_us, computed, run->id);
            return;
        }
        if (!take_step(process, run))
            return;
    }
}

static void computed(struct world *world, void *object, uint64_t id, bool live)
{
    struct process *process = object;
    (void)world;
    if (!begin(process, live) || process->dead)
        return;
    struct run *run = run_of(process, id);
    run->step++;
    go_on(process, run);
    schedule(process);
}

static struct run *next_run(const struct process *process)
{
    struct run *queued = NULL;
    for (struct run *run = process->runs; run; run = run->next) {
        if (run->state == RUN_READY)
            return run;
        if (run->state == RUN_QUEUED && !queued)
            queued = run;
    }
    return queued;
}

static void schedule(struct process *process)
{
    while (!process->dead && process->running < process->options.threads) {
        struct run *run = next_run(process);
        if (!run)
            return;
        if (!run->started) {
            run->started = true;
            process->started++;
            work_starts(ledger_of(process), run->work, &process->machine->station.host, &process->options.session,
                        run->task, run->dispatch);
        }
        run->state = RUN_RUNNING;
        process->running++;
        go_on(process, run);
    }
}

/* ---- from the agent ---- */

static void arrived(struct process *process, const struct tp__record *record)
{
    struct world *world = world_of(process);
    struct tp__reader body = tp__reader_of(record->body, record->size);
    const uint32_t flags = tp__get_u32(&body);
    const uint32_t depth = tp__get_u32(&body);
    (void)tp__get_u32(&body);
    (void)tp__get_u32(&body);
    struct work *work = body.ok ? work_of_payload(ledger_of(process), body.at, tp__reader_left(&body)) : NULL;
    world_check(world, work, "a task that nobody has submitted so reaches a process");
    world_check(world,
                depth == work->depth && !(flags & TP__LEAF_AT_MOST_ONCE) == !work->at_most_once &&
                    !(flags & TP__LEAF_ISOLATED) == !work->isolated,
                "task %u reaches a process with other flags", work->number);
    work_arrives(world->ledger, work, process->number, record->dispatch);
    struct run *run = world_alloc(sizeof *run);
    run->id = ++process->next_run;
    run->task = record->task;
    run->dispatch = record->dispatch;
    run->work = work;
    *process->runs_tail = run;
    process->runs_tail = &run->next;
}

static void cancelled(struct process *process, const struct tp__record *record)
{
    struct run *run = find_run(process, record->task, record->dispatch);
    if (!run)
        return;
    if (run->state == RUN_RUNNING) {
        run->cancelled = true; /* it notices when it comes by */
        return;
    }
    if (!run->started)
        say_returned(process, run);
    remove_run(process, run);
}

static void give_back(struct process *process, uint32_t count)
{
    while (count-- > 0) {
        struct run *last = NULL;
        for (struct run *run = process->runs; run; run = run->next)
            if (!run->started)
                last = run;
        if (!last)
            return;
        say_returned(process, last);
        remove_run(process, last);
    }
}

static void obey(struct process *process, struct tp__record *record)
{
    tp_status status;
    if (!tp__assembly_add(&process->assembly, record, &status)) {
        world_check(world_of(process), status == TP_OK, "an agent sends too large a record");
        return;
    }
    struct tp__reader body = tp__reader_of(record->body, record->size);
    switch (record->type) {
    case TP__RECORD_TASK:
        arrived(process, record);
        return;
    case TP__RECORD_CANCEL:
        cancelled(process, record);
        return;
    case TP__RECORD_REPLY:
        replied(process, record);
        return;
    case TP__RECORD_CHILD_RESULT:
        child_succeeded(process, record);
        return;
    case TP__RECORD_CHILD_FAILURE:
        child_failed(process, record);
        return;
    case TP__RECORD_GIVE_BACK:
        give_back(process, tp__get_u32(&body));
        return;
    case TP__RECORD_OPEN: /* the numbers of its workers, which no script asks for */
        return;
    case TP__RECORD_STOP:
        process->stopping = true;
        end_if_stopped(process);
        return;
    default:
        world_fail(world_of(process), "an agent sends a record of type %u to a process", record->type);
    }
}

struct told {
    struct process *process;
    size_t size;
    uint8_t bytes[];
};

static void hear(struct world *world, void *object, uint64_t argument, bool live)
{
    struct told *told = object;
    struct process *process = told->process;
    (void)argument;
    if (begin(process, live) && !process->dead) {
        struct tp__reader reader = tp__reader_of(told->bytes, told->size);
        struct tp__record record;
        while (tp__reader_left(&reader) > 0 && !process->dead) {
            world_check(world, tp__record_read(&reader, &record) == TP__RECORD_FOUND,
                        "an agent sends a malformed record to a process");
            obey(process, &record);
        }
        schedule(process);
    }
    free(told);
}

void process_tell(struct process *process, const uint8_t *records, size_t size)
{
    struct world *world = world_of(process);
    struct told *told = world_alloc(sizeof *told + size);
    *told = (struct told){.process = process, .size = size};
    memcpy(told->bytes, records, size);
    int64_t at_us = world->now_us + random_between(&world->random, 5, 100);
    if (at_us < process->told_us)
        at_us = process->told_us;
    process->told_us = at_us;
    process->pending++;
    world_at(world, at_us, &process->machine->station.host, hear, told, 0);
}

/* ---- life ---- */

struct process *process_start(struct machine *machine, uint32_t id, const struct agent_worker_options *options)
{
    struct process *process = world_alloc(sizeof *process);
    struct random *random = &machine->station.host.world->random;
    process->machine = machine;
    process->id = id;
    process->number = ++machine->station.host.world->cluster->processes_started;
    process->options = *options;
    process->runs_tail = &process->runs;
    process->assembly.limit_bytes = 64 << 20;
    after(process, random_chance(random, 50000) ? 500000 : random_between(random, 500, 20000), say_ready, 0);
    return process;
}

void process_talk_nonsense(struct process *process)
{
    struct random *random = &world_of(process)->random;
    uint8_t bytes[96];
    if (process->dead || !process->ready)
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_next(random);
    world_trace(world_of(process), "process %u of node %u talks nonsense", process->id,
                process->machine->station.host.number);
    static const uint8_t types[] = {TP__RECORD_RESULT,  TP__RECORD_FAILURE, TP__RECORD_RETURNED, TP__RECORD_OPERATION,
                                    TP__RECORD_CONFIRM, TP__RECORD_CHILD,   TP__RECORD_CLAIM,    TP__RECORD_HELD,
                                    TP__RECORD_READY,   TP__RECORD_GRANT,   TP__RECORD_OUTPUT};
    const struct run *run = random_chance(random, 500000) ? process->runs : NULL;
    struct tp__record record = {.type = types[random_below(random, sizeof types)],
                                .task = random_below(random, 50),
                                .dispatch = (uint32_t)random_below(random, 3),
                                .operation = (uint32_t)random_below(random, 100),
                                .body = bytes,
                                .size = (uint32_t)random_below(random, sizeof bytes)};
    if (run && run->started) { /* of a task that is here: only what cannot be taken for its own */
        record.type = random_chance(random, 500000) ? TP__RECORD_CONFIRM : TP__RECORD_OPERATION;
        record.task = run->task;
        record.dispatch = run->dispatch;
        record.operation = UINT32_C(0x80000000) | (uint32_t)random_next(random);
    } else if (random_chance(random, 300000)) { /* no record at all */
        append(&process->out, bytes, sizeof bytes);
        flush_soon(process);
        return;
    } else if (find_run(process, record.task, record.dispatch)) {
        return;
    }
    if (!tp__record_append(&process->out, &record))
        exit(2);
    flush_soon(process);
}

void process_describe(const struct process *process)
{
    static const char *const states[] = {"queued", "ready", "running", "parked"};
    struct world *world = world_of(process);
    world_trace(world, "node %u has process %u:%s%s%s%s %llu started", process->machine->station.host.number,
                process->id, process->ready ? " ready" : "", process->stopping ? " stopping" : "",
                process->dead ? " dead" : "", process->paused ? " paused" : "", (unsigned long long)process->started);
    for (const struct run *run = process->runs; run; run = run->next)
        world_trace(world, "  task %u (%llu.%u of driver %u) is %s at step %u of %u, operation %u%s", run->work->number,
                    (unsigned long long)run->task, run->dispatch, run->work->driver->station.host.number,
                    states[run->state], run->step, run->work->step_count, run->operation,
                    run->joining ? ", waits for children" : "");
}
