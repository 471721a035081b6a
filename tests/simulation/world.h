/* SPDX-License-Identifier: MIT */
/** @file
 * Virtual time: one heap of (time, sequence, event), and the hosts to which events happen. A host can stand still (what
 * happens to it waits until it goes on) and crash (what was to happen to that life of it does not).
 */
#ifndef TESTS_SIMULATION_WORLD_H
#define TESTS_SIMULATION_WORLD_H

#include "random.h"

#include <stddef.h>
#include <stdio.h>

struct world;
struct host;

/** `live`: it happens. Else it never will, and only what `object` owns is to be freed. */
typedef void event_fn(struct world *world, void *object, uint64_t argument, bool live);

struct event {
    int64_t time_us;
    uint64_t sequence;
    event_fn *happen;
    void *object;
    uint64_t argument;
    struct host *host; /**< NULL: nobody's */
    uint32_t life;
};

struct events {
    struct event *heap;
    size_t count, capacity;
    uint64_t next_sequence;
};

struct host {
    struct world *world;
    const char *kind;
    uint32_t number;
    uint32_t life; /**< raised by each crash */
    bool alive, paused;
    struct event *backlog; /**< what waits while it is paused */
    size_t backlog_count, backlog_capacity;
    int64_t tick_us;                    /**< when the next tick is planned */
    int64_t (*tick)(struct host *host); /**< passes time; returns when it wants to be called next, in ms */
};

struct world {
    uint64_t seed;
    struct random random;  /**< of all decisions */
    struct random secrets; /**< libsodium's */
    int64_t now_us;
    struct events events;
    uint64_t steps, step_limit;
    uint64_t digest; /**< of everything that has happened: two runs of a seed have the same */

    bool tracing; /**< prints what happens as it happens */
    char (*trace)[160];
    size_t trace_count; /**< ever */

    struct plan *plan;
    struct network *network;
    struct cluster *cluster;
    struct ledger *ledger;
};

struct world *world_new(uint64_t seed, bool tracing);
void world_free(struct world *world);

static inline int64_t world_ms(const struct world *world)
{
    return world->now_us / 1000;
}

/** Something happens to `host` (NULL: to nobody) in `delay_us`. */
void world_after(struct world *world, int64_t delay_us, struct host *host, event_fn *happen, void *object,
                 uint64_t argument);
void world_at(struct world *world, int64_t time_us, struct host *host, event_fn *happen, void *object,
              uint64_t argument);
/** The next event. False if there is none until `until_us`; then it is that time. */
bool world_step(struct world *world, int64_t until_us);
/** All that is still to happen never will. */
void world_forget_events(struct world *world);

void host_init(struct host *host, struct world *world, const char *kind, uint32_t number,
               int64_t (*tick)(struct host *host));
void host_start(struct host *host);
void host_crash(struct host *host);
void host_pause(struct host *host);
void host_resume(struct host *host);
void host_free(struct host *host);
/** It ticks in `delay_us` at the latest. */
void host_touch(struct host *host, int64_t delay_us);

/** A line of what happens: kept for a failure's report. */
void world_trace(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** An invariant does not hold: prints the seed, what is wrong and the last lines of the trace, and ends the process. */
_Noreturn void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define world_check(world, condition, ...)    \
    do {                                      \
        if (!(condition))                     \
            world_fail((world), __VA_ARGS__); \
    } while (0)

/** Memory or the end. */
void *world_alloc(size_t size);
void *world_grow(void *array, size_t *capacity, size_t needed, size_t size);

#endif
