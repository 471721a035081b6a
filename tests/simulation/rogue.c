/* SPDX-License-Identifier: MIT */
/* The agent is an honest one, into whose streams forged records are put: so they are sealed with the right keys. */
#include "rogue.h"

#include "agent_state.h"
#include "cluster.h"

static struct driver *driver_of(const struct world *world, const struct session *session)
{
    for (uint32_t i = 0; i < world->cluster->driver_count; i++)
        if (tp__id_equal(&world->cluster->drivers[i].session, &session->offer.content.session))
            return &world->cluster->drivers[i];
    return NULL;
}

static uint8_t some_type(struct random *random)
{
    static const uint8_t types[] = {
        TP__RECORD_RESULT,   TP__RECORD_FAILURE, TP__RECORD_RETURNED, TP__RECORD_OPERATION,    TP__RECORD_CONFIRM,
        TP__RECORD_WITHDRAW, TP__RECORD_CHILD,   TP__RECORD_CLAIM,    TP__RECORD_CHILD_CANCEL, TP__RECORD_OUTPUT,
        TP__RECORD_CRASHED,  TP__RECORD_HELD,    TP__RECORD_GRANT,    TP__RECORD_TASK};
    return random_chance(random, 50000) ? (uint8_t)random_next(random) : types[random_below(random, sizeof types)];
}

void rogue_forge(struct machine *machine)
{
    struct world *world = machine->station.host.world;
    struct random *random = &world->random;
    struct agent *agent = machine->agent;
    struct session *session = agent ? agent->sessions : NULL;
    while (session && session->next && random_chance(random, 500000))
        session = session->next;
    struct driver *driver = session && session->talk.stream ? driver_of(world, session) : NULL;
    if (!driver || machine->station.host.paused)
        return;
    uint8_t body[64];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)random_below(random, random_chance(random, 500000) ? 4 : 256);
    struct tp__record record = {.type = some_type(random),
                                .task = 1 + random_below(random, driver->sequence_capacity + 2),
                                .dispatch = 1 + (uint32_t)random_below(random, 2),
                                .operation = (uint32_t)random_below(random, 20),
                                .body = body,
                                .size = (uint32_t)random_below(random, sizeof body)};
    if (record.type == TP__RECORD_CHILD) /* of no task of the program: of one it may ask for what it likes */
        body[0] = WORK_NAMES + 1;
    world_trace(world, "node %u forges a record %u about %llu.%u of driver %u", machine->station.host.number,
                record.type, (unsigned long long)record.task, record.dispatch, driver->station.host.number);
    driver_slander(driver, record.task);
    stream_say(session, &record);
    host_touch(&machine->station.host, 0);
}
