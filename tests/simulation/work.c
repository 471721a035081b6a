/* SPDX-License-Identifier: MIT */
/* Design notes. Everything about a task follows from its seed and its depth, and so does everything about its children:
 * the value that a task must give can be computed without running anything. What it takes from channels cannot; that
 * stands in its result beside the value, and is what "as far as results can show" means here. */
#include "work.h"

#include "cluster.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEAD_BYTES = 12,
    GONE_US = 60000000 + 6000000 /* what is cut off may be so long on its way */
};

struct ledger *ledger_new(struct world *world)
{
    struct ledger *ledger = world_alloc(sizeof *ledger);
    ledger->world = world;
    ledger->secret = random_next(&world->random);
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->work_count; i++) {
        free(ledger->works[i]->arrivals);
        free(ledger->works[i]);
    }
    free(ledger->works);
    for (size_t i = 0; i < ledger->note_count; i++)
        free(ledger->notes[i]);
    free(ledger->notes);
    free(ledger);
}

/* ---- scripts ---- */

static void add(struct work *work, struct step step)
{
    if (work->step_count < STEPS_LIMIT)
        work->steps[work->step_count++] = step;
}

static uint32_t some_time_us(struct random *random)
{
    switch (random_below(random, 20)) {
    case 0:
        return (uint32_t)random_between(random, 100000, 1000000);
    case 1:
    case 2:
    case 3:
        return (uint32_t)random_between(random, 10000, 200000);
    default:
        return (uint32_t)random_between(random, 0, 10000);
    }
}

static void add_channel_step(struct work *work, struct random *random)
{
    static const enum step_kind kinds[] = {STEP_SEND, STEP_SEND, STEP_SEND, STEP_RECEIVE, STEP_RECEIVE, STEP_SELECT};
    struct step step = {.kind = kinds[random_below(random, 6)],
                        .channel = (uint8_t)random_below(random, CHANNELS),
                        .other = (uint8_t)random_below(random, CHANNELS),
                        .wait = !random_chance(random, 150000)};
    if (step.kind == STEP_RECEIVE && step.wait && random_chance(random, 300000))
        step.time_us = some_time_us(random) + 1000;
    add(work, step);
}

static void write_script(struct work *work, unsigned flags);

/* A child of that step as it will be, without an entry in the ledger. */
static struct work child_of(const struct work *work, size_t step, unsigned flags)
{
    struct work child = {.seed = random_mix(work->seed, step + 1), .depth = (uint8_t)(work->depth + 1)};
    write_script(&child, flags);
    return child;
}

static bool is_child_cancelled(const struct work *work, size_t step)
{
    return step + 1 < work->step_count && work->steps[step + 1].kind == STEP_CANCEL_CHILD;
}

static void add_children(struct work *work, struct random *random, int64_t most)
{
    const int64_t count = random_between(random, 1, most);
    for (int64_t i = 0; i < count; i++) {
        add(work, (struct step){.kind = STEP_CHILD});
        if (random_chance(random, 50000))
            add(work, (struct step){.kind = STEP_CANCEL_CHILD});
    }
    if (random_chance(random, 200000))
        add(work, (struct step){.kind = STEP_COMPUTE, .time_us = some_time_us(random)});
    add(work, (struct step){.kind = STEP_JOIN});
}

static void write_script(struct work *work, unsigned flags)
{
    struct random random;
    random_begin(&random, work->seed);
    const bool trees = flags & PLAN_TREES; /* deep, but not much larger at each level */
    const bool parent = flags & PLAN_CHILDREN && work->depth < (trees ? TREES_DEPTH_LIMIT : DEPTH_LIMIT) &&
                        random_chance(&random, trees ? 700000 : 300000);
    const bool channels = flags & PLAN_CHANNELS && random_chance(&random, 400000);
    work->at_most_once = flags & PLAN_ONCE && random_chance(&random, 300000);
    work->isolated = flags & PLAN_ISOLATED && random_chance(&random, 100000);
    work->payload_bytes = HEAD_BYTES + (uint32_t)random_below(&random, 100);
    work->result_bytes = (uint32_t)random_below(&random, 100);
    if (flags & PLAN_LARGE && random_chance(&random, 100000))
        work->payload_bytes += (uint32_t)random_below(&random, 1500000);
    if (flags & PLAN_LARGE && random_chance(&random, 100000))
        work->result_bytes += (uint32_t)random_below(&random, 1500000);

    add(work, (struct step){.kind = STEP_COMPUTE, .time_us = some_time_us(&random)});
    if (flags & PLAN_LONG && work->depth == 0 && random_chance(&random, 300000))
        work->steps[0].time_us = (uint32_t)random_between(&random, 5000000, 40000000);
    if (random_chance(&random, 200000))
        add(work, (struct step){.kind = STEP_SLEEP, .time_us = some_time_us(&random)});
    if (random_chance(&random, 50000))
        add(work, (struct step){.kind = STEP_OUTPUT});
    for (int64_t i = channels ? random_between(&random, 1, 3) : 0; i > 0; i--)
        add_channel_step(work, &random);
    if (parent)
        add_children(work, &random, trees ? 2 : 3);
    if (random_chance(&random, 50000))
        add(work, (struct step){.kind = STEP_FAIL});
    else if (flags & PLAN_CRASHES && random_chance(&random, 40000))
        add(work, (struct step){.kind = STEP_CRASH});
    for (size_t i = 0; trees && i < work->step_count; i++)
        work->steps[i].time_us /= 4; /* there are many */
    work->fragile = work->at_most_once || channels;
    for (size_t i = 0; i < work->step_count && !work->fragile; i++)
        if (work->steps[i].kind == STEP_CHILD)
            work->fragile = child_of(work, i, flags).fragile;
}

