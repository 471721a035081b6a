/* SPDX-License-Identifier: MIT */
/* Which task goes where, and at what cost. */
#include "world.h"

static struct world *open_world(void)
{
    return world_open(NULL);
}

static void a_task_goes_to_a_node_that_has_credit_and_is_used(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = node_accept(node, driver, 111);
    node_credit(node, 10, 0, 0);
    driver_tasks(driver, 1, NULL);
    assert_int_equal(node_take_tasks(node, driver), 0); /* no Use yet */
    assert_int_equal(world_counts(world).queued_tasks, 1);
    driver_use(driver, &incarnation);
    assert_int_equal(node_take_tasks(node, driver), 1);
    driver_tasks(driver, 12, NULL);
    assert_int_equal(node_take_tasks(node, driver), 9); /* credit is cumulative */
    node_credit(node, 12, 0, 0);
    assert_int_equal(node_take_tasks(node, driver), 2);
    assert_int_equal(world_counts(world).queued_tasks, 1);
    node_credit(node, 5, 0, 0); /* less than it was sent: none */
    assert_int_equal(node_take_tasks(node, driver), 0);
    world_close(world);
}

static void the_driver_is_told_of_each_run_that_is_placed(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    const uint64_t batch = driver_tasks(driver, 100, NULL);
    node_credit(node, 60, 0, 0);
    world_pass(world, COORDINATOR_TICK_MS);
    bool told[100] = {false};
    uint32_t count = 0;
    Taskpool__Frame *frame;
    while ((frame = end_take(driver, TASKPOOL__FRAME__BODY_PLACED)) != NULL) {
        for (size_t i = 0; i < frame->placed->n_runs; i++) {
            const Taskpool__Run *run = frame->placed->runs[i];
            assert_int_equal(run->batch, batch);
            assert_memory_equal(run->incarnation.data, &incarnation, sizeof incarnation);
            for (uint32_t j = run->first; j < run->first + run->run; j++) {
                assert_true(j < 100);
                assert_false(told[j]);
                told[j] = true;
                count++;
            }
        }
        tp__frame_free(frame);
    }
    assert_int_equal(count, 60);
    assert_int_equal(node_take_tasks(node, driver), 60);
    world_close(world);
}

static void every_run_of_a_batch_verifies_by_itself(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    uint64_t credit = 0;
    uint64_t sent = 0;
    uint64_t received = 0;
    for (uint32_t count = 1; count <= TP__BATCH_LIMIT; count += count < 20 ? 1 : 59) {
        driver_tasks(driver, count, NULL);
        sent += count;
        for (uint32_t step = 1; received < sent; step = step % 13 + 1) {
            node_credit(node, credit += step, 0, 0);
            received += node_take_tasks(node, driver); /* verifies */
        }
        credit = received;
    }
    assert_int_equal(received, sent);
    world_close(world);
}

static void a_whole_batch_needs_no_proof(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    for (int i = 0; i < 8; i++)
        driver_tasks(driver, TP__BATCH_LIMIT, NULL);
    node_credit(node, TP__BATCH_LIMIT, 0, 0);
    Taskpool__Frame *frame = end_take(node, TASKPOOL__FRAME__BODY_TASKS);
    assert_non_null(frame);
    assert_int_equal(frame->tasks->run, TP__BATCH_LIMIT);
    assert_int_equal(frame->tasks->proof.len, 0);
    tp__frame_free(frame);
    world_close(world);
}

static void deeper_tasks_go_first(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    const uint32_t depths[] = {0, 3, 1, 3, 7, 0};
    const uint64_t expected[] = {5, 2, 4, 3, 1, 6};
    for (size_t i = 0; i < 6; i++)
        driver_tasks(driver, 1, &(struct batch_options){.depth = depths[i]});
    for (size_t i = 0; i < 6; i++) {
        node_credit(node, i + 1, 0, 0);
        Taskpool__Frame *frame = end_take(node, TASKPOOL__FRAME__BODY_TASKS);
        assert_non_null(frame);
        assert_int_equal(frame->tasks->batch, expected[i]);
        tp__frame_free(frame);
    }
    world_close(world);
}

