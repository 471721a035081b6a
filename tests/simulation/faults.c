/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include "cluster.h"
#include "plan.h"
#include "rogue.h"

#include <stdlib.h>

enum { CUT_LONGEST_US = 5000000, SPLIT_LONGEST_US = 8000000, LEASE_US = 31000000 };

typedef void fault_fn(struct world *world);

static struct machine *some_machine(struct world *world)
{
    return &world->cluster->machines[random_below(&world->random, world->cluster->machine_count)];
}

static struct driver *some_driver(struct world *world)
{
    return &world->cluster->drivers[random_below(&world->random, world->cluster->driver_count)];
}

static struct station *some_station(struct world *world)
{
    return random_chance(&world->random, 600000) ? &some_machine(world)->station : &some_driver(world)->station;
}

/* How long a node may be away. */
static int64_t longest_us(const struct world *world)
{
    return plan_has(world, PLAN_LONG) ? CUT_LONGEST_US * 16 : CUT_LONGEST_US;
}

/* Mostly short, so that most of it is in the middle of things. */
static int64_t some_while_us(struct world *world, int64_t longest_us)
{
    return random_chance(&world->random, 600000) ? random_between(&world->random, 0, longest_us / 20)
                                                 : random_between(&world->random, 0, longest_us);
}

/* ---- nodes ---- */

static void start_machine(struct world *world, void *object, uint64_t argument, bool live)
{
    (void)world;
    (void)argument;
    if (live)
        machine_start(object);
}

static void crash_machine(struct world *world)
{
    struct machine *machine = some_machine(world);
    if (!machine->agent)
        return;
    machine_crash(machine);
    world_after(world, some_while_us(world, CUT_LONGEST_US), NULL, start_machine, machine, 0);
}

static void resume(struct world *world, void *object, uint64_t life, bool live)
{
    struct host *host = object;
    if (!live || host->life != life || !host->paused)
        return;
    world_trace(world, "%s %u goes on", host->kind, host->number);
    host_resume(host);
}

static void pause_host(struct world *world, struct host *host, int64_t time_us)
{
    if (!host->alive || host->paused)
        return;
    world_trace(world, "%s %u stands still for %.3f s", host->kind, host->number, (double)time_us / 1e6);
    host_pause(host);
    world_after(world, time_us, NULL, resume, host, host->life);
}

static void pause_machine(struct world *world)
{
    pause_host(world, &some_machine(world)->station.host, some_while_us(world, longest_us(world)));
}

static void drain_machine(struct world *world)
{
    if (world->cluster->machine_count > 1) /* the first one stays */
        machine_drain(&world->cluster->machines[random_between(&world->random, 1, world->cluster->machine_count - 1)]);
}

static struct process *some_process(struct world *world)
{
    struct process *process = some_machine(world)->processes;
    for (uint64_t skip = random_below(&world->random, 3); process && process->next && skip > 0; skip--)
        process = process->next;
    return process;
}

static void kill_process(struct world *world)
{
    struct process *process = some_process(world);
    if (!process || process->dead || !process->ready)
        return;
    world->cluster->processes_killed++;
    process_die(process);
}

static void talk_nonsense(struct world *world)
{
    for (int i = 0; i < 3; i++) {
        struct process *process = some_process(world);
        if (!process || process->dead)
            continue;
        world->cluster->processes_killed++; /* by its agent, perhaps */
        process_talk_nonsense(process);
    }
}

static void forge(struct world *world)
{
    for (int64_t i = random_between(&world->random, 1, 8); i > 0; i--)
        rogue_forge(&world->cluster->machines[world->cluster->machine_count - 1]);
}

/* ---- drivers ---- */

static void crash_driver(struct world *world)
{
    driver_crash(some_driver(world));
}

static void pause_driver(struct world *world)
{
    pause_host(world, &some_driver(world)->station.host, LEASE_US + random_between(&world->random, 0, 5000000));
}

/* ---- connections ---- */

static void break_connection(struct world *world)
{
    for (int64_t i = random_between(&world->random, 1, 3); i > 0; i--)
        network_break(world->network, some_station(world)->connection, random_chance(&world->random, 500000));
}

static void mend(struct world *world, void *object, uint64_t breaks, bool live)
{
    struct station *station = object;
    if (live && breaks)
        network_break(world->network, station->connection, random_chance(&world->random, 500000));
}

static void cut_off(struct world *world)
{
    struct station *station = some_station(world);
    const int64_t time_us = some_while_us(world, CUT_LONGEST_US);
    world_trace(world, "%s %u is cut off for %.3f s", station->host.kind, station->host.number, (double)time_us / 1e6);
    station->cut_us = world->now_us + time_us;
    /* what is on the way arrives then, or never */
    world_at(world, station->cut_us - 1, NULL, mend, station, random_below(&world->random, 2));
}

