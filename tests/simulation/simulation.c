/* SPDX-License-Identifier: MIT */
/* Design notes. A run has four parts: work and faults; after the last fault everything resolves within RESOLVE_US;
 * then it is quiet, and nothing is left of any task; then the drivers close, and nothing is left of any session. */
#include "simulation.h"

#include "cluster.h"
#include "faults.h"
#include "network.h"
#include "plan.h"

#include <stdlib.h>

enum { CHECK_US = 250000, QUIET_US = 6000000 };
#define RESOLVE_US INT64_C(150000000)
#define END_US INT64_C(120000000)

/* ---- invariants ---- */

static uint64_t limit_of_session(const struct driver *driver)
{
    uint64_t payloads = 0;
    for (size_t i = 0; i < driver->root_count; i++)
        payloads += driver->roots[i]->payload_bytes + driver->roots[i]->result_bytes;
    return (64 << 20) + 8 * payloads;
}

/* Memory is bounded by what the drivers have asked for. */
static void check_memory(struct world *world)
{
    const struct cluster *cluster = world->cluster;
    uint64_t all = 0;
    for (uint32_t i = 0; i < cluster->driver_count; i++) {
        const struct driver *driver = &cluster->drivers[i];
        const uint64_t limit = limit_of_session(driver);
        all += limit;
        if (!driver->machine)
            continue;
        const struct tp__session_counts counts = tp__session_count(driver->machine);
        world_check(world, counts.memory_bytes < limit, "driver %u takes %llu bytes", i,
                    (unsigned long long)counts.memory_bytes);
        world_check(world, counts.unresolved == counts.waiting + counts.queued + counts.placed,
                    "driver %u has lost count of its tasks", i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (!cluster->heads[i].machine)
            continue;
        const struct coordinator_counts counts = coordinator_count(cluster->heads[i].machine);
        world_check(world, counts.memory_bytes < all + counts.sessions * (8 << 20), "coordinator %u takes %llu bytes",
                    i, (unsigned long long)counts.memory_bytes);
    }
    for (uint32_t i = 0; i < cluster->machine_count; i++) {
        if (!cluster->machines[i].agent)
            continue;
        const struct agent_counts counts = agent_count(cluster->machines[i].agent);
        world_check(world, counts.memory_bytes < all, "node %u takes %llu bytes", i,
                    (unsigned long long)counts.memory_bytes);
    }
}

/* Nothing is left of any task. */
static void check_quiet(struct world *world)
{
    const struct cluster *cluster = world->cluster;
    for (uint32_t i = 0; i < cluster->driver_count; i++) {
        const struct driver *driver = &cluster->drivers[i];
        if (!driver->machine)
            continue;
        const struct tp__session_counts counts = tp__session_count(driver->machine);
        world_check(world, counts.unresolved == 0, "driver %u has %llu tasks left", i,
                    (unsigned long long)counts.unresolved);
        world_check(world, driver->children_began == driver->children_ended, "driver %u has %llu children left", i,
                    (unsigned long long)(driver->children_began - driver->children_ended));
        world_check(world, driver->is_lost || home_operation_count(&driver->home) == 0,
                    "driver %u has %zu channel operations left", i, home_operation_count(&driver->home));
    }
}

/* Also of those who died: their lease is over. */
static void check_heads(struct world *world)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (!world->cluster->heads[i].machine)
            continue;
        const struct coordinator_counts counts = coordinator_count(world->cluster->heads[i].machine);
        world_check(world, counts.queued_tasks == 0 && counts.queued_bytes == 0,
                    "coordinator %u has %llu tasks of %llu bytes left", i, (unsigned long long)counts.queued_tasks,
                    (unsigned long long)counts.queued_bytes);
    }
}

static bool are_machines_idle(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->machine_count; i++)
        if (cluster->machines[i].agent && agent_count(cluster->machines[i].agent).tasks > 0)
            return false;
    return true;
}

/* One of them. */
static bool is_a_driver_gone(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        if (cluster->drivers[i].gone_us || cluster->drivers[i].is_lost)
            return true;
    return false;
}

static bool are_drivers_done(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        if (!driver_is_done(&cluster->drivers[i]))
            return false;
    return true;
}

static bool are_sessions_gone(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < 2; i++)
        if (cluster->heads[i].machine && coordinator_count(cluster->heads[i].machine).sessions > 0)
            return false;
    for (uint32_t i = 0; i < cluster->machine_count; i++)
        if (cluster->machines[i].agent && agent_count(cluster->machines[i].agent).sessions > 0)
            return false;
    return true;
}

/* ---- parts of a run ---- */

/* Until it holds, or that time has come. */
static bool run_until(struct world *world, int64_t end_us, bool (*holds)(const struct cluster *cluster))
{
    while (world->now_us < end_us) {
        const int64_t next_us = world->now_us + CHECK_US < end_us ? world->now_us + CHECK_US : end_us;
        while (world_step(world, next_us))
            continue;
        check_memory(world);
        if (holds && holds(world->cluster))
            return true;
    }
    return !holds;
}

static const struct work *first_open(const struct driver *driver)
{
    for (size_t i = 0; i < driver->root_count; i++)
        if (driver->roots[i]->fate == FATE_OPEN)
            return driver->roots[i];
    return NULL;
}

