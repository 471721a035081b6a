/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "cluster.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

static struct machine *machine_of(void *context)
{
    return context;
}

static struct process *find(const struct machine *machine, uint32_t id)
{
    struct process *process = machine->processes;
    while (process && process->id != id)
        process = process->next;
    world_check(machine->station.host.world, process, "an agent speaks to a process that there is not");
    return process;
}

/* ---- the agent's actions ---- */

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct machine *machine = machine_of(context);
    network_send_up(machine->station.host.world->network, &machine->station, bytes, size);
}

static void reconnect(void *context)
{
    struct machine *machine = machine_of(context);
    network_open(machine->station.host.world->network, &machine->station);
}

static const struct program *program_of(const struct machine *machine, const struct tp__hash *root)
{
    const struct cluster *cluster = machine->station.host.world->cluster;
    for (uint32_t i = 0; i < cluster->program_count; i++)
        if (memcmp(&cluster->programs[i].root, root, sizeof *root) == 0)
            return &cluster->programs[i];
    return NULL;
}

static struct cached *find_cached(struct machine *machine, const struct tp__hash *root)
{
    for (size_t i = 0; i < machine->cache_count; i++)
        if (memcmp(&machine->cache[i].root, root, sizeof *root) == 0)
            return &machine->cache[i];
    return NULL;
}

static bool program_find(void *context, const struct tp__hash *root, uint64_t length)
{
    struct machine *machine = machine_of(context);
    const struct cached *cached = find_cached(machine, root);
    const struct program *program = program_of(machine, root);
    if (!plan_has(machine->station.host.world, PLAN_SHIP))
        return program && program->length == length;
    return cached && cached->whole;
}

static bool program_begin(void *context, const struct tp__hash *root, uint64_t length, struct tp__problem *problem)
{
    struct machine *machine = machine_of(context);
    (void)length;
    (void)problem;
    struct cached *cached = find_cached(machine, root);
    if (!cached) {
        machine->cache =
            world_grow(machine->cache, &machine->cache_capacity, machine->cache_count + 1, sizeof *machine->cache);
        cached = &machine->cache[machine->cache_count++];
    }
    *cached = (struct cached){.root = *root};
    return true;
}

static bool store_chunk(void *context, const struct tp__hash *root, uint32_t index, const uint8_t *bytes, size_t size,
                        struct tp__problem *problem)
{
    struct machine *machine = machine_of(context);
    struct world *world = machine->station.host.world;
    struct cached *cached = find_cached(machine, root);
    const struct program *program = program_of(machine, root);
    const size_t start = (size_t)index * TP__CHUNK_BYTES;
    (void)problem;
    world_check(
        world, cached && program && start + size <= program->length && memcmp(program->bytes + start, bytes, size) == 0,
        "node %u stores a chunk that is not of the program", machine->station.host.number);
    cached->stored++;
    return true;
}

static bool program_complete(void *context, const struct tp__hash *root, struct tp__problem *problem)
{
    struct machine *machine = machine_of(context);
    struct cached *cached = find_cached(machine, root);
    const struct program *program = program_of(machine, root);
    (void)problem;
    world_check(machine->station.host.world, cached && cached->stored == program->chunk_count,
                "node %u takes a program for whole that is not", machine->station.host.number);
    cached->whole = true;
    return true;
}

static bool worker_start(void *context, uint32_t worker, const struct agent_worker_options *options,
                         struct tp__problem *problem)
{
    struct machine *machine = machine_of(context);
    (void)problem;
    struct process *process = process_start(machine, worker, options);
    process->next = machine->processes;
    machine->processes = process;
    return true;
}

static void worker_send(void *context, uint32_t worker, const uint8_t *records, size_t size)
{
    process_tell(find(machine_of(context), worker), records, size);
}

static void worker_kill(void *context, uint32_t worker)
{
    process_kill(find(machine_of(context), worker));
}

static void worker_pause(void *context, uint32_t worker, bool pause)
{
    process_pause(find(machine_of(context), worker), pause);
}

static void worker_fresh(void *context, uint32_t worker, int64_t until_ms)
{
    find(machine_of(context), worker)->fresh_until_ms = until_ms;
}

static uint64_t worker_started(void *context, uint32_t worker)
{
    return find(machine_of(context), worker)->started;
}

static void log_line(void *context, enum agent_level level, const char *event, const char *text)
{
    const struct machine *machine = context;
    struct world *world = machine->station.host.world;
    if (level != AGENT_DEBUG)
        world_trace(world, "node %u: %s %s", machine->station.host.number, event, text);
    world_check(world, !strstr(text, "there is no room for a task of that depth") || plan_has(world, PLAN_LIAR),
                "node %u is sent a task for which it has no room, and no coordinator lies",
                machine->station.host.number);
}