struct work *work_new(struct ledger *ledger, struct driver *driver, struct work *parent, uint64_t seed)
{
    struct work *work = world_alloc(sizeof *work);
    ledger->works = world_grow(ledger->works, &ledger->work_capacity, ledger->work_count + 1, sizeof(struct work *));
    work->number = (uint32_t)ledger->work_count;
    ledger->works[ledger->work_count++] = work;
    work->driver = driver;
    work->parent = parent;
    work->seed = seed;
    work->depth = parent ? (uint8_t)(parent->depth + 1) : 0;
    work->session = driver->session;
    write_script(work, ledger->world->plan->flags);
    return work;
}

void work_slander(struct work *work)
{
    work->is_named = true;
    for (struct work *above = work; above; above = above->parent)
        above->is_tainted = true;
}

static bool is_slandered(const struct ledger *ledger, struct work *work)
{
    if (!plan_has(ledger->world, PLAN_ROGUE))
        return false;
    if (work->starts == 0) /* something came of it all the same: it was named before anybody knew its number */
        work_slander(work);
    for (const struct work *above = work; above; above = above->parent)
        if (above->is_named)
            return true;
    return work->is_tainted;
}

/* ---- payloads ---- */

static uint64_t mac_of(const struct ledger *ledger, uint64_t what, uint64_t number, uint64_t size)
{
    return random_mix(random_mix(ledger->secret, what), random_mix(number, size));
}

static void put_filler(uint64_t seed, uint8_t *to, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof seed) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(to + at, &seed, size - at < sizeof seed ? size - at : sizeof seed);
    }
}

static bool is_filler(uint64_t seed, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof seed) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        if (memcmp(bytes + at, &seed, size - at < sizeof seed ? size - at : sizeof seed) != 0)
            return false;
    }
    return true;
}

uint8_t *work_payload(const struct ledger *ledger, const struct work *work)
{
    uint8_t *payload = world_alloc(work->payload_bytes);
    uint8_t *to = tp__put_u64(payload, mac_of(ledger, 1, work->number, work->payload_bytes));
    to = tp__put_u32(to, work->number);
    put_filler(work->seed, to, work->payload_bytes - HEAD_BYTES);
    return payload;
}

struct work *work_of_payload(const struct ledger *ledger, const uint8_t *payload, size_t size)
{
    struct tp__reader reader = tp__reader_of(payload, size);
    const uint64_t mac = tp__get_u64(&reader);
    const uint32_t number = tp__get_u32(&reader);
    if (!reader.ok || number >= ledger->work_count || mac != mac_of(ledger, 1, number, size))
        return NULL;
    struct work *work = ledger->works[number];
    const bool good = size == work->payload_bytes && is_filler(work->seed, reader.at, tp__reader_left(&reader));
    return good ? work : NULL;
}

/* ---- starts ---- */

void work_arrives(struct ledger *ledger, struct work *work, uint64_t process, uint32_t dispatch)
{
    for (size_t i = 0; i < work->arrival_count; i++)
        world_check(ledger->world, work->arrivals[i].process != process || work->arrivals[i].dispatch != dispatch,
                    "dispatch %u of task %u reaches a process for the second time", dispatch, work->number);
    work->arrivals =
        world_grow(work->arrivals, &work->arrival_capacity, work->arrival_count + 1, sizeof *work->arrivals);
    work->arrivals[work->arrival_count++] = (struct arrival){process, dispatch};
}