static void describe(struct world *world)
{
    const struct cluster *cluster = world->cluster;
    for (uint32_t i = 0; i < 2; i++) {
        if (!cluster->heads[i].machine)
            continue;
        const struct coordinator_counts counts = coordinator_count(cluster->heads[i].machine);
        world_trace(world, "coordinator %u: %zu links, %zu nodes, %zu sessions, %llu tasks queued", i, counts.links,
                    counts.nodes, counts.sessions, (unsigned long long)counts.queued_tasks);
    }
    for (uint32_t i = 0; i < cluster->machine_count; i++) {
        if (!cluster->machines[i].agent)
            continue;
        const struct agent_counts counts = agent_count(cluster->machines[i].agent);
        world_trace(world, "node %u: %zu sessions, %zu processes, %llu tasks, %llu of them wait", i, counts.sessions,
                    counts.workers, (unsigned long long)counts.tasks, (unsigned long long)counts.waiting);
        for (const struct process *process = cluster->machines[i].processes; process; process = process->next)
            process_describe(process);
    }
}

static void fail_unresolved(struct world *world)
{
    const struct cluster *cluster = world->cluster;
    describe(world);
    for (uint32_t i = 0; i < cluster->driver_count; i++) {
        const struct driver *driver = &cluster->drivers[i];
        if (driver_is_done(driver))
            continue;
        const struct tp__session_counts counts = tp__session_count(driver->machine);
        const struct work *open = first_open(driver);
        world_fail(world,
                   "driver %u has %zu tasks unresolved (%llu wait, %llu queued, %llu placed, on %zu nodes), the first "
                   "is task %u (%llu), and %u not submitted",
                   i, driver->unresolved, (unsigned long long)counts.waiting, (unsigned long long)counts.queued,
                   (unsigned long long)counts.placed, counts.nodes, open ? open->number : 0,
                   open ? (unsigned long long)open->sequence : 0, driver->to_submit + driver->planned);
    }
}

static void fail_sessions(struct world *world)
{
    const struct cluster *cluster = world->cluster;
    describe(world);
    for (uint32_t i = 0; i < 2; i++)
        if (cluster->heads[i].machine)
            world_check(world, coordinator_count(cluster->heads[i].machine).sessions == 0,
                        "coordinator %u has sessions left", i);
    for (uint32_t i = 0; i < cluster->machine_count; i++)
        if (cluster->machines[i].agent)
            world_check(world, agent_count(cluster->machines[i].agent).sessions == 0, "node %u has sessions left", i);
}

static void live(struct world *world)
{
    struct cluster *cluster = world->cluster;
    const int64_t start_us = world->now_us;
    (void)run_until(world, start_us + world->plan->faults_us + 1000000, NULL);
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        driver_close_channels(&cluster->drivers[i]);
    /* there is more to do */
    const int64_t resolve_us = plan_has(world, PLAN_TREES | PLAN_LONG) ? 4 * RESOLVE_US : RESOLVE_US;
    if (!run_until(world, world->now_us + resolve_us, are_drivers_done))
        fail_unresolved(world);
    (void)run_until(world, world->now_us + QUIET_US, NULL);
    check_quiet(world);
    if (!is_a_driver_gone(cluster))
        check_heads(world);
    ledger_check_notes(world->ledger);
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        driver_close(&cluster->drivers[i]);
    if (!run_until(world, world->now_us + END_US, are_sessions_gone))
        fail_sessions(world);
    check_heads(world);
    world_check(world, are_machines_idle(cluster), "a node has tasks of no session");
}

static void count(const struct world *world, int64_t start_us, struct simulation_counts *counts)
{
    counts->runs++;
    counts->tasks += world->ledger->work_count;
    counts->starts += world->ledger->starts;
    counts->values += world->ledger->values;
    counts->failures += world->ledger->failures;
    counts->lost += world->ledger->lost;
    counts->cancelled += world->ledger->cancelled;
    counts->crashed += world->ledger->crashed;
    counts->messages += world->ledger->note_count;
    counts->events += world->steps;
    counts->breaks += world->network->breaks;
    counts->frames_lost += world->network->lost;
    counts->virtual_seconds += (double)(world->now_us - start_us) / 1e6;
    for (uint32_t i = 0; i < world->cluster->driver_count; i++) {
        const int64_t after_us = world->cluster->drivers[i].resolved_us - start_us - world->plan->faults_us;
        if ((double)after_us / 1e6 > counts->longest_seconds)
            counts->longest_seconds = (double)after_us / 1e6;
    }
}

uint64_t simulation_run(uint64_t seed, const struct simulation_options *options, struct simulation_counts *counts)
{
    struct world *world = world_new(seed, options->trace);
    struct plan plan;
    plan_make(&plan, &world->random, options->without, options->with);
    world->plan = &plan;
    const int64_t start_us = world->now_us;
    world_trace(world, "flags %x, %u nodes, %u drivers, %u tasks each, latency %lld us", plan.flags, plan.nodes,
                plan.drivers, plan.tasks, (long long)plan.latency_us);
    world->ledger = ledger_new(world);
    world->network = network_new(world);
    (void)cluster_new(world);
    faults_plan(world);
    live(world);
    count(world, start_us, counts);
    const uint64_t digest = world->digest;
    world_forget_events(world);
    cluster_free(world->cluster);
    network_free(world->network);
    ledger_free(world->ledger);
    world_free(world);
    return digest;
}
