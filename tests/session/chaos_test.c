/* SPDX-License-Identifier: MIT */
/* Anything happens at any time: links break, nodes are lost and come back, processes crash, tasks are recalled and
 * cancelled, the driver runs out of memory. In the end each task has ended once, none that runs at most once has
 * started twice, and each message that was taken was confirmed or went back. */
#include "session/stage.h"

enum { NODES = 3, TASKS = 120, HELD = 512, STEPS = 400, SEEDS = 50 };

/* ---- memory that is refused ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static uint64_t seed;
static unsigned refuse_percent;

static uint32_t any(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static bool is_refused(void)
{
    return stage_in_session && refuse_percent > 0 && any(100) < refuse_percent;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return is_refused() ? NULL : __real_realloc(block, size);
}

/* ---- the world ---- */

struct here {
    struct tp__leaf leaf;
    bool granted;
};

struct world {
    struct stage *stage;
    struct actor {
        struct stage_node *node;
        struct here here[HELD];
        size_t count;
        bool up;
    } actors[NODES];
    uint64_t sequences[TASKS + 1];
    uint8_t ended[TASKS + 1];
    bool at_most_once[TASKS + 1];
    uint8_t starts[TASKS + 1];
    uintptr_t submitted;
    size_t taken;      /* or dropped before they were answered */
    size_t given_back; /* confirmed, or dropped */
    size_t event_read;
};

static uintptr_t tag_of(const struct world *world, uint64_t sequence)
{
    for (uintptr_t tag = 1; tag <= world->submitted; tag++)
        if (world->sequences[tag] == sequence)
            return tag;
    return 0;
}

/* It was taken back before it could be answered. */
static bool is_dropped_later(const struct world *world, const struct tp__session_operation *operation)
{
    const struct stage *stage = world->stage;
    for (size_t i = world->event_read + 1; i < stage->event_count; i++)
        if (stage->events[i].kind == STAGE_DROPPED &&
            memcmp(&stage->events[i].operation, operation, sizeof *operation) == 0)
            return true;
    return false;
}

static void read_events(struct world *world)
{
    struct stage *stage = world->stage;
    for (; world->event_read < stage->event_count; world->event_read++) {
        const struct stage_event event = stage->events[world->event_read];
        static const uint8_t reply[13];
        switch (event.kind) {
        case STAGE_RESULT:
        case STAGE_FAILURE:
            assert_in_range(event.tag, 1, world->submitted);
            assert_int_equal(world->ended[event.tag]++, 0);
            break;
        case STAGE_OPERATION: {
            const bool took = any(2);
            world->taken += took || is_dropped_later(world, &event.operation);
            stage_in_session = true;
            tp__session_reply(stage->session, &event.operation, reply, sizeof reply, took, !took && any(8) == 0);
            stage_in_session = false;
            break;
        }
        case STAGE_CONFIRMED:
        case STAGE_DROPPED:
            world->given_back++;
            break;
        default:
            break;
        }
    }
}

/* ---- nodes ---- */

static struct here *find(struct actor *actor, uint64_t sequence, uint32_t dispatch)
{
    for (size_t i = 0; i < actor->count; i++)
        if (actor->here[i].leaf.sequence == sequence && actor->here[i].leaf.dispatch == dispatch)
            return &actor->here[i];
    return NULL;
}

static void forget(struct actor *actor, struct here *here)
{
    *here = actor->here[--actor->count];
}

static void hold(struct actor *actor, uint64_t nonce)
{
    uint8_t body[8 + 13 * HELD];
    uint8_t *to = tp__put_u64(body, nonce);
    for (size_t i = 0; i < actor->count; i++) {
        to = tp__put_u64(to, actor->here[i].leaf.sequence);
        to = tp__put_u32(to, actor->here[i].leaf.dispatch);
        to = tp__put_u8(to, TP__HELD_RUNNING);
    }
    const struct tp__leaf none = {.sequence = 0};
    stage_say(actor->node, TP__RECORD_HELD, &none, 0, body, (size_t)(to - body));
}

static void obey(struct world *world, struct actor *actor)
{
    struct stage_node *node = actor->node;
    while (node->record_read < node->record_count) {
        const struct stage_record record = node->records[node->record_read++];
        struct here *here = find(actor, record.record.task, record.record.dispatch);
        struct tp__reader body = tp__reader_of(record.bytes, record.record.size);
        switch (record.record.type) {
        case TP__RECORD_RECONCILE:
            hold(actor, tp__get_u64(&body));
            break;
        case TP__RECORD_CANCEL:
        case TP__RECORD_REFUSE:
            if (here)
                forget(actor, here);
            break;
        case TP__RECORD_GRANT:
            if (here) {
                here->granted = true;
                const uintptr_t tag = tag_of(world, record.record.task);
                if (tag)
                    assert_int_equal(world->starts[tag]++, 0);
            }
            break;
        case TP__RECORD_REPLY:
            if (here && any(2))
                stage_say(node, TP__RECORD_CONFIRM, &here->leaf, record.record.operation, NULL, 0);
            break;
        default:
            break;
        }
    }
}

