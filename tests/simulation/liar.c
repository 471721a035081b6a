/* SPDX-License-Identifier: MIT */
/* Design notes. A liar sits on one connection. Each way has its own numbers beyond it: `originals` says for each number
 * that went out how far the honest sender's numbers had come, so that acknowledgements can be told back. What it adds
 * has no number of its own there.
 *
 * Frames that went by are kept for all liars of the world (a coordinator knows all of them), to be shown again, over
 * this connection or another one. What is held back comes later, and out of order. */
#include "liar.h"

#include "cluster.h"
#include "loot.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

enum { HELD_LONGEST_US = 2000000, KNOWN = 16 };

struct lane {
    uint64_t passed;     /* the last number that went out */
    uint64_t original;   /* of the honest sender, the last that came */
    uint64_t received;   /* what was acknowledged last, as the other end counts */
    uint64_t *originals; /* by the number that went out */
    size_t capacity;
};

struct liar {
    struct world *world;
    struct connection *connection;
    uint64_t id;
    bool is_node;
    struct lane lanes[2];
    struct { /* what this node has accepted */
        struct tp__id session, incarnation;
    } known[KNOWN];
    size_t known_count;
};

struct liar *liar_new(struct world *world, struct connection *connection)
{
    struct liar *liar = world_alloc(sizeof *liar);
    liar->world = world;
    liar->connection = connection;
    liar->id = random_next(&world->random);
    liar->is_node = connection->station->host.kind[0] == 'n';
    return liar;
}

void liar_free(struct liar *liar)
{
    if (!liar)
        return;
    free(liar->lanes[WAY_UP].originals);
    free(liar->lanes[WAY_DOWN].originals);
    free(liar);
}

/* ---- numbers ---- */

static void emit(struct liar *liar, enum way way, Taskpool__Frame *frame)
{
    struct lane *lane = &liar->lanes[way];
    lane->originals = world_grow(lane->originals, &lane->capacity, lane->passed + 2, sizeof *lane->originals);
    lane->originals[++lane->passed] = lane->original;
    frame->number = lane->passed;
    frame->received = lane->received;
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    if (!bytes)
        exit(2);
    network_carry(liar->world->network, liar->connection, way, bytes, size);
    free(bytes);
}

/* The sender's word about the other way, as the end there counts. */
static void acknowledge(struct liar *liar, enum way way, uint64_t received)
{
    const struct lane *other = &liar->lanes[way == WAY_UP ? WAY_DOWN : WAY_UP];
    if (received > 0 && received <= other->passed)
        liar->lanes[way].received = other->originals[received];
}

/* ---- what is held back ---- */

struct held {
    struct connection *connection;
    uint64_t liar;
    uint32_t epoch;
    enum way way;
    size_t size;
    uint8_t bytes[];
};

static void let_go(struct world *world, void *object, uint64_t argument, bool live)
{
    struct held *held = object;
    struct liar *liar = held->connection->liar;
    (void)world;
    (void)argument;
    if (live && liar && liar->id == held->liar && held->epoch == held->connection->epoch && held->connection->station) {
        Taskpool__Frame *frame = tp__frame_unpack(held->bytes, held->size);
        emit(liar, held->way, frame);
        tp__frame_free(frame);
    }
    free(held);
}

static void hold_back(struct liar *liar, enum way way, const Taskpool__Frame *frame)
{
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    if (!bytes)
        exit(2);
    struct held *held = world_alloc(sizeof *held + size);
    *held = (struct held){liar->connection, liar->id, liar->connection->epoch, way, size};
    memcpy(held->bytes, bytes, size);
    free(bytes);
    world_after(liar->world, random_between(&liar->world->random, 0, HELD_LONGEST_US), NULL, let_go, held, 0);
}

/* ---- lies ---- */

static void know(struct liar *liar, const Taskpool__Accept *accept)
{
    struct tp__id session;
    struct tp__id incarnation;
    if (!tp__id_read(&session, accept->session.data, accept->session.len) ||
        !tp__id_read(&incarnation, accept->incarnation.data, accept->incarnation.len))
        return;
    size_t at = 0;
    while (at < liar->known_count && !tp__id_equal(&liar->known[at].session, &session))
        at++;
    if (at == KNOWN)
        return;
    liar->known_count += at == liar->known_count;
    liar->known[at].session = session;
    liar->known[at].incarnation = incarnation;
}

static bool is_of_node(const Taskpool__Frame *frame)
{
    return frame->body_case == TASKPOOL__FRAME__BODY_TASKS || frame->body_case == TASKPOOL__FRAME__BODY_STREAM;
}

/* So that this node believes that it is for it. */
static void address(struct liar *liar, Taskpool__Frame *frame)
{
    if (!is_of_node(frame) || !liar->is_node)
        return;
    const bool tasks = frame->body_case == TASKPOOL__FRAME__BODY_TASKS;
    const ProtobufCBinaryData session = tasks ? frame->tasks->session : frame->stream->session;
    ProtobufCBinaryData *incarnation = tasks ? &frame->tasks->incarnation : &frame->stream->incarnation;
    for (size_t i = 0; i < liar->known_count; i++)
        if (session.len == sizeof(struct tp__id) && incarnation->len == sizeof(struct tp__id) &&
            memcmp(session.data, &liar->known[i].session, session.len) == 0)
            memcpy(incarnation->data, &liar->known[i].incarnation, incarnation->len);
}

