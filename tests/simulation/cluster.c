/* SPDX-License-Identifier: MIT */
#include "cluster.h"

#include "loot.h"
#include "plan.h"
#include "trust/authorized.h"
#include "trust/program.h"

#include <stdlib.h>
#include <string.h>

struct head *cluster_pick_head(struct cluster *cluster)
{
    struct head *heads = cluster->heads;
    if (cluster->split && heads[0].machine && heads[1].machine)
        return &heads[random_below(&cluster->world->random, 2)];
    if (heads[0].machine)
        return &heads[0];
    return heads[1].machine ? &heads[1] : NULL;
}

/* ---- who trusts whom ---- */

static void append_key(struct tp__buffer *text, const char *role, const struct tp__key *key)
{
    char line[160];
    char base64[45];
    tp__public_key_text(&key->public_key, base64);
    const int length = snprintf(line, sizeof line, "%s %s %s\n", role, base64, key->name);
    if (!tp__buffer_append(text, line, (size_t)length))
        exit(2);
}

static struct tp__authorized *parse(struct world *world, struct tp__buffer *text)
{
    struct tp__problem problem;
    struct tp__authorized *authorized =
        tp__authorized_parse((const char *)text->bytes, text->size, "the simulation", &problem);
    world_check(world, authorized, "%s", problem.text);
    tp__buffer_free(text);
    return authorized;
}

static void authorize(struct cluster *cluster)
{
    struct world *world = cluster->world;
    struct tp__buffer all = {0};
    struct tp__buffer nodes = {0};
    for (uint32_t i = 0; i < cluster->machine_count; i++) {
        append_key(&all, "node", &cluster->machines[i].station.key);
        append_key(&nodes, "node", &cluster->machines[i].station.key);
    }
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        append_key(&all, "driver", &cluster->drivers[i].station.key);
    cluster->everybody = parse(world, &all);
    for (uint32_t i = 0; i < cluster->driver_count; i++) {
        struct tp__buffer copy = {0};
        if (!tp__buffer_append(&copy, nodes.bytes, nodes.size))
            exit(2);
        cluster->drivers[i].authorized = parse(world, &copy);
    }
    tp__buffer_free(&nodes);
    for (uint32_t i = 0; i < cluster->machine_count; i++) {
        struct tp__buffer some = {0};
        for (uint32_t j = 0; j < world->plan->trusted; j++)
            append_key(&some, "driver", &cluster->drivers[(i + j) % cluster->driver_count].station.key);
        cluster->machines[i].authorized = parse(world, &some);
    }
}

/* ---- programs ---- */

static void make_program(struct world *world, struct program *program)
{
    program->length = world->plan->program_bytes;
    program->bytes = world_alloc(program->length);
    for (uint64_t i = 0; i < program->length; i += 64)
        program->bytes[i] = (uint8_t)random_next(&world->random);
    program->chunk_count = tp__program_chunk_count(program->length);
    program->chunk_hashes = world_alloc(program->chunk_count * sizeof *program->chunk_hashes);
    for (uint32_t i = 0; i < program->chunk_count; i++) {
        const uint64_t start = (uint64_t)i * TP__CHUNK_BYTES;
        const uint64_t left = program->length - start;
        program->chunk_hashes[i] =
            tp__program_chunk_hash(i, program->bytes + start, left < TP__CHUNK_BYTES ? left : TP__CHUNK_BYTES);
    }
    program->root = tp__program_root(program->chunk_hashes, program->length);
}

/* ---- life ---- */

static void start_machine(struct world *world, void *object, uint64_t argument, bool live)
{
    (void)world;
    (void)argument;
    if (live)
        machine_start(object);
}

struct cluster *cluster_new(struct world *world)
{
    const struct plan *plan = world->plan;
    struct cluster *cluster = world_alloc(sizeof *cluster);
    world->cluster = cluster;
    cluster->world = world;
    cluster->loot = loot_new();
    cluster->program_count = 1 + (uint32_t)random_below(&world->random, 2);
    cluster->programs = world_alloc(cluster->program_count * sizeof *cluster->programs);
    for (uint32_t i = 0; i < cluster->program_count; i++)
        make_program(world, &cluster->programs[i]);
    cluster->machine_count = plan->nodes;
    cluster->machines = world_alloc(plan->nodes * sizeof *cluster->machines);
    for (uint32_t i = 0; i < plan->nodes; i++)
        machine_init(&cluster->machines[i], world, i);
    cluster->driver_count = plan->drivers;
    cluster->drivers = world_alloc(plan->drivers * sizeof *cluster->drivers);
    for (uint32_t i = 0; i < plan->drivers; i++)
        driver_init(&cluster->drivers[i], world, i, &cluster->programs[i % cluster->program_count]);
    authorize(cluster);
    for (uint32_t i = 0; i < 2; i++)
        head_init(&cluster->heads[i], world, i);
    cluster->heads[0].lies = plan_has(world, PLAN_LIAR);
    head_start(&cluster->heads[0]);
    for (uint32_t i = 0; i < plan->nodes; i++) {
        /* some come while the work is under way */
        const int64_t at_us = i > 0 && random_chance(&world->random, 200000)
                                  ? random_between(&world->random, 0, plan->submit_us)
                                  : random_between(&world->random, 0, 50000);
        world_after(world, at_us, NULL, start_machine, &cluster->machines[i], 0);
    }
    for (uint32_t i = 0; i < plan->drivers; i++)
        driver_start(&cluster->drivers[i]);
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->driver_count; i++)
        driver_fini(&cluster->drivers[i]);
    for (uint32_t i = 0; i < cluster->machine_count; i++)
        machine_fini(&cluster->machines[i]);
    for (uint32_t i = 0; i < 2; i++)
        head_fini(&cluster->heads[i]);
    for (uint32_t i = 0; i < cluster->program_count; i++) {
        free(cluster->programs[i].bytes);
        free(cluster->programs[i].chunk_hashes);
    }
    free(cluster->programs);
    loot_free(cluster->loot);
    free(cluster->drivers);
    free(cluster->machines);
    tp__authorized_free(cluster->everybody);
    free(cluster);
}