static void tasks_that_are_run_again_go_before_others_of_their_depth(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    const struct batch_options batches[] = {{.dispatch = 1},    {.dispatch = 1}, {.dispatch = 2},
                                            {.dispatch = 1000}, {.depth = 1},    {.dispatch = 2, .depth = 1}};
    const uint64_t expected[] = {6, 5, 3, 4, 1, 2};
    for (size_t i = 0; i < 6; i++)
        driver_tasks(driver, 2, &batches[i]);
    for (size_t i = 0; i < 12; i++) {
        node_credit(node, i + 1, 0, 0);
        Taskpool__Frame *frame = end_take(node, TASKPOOL__FRAME__BODY_TASKS);
        assert_non_null(frame);
        assert_int_equal(frame->tasks->batch, expected[i / 2]);
        tp__frame_free(frame);
    }
    world_close(world);
}

/* The head of the queue may change while half of it has gone. */
static void a_batch_that_is_run_again_overtakes_one_that_is_cut(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    driver_tasks(driver, 100, NULL);
    node_credit(node, 30, 0, 0);
    driver_tasks(driver, 10, &(struct batch_options){.dispatch = 2});
    node_credit(node, 35, 0, 0);
    driver_tasks(driver, 10, &(struct batch_options){.dispatch = 3});
    node_credit(node, 1000, 0, 0);
    assert_int_equal(node_take_tasks(node, driver), 120); /* each run verifies */
    assert_int_equal(world_counts(world).queued_tasks, 0);
    world_close(world);
}

static void a_deep_batch_takes_little_memory(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    const uint64_t before = world_counts(world).memory_bytes;
    driver_tasks(driver, 1, &(struct batch_options){.depth = UINT32_MAX, .dispatch = 2});
    assert_int_equal(world_counts(world).queued_tasks, 1);
    assert_true(world_counts(world).memory_bytes - before < 100000);
    world_close(world);
}

static void any_number_of_depths_is_placed(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    for (uint32_t i = 0; i < 1000; i++)
        driver_tasks(driver, 1, &(struct batch_options){.depth = i * 2654435761U});
    for (uint64_t credit = 0; credit < 1000; credit += 100)
        node_credit(node, credit + 100, 0, 0);
    assert_int_equal(node_take_tasks(node, driver), 1000);
    world_close(world);
}

static void runs_get_shorter_towards_the_end(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *nodes[4];
    for (uint64_t i = 0; i < 4; i++)
        world_join(nodes[i] = world_node(world, i, 11 + i, 4), driver);
    for (int i = 0; i < 4; i++)
        node_credit(nodes[i], 4000, 0, 0);
    driver_tasks(driver, 256, NULL);
    /* 256 / 8 = 32 at first; no node has much more than another at the end */
    uint32_t runs = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t of_node;
        const uint64_t tasks = node_take_tasks_in_runs(nodes[i], driver, &of_node);
        assert_in_range(tasks, 64 - 16, 64 + 16);
        runs += of_node;
    }
    assert_true(runs >= 16);
    world_close(world);
}

static void pinned_tasks_go_to_their_node_alone(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *a = world_node(world, 0, 11, 4);
    struct end *b = world_node(world, 1, 12, 4);
    world_join(a, driver);
    const struct tp__id to_b = world_join(b, driver);
    node_credit(a, 100, 0, 0);
    driver_tasks(driver, 5, &(struct batch_options){.incarnation = &to_b});
    assert_int_equal(node_take_tasks(a, driver), 0);
    node_credit(b, 3, 0, 0);
    assert_int_equal(node_take_tasks(b, driver), 3);
    driver_tasks(driver, 7, NULL);
    assert_int_equal(node_take_tasks(a, driver), 7);
    node_credit(b, 10, 0, 0);
    assert_int_equal(node_take_tasks(b, driver), 2);
    assert_int_equal(world_counts(world).queued_tasks, 0);
    world_close(world);
}