static void show_again(struct liar *liar, enum way way)
{
    size_t size;
    const uint8_t *bytes = loot_pick(liar->world->cluster->loot, &liar->world->random, way, liar->is_node, &size);
    Taskpool__Frame *frame = bytes ? tp__frame_unpack(bytes, size) : NULL;
    if (!frame)
        return;
    if (random_chance(&liar->world->random, 700000))
        address(liar, frame);
    world_trace(liar->world, "the coordinator shows %s %u an old frame %s", liar->connection->station->host.kind,
                liar->connection->station->host.number, tp__frame_name(frame));
    emit(liar, way, frame);
    tp__frame_free(frame);
}

/* The same to another node. */
static void show_another(struct liar *liar, const uint8_t *bytes, size_t size)
{
    struct cluster *cluster = liar->world->cluster;
    struct machine *machine = &cluster->machines[random_below(&liar->world->random, cluster->machine_count)];
    struct connection *connection = machine->station.connection;
    if (!connection || !connection->liar || connection->liar == liar || connection->liar->known_count == 0)
        return;
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    if (!frame)
        return;
    world_trace(liar->world, "the coordinator shows node %u a frame %s for node %u", machine->station.host.number,
                tp__frame_name(frame), liar->connection->station->host.number);
    address(connection->liar, frame);
    emit(connection->liar, WAY_DOWN, frame);
    tp__frame_free(frame);
}

/* A driver is told that one of its nodes is lost. */
static void spread_rumour(struct liar *liar)
{
    struct cluster *cluster = liar->world->cluster;
    const struct machine *machine = &cluster->machines[random_below(&liar->world->random, cluster->machine_count)];
    const struct connection *connection = machine->station.connection;
    if (liar->is_node || !connection || !connection->liar || connection->liar->known_count == 0)
        return;
    const struct liar *other = connection->liar;
    const size_t at = random_below(&liar->world->random, other->known_count);
    char reason[] = "so they say";
    Taskpool__NodeState state;
    taskpool__node_state__init(&state);
    state.incarnation = tp__field_of_id(&other->known[at].incarnation);
    state.condition = (Taskpool__NodeCondition)random_between(&liar->world->random, 1, 3);
    state.reason = reason;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_NODE_STATE;
    frame.node_state = &state;
    world_trace(liar->world, "the coordinator tells driver %u that node %u is in condition %d",
                liar->connection->station->host.number, machine->station.host.number, (int)state.condition);
    emit(liar, WAY_DOWN, &frame);
}

static bool may_be_touched(const Taskpool__Frame *frame)
{
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_OFFER:
    case TASKPOOL__FRAME__BODY_ACCEPT:
    case TASKPOOL__FRAME__BODY_NODE_STATE:
    case TASKPOOL__FRAME__BODY_FORGET:
    case TASKPOOL__FRAME__BODY_TASKS:
    case TASKPOOL__FRAME__BODY_PAYLOAD:
    case TASKPOOL__FRAME__BODY_PLACED:
    case TASKPOOL__FRAME__BODY_STREAM:
    case TASKPOOL__FRAME__BODY_RECALL:
    case TASKPOOL__FRAME__BODY_CHUNK:
        return true;
    default:
        return false;
    }
}

void liar_pass(struct liar *liar, enum way way, const uint8_t *bytes, size_t size)
{
    struct random *random = &liar->world->random;
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    world_check(liar->world, frame, "a state machine sends a malformed frame");
    liar->lanes[way].original = frame->number;
    acknowledge(liar, way, frame->received);
    if (frame->body_case == TASKPOOL__FRAME__BODY_ACCEPT && way == WAY_UP)
        know(liar, frame->accept);
    /* what a driver says reaches the coordinator, who is its own master */
    const bool touched = may_be_touched(frame) && (way == WAY_DOWN || liar->is_node);
    if (!touched) {
        if (frame->body_case == TASKPOOL__FRAME__BODY_RESET)
            network_carry(liar->world->network, liar->connection, way, bytes, size); /* of no link */
        else
            emit(liar, way, frame);
        tp__frame_free(frame);
        return;
    }
    loot_keep(liar->world->cluster->loot, random, way, liar->is_node, bytes, size);
    const bool signed_part =
        frame->body_case == TASKPOOL__FRAME__BODY_TASKS || frame->body_case == TASKPOOL__FRAME__BODY_PAYLOAD;
    if (random_chance(random, signed_part ? 60000 : 20000)) {
        if (loot_alter(random, frame))
            world_trace(liar->world, "the coordinator alters a frame %s %s %s %u", tp__frame_name(frame),
                        way == WAY_UP ? "from" : "to", liar->connection->station->host.kind,
                        liar->connection->station->host.number);
        emit(liar, way, frame);
    } else if (random_chance(random, 15000)) {
        world_trace(liar->world, "the coordinator keeps a frame %s back", tp__frame_name(frame));
        hold_back(liar, way, frame);
    } else if (!random_chance(random, 10000)) { /* else it keeps it for itself */
        emit(liar, way, frame);
    }
    if (random_chance(random, 30000))
        emit(liar, way, frame);
    if (random_chance(random, 50000))
        show_again(liar, way);
    if (liar->is_node && way == WAY_DOWN && random_chance(random, 100000))
        show_another(liar, bytes, size);
    if (random_chance(random, 3000))
        spread_rumour(liar);
    tp__frame_free(frame);
}