/* ---- events ---- */

/* It holds no more tasks of a session than it may, whatever is under way. */
static void check_limit(const struct machine *machine)
{
    struct world *world = machine->station.host.world;
    const uint32_t limit = world->plan->node_tasks;
    if (limit == 0)
        return;
    const struct agent_counts counts = agent_count(machine->agent);
    world_check(world, counts.most_tasks <= limit + TREES_DEPTH_LIMIT, "node %u holds %llu tasks of a session",
                machine->station.host.number, (unsigned long long)counts.most_tasks);
}

static void receive(struct station *station, const uint8_t *bytes, size_t size)
{
    struct machine *machine = (struct machine *)(void *)station;
    agent_receive(machine->agent, bytes, size, world_ms(station->host.world));
    check_limit(machine);
    host_touch(&station->host, 0);
}

static void connected(struct station *station)
{
    struct machine *machine = (struct machine *)(void *)station;
    agent_connected(machine->agent, world_ms(station->host.world));
    host_touch(&station->host, 0);
}

static int64_t tick(struct host *host)
{
    struct machine *machine = (struct machine *)(void *)host;
    return agent_tick(machine->agent, world_ms(host->world));
}

void machine_process_said(struct machine *machine, uint32_t process, const uint8_t *bytes, size_t size)
{
    agent_worker_received(machine->agent, process, bytes, size, world_ms(machine->station.host.world));
    host_touch(&machine->station.host, 0);
}

static void drop_process(struct machine *machine, struct process *process)
{
    struct process **link = &machine->processes;
    while (*link != process)
        link = &(*link)->next;
    *link = process->next;
    process_forget(process);
}

void machine_process_ended(struct machine *machine, struct process *process, const struct agent_crash *crash)
{
    agent_worker_ended(machine->agent, process->id, crash, world_ms(machine->station.host.world));
    host_touch(&machine->station.host, 0);
    drop_process(machine, process);
}

/* ---- life ---- */

void machine_init(struct machine *machine, struct world *world, uint32_t number)
{
    char name[16];
    (void)snprintf(name, sizeof name, "node%u", number);
    *machine = (struct machine){.station = {.receive = receive, .connected = connected}};
    host_init(&machine->station.host, world, "node", number, tick);
    tp__key_generate(&machine->station.key, name);
    machine->workers = (uint32_t)random_between(&world->random, 1, world->plan->workers);
}

void machine_start(struct machine *machine)
{
    struct world *world = machine->station.host.world;
    if (machine->agent)
        return;
    struct agent_options options = {
        .machine = "x86_64", .workers = machine->workers, .task_limit = world->plan->node_tasks};
    memcpy(options.name, machine->station.key.name, sizeof options.name);
    const struct agent_actions actions = {
        .transmit = transmit,
        .reconnect = reconnect,
        .program_find = program_find,
        .program_begin = program_begin,
        .program_chunk = store_chunk,
        .program_complete = program_complete,
        .worker_start = worker_start,
        .worker_send = worker_send,
        .worker_kill = worker_kill,
        .worker_pause = worker_pause,
        .worker_fresh = worker_fresh,
        .worker_started = worker_started,
        .log = log_line,
        .context = machine,
    };
    world_trace(world, "node %u starts", machine->station.host.number);
    host_start(&machine->station.host);
    machine->draining = false;
    machine->agent = agent_new(&options, &machine->station.key, machine->authorized, &actions, world_ms(world));
    world_check(world, machine->agent, "agent_new failed");
    network_open(world->network, &machine->station);
}

static void drop_processes(struct machine *machine)
{
    while (machine->processes)
        drop_process(machine, machine->processes);
}

void machine_crash(struct machine *machine)
{
    if (!machine->agent)
        return;
    world_trace(machine->station.host.world, "node %u dies", machine->station.host.number);
    agent_free(machine->agent);
    machine->agent = NULL;
    host_crash(&machine->station.host);
    drop_processes(machine);
    network_close(machine->station.host.world->network, &machine->station);
}

void machine_drain(struct machine *machine)
{
    if (!machine->agent || machine->draining)
        return;
    world_trace(machine->station.host.world, "node %u drains", machine->station.host.number);
    machine->draining = true;
    agent_drain(machine->agent, world_ms(machine->station.host.world));
    host_touch(&machine->station.host, 0);
}

void machine_fini(struct machine *machine)
{
    agent_free(machine->agent);
    machine->agent = NULL;
    drop_processes(machine);
    host_free(&machine->station.host);
    tp__authorized_free(machine->authorized);
    free(machine->cache);
}
