/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { TRACE_LINES = 256, TRACE_SHOWN = 80, STEP_LIMIT = 40000000 };
#define START_US INT64_C(1000000000)

void *world_alloc(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (!memory) {
        (void)fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return memory;
}

void *world_grow(void *array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return array;
    size_t wanted = *capacity > 0 ? *capacity : 16;
    while (wanted < needed)
        wanted *= 2;
    void *grown = realloc(array, wanted * size);
    if (!grown) {
        (void)fprintf(stderr, "out of memory\n");
        exit(2);
    }
    *capacity = wanted;
    return grown;
}

/* ---- the heap: the earliest at 0 ---- */

static bool is_earlier(const struct event *a, const struct event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->sequence < b->sequence;
}

static void push(struct events *events, const struct event *event)
{
    events->heap = world_grow(events->heap, &events->capacity, events->count + 1, sizeof *events->heap);
    size_t at = events->count++;
    for (; at > 0 && is_earlier(event, &events->heap[(at - 1) / 2]); at = (at - 1) / 2)
        events->heap[at] = events->heap[(at - 1) / 2];
    events->heap[at] = *event;
}

static struct event pop(struct events *events)
{
    const struct event first = events->heap[0];
    const struct event last = events->heap[--events->count];
    size_t at = 0;
    for (;;) {
        size_t below = 2 * at + 1;
        if (below >= events->count)
            break;
        if (below + 1 < events->count && is_earlier(&events->heap[below + 1], &events->heap[below]))
            below++;
        if (!is_earlier(&events->heap[below], &last))
            break;
        events->heap[at] = events->heap[below];
        at = below;
    }
    if (events->count > 0)
        events->heap[at] = last;
    return first;
}

/* ---- time ---- */

struct world *world_new(uint64_t seed, bool tracing)
{
    struct world *world = world_alloc(sizeof *world);
    world->seed = seed;
    world->tracing = tracing;
    world->now_us = START_US;
    world->step_limit = STEP_LIMIT;
    world->trace = world_alloc(TRACE_LINES * sizeof *world->trace);
    random_begin(&world->random, seed);
    random_begin(&world->secrets, ~seed);
    random_be_sodium(&world->secrets);
    return world;
}

void world_forget_events(struct world *world)
{
    while (world->events.count > 0) {
        const struct event event = pop(&world->events);
        event.happen(world, event.object, event.argument, false);
    }
}

void world_free(struct world *world)
{
    world_forget_events(world);
    free(world->events.heap);
    free(world->trace);
    free(world);
}

void world_at(struct world *world, int64_t time_us, struct host *host, event_fn *happen, void *object,
              uint64_t argument)
{
    const struct event event = {.time_us = time_us > world->now_us ? time_us : world->now_us,
                                .sequence = world->events.next_sequence++,
                                .happen = happen,
                                .object = object,
                                .argument = argument,
                                .host = host,
                                .life = host ? host->life : 0};
    push(&world->events, &event);
}

void world_after(struct world *world, int64_t delay_us, struct host *host, event_fn *happen, void *object,
                 uint64_t argument)
{
    world_at(world, world->now_us + delay_us, host, happen, object, argument);
}

bool world_step(struct world *world, int64_t until_us)
{
    if (world->events.count == 0 || world->events.heap[0].time_us > until_us) {
        world->now_us = until_us;
        return false;
    }
    struct event event = pop(&world->events);
    world->now_us = event.time_us;
    struct host *host = event.host;
    if (host && (host->life != event.life || !host->alive)) {
        event.happen(world, event.object, event.argument, false);
        return true;
    }
    if (host && host->paused) {
        host->backlog =
            world_grow(host->backlog, &host->backlog_capacity, host->backlog_count + 1, sizeof *host->backlog);
        host->backlog[host->backlog_count++] = event;
        return true;
    }
    world_check(world, ++world->steps < world->step_limit, "the run does not end: %llu events",
                (unsigned long long)world->steps);
    world->digest = random_mix(world->digest ^ (uint64_t)event.time_us, event.sequence);
    event.happen(world, event.object, event.argument, true);
    return true;
}

/* ---- hosts ---- */

void host_init(struct host *host, struct world *world, const char *kind, uint32_t number,
               int64_t (*tick)(struct host *host))
{
    host->world = world;
    host->kind = kind;
    host->number = number;
    host->tick = tick;
    host->tick_us = INT64_MAX;
}

void host_start(struct host *host)
{
    host->alive = true;
    host->tick_us = INT64_MAX;
}

static void drop_backlog(struct host *host)
{
    for (size_t i = 0; i < host->backlog_count; i++)
        host->backlog[i].happen(host->world, host->backlog[i].object, host->backlog[i].argument, false);
    host->backlog_count = 0;
}

void host_crash(struct host *host)
{
    host->alive = host->paused = false;
    host->life++;
    drop_backlog(host);
}

void host_pause(struct host *host)
{
    if (host->alive)
        host->paused = true;
}

void host_resume(struct host *host)
{
    if (!host->paused)
        return;
    host->paused = false;
    for (size_t i = 0; i < host->backlog_count; i++) {
        struct event event = host->backlog[i];
        event.time_us = host->world->now_us;
        event.sequence = host->world->events.next_sequence++;
        push(&host->world->events, &event);
    }
    host->backlog_count = 0;
}

void host_free(struct host *host)
{
    drop_backlog(host);
    free(host->backlog);
    host->backlog = NULL;
    host->backlog_capacity = 0;
}

static void tick(struct world *world, void *object, uint64_t due_us, bool live)
{
    struct host *host = object;
    if (!live || host->tick_us != (int64_t)due_us)
        return; /* an earlier one has taken its place */
    host->tick_us = INT64_MAX;
    const int64_t next_ms = host->tick(host);
    if (next_ms < INT64_MAX / 1000)
        host_touch(host, next_ms * 1000 > world->now_us ? next_ms * 1000 - world->now_us : 1000);
}

void host_touch(struct host *host, int64_t delay_us)
{
    const int64_t at_us = host->world->now_us + delay_us;
    if (!host->alive || at_us >= host->tick_us)
        return;
    host->tick_us = at_us;
    world_at(host->world, at_us, host, tick, host, (uint64_t)at_us);
}

/* ---- reports ---- */

__attribute__((format(printf, 2, 0))) static void store(struct world *world, const char *format, va_list arguments)
{
    char *line = world->trace[world->trace_count++ % TRACE_LINES];
    const int length = snprintf(line, sizeof *world->trace, "%12.6f ", (double)(world->now_us - START_US) / 1e6);
    (void)vsnprintf(line + length, sizeof *world->trace - (size_t)length, format, arguments);
    if (world->tracing)
        (void)fprintf(stderr, "%s\n", line);
}

void world_trace(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    store(world, format, arguments);
    va_end(arguments);
}

void world_fail(struct world *world, const char *format, ...)
{
    if (!world->tracing) {
        const size_t shown = world->trace_count < TRACE_SHOWN ? world->trace_count : TRACE_SHOWN;
        for (size_t i = world->trace_count - shown; i < world->trace_count; i++)
            (void)fprintf(stderr, "%s\n", world->trace[i % TRACE_LINES]);
    }
    (void)fprintf(stderr, "seed %llu, after %.6f s and %llu events: ", (unsigned long long)world->seed,
                  (double)(world->now_us - START_US) / 1e6, (unsigned long long)world->steps);
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\nfailing seed: %llu (the simulation's --seed %llu --trace shows all of it)\n",
                  (unsigned long long)world->seed, (unsigned long long)world->seed);
    exit(1);
}
