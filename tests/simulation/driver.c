/* SPDX-License-Identifier: MIT */
#include "driver.h"

#include "cluster.h"
#include "plan.h"
#include "trust/leaf.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

enum { WAVES = 6 };

static struct driver *driver_of(void *context)
{
    return context;
}

static struct world *world_of(const struct driver *driver)
{
    return driver->station.host.world;
}

const char *driver_task_name(uint32_t index)
{
    static const char *const names[WORK_NAMES] = {"square", "fib", "explode"};
    return index < WORK_NAMES ? names[index] : NULL;
}

struct work *driver_work(const struct driver *driver, uint64_t sequence)
{
    return sequence < driver->sequence_capacity ? driver->by_sequence[sequence] : NULL;
}

void driver_slander(struct driver *driver, uint64_t sequence)
{
    const size_t before = driver->slandered_capacity;
    driver->slandered = world_grow(driver->slandered, &driver->slandered_capacity, sequence + 1, sizeof(bool));
    for (size_t i = before; i < driver->slandered_capacity; i++)
        driver->slandered[i] = false;
    driver->slandered[sequence] = true;
    struct work *work = driver_work(driver, sequence);
    if (work)
        work_slander(work);
}

void driver_name_work(struct driver *driver, struct work *work, uint64_t sequence)
{
    const size_t before = driver->sequence_capacity;
    driver->by_sequence =
        world_grow(driver->by_sequence, &driver->sequence_capacity, sequence + 1, sizeof(struct work *));
    for (size_t i = before; i < driver->sequence_capacity; i++)
        driver->by_sequence[i] = NULL;
    world_check(world_of(driver), !driver->by_sequence[sequence], "two tasks have the number %llu",
                (unsigned long long)sequence);
    driver->by_sequence[sequence] = work;
    work->sequence = sequence;
    if (sequence < driver->slandered_capacity && driver->slandered[sequence])
        work_slander(work);
}

/* ---- the session's actions ---- */

static void learn_session(struct driver *driver, const uint8_t *bytes, size_t size)
{
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    world_check(world_of(driver),
                frame && frame->body_case == TASKPOOL__FRAME__BODY_HELLO &&
                    tp__id_read(&driver->session, frame->hello->life.data, frame->hello->life.len),
                "a driver does not begin with a Hello");
    tp__frame_free(frame);
}

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct driver *driver = driver_of(context);
    if (tp__id_is_none(&driver->session))
        learn_session(driver, bytes, size);
    network_send_up(world_of(driver)->network, &driver->station, bytes, size);
}

static void reconnect(void *context)
{
    struct driver *driver = driver_of(context);
    network_open(world_of(driver)->network, &driver->station);
}

static void resolved(struct driver *driver, struct work *work)
{
    world_check(world_of(driver), work->fate == FATE_OPEN, "task %u resolves %s", work->number,
                work->fate == FATE_CANCELLED ? "after it was cancelled" : "a second time");
    driver->unresolved--;
    driver->resolved_us = world_of(driver)->now_us;
}

static void result(void *context, void *tag, const uint8_t *value, size_t size)
{
    struct driver *driver = driver_of(context);
    struct work *work = tag;
    world_trace(world_of(driver), "task %u gives a result", work->number);
    resolved(driver, work);
    (void)work_check_result(world_of(driver)->ledger, work, value, size);
}

/* May the session fail? */
static void check_state(struct driver *driver)
{
    struct tp__problem problem;
    if (driver->is_lost || tp__session_state(driver->machine, &problem) != TP__SESSION_FAILED)
        return;
    driver->is_lost = true;
    world_trace(world_of(driver), "the session of driver %u fails: %s", driver->station.host.number, problem.text);
    world_check(world_of(driver), plan_has(world_of(driver), PLAN_DRIVER_PAUSE), "the session of driver %u failed: %s",
                driver->station.host.number, problem.text);
}

static void failure(void *context, void *tag, const struct tp__session_error *error)
{
    struct driver *driver = driver_of(context);
    struct work *work = tag;
    check_state(driver);
    resolved(driver, work);
    work->fate = FATE_FAILED;
    work_check_failure(world_of(driver)->ledger, work, error->status, error->message);
}

static void child_began(void *context, uint64_t sequence)
{
    (void)sequence;
    driver_of(context)->children_began++;
}

static void child_ended(void *context, uint64_t sequence)
{
    struct driver *driver = driver_of(context);
    (void)sequence;
    driver->children_ended++;
    world_check(world_of(driver), driver->children_ended <= driver->children_began, "a child ends that never began");
}

static void operation(void *context, const struct tp__session_operation *key, const uint8_t *body, size_t size)
{
    home_operation(&driver_of(context)->home, key, body, size);
}