void work_starts(struct ledger *ledger, struct work *work, const struct tp__id *session, uint64_t sequence,
                 uint32_t dispatch)
{
    struct world *world = ledger->world;
    ledger->starts++;
    world_trace(world, "task %u (%llu.%u of driver %u) starts", work->number, (unsigned long long)sequence, dispatch,
                work->driver->station.host.number);
    world_check(world, tp__id_equal(session, &work->session), "task %u runs in another session than its own",
                work->number);
    if (work->sequence == 0)
        driver_name_work(work->driver, work, sequence);
    world_check(world, work->sequence == sequence, "task %u runs as %llu and was submitted as %llu", work->number,
                (unsigned long long)sequence, (unsigned long long)work->sequence);
    world_check(world, !work->at_most_once || work->starts == 0 || is_slandered(ledger, work),
                "task %u (%llu.%u), which runs at most once, starts a second time", work->number,
                (unsigned long long)sequence, dispatch);
    const uint64_t bit = dispatch < 64 ? UINT64_C(1) << dispatch : 0;
    world_check(world, !(work->dispatches & bit) || plan_has(world, PLAN_LIAR),
                "dispatch %u of task %u starts a second time, and no coordinator lies", dispatch, work->number);
    work->dispatches |= bit;
    work->starts++;
    world_check(world, !work->driver->gone_us || world->now_us <= work->driver->gone_us + GONE_US,
                "task %u starts %lld s after its driver is gone", work->number,
                (long long)((world->now_us - work->driver->gone_us) / 1000000));
}

/* ---- values and results ---- */

uint64_t work_fold(uint64_t value, uint64_t child)
{
    return random_mix(value, child);
}

uint64_t work_failed_value(const struct work *work)
{
    return random_mix(work->seed, 0xfa11);
}

bool work_is_to_fail(const struct work *work)
{
    const enum step_kind last = work->steps[work->step_count - 1].kind;
    return last == STEP_FAIL || last == STEP_CRASH;
}

static uint64_t expected_value(const struct work *work, unsigned flags)
{
    uint64_t value = random_mix(work->seed, 1);
    for (size_t i = 0; i < work->step_count; i++) {
        if (work->steps[i].kind != STEP_CHILD || is_child_cancelled(work, i))
            continue;
        const struct work child = child_of(work, i, flags);
        value = work_fold(value, work_is_to_fail(&child) ? work_failed_value(&child) : expected_value(&child, flags));
    }
    return value;
}

void work_put_result(const struct ledger *ledger, const struct work *work, uint64_t value, struct note *const *taken,
                     size_t taken_count, struct tp__buffer *buffer)
{
    const size_t size = 8 + 4 + 8 + 4 + taken_count * NOTE_BYTES + work->result_bytes;
    if (!tp__buffer_reserve(buffer, size))
        exit(2);
    uint8_t *to = buffer->bytes + buffer->size;
    to = tp__put_u64(to, mac_of(ledger, 2, work->number, size));
    to = tp__put_u32(to, work->number);
    to = tp__put_u64(to, value);
    to = tp__put_u32(to, (uint32_t)taken_count);
    for (size_t i = 0; i < taken_count; i++, to += NOTE_BYTES)
        note_put(ledger, taken[i], to);
    put_filler(~work->seed, to, work->result_bytes);
    buffer->size += size;
}

static void show(struct ledger *ledger, struct work *work, struct note *note)
{
    world_check(ledger->world, !note->shown_by || note->shown_by == work,
                "message %u stands in the results of tasks %u and %u", note->number,
                note->shown_by ? note->shown_by->number : 0, work->number);
    note->shown_by = work;
    world_check(ledger->world, note->state == NOTE_GONE && note->taker == work,
                "message %u stands in the result of task %u, which has not confirmed it", note->number, work->number);
}

uint64_t work_check_result(struct ledger *ledger, struct work *work, const uint8_t *bytes, size_t size)
{
    struct world *world = ledger->world;
    if (is_slandered(ledger, work)) {
        work->fate = FATE_FAILED; /* no value that anything follows from */
        return 0;
    }
    struct tp__reader reader = tp__reader_of(bytes, size);
    const uint64_t mac = tp__get_u64(&reader);
    const uint32_t number = tp__get_u32(&reader);
    const uint64_t value = tp__get_u64(&reader);
    const uint32_t count = tp__get_u32(&reader);
    world_check(world, reader.ok && mac == mac_of(ledger, 2, work->number, size) && number == work->number,
                "the result of task %u is not what it has given", work->number);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *note = tp__get_bytes(&reader, NOTE_BYTES);
        world_check(world, note, "the result of task %u is too short", work->number);
        show(ledger, work, note_read(ledger, note, NOTE_BYTES));
    }
    world_check(world,
                tp__reader_left(&reader) == work->result_bytes &&
                    is_filler(~work->seed, reader.at, tp__reader_left(&reader)),
                "the result of task %u is altered", work->number);
    world_check(world, !work_is_to_fail(work), "task %u gave a value where it fails", work->number);
    world_check(world, value == expected_value(work, world->plan->flags), "task %u gave a wrong value", work->number);
    ledger->values++;
    work->fate = FATE_VALUE;
    return value;
}