static void pinned_tasks_of_an_incarnation_that_has_gone_come_back_as_lost(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    const uint64_t first = driver_tasks(driver, 5, &(struct batch_options){.incarnation = &incarnation});
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    const uint64_t second = driver_tasks(driver, 2, &(struct batch_options){.incarnation = &incarnation});
    uint64_t back = 0;
    Taskpool__Frame *frame;
    while ((frame = end_take(driver, TASKPOOL__FRAME__BODY_PLACED)) != NULL) {
        for (size_t i = 0; i < frame->placed->n_runs; i++) {
            const Taskpool__Run *run = frame->placed->runs[i];
            assert_true(run->batch == first || run->batch == second);
            assert_memory_equal(run->incarnation.data, &incarnation, sizeof incarnation);
            back += run->run;
        }
        tp__frame_free(frame);
    }
    assert_int_equal(back, 7);
    for (int i = 0; i < 2; i++) {
        frame = end_take(driver, TASKPOOL__FRAME__BODY_NODE_STATE);
        assert_non_null(frame);
        assert_int_equal(frame->node_state->condition, TASKPOOL__NODE_CONDITION__NODE_LOST);
        tp__frame_free(frame);
    }
    assert_int_equal(world_counts(world).queued_tasks, 0);
    world_close(world);
}

/* One session has a great many tasks, another few at a time: credit that comes in drops is shared by tasks. */
static void sessions_take_turns_by_tasks_not_by_batches(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *large = world_driver(world, 0, 1);
    struct end *small = world_driver(world, 1, 2);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, large);
    world_join(node, small);
    for (int i = 0; i < 10; i++)
        driver_tasks(large, 256, NULL);
    for (int i = 0; i < 1000; i++)
        driver_tasks(small, 1, NULL);
    uint64_t of_large = 0;
    uint64_t of_small = 0;
    for (uint64_t credit = 7; credit < 1500; credit += 7) {
        node_credit(node, credit, 0, 0);
        of_large += node_take_tasks(node, large);
        of_small += node_take_tasks(node, small);
        assert_in_range(of_large - of_small + 100, 100 - 32, 100 + 32);
    }
    assert_true(of_small > 700);
    world_close(world);
}

static void a_session_alone_is_not_held_back(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    for (int i = 0; i < 16; i++)
        driver_tasks(driver, 256, NULL);
    node_credit(node, 256, 0, 0);
    uint32_t runs;
    assert_int_equal(node_take_tasks_in_runs(node, driver, &runs), 256);
    assert_int_equal(runs, 1);
    world_close(world);
}

static void sessions_that_use_other_nodes_do_not_stand_in_the_way(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *drivers[3];
    struct end *nodes[3];
    for (size_t i = 0; i < 3; i++) {
        drivers[i] = world_driver(world, i, i + 1);
        nodes[i] = world_node(world, i, 11 + i, 4);
        world_join(nodes[i], drivers[i]);
        driver_tasks(drivers[i], 50, NULL);
    }
    node_credit(nodes[2], 50, 0, 0);
    assert_int_equal(node_take_tasks(nodes[2], drivers[2]), 50);
    node_credit(nodes[0], 50, 0, 0);
    assert_int_equal(node_take_tasks(nodes[0], drivers[0]), 50);
    assert_int_equal(world_counts(world).queued_tasks, 50);
    world_close(world);
}

/* ---- large payloads ---- */

static void send_part(struct end *driver, uint64_t sequence, uint32_t offset, size_t size)
{
    static uint8_t bytes[TP__PART_BYTES];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(sequence + offset + i * 7);
    Taskpool__Payload payload;
    taskpool__payload__init(&payload);
    payload.session = tp__field_of_id(&driver->life);
    payload.sequence = sequence;
    payload.dispatch = 1;
    payload.offset = offset;
    payload.part = tp__field(bytes, size);
    end_send(driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_PAYLOAD, &payload);
    world_run(driver->world);
}