static void withdraw(void *context, const struct tp__session_operation *key)
{
    home_withdraw(&driver_of(context)->home, key);
}

static void confirmed(void *context, const struct tp__session_operation *key)
{
    home_confirmed(&driver_of(context)->home, key);
}

static bool dropped(void *context, const struct tp__session_operation *key)
{
    return home_dropped(&driver_of(context)->home, key);
}

static void output(void *context, const char *node, const char *task, int descriptor, uint32_t dropped_bytes,
                   const uint8_t *bytes, size_t size)
{
    (void)context;
    (void)node;
    (void)task;
    (void)descriptor;
    (void)dropped_bytes;
    (void)bytes;
    (void)size;
}

static const uint8_t *chunk(void *context, uint32_t index, size_t *size)
{
    const struct program *program = driver_of(context)->program;
    const size_t start = (size_t)index * TP__CHUNK_BYTES;
    *size = program->length - start < TP__CHUNK_BYTES ? program->length - start : TP__CHUNK_BYTES;
    return program->bytes + start;
}

static const char *task_name(void *context, uint32_t index)
{
    (void)context;
    return driver_task_name(index);
}

static void workers(void *context, size_t count)
{
    driver_of(context)->workers = count;
}

/* ---- submitting ---- */

/* False if it is full. */
static bool submit_one(struct driver *driver)
{
    struct world *world = world_of(driver);
    if (tp__session_is_full(driver->machine) || tp__session_state(driver->machine, NULL) == TP__SESSION_FAILED)
        return false;
    struct work *work = work_new(world->ledger, driver, NULL, random_next(&world->random));
    uint8_t *payload = work_payload(world->ledger, work);
    const bool pinned = plan_has(world, PLAN_PINNED) && driver->workers > 0 && random_chance(&world->random, 200000);
    const struct tp__session_task task = {
        .tag = work,
        .task = work->number % WORK_NAMES,
        .flags = (work->at_most_once ? TP__LEAF_AT_MOST_ONCE : 0u) | (work->isolated ? TP__LEAF_ISOLATED : 0u),
        .worker = pinned ? (int)random_below(&world->random, driver->workers) : -1,
        .max_attempts = (uint32_t)random_below(&world->random, 2) * 2,
        .payload = payload,
        .length = work->payload_bytes,
    };
    tp_status status;
    const uint64_t sequence = tp__session_submit(driver->machine, &task, &status);
    free(payload);
    world_check(world, sequence > 0, "a task cannot be submitted: %s", tp_status_name(status));
    driver_name_work(driver, work, sequence);
    driver->roots = world_grow(driver->roots, &driver->root_capacity, driver->root_count + 1, sizeof(struct work *));
    driver->roots[driver->root_count++] = work;
    driver->unresolved++;
    return true;
}

static void submit_more(struct driver *driver)
{
    while (driver->to_submit > 0 && submit_one(driver))
        driver->to_submit--;
    host_touch(&driver->station.host, 0);
}

static void talk(struct driver *driver)
{
    struct random *random = &world_of(driver)->random;
    for (int i = 0; i < CHANNELS; i++) {
        for (int64_t count = random_between(random, 0, 4); count > 0; count--)
            home_send(&driver->home, (uint8_t)i);
        if (random_chance(random, 300000))
            home_take(&driver->home, (uint8_t)i);
    }
}

static void cancel_some(struct world *world, void *object, uint64_t argument, bool live)
{
    struct driver *driver = object;
    (void)argument;
    if (!live || driver->root_count == 0)
        return;
    struct work *work = driver->roots[random_below(&world->random, driver->root_count)];
    if (work->fate != FATE_OPEN)
        return;
    world_trace(world, "task %u is cancelled", work->number);
    resolved(driver, work);
    work->fate = FATE_CANCELLED;
    world->ledger->cancelled++;
    tp__session_cancel(driver->machine, work->sequence);
    host_touch(&driver->station.host, 0);
}

static void wave(struct world *world, void *object, uint64_t count, bool live)
{
    struct driver *driver = object;
    if (!live)
        return;
    driver->planned -= (uint32_t)count;
    driver->to_submit += (uint32_t)count;
    submit_more(driver);
    if (plan_has(world, PLAN_CHANNELS))
        talk(driver);
    for (uint32_t i = 0; plan_has(world, PLAN_CANCEL) && i < count; i += 10)
        world_after(world, random_between(&world->random, 0, 500000), &driver->station.host, cancel_some, driver, 0);
}

/* ---- events ---- */

static void receive(struct station *station, const uint8_t *bytes, size_t size)
{
    struct driver *driver = (struct driver *)(void *)station;
    tp__session_receive(driver->machine, bytes, size, world_ms(world_of(driver)));
    submit_more(driver); /* there may be room now */
    host_touch(&station->host, 0);
}