static bool has_step(const struct work *work, enum step_kind kind)
{
    for (size_t i = 0; i < work->step_count; i++)
        if (work->steps[i].kind == kind)
            return true;
    return false;
}

static bool is_about_process(const char *message)
{
    return strstr(message, "was killed") || strstr(message, "process");
}

static bool may_fail(const struct ledger *ledger, struct work *work, tp_status status, const char *message)
{
    struct world *world = ledger->world;
    if (is_slandered(ledger, work))
        return true;
    if (strstr(message, "no node has accepted")) /* the driver, or all nodes, stood still for so long */
        return plan_has(world, PLAN_DRIVER_PAUSE | PLAN_LONG);
    if (strstr(message, "every node has refused")) /* a coordinator gives what was not accepted out as that */
        return plan_has(world, PLAN_LIAR);
    switch (status) {
    case TP_E_TASK: /* the only one in a process that dies is taken for guilty */
        return work_is_to_fail(work) || (world->cluster->processes_killed > 0 && is_about_process(message));
    case TP_E_NODE_LOST:
        return work->fragile || strstr(message, "lost 16 times");
    case TP_E_UNTRUSTED:
        return plan_has(world, PLAN_LIAR);
    case TP_E_FULL:
        return plan_has(world, PLAN_FULL) && has_step(work, STEP_CHILD);
    default:
        return work->driver->is_lost;
    }
}

void work_check_failure(struct ledger *ledger, struct work *work, tp_status status, const char *message)
{
    ledger->failures++;
    ledger->lost += status == TP_E_NODE_LOST;
    world_trace(ledger->world, "task %u fails with %s: %s", work->number, tp_status_name(status), message);
    world_check(ledger->world, may_fail(ledger, work, status, message), "task %u failed with %s: %s", work->number,
                tp_status_name(status), message);
}

/* ---- messages ---- */

struct note *note_new(struct ledger *ledger, struct work *sender, uint32_t dispatch, uint8_t channel, uint8_t step,
                      uint32_t order)
{
    struct note *note = world_alloc(sizeof *note);
    ledger->notes = world_grow(ledger->notes, &ledger->note_capacity, ledger->note_count + 1, sizeof(struct note *));
    *note = (struct note){.number = (uint32_t)ledger->note_count,
                          .driver = sender ? sender->driver : NULL,
                          .sender = sender,
                          .dispatch = dispatch,
                          .order = order,
                          .channel = channel,
                          .step = step};
    ledger->notes[ledger->note_count++] = note;
    return note;
}

void note_put(const struct ledger *ledger, const struct note *note, uint8_t to[NOTE_BYTES])
{
    tp__put_u64(tp__put_u32(to, note->number), mac_of(ledger, 3, note->number, 0));
}

struct note *note_read(struct ledger *ledger, const uint8_t *bytes, size_t size)
{
    struct tp__reader reader = tp__reader_of(bytes, size);
    const uint32_t number = tp__get_u32(&reader);
    const uint64_t mac = tp__get_u64(&reader);
    world_check(ledger->world,
                reader.ok && tp__reader_left(&reader) == 0 && number < ledger->note_count &&
                    mac == mac_of(ledger, 3, number, 0),
                "a message is none that was sent");
    return ledger->notes[number];
}

void note_accepted(struct ledger *ledger, struct note *note)
{
    world_trace(ledger->world, "message %u is accepted", note->number);
    world_check(ledger->world, note->state == NOTE_NEW, "message %u is accepted twice", note->number);
    note->state = NOTE_QUEUED;
    if (!note->sender)
        return;
    const uint32_t bit = UINT32_C(1) << note->step;
    world_check(ledger->world, !(note->sender->effects & bit) || is_slandered(ledger, note->sender),
                "task %u was run again after its message had been accepted, and sent it again", note->sender->number);
    note->sender->effects |= bit;
}

void ledger_check_notes(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->note_count; i++) {
        const struct note *note = ledger->notes[i];
        if (note->driver->gone_us || note->driver->is_lost)
            continue;
        world_check(ledger->world, note->state != NOTE_HELD, "message %u is in nobody's hands", note->number);
        if (note->state != NOTE_GONE || !note->taker)
            continue;
        world_check(ledger->world, note->taker->fate != FATE_VALUE || note->shown_by == note->taker,
                    "task %u has confirmed message %u, and its result does not know of it", note->taker->number,
                    note->number);
    }
}