/* ---- coordinators ---- */

static void start_head(struct world *world, void *object, uint64_t argument, bool live)
{
    struct cluster *cluster = world->cluster;
    (void)argument;
    if (live && !cluster->heads[0].machine && !cluster->heads[1].machine)
        head_start(object);
}

static void crash_head(struct world *world)
{
    struct cluster *cluster = world->cluster;
    if (cluster->split)
        return;
    struct head *head = cluster->heads[0].machine ? &cluster->heads[0] : &cluster->heads[1];
    head_crash(head);
    world_after(world, some_while_us(world, CUT_LONGEST_US), NULL, start_head, head, 0);
}

static void unsplit(struct world *world, void *object, uint64_t argument, bool live)
{
    struct cluster *cluster = object;
    (void)argument;
    if (!live || !cluster->split)
        return;
    cluster->split = false;
    head_crash(&cluster->heads[random_below(&world->random, 2)]);
}

static void split(struct world *world)
{
    struct cluster *cluster = world->cluster;
    if (cluster->split)
        return;
    cluster->split = true;
    head_start(&cluster->heads[0]);
    head_start(&cluster->heads[1]);
    for (uint32_t i = 0; i < cluster->machine_count; i++)
        if (random_chance(&world->random, 500000))
            network_break(world->network, cluster->machines[i].station.connection, true);
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        if (random_chance(&world->random, 500000))
            network_break(world->network, cluster->drivers[i].station.connection, true);
    world_after(world, some_while_us(world, SPLIT_LONGEST_US), NULL, unsplit, cluster, 0);
}

/* ---- the plan ---- */

static const struct {
    unsigned flag;
    fault_fn *happen;
} faults[] = {
    {PLAN_RESET, break_connection},    {PLAN_PARTITION, cut_off},
    {PLAN_NODE_CRASH, crash_machine},  {PLAN_NODE_PAUSE, pause_machine},
    {PLAN_COORDINATOR, crash_head},    {PLAN_TWO, split},
    {PLAN_DRIVER_CRASH, crash_driver}, {PLAN_DRIVER_PAUSE, pause_driver},
    {PLAN_PROCESS, kill_process},      {PLAN_ROGUE, forge},
    {PLAN_DRAIN, drain_machine},       {PLAN_SILENT_WORKERS, talk_nonsense},
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static void strike(struct world *world, void *object, uint64_t index, bool live)
{
    (void)object;
    if (live)
        faults[index].happen(world);
}

/* Everybody is back, and nothing is lost any more. */
static void heal(struct world *world, void *object, uint64_t argument, bool live)
{
    struct cluster *cluster = world->cluster;
    (void)object;
    (void)argument;
    if (!live)
        return;
    world_trace(world, "everything is as it should be from now on");
    world->network->loss = 0;
    unsplit(world, cluster, 0, true);
    if (cluster->heads[0].lies) {
        cluster->heads[0].lies = false;
        head_crash(&cluster->heads[0]);
    }
    if (!cluster->heads[0].machine && !cluster->heads[1].machine)
        head_start(&cluster->heads[0]);
    if (plan_has(world, PLAN_ROGUE)) /* what it says it has, it would have for ever */
        machine_crash(&cluster->machines[cluster->machine_count - 1]);
    for (uint32_t i = 0; i < cluster->machine_count; i++) {
        if (cluster->machines[i].draining && !plan_has(world, PLAN_BIG))
            machine_crash(&cluster->machines[i]);
        cluster->machines[i].station.cut_us = world->now_us;
        host_resume(&cluster->machines[i].station.host);
        machine_start(&cluster->machines[i]);
    }
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        cluster->drivers[i].station.cut_us = world->now_us;
    cluster->healed = true;
}

/* How often at most. What strikes everybody does not come more often in a large cluster. */
static int64_t most_often(const struct plan *plan, unsigned flag)
{
    if (flag & (PLAN_DRIVER_CRASH | PLAN_DRIVER_PAUSE | PLAN_DRAIN | PLAN_TWO))
        return 1;
    return flag & PLAN_COORDINATOR && plan->fault_count > 3 ? 3 : (int64_t)plan->fault_count;
}

void faults_plan(struct world *world)
{
    const struct plan *plan = world->plan;
    /* early, if there is to be time to see what follows from it */
    const int64_t last_us = plan->flags & PLAN_LONG ? plan->submit_us + 2000000 : plan->faults_us;
    for (size_t kind = 0; kind < FAULTS; kind++) {
        if (!(plan->flags & faults[kind].flag))
            continue;
        for (int64_t count = random_between(&world->random, 1, most_often(plan, faults[kind].flag)); count > 0; count--)
            world_after(world, random_between(&world->random, 100000, last_us), NULL, strike, NULL, kind);
    }
    world_after(world, plan->faults_us, NULL, heal, NULL, 0);
}
