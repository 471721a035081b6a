/* SPDX-License-Identifier: MIT */
/* Design notes. What is said gathers in `out` and reaches the agent a bit later, in pieces that need not be whole
 * records; a process that dies has said what it said. Events that are under way hold the process: it is freed with the
 * last one. */
#include "process_state.h"

#include "cluster.h"
#include "plan.h"
#include "trust/leaf.h"

#include <stdlib.h>
#include <string.h>

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

void process_after(struct process *process, int64_t delay_us, event_fn *happen, uint64_t argument)
{
    process->pending++;
    world_after(process_world(process), delay_us, &process->machine->station.host, happen, process, argument);
}

/* What every event begins with: is the process still there for it? */
bool process_begin(struct process *process, bool live)
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
    if (!process_begin(process, live))
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
    process_after(process, random_between(&process_world(process)->random, 5, 100), flush, 0);
}

void process_say(struct process *process, const struct run *run, enum tp__record_type type, uint32_t operation,
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

void process_append(struct tp__buffer *buffer, const void *bytes, size_t size)
{
    if (!tp__buffer_append(buffer, bytes, size))
        exit(2);
}

void process_append_u32(struct tp__buffer *buffer, uint32_t value)
{
    process_append(buffer, &value, sizeof value);
}

void process_append_text(struct tp__buffer *buffer, const char *text)
{
    if (!tp__put_text(buffer, text, strlen(text)))
        exit(2);
}

static void say_ready(struct world *world, void *object, uint64_t argument, bool live)
{
    struct process *process = object;
    (void)argument;
    (void)world;
    if (!process_begin(process, live) || process->dead)
        return;
    struct tp__buffer body = {0};
    process_append_u32(&body, TP__PROTOCOL_VERSION);
    process_append_u32(&body, WORK_NAMES);
    for (uint32_t i = 0; i < WORK_NAMES; i++)
        process_append_text(&body, driver_task_name(i));
    process_say(process, NULL, TP__RECORD_READY, 0, body.bytes, body.size);
    tp__buffer_free(&body);
    process->ready = true;
}

void process_say_returned(struct process *process, const struct run *run)
{
    struct tp__buffer body = {0};
    const uint8_t why = TP__RETURNED_RECALLED;
    process_append(&body, &why, 1);
    process_append_text(&body, "");
    process_say(process, run, TP__RECORD_RETURNED, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

void process_say_failure(struct process *process, const struct run *run, tp_status status, const char *message)
{
    struct tp__buffer body = {0};
    process_append_u32(&body, status);
    process_append_u32(&body, 1);
    process_append_text(&body, message);
    process_append_text(&body, driver_task_name(run->work->number % WORK_NAMES));
    process_append_text(&body, "here\nand there\n");
    process_say(process, run, TP__RECORD_FAILURE, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

/* ---- the end of the process ---- */

static bool has_started(void *context, uint64_t task, uint32_t dispatch)
{
    const struct process *process = context;
    const struct run *run = run_find(process, task, dispatch);
    /* the counters in the memory that is shared with the agent sometimes say so of one that has not */
    return !run || run->started || task % 64 == 7;
}

static void ended(struct world *world, void *object, uint64_t argument, bool live)
{
    struct process *process = object;
    (void)argument;
    (void)world;
    if (!process_begin(process, live))
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
            suspects[crash.suspect_count++] = (struct agent_suspect){.task = run->task, .dispatch = run->dispatch};
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
    process_after(process, random_between(&process_world(process)->random, 50, 5000), ended, 0);
}

void process_die(struct process *process)
{
    if (process->dead)
        return;
    world_trace(process_world(process), "process %u of node %u dies", process->id,
                process->machine->station.host.number);
    process_kill(process);
}

void process_end_if_stopped(struct process *process)
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

/* ---- from the agent ---- */

static void obey(struct process *process, struct tp__record *record)
{
    tp_status status;
    if (!tp__assembly_add(&process->assembly, record, &status)) {
        world_check(process_world(process), status == TP_OK, "an agent sends too large a record");
        return;
    }
    struct tp__reader body = tp__reader_of(record->body, record->size);
    switch (record->type) {
    case TP__RECORD_TASK:
        run_arrived(process, record);
        return;
    case TP__RECORD_CANCEL:
        run_cancelled(process, record);
        return;
    case TP__RECORD_REPLY:
        run_replied(process, record);
        return;
    case TP__RECORD_CHILD_RESULT:
        run_child_succeeded(process, record);
        return;
    case TP__RECORD_CHILD_FAILURE:
        run_child_failed(process, record);
        return;
    case TP__RECORD_GIVE_BACK:
        runs_give_back(process, tp__get_u32(&body));
        return;
    case TP__RECORD_OPEN: /* the numbers of its workers, which no script asks for */
        return;
    case TP__RECORD_STOP:
        process->stopping = true;
        process_end_if_stopped(process);
        return;
    default:
        world_fail(process_world(process), "an agent sends a record of type %u to a process", record->type);
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
    if (process_begin(process, live) && !process->dead) {
        struct tp__reader reader = tp__reader_of(told->bytes, told->size);
        struct tp__record record;
        while (tp__reader_left(&reader) > 0 && !process->dead) {
            world_check(world, tp__record_read(&reader, &record) == TP__RECORD_FOUND,
                        "an agent sends a malformed record to a process");
            obey(process, &record);
        }
        runs_schedule(process);
    }
    free(told);
}

void process_tell(struct process *process, const uint8_t *records, size_t size)
{
    struct world *world = process_world(process);
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
    process_after(process, random_chance(random, 50000) ? 500000 : random_between(random, 500, 20000), say_ready, 0);
    return process;
}

void process_talk_nonsense(struct process *process)
{
    struct random *random = &process_world(process)->random;
    uint8_t bytes[96];
    if (process->dead || !process->ready)
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_next(random);
    world_trace(process_world(process), "process %u of node %u talks nonsense", process->id,
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
        process_append(&process->out, bytes, sizeof bytes);
        flush_soon(process);
        return;
    } else if (run_find(process, record.task, record.dispatch)) {
        return;
    }
    if (!tp__record_append(&process->out, &record))
        exit(2);
    flush_soon(process);
}

void process_describe(const struct process *process)
{
    static const char *const states[] = {"queued", "ready", "running", "parked"};
    struct world *world = process_world(process);
    world_trace(world, "node %u has process %u:%s%s%s%s %llu started", process->machine->station.host.number,
                process->id, process->ready ? " ready" : "", process->stopping ? " stopping" : "",
                process->dead ? " dead" : "", process->paused ? " paused" : "", (unsigned long long)process->started);
    for (const struct run *run = process->runs; run; run = run->next)
        world_trace(world, "  task %u (%llu.%u of driver %u) is %s at step %u of %u, operation %u%s", run->work->number,
                    (unsigned long long)run->task, run->dispatch, run->work->driver->station.host.number,
                    states[run->state], run->step, run->work->step_count, run->operation,
                    run->joining ? ", waits for children" : "");
}
