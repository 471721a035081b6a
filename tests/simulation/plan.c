/* SPDX-License-Identifier: MIT */
#include "plan.h"

bool plan_has(const struct world *world, unsigned flags)
{
    return (world->plan->flags & flags) != 0;
}

static const struct {
    unsigned flag;
    uint32_t chance; /* in a million */
} chances[] = {
    {PLAN_LOSS, 250000},        {PLAN_RESET, 300000},       {PLAN_PARTITION, 250000}, {PLAN_NODE_CRASH, 350000},
    {PLAN_NODE_PAUSE, 250000},  {PLAN_COORDINATOR, 300000}, {PLAN_TWO, 150000},       {PLAN_DRIVER_CRASH, 150000},
    {PLAN_DRIVER_PAUSE, 40000}, {PLAN_PROCESS, 200000},     {PLAN_LIAR, 200000},      {PLAN_ROGUE, 100000},
    {PLAN_DRAIN, 100000},       {PLAN_CRASHES, 300000},     {PLAN_CHANNELS, 500000},  {PLAN_CHILDREN, 400000},
    {PLAN_ONCE, 400000},        {PLAN_LARGE, 150000},       {PLAN_CANCEL, 300000},    {PLAN_PINNED, 150000},
    {PLAN_ISOLATED, 150000},    {PLAN_FULL, 150000},        {PLAN_SHIP, 150000},      {PLAN_SILENT_WORKERS, 80000},
    {PLAN_LONG, 30000},
};

static void make_big(struct plan *plan)
{
    plan->nodes = 1000;
    plan->drivers = 100;
    plan->trusted = 4;
    plan->workers = 4;
    plan->tasks = 400;
    plan->latency_us = 2000;
    plan->submit_us = 3000000;
    plan->faults_us = 4000000;
    plan->fault_count = 100;
    plan->flags &= ~(unsigned)(PLAN_LARGE | PLAN_SHIP | PLAN_DRIVER_PAUSE);
}

void plan_make(struct plan *plan, struct random *random, unsigned without, unsigned with)
{
    *plan = (struct plan){.flags = with};
    /* a quarter of the runs has few things going wrong at once, so that each of them is seen by itself */
    const bool calm = random_chance(random, 250000);
    for (size_t i = 0; i < sizeof chances / sizeof chances[0]; i++)
        if (random_chance(random, calm ? chances[i].chance / 3 : chances[i].chance))
            plan->flags |= chances[i].flag;
    plan->flags = (plan->flags & ~without) | with;
    const bool small = random_chance(random, 700000);
    plan->nodes = (uint32_t)random_between(random, 1, small ? 3 : 8);
    plan->drivers = (uint32_t)random_between(random, 1, small ? 2 : 3);
    plan->trusted = plan->drivers;
    plan->workers = (uint32_t)random_between(random, 1, 4);
    plan->tasks = (uint32_t)random_between(random, 1, small ? 40 : 200);
    plan->latency_us =
        random_chance(random, 500000) ? random_between(random, 50, 500) : random_between(random, 500, 20000);
    plan->loss = plan->flags & PLAN_LOSS ? UINT32_C(100) << random_below(random, 9) : 0;
    plan->submit_us = random_between(random, 0, 1500000);
    plan->faults_us = plan->submit_us + random_between(random, 200000, 4000000);
    plan->fault_count = (uint32_t)random_between(random, 1, 6);
    plan->queue_limit_bytes = plan->flags & PLAN_FULL ? (uint64_t)random_between(random, 200, 20000) : 0;
    plan->limit_tasks = plan->flags & PLAN_FULL ? (uint64_t)random_between(random, 9, 60) : 0;
    plan->program_bytes = plan->flags & PLAN_SHIP ? (uint32_t)random_between(random, 1, 3 << 20) : 1000;
    if (plan->flags & PLAN_LONG) {
        plan->flags |= PLAN_DRIVER_CRASH;
        plan->tasks = (uint32_t)random_between(random, 4, 20);
        plan->faults_us = 110000000;
    }
    if (plan->flags & PLAN_TREES) {
        /* a rogue node may be full of tasks of which it has said that they are over */
        plan->flags = (plan->flags | PLAN_CHILDREN) & ~(unsigned)(PLAN_LONG | PLAN_ROGUE);
        plan->node_tasks = (uint32_t)random_between(random, 1, 8);
        const bool small_queue = random_chance(random, 500000) && !(plan->flags & PLAN_LARGE);
        plan->queue_limit_bytes = small_queue ? (uint64_t)random_between(random, 4000, 8000) : 0;
        plan->limit_tasks = 0;
        plan->tasks = (uint32_t)random_between(random, 1, small_queue ? 50 : 20); /* some with 100 below them */
    }
    if (plan->flags & PLAN_BIG)
        make_big(plan);
}
