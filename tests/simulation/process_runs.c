/* SPDX-License-Identifier: MIT */
#include "process_state.h"

#include "cluster.h"
#include "plan.h"
#include "trust/leaf.h"

#include <stdlib.h>
#include <string.h>

/* ---- runs ---- */

struct run *run_find(const struct process *process, uint64_t task, uint32_t dispatch)
{
    struct run *run = process->runs;
    while (run && (run->task != task || run->dispatch != dispatch))
        run = run->next;
    return run;
}

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
    process_end_if_stopped(process);
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
void run_wake(struct process *process, struct run *run)
{
    if (run->state == RUN_PARKED)
        run->state = RUN_READY;
    runs_schedule(process);
}

static void woken(struct world *world, void *object, uint64_t id, bool live)
{
    struct process *process = object;
    (void)world;
    if (!process_begin(process, live) || process->dead)
        return;
    struct run *run = run_of(process, id);
    if (run)
        run_wake(process, run);
}

static void report(struct process *process, struct run *run)
{
    const struct work *work = run->work;
    uint64_t value = random_mix(work->seed, 1);
    for (size_t i = 0; i < run->child_count; i++)
        if (run->children[i].state == CHILD_ENDED)
            value = work_fold(value, run->children[i].value);
    struct tp__buffer body = {0};
    work_put_result(process_ledger(process), work, value, run->taken, run->taken_count, &body);
    process_say(process, run, TP__RECORD_RESULT, 0, body.bytes, body.size);
    tp__buffer_free(&body);
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
        process_after(process, step->time_us, woken, run->id);
        return false;
    case STEP_OUTPUT:
        (void)tp__put_u32(tp__put_u8((uint8_t *)text, 1), 0);
        (void)snprintf(text + 5, sizeof text - 5, "task %u speaks", work->number);
        process_say(process, run, TP__RECORD_OUTPUT, 0, text, 5 + strlen(text + 5));
        run->step++;
        return true;
    case STEP_SEND:
    case STEP_RECEIVE:
    case STEP_SELECT:
        run_operate(process, run, step);
        park(process, run);
        return false;
    case STEP_CHILD:
        run_submit_child(process, run);
        run->step++;
        return true;
    case STEP_CANCEL_CHILD: {
        struct child *child = &run->children[run->child_count - 1];
        if (child->state == CHILD_OPEN)
            process_say(process, run, TP__RECORD_CHILD_CANCEL, child->operation, NULL, 0);
        child->state = CHILD_FORGOTTEN;
        run->step++;
        return true;
    }
    case STEP_JOIN:
        if (!run_has_open_children(run)) {
            run->step++;
            return true;
        }
        run->joining = true;
        park(process, run);
        return false;
    case STEP_FAIL:
        (void)snprintf(text, sizeof text, "task %u fails", work->number);
        process_say_failure(process, run, TP_E_TASK, text);
        remove_run(process, run);
        return false;
    case STEP_CRASH:
        process->culprit.known = random_chance(&process_world(process)->random, 800000);
        process->culprit.task = run->task;
        process->culprit.dispatch = run->dispatch;
        process_world(process)->ledger->crashed++;
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
        if (run->trouble != TP_OK && !run_has_open_children(run)) {
            process_say_failure(process, run, run->trouble, run->trouble_text);
            remove_run(process, run);
            return;
        }
        if (run->step < run->work->step_count && run->work->steps[run->step].kind == STEP_COMPUTE) {
            process_after(process, run->work->steps[run->step].time_us, computed, run->id);
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
    if (!process_begin(process, live) || process->dead)
        return;
    struct run *run = run_of(process, id);
    run->step++;
    go_on(process, run);
    runs_schedule(process);
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

void runs_schedule(struct process *process)
{
    while (!process->dead && process->running < process->options.threads) {
        struct run *run = next_run(process);
        if (!run)
            return;
        if (!run->started && world_ms(process_world(process)) > process->fresh_until_ms) {
            process_say_returned(process, run);
            remove_run(process, run);
            continue;
        }
        if (!run->started) {
            run->started = true;
            process->started++;
            work_starts(process_ledger(process), run->work, &process->options.session, run->task, run->dispatch);
        }
        run->state = RUN_RUNNING;
        process->running++;
        go_on(process, run);
    }
}

/* ---- from the agent ---- */

void run_arrived(struct process *process, const struct tp__record *record)
{
    struct world *world = process_world(process);
    struct tp__reader body = tp__reader_of(record->body, record->size);
    const uint32_t flags = tp__get_u32(&body);
    const uint32_t depth = tp__get_u32(&body);
    (void)tp__get_u32(&body);
    (void)tp__get_u32(&body);
    struct work *work = body.ok ? work_of_payload(process_ledger(process), body.at, tp__reader_left(&body)) : NULL;
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

void run_cancelled(struct process *process, const struct tp__record *record)
{
    struct run *run = run_find(process, record->task, record->dispatch);
    if (!run)
        return;
    if (run->state == RUN_RUNNING) {
        run->cancelled = true; /* it notices when it comes by */
        return;
    }
    if (!run->started)
        process_say_returned(process, run);
    remove_run(process, run);
}

void runs_give_back(struct process *process, uint32_t count)
{
    while (count-- > 0) {
        struct run *last = NULL;
        for (struct run *run = process->runs; run; run = run->next)
            if (!run->started)
                last = run;
        if (!last)
            return;
        process_say_returned(process, last);
        remove_run(process, last);
    }
}