/* A task does something. */
static void run_one(struct world *world, struct actor *actor)
{
    (void)world;
    if (actor->count == 0)
        return;
    struct here *here = &actor->here[any((uint32_t)actor->count)];
    const struct tp__leaf leaf = here->leaf;
    const bool may_run = !(leaf.flags & TP__LEAF_AT_MOST_ONCE) || here->granted;
    if (!may_run) {
        stage_say(actor->node, any(10) ? TP__RECORD_CLAIM : TP__RECORD_OPERATION, &leaf, any(3), NULL, 0);
        return;
    }
    static const uint8_t operation[] = {TP__CHANNEL_SIZE, 1, 'x'};
    switch (any(10)) {
    case 0:
        stage_say(actor->node, TP__RECORD_OPERATION, &leaf, any(4), operation, sizeof operation);
        return;
    case 1:
        if (leaf.depth < 4)
            stage_child(actor->node, &leaf, any(4), any(3) ? 0 : 1 + any(500), any(4) ? 0 : TP__LEAF_AT_MOST_ONCE);
        return;
    case 2:
        stage_say(actor->node, TP__RECORD_CHILD_CANCEL, &leaf, any(4), NULL, 0);
        return;
    case 3:
        forget(actor, here);
        stage_failure(actor->node, &leaf, TP_E_TASK, "boom");
        return;
    case 4:
        if (here->granted)
            return;
        forget(actor, here);
        stage_returned(actor->node, &leaf, (enum tp__returned)(1 + any(3)), "x");
        return;
    case 5:
        if (any(3) == 0) {
            forget(actor, here);
            stage_crash(actor->node, &leaf, (enum tp__crash_role)(1 + any(2)), any(2));
        }
        return;
    default:
        forget(actor, here);
        stage_result(actor->node, &leaf, "value");
    }
}

/* ---- the coordinator ---- */

static bool is_gone(const struct world *world, const struct tp__id *incarnation)
{
    for (size_t i = 0; i < NODES; i++)
        if (tp__id_equal(&world->actors[i].node->incarnation, incarnation))
            return false;
    return true;
}

static void place_next(struct world *world, struct actor *actor, bool arrives)
{
    struct stage *stage = world->stage;
    if (stage->leaf_read == stage->leaf_count)
        return;
    const struct stage_leaf *next = &stage->leaves[stage->leaf_read];
    const bool is_pinned = !tp__id_is_none(&next->incarnation);
    if (is_pinned && !tp__id_equal(&actor->node->incarnation, &next->incarnation)) {
        if (is_gone(world, &next->incarnation)) /* nobody waits for it any more */
            stage->leaf_read++;
        return;
    }
    if (!actor->up || !actor->node->used || actor->count == HELD)
        return;
    const struct stage_leaf leaf = stage->leaves[stage->leaf_read++];
    if (arrives)
        actor->here[actor->count++] = (struct here){.leaf = leaf.leaf};
    stage_place(stage, &leaf, actor->node);
}

static void break_link(struct world *world)
{
    stage_break(world->stage);
    for (size_t i = 0; i < NODES; i++)
        if (world->actors[i].up)
            stage_accept(world->actors[i].node);
}

static void lose_node(struct actor *actor)
{
    if (!actor->up)
        return;
    actor->up = false;
    actor->count = 0;
    stage_condition(actor->node, TASKPOOL__NODE_CONDITION__NODE_LOST, "lost");
}

static void raise_node(struct actor *actor)
{
    struct stage_node *node = actor->node;
    if (actor->up && !node->forgotten)
        return;
    if (!actor->up)
        node->life = tp__id_new();
    actor->up = true;
    actor->count = 0;
    node->record_read = node->record_count;
    stage_accept_anew(node);
}