static void large_payloads_follow_their_tasks_in_order(void **state)
{
    (void)state;
    enum { SIZE = 1400000 };
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    node_credit(node, 100, 0, 0);
    driver_tasks(driver, 3, &(struct batch_options){.payload_bytes = SIZE});
    driver_tasks(driver, 2, NULL); /* small ones do not wait for it */
    assert_int_equal(node_take_tasks(node, driver), 2);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        send_part(driver, sequence, 0, TP__PART_BYTES);
        assert_int_equal(node_take_tasks(node, driver), 0);
        send_part(driver, sequence, TP__PART_BYTES, SIZE - TP__PART_BYTES);
    }
    uint64_t sequence = 0;
    uint32_t offset = 0;
    for (size_t i = 0; i < node->frame_count; i++) {
        const Taskpool__Frame *frame = node->frames[i];
        if (frame->body_case != TASKPOOL__FRAME__BODY_PAYLOAD)
            continue;
        if (frame->payload->offset == 0) {
            assert_true(sequence == 0 || offset == SIZE);
            sequence++;
            offset = 0;
        }
        assert_int_equal(frame->payload->sequence, sequence);
        assert_int_equal(frame->payload->offset, offset);
        for (size_t j = 0; j < frame->payload->part.len; j += 1000)
            assert_int_equal(frame->payload->part.data[j], (uint8_t)(sequence + offset + j * 7));
        offset += (uint32_t)frame->payload->part.len;
    }
    assert_int_equal(sequence, 3);
    assert_int_equal(offset, SIZE);
    assert_int_equal(node_take_tasks(node, driver), 3);
    assert_int_equal(world_counts(world).queued_bytes, 0);
    world_close(world);
}

/* ---- cost ---- */

static void a_queued_task_takes_at_most_200_bytes_beside_its_payload(void **state)
{
    (void)state;
    enum { TASKS = 20000 };
    for (uint32_t batch = 1; batch <= TP__BATCH_LIMIT; batch *= 16) {
        struct world *world = open_world();
        struct end *driver = world_driver(world, 0, 1);
        struct end *node = world_node(world, 0, 11, 4);
        world_join(node, driver);
        const uint64_t before = world_counts(world).memory_bytes;
        uint32_t tasks = 0;
        for (; tasks < TASKS; tasks += batch)
            driver_tasks(driver, batch, &(struct batch_options){.payload_bytes = 64});
        const struct coordinator_counts counts = world_counts(world);
        assert_int_equal(counts.queued_tasks, tasks);
        assert_in_range((counts.memory_bytes - before) / tasks, 64 + 6, 64 + 200);
        /* and all of it comes back */
        for (uint64_t credit = 0; credit < tasks; credit += 4000) {
            node_credit(node, credit + 4000, 0, 0);
            end_drop(node, TASKPOOL__FRAME__BODY_TASKS);
        }
        assert_int_equal(world_counts(world).queued_tasks, 0);
        assert_in_range(world_counts(world).memory_bytes, 1, before + 4096);
        world_close(world);
    }
}

/* Steps (looks at nodes, sessions, leaves) that it takes to place a task, with so many of everything. */
static double steps_per_task(size_t node_count, size_t session_count, uint32_t batches)
{
    struct world *world = world_open(&(struct coordinator_options){.name = "head", .sessions_per_key = 1000});
    struct end **drivers = calloc(session_count, sizeof(struct end *));
    struct end **nodes = calloc(node_count, sizeof(struct end *));
    assert_true(drivers && nodes);
    for (size_t i = 0; i < session_count; i++)
        drivers[i] = world_driver(world, i % WORLD_KEYS, i + 1);
    for (size_t i = 0; i < node_count; i++) {
        nodes[i] = world_node(world, i % WORLD_KEYS, 100000 + i, 4);
        for (size_t j = 0; j < session_count; j++)
            world_join(nodes[i], drivers[j]);
    }
    for (size_t j = 0; j < session_count; j++)
        for (uint32_t i = 0; i < batches; i++)
            driver_tasks(drivers[j], 256, NULL);
    const uint64_t steps = world->coordinator->steps;
    const uint64_t placed = world_counts(world).placed_tasks;
    uint64_t credit = 0;
    for (size_t i = 0; i < 2000; i++) { /* credit in drops, as much queued as one likes */
        if (i % node_count == 0)
            credit += 8;
        node_credit(nodes[i % node_count], credit, 0, 0);
    }
    const struct coordinator_counts counts = world_counts(world);
    const double result = (double)(world->coordinator->steps - steps) / (double)(counts.placed_tasks - placed);
    free(drivers);
    free(nodes);
    world_close(world);
    return result;
}