static void connected(struct station *station)
{
    struct driver *driver = (struct driver *)(void *)station;
    tp__session_connected(driver->machine, world_ms(world_of(driver)));
    host_touch(&station->host, 0);
}

static int64_t tick(struct host *host)
{
    struct driver *driver = (struct driver *)(void *)host;
    if (driver->is_closed)
        return INT64_MAX;
    tp__session_flush(driver->machine, world_ms(host->world));
    const int64_t next_ms = tp__session_tick(driver->machine, world_ms(host->world));
    check_state(driver);
    return next_ms;
}

/* ---- life ---- */

void driver_init(struct driver *driver, struct world *world, uint32_t number, const struct program *program)
{
    char name[16];
    (void)snprintf(name, sizeof name, "driver%u", number);
    *driver = (struct driver){.station = {.receive = receive, .connected = connected}, .program = program};
    host_init(&driver->station.host, world, "driver", number, tick);
    tp__key_generate(&driver->station.key, name);
    driver->strict = plan_has(world, PLAN_PINNED) && random_chance(&world->random, 300000);
    driver->planned = world->plan->tasks;
    home_init(&driver->home, driver);
}

static void begin(struct world *world, void *object, uint64_t argument, bool live)
{
    struct driver *driver = object;
    (void)argument;
    if (live)
        network_open(world->network, &driver->station);
}

void driver_start(struct driver *driver)
{
    struct world *world = world_of(driver);
    struct tp__session_options options = {.key = &driver->station.key,
                                          .authorized = driver->authorized,
                                          .program = driver->program->root,
                                          .program_length = driver->program->length,
                                          .chunk_hashes = driver->program->chunk_hashes,
                                          .machine = "x86_64",
                                          .program_name = "simulated",
                                          .strict = driver->strict,
                                          .limit_tasks = world->plan->limit_tasks};
    const struct tp__session_actions actions = {
        .transmit = transmit,
        .reconnect = reconnect,
        .result = result,
        .failure = failure,
        .child_began = child_began,
        .child_ended = child_ended,
        .operation = operation,
        .withdraw = withdraw,
        .confirmed = confirmed,
        .dropped = dropped,
        .output = output,
        .chunk = chunk,
        .task_name = task_name,
        .workers = workers,
        .context = driver,
    };
    host_start(&driver->station.host);
    driver->machine = tp__session_new(&options, &actions, world_ms(world));
    world_check(world, driver->machine, "tp__session_new failed");
    world_after(world, random_between(&world->random, 0, 50000), &driver->station.host, begin, driver, 0);
    uint32_t left = driver->planned;
    for (uint32_t i = 0; i < WAVES && left > 0; i++) {
        const uint32_t some = i + 1 < WAVES ? (uint32_t)random_below(&world->random, left + 1) : left;
        left -= some;
        world_after(world, 100000 + random_between(&world->random, 0, world->plan->submit_us), &driver->station.host,
                    wave, driver, some);
    }
}

void driver_crash(struct driver *driver)
{
    struct world *world = world_of(driver);
    if (!driver->machine || driver->is_closed)
        return;
    world_trace(world, "driver %u dies", driver->station.host.number);
    driver->gone_us = world->now_us;
    tp__session_free(driver->machine);
    driver->machine = NULL;
    host_crash(&driver->station.host);
    network_close(world->network, &driver->station);
}

static void close_socket(struct world *world, void *object, uint64_t argument, bool live)
{
    struct driver *driver = object;
    (void)argument;
    if (live)
        network_close(world->network, &driver->station);
}

void driver_close(struct driver *driver)
{
    struct world *world = world_of(driver);
    if (!driver->machine || driver->is_closed)
        return;
    world_trace(world, "driver %u closes", driver->station.host.number);
    tp__session_close(driver->machine, world_ms(world));
    driver->is_closed = true;
    world_after(world, 1000000, &driver->station.host, close_socket, driver, 0);
}

bool driver_is_done(const struct driver *driver)
{
    if (!driver->machine)
        return true;
    return (driver->is_lost || (driver->planned == 0 && driver->to_submit == 0)) && driver->unresolved == 0;
}

void driver_close_channels(struct driver *driver)
{
    for (int i = 0; i < CHANNELS && driver->machine && !driver->is_lost; i++)
        home_close(&driver->home, (uint8_t)i);
    host_touch(&driver->station.host, 0);
}

void driver_fini(struct driver *driver)
{
    tp__session_free(driver->machine);
    driver->machine = NULL;
    home_fini(&driver->home);
    host_free(&driver->station.host);
    tp__authorized_free(driver->authorized);
    free(driver->roots);
    free(driver->by_sequence);
    free(driver->slandered);
}