/* What is on the way to it is lost. */
static void relink_node(struct world *world, struct actor *actor)
{
    place_next(world, actor, false);
    if (actor->up)
        stage_condition(actor->node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
}

/* ---- the program ---- */

static void submit(struct world *world)
{
    if (world->submitted == TASKS)
        return;
    const uintptr_t tag = world->submitted + 1;
    const uint32_t flags = any(4) ? 0 : TP__LEAF_AT_MOST_ONCE;
    const size_t workers = tp__session_count(world->stage->session).workers;
    const struct tp__session_task task = {.tag = (void *)tag,
                                          .flags = flags,
                                          .worker = workers > 0 && any(4) == 0 ? (int)any((uint32_t)workers) : -1,
                                          .payload = (const uint8_t *)&tag,
                                          .length = sizeof tag};
    tp_status status;
    stage_in_session = true;
    const uint64_t sequence = tp__session_submit(world->stage->session, &task, &status);
    stage_in_session = false;
    if (sequence == 0) {
        assert_int_equal(status, TP_E_NOMEM);
        return;
    }
    world->submitted = tag;
    world->sequences[tag] = sequence;
}

static void cancel(struct world *world)
{
    if (world->submitted == 0)
        return;
    const uintptr_t tag = 1 + any((uint32_t)world->submitted);
    read_events(world);
    if (world->ended[tag])
        return;
    world->ended[tag] = 1;
    stage_in_session = true;
    tp__session_cancel(world->stage->session, world->sequences[tag]);
    stage_in_session = false;
}

static void step(struct world *world)
{
    struct actor *actor = &world->actors[any(NODES)];
    const uint32_t what = any(100);
    if (what < 20)
        submit(world);
    else if (what < 45)
        place_next(world, actor, true);
    else if (what < 80 && actor->up)
        run_one(world, actor);
    else if (what < 82)
        cancel(world);
    else if (what < 84)
        break_link(world);
    else if (what < 86)
        lose_node(actor);
    else if (what < 89)
        relink_node(world, actor);
    else if (what < 94)
        raise_node(actor);
    else if (what < 96)
        stage_pass(world->stage, any(1000));
}

static void look_after(struct world *world)
{
    stage_run(world->stage);
    read_events(world);
    stage_run(world->stage);
    for (size_t i = 0; i < NODES; i++) {
        struct actor *actor = &world->actors[i];
        if (actor->up && actor->node->forgotten)
            raise_node(actor);
        obey(world, actor);
    }
    read_events(world);
    /* A link that broke for want of memory: the coordinator's end makes the nodes accept again. */
    if (world->stage->hellos > 1)
        for (size_t i = 0; i < NODES; i++)
            if (world->actors[i].up && !world->actors[i].node->used && !world->actors[i].node->forgotten)
                stage_accept(world->actors[i].node);
    const struct tp__session_counts counts = tp__session_count(world->stage->session);
    assert_int_equal(counts.unresolved, counts.waiting + counts.queued + counts.placed);
}

static void live(uint64_t number, bool without_memory)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    seed = number;
    refuse_percent = 0;
    struct stage *stage = world.stage = stage_new(NULL);
    for (size_t i = 0; i < NODES; i++) {
        world.actors[i].node = stage_node(stage, "n", 1 + (uint32_t)i);
        world.actors[i].up = true;
    }
    for (int i = 0; i < STEPS; i++) {
        refuse_percent = without_memory && any(3) == 0 ? 1 + any(30) : 0;
        step(&world);
        refuse_percent = without_memory && any(3) == 0 ? 1 + any(30) : 0;
        look_after(&world);
    }
    refuse_percent = 0;
    for (int i = 0; i < 5000 && tp__session_count(stage->session).unresolved > 0; i++) {
        for (size_t j = 0; j < NODES; j++) {
            raise_node(&world.actors[j]);
            place_next(&world, &world.actors[j], true);
            if (world.actors[j].up)
                run_one(&world, &world.actors[j]);
        }
        if (i % 10 == 9)
            stage_pass(stage, 100);
        look_after(&world);
    }
    if (tp__session_count(stage->session).unresolved > 0)
        fail_msg("seed %llu: %llu tasks have not ended", (unsigned long long)number,
                 (unsigned long long)tp__session_count(stage->session).unresolved);
    for (uintptr_t tag = 1; tag <= world.submitted; tag++)
        if (world.ended[tag] != 1)
            fail_msg("seed %llu: task %llu ended %u times", (unsigned long long)number, (unsigned long long)tag,
                     world.ended[tag]);
    if (world.taken != world.given_back)
        fail_msg("seed %llu: %zu messages were taken and %zu confirmed or given back", (unsigned long long)number,
                 world.taken, world.given_back);
    stage_free(stage);
}

static void every_task_ends_once_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= SEEDS; number++)
        live(number, false);
}

static void every_task_ends_once_without_memory_too(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= SEEDS; number++)
        live(number, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_ends_once_whatever_happens),
        cmocka_unit_test(every_task_ends_once_without_memory_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