static void placing_costs_the_same_whatever_is_there(void **state)
{
    (void)state;
    const double little = steps_per_task(2, 1, 80);
    assert_true(little < 4);
    assert_true(steps_per_task(2, 1, 800) < little * 1.2);  /* the queue */
    assert_true(steps_per_task(400, 1, 80) < little * 1.5); /* nodes */
    assert_true(steps_per_task(10, 40, 80) < little * 1.5); /* sessions */
}

/* The most that a single task can cost: all nodes but the last one are full, and so are they for all sessions. */
static void a_task_finds_the_one_node_with_credit_at_once(void **state)
{
    (void)state;
    enum { NODES = 300, SESSIONS = 10, ROUNDS = 50 };
    struct world *world = open_world();
    struct end *drivers[SESSIONS];
    struct end *nodes[NODES];
    for (size_t i = 0; i < SESSIONS; i++)
        drivers[i] = world_driver(world, i % WORLD_KEYS, i + 1);
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = world_node(world, i % WORLD_KEYS, 100000 + i, 4);
        for (size_t j = 0; j < SESSIONS; j++)
            world_join(nodes[i], drivers[j]);
    }
    const uint64_t steps = world->coordinator->steps;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        node_credit(nodes[(i * 7919) % NODES], ROUNDS, 0, 0);
        driver_tasks(drivers[i % SESSIONS], 1, NULL);
        node_credit(nodes[(i * 7919) % NODES], 0, 0, 0);
    }
    assert_int_equal(world_counts(world).placed_tasks, ROUNDS);
    assert_in_range((world->coordinator->steps - steps) / ROUNDS, 1, 8);
    world_close(world);
}

static void nothing_of_a_silent_driver_is_placed(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *silent = world_driver(world, 0, 1);
    struct end *driver = world_driver(world, 1, 2);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, silent);
    world_join(node, driver);
    driver_tasks(silent, 100, NULL);
    driver_tasks(silent, 100, &(struct batch_options){.incarnation = &incarnation});
    silent->deaf = true; /* and dumb */
    world_pass(world, 900);
    node_credit(node, 10, 0, 0);
    assert_int_equal(node_take_tasks(node, silent), 10);
    world_pass(world, 200);
    node_credit(node, 20, 0, 0);
    assert_int_equal(node_take_tasks(node, silent), 0);
    driver_tasks(driver, 12, NULL);
    assert_int_equal(node_take_tasks(node, driver), 10);
    node_credit(node, 302, 0, 0);
    assert_int_equal(node_take_tasks(node, driver), 2);
    assert_int_equal(node_take_tasks(node, silent), 0);
    silent->deaf = false;
    world_pass(world, 100);
    assert_int_equal(node_take_tasks(node, silent), 190);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_goes_to_a_node_that_has_credit_and_is_used),
        cmocka_unit_test(the_driver_is_told_of_each_run_that_is_placed),
        cmocka_unit_test(every_run_of_a_batch_verifies_by_itself),
        cmocka_unit_test(a_whole_batch_needs_no_proof),
        cmocka_unit_test(deeper_tasks_go_first),
        cmocka_unit_test(tasks_that_are_run_again_go_before_others_of_their_depth),
        cmocka_unit_test(a_batch_that_is_run_again_overtakes_one_that_is_cut),
        cmocka_unit_test(a_deep_batch_takes_little_memory),
        cmocka_unit_test(any_number_of_depths_is_placed),
        cmocka_unit_test(runs_get_shorter_towards_the_end),
        cmocka_unit_test(pinned_tasks_go_to_their_node_alone),
        cmocka_unit_test(pinned_tasks_of_an_incarnation_that_has_gone_come_back_as_lost),
        cmocka_unit_test(sessions_take_turns_by_tasks_not_by_batches),
        cmocka_unit_test(a_session_alone_is_not_held_back),
        cmocka_unit_test(nothing_of_a_silent_driver_is_placed),
        cmocka_unit_test(sessions_that_use_other_nodes_do_not_stand_in_the_way),
        cmocka_unit_test(large_payloads_follow_their_tasks_in_order),
        cmocka_unit_test(a_queued_task_takes_at_most_200_bytes_beside_its_payload),
        cmocka_unit_test(placing_costs_the_same_whatever_is_there),
        cmocka_unit_test(a_task_finds_the_one_node_with_credit_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
