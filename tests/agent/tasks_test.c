/* SPDX-License-Identifier: MIT */
/* Tasks: verified, claimed, handed to the right process, cancelled, reconciled, recalled. */
#include "agent_world.h"

static void a_task_record_has_the_leaf_s_numbers_and_its_closure(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaf = plain_leaf(7);
    leaf.stack_kib = 128;
    leaf.depth = 3;
    leaf.dispatch = 4;
    (void)driver_submit(driver, &leaf, 1);
    struct tp__record record;
    assert_int_equal(process_told(process, TP__RECORD_TASK, 7, &record), 1);
    assert_int_equal(record.dispatch, 4);
    struct tp__reader reader = tp__reader_of(record.body, record.size);
    assert_int_equal(tp__get_u32(&reader), 0);
    assert_int_equal(tp__get_u32(&reader), 3);
    assert_int_equal(tp__get_u32(&reader), 0);
    assert_int_equal(tp__get_u32(&reader), 128);
    assert_int_equal(tp__reader_left(&reader), 5);
    assert_memory_equal(reader.at, "hello", 5);
    process_finish(world, process, 7);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 7, &record), 1);
    assert_memory_equal(record.body, "value", 5);
    assert_int_equal(world_counts(world).tasks, 0);
    assert_int_equal(world_counts(world).finished, 1);
    world_free(world);
}

static void a_pinned_task_goes_to_its_worker_where_there_is_one(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    driver_offer(driver);
    struct world_process *process = world_process(world, 0);
    process_ready(world, process);
    assert_int_equal(process->first_worker, 0);
    driver_open(driver, 4); /* in the session this node's two workers are 4 and 5 */
    assert_int_equal(process->first_worker, 4);
    struct tp__leaf leaves[2] = {plain_leaf(1), plain_leaf(2)};
    leaves[0].worker = leaves[1].worker = 1 + 1;
    leaves[1].flags = TP__LEAF_ISOLATED; /* a process with one worker */
    (void)driver_submit(driver, leaves, 2);
    process_ready(world, world_process(world, 1));
    assert_int_equal(world_process(world, 1)->first_worker, 4);
    for (uint64_t task = 1; task <= 2; task++) {
        struct tp__record record;
        assert_int_equal(process_told(world_process(world, task - 1), TP__RECORD_TASK, task, &record), 1);
        struct tp__reader reader = tp__reader_of(record.body + 8, 4);
        assert_int_equal(tp__get_u32(&reader), task == 1 ? 1 + 1 : 0);
    }
    world_free(world);
}

static void nothing_starts_before_the_driver_has_spoken(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    driver_offer(driver);
    struct world_process *process = world_process(world, 0);
    process_ready(world, process);
    driver_submit_plain(driver, 1);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), 0);
    assert_int_equal(world_counts(world).waiting, 1);
    driver_open(driver, 0);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 1, NULL), 1);
    world_free(world);
}

static void any_run_of_a_batch_verifies_by_itself_and_each_leaf_runs_once(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaves[100];
    for (uint32_t i = 0; i < 100; i++)
        leaves[i] = plain_leaf(i + 1);
    struct world_batch *batch = malloc(sizeof *batch);
    assert_non_null(batch);
    driver_sign(driver, batch, leaves, 100);
    const uint32_t cuts[] = {63, 100, 0, 1, 17, 63}; /* out of order; the last overlaps all but the first */
    for (size_t i = 0; i + 1 < sizeof cuts / sizeof *cuts; i++) {
        if (cuts[i] > cuts[i + 1])
            continue;
        batch_narrow(batch, cuts[i], cuts[i + 1] - cuts[i]);
        driver_send_batch(driver, batch);
    }
    assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), 100);
    assert_int_equal(world_counts(world).refused, 0);
    batch_narrow(batch, 10, 5);
    driver_send_batch(driver, batch);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), 100);
    assert_int_equal(world_counts(world).refused, 5);
    assert_int_equal(driver_heard(driver, TP__RECORD_RETURNED, 0, NULL), 0); /* they are here */
    process_finish(world, process, 12);
    batch_narrow(batch, 11, 1);
    driver_send_batch(driver, batch);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 12, NULL), 1);
    assert_int_equal(driver_returned(driver, 12), TP__RETURNED_STALE); /* after its result: of no effect */
    free(batch);
    world_free(world);
}

static void a_batch_that_is_too_old_is_stale(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver->batch = TP__WINDOW_BATCHES + 10;
    driver_submit_plain(driver, 1);
    driver->batch = 5;
    driver_submit_plain(driver, 2);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 2, NULL), 0);
    assert_int_equal(driver_returned(driver, 2), TP__RETURNED_STALE);
    world_free(world);
}

static void a_later_dispatch_replaces_an_earlier_one(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaf = plain_leaf(1);
    (void)driver_submit(driver, &leaf, 1);
    leaf.dispatch = 2;
    (void)driver_submit(driver, &leaf, 1);
    struct tp__record record;
    assert_int_equal(process_told(process, TP__RECORD_CANCEL, 1, &record), 1);
    assert_int_equal(record.dispatch, 1);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 1, &record), 2);
    assert_int_equal(record.dispatch, 2);
    process_say(world, process, TP__RECORD_RESULT, 1, 1, "old", 3);
    assert_false(process->killed);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 1, NULL), 0);
    process_say(world, process, TP__RECORD_RESULT, 1, 2, "new", 3);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 1, NULL), 1);
    leaf.dispatch = 1; /* an old one, signed anew */
    (void)driver_submit(driver, &leaf, 1);
    world_free(world);
}

static void an_at_most_once_task_is_claimed_and_starts_when_it_is_granted(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaves[2] = {plain_leaf(1), plain_leaf(2)};
    leaves[0].flags = leaves[1].flags = TP__LEAF_AT_MOST_ONCE;
    (void)driver_submit(driver, leaves, 2);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), 0);
    assert_int_equal(driver_heard(driver, TP__RECORD_CLAIM, 0, NULL), 2);
    driver_say(driver, TP__RECORD_GRANT, 1, 2, 0, NULL, 0); /* another dispatch */
    assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), 0);
    driver_say(driver, TP__RECORD_GRANT, 1, 1, 0, NULL, 0);
    driver_say(driver, TP__RECORD_REFUSE, 2, 1, 0, NULL, 0);
    driver_say(driver, TP__RECORD_GRANT, 2, 1, 0, NULL, 0);
    driver_say(driver, TP__RECORD_GRANT, 1, 1, 0, NULL, 0);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 1, NULL), 1);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 2, NULL), 0);
    assert_int_equal(world_counts(world).tasks, 1);
    world_free(world);
}

enum { LARGE_BYTES = 3 << 20 };

static struct tp__leaf large_leaf(uint64_t sequence, const uint8_t *payload)
{
    return (struct tp__leaf){.sequence = sequence,
                             .dispatch = 1,
                             .flags = TP__LEAF_LARGE,
                             .length = LARGE_BYTES,
                             .payload_hash = tp__hash_of(payload, LARGE_BYTES)};
}

static uint8_t *make_payload(void)
{
    uint8_t *payload = malloc(LARGE_BYTES);
    assert_non_null(payload);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        payload[i] = (uint8_t)(i * 31 + i / 1000);
    return payload;
}

static void send_parts(struct world_driver *driver, const struct tp__leaf *leaf, const uint8_t *payload)
{
    for (uint32_t at = 0; at < LARGE_BYTES; at += 1 << 20)
        driver_send_payload(driver, leaf, at, payload + at, 1 << 20);
}

static void a_large_payload_is_put_together_and_handed_on(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    uint8_t *payload = make_payload();
    struct tp__leaf leaf = large_leaf(1, payload);
    (void)driver_submit(driver, &leaf, 1);
    assert_true(world_counts(world).memory_bytes < 100000); /* nothing for what only the header says */
    send_parts(driver, &leaf, payload);
    struct tp__reader reader = tp__reader_of(process->told.bytes, process->told.size);
    struct tp__assembly assembly = {.limit_bytes = 64 << 20};
    struct tp__record record;
    tp_status status;
    bool whole = false;
    while (!whole && tp__record_read(&reader, &record) == TP__RECORD_FOUND)
        whole = tp__assembly_add(&assembly, &record, &status);
    assert_true(whole);
    assert_int_equal(record.type, TP__RECORD_TASK);
    assert_int_equal(record.size, 16 + LARGE_BYTES);
    assert_memory_equal(record.body + 16, payload, LARGE_BYTES);
    tp__assembly_free(&assembly);
    leaf.sequence = 2;
    leaf.flags |= TP__LEAF_AT_MOST_ONCE;
    (void)driver_submit(driver, &leaf, 1);
    assert_int_equal(driver_heard(driver, TP__RECORD_CLAIM, 2, NULL), 0);
    send_parts(driver, &leaf, payload);
    assert_int_equal(driver_heard(driver, TP__RECORD_CLAIM, 2, NULL), 1);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 2, NULL), 0);
    driver_say(driver, TP__RECORD_GRANT, 2, 1, 0, NULL, 0);
    assert_true(process_told(process, TP__RECORD_TASK, 2, NULL) > 1);
    free(payload);
    world_free(world);
}

static void a_payload_that_is_not_the_signed_one_never_reaches_a_process(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    uint8_t *payload = make_payload();
    struct tp__leaf leaf = large_leaf(1, payload);
    (void)driver_submit(driver, &leaf, 1);
    payload[LARGE_BYTES - 1] ^= 1;
    send_parts(driver, &leaf, payload);
    assert_int_equal(driver_returned(driver, 1), TP__RETURNED_REFUSED);
    leaf = large_leaf(2, payload); /* parts with a gap, too long, of no length, twice */
    (void)driver_submit(driver, &leaf, 1);
    driver_send_payload(driver, &leaf, 1, payload, 100);
    assert_int_equal(driver_returned(driver, 2), TP__RETURNED_REFUSED);
    driver_send_payload(driver, &leaf, 0, payload, 100);
    leaf = large_leaf(3, payload);
    (void)driver_submit(driver, &leaf, 1);
    driver_send_payload(driver, &leaf, 0, payload, 0);
    assert_int_equal(driver_returned(driver, 3), TP__RETURNED_REFUSED);
    assert_int_equal(process->told.size, 0);
    assert_int_equal(world_counts(world).tasks, 0);
    assert_int_equal(world_counts(world).refused, 4);
    free(payload);
    world_free(world);
}

static void half_a_payload_is_forgotten_with_the_link_and_after_a_while(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    uint8_t *payload = make_payload();
    struct tp__leaf leaf = large_leaf(1, payload);
    (void)driver_submit(driver, &leaf, 1);
    driver_send_payload(driver, &leaf, 0, payload, 1 << 20);
    assert_true(world_counts(world).memory_bytes > 1 << 20);
    world_cut(world);
    assert_int_equal(world_counts(world).tasks, 0);
    assert_true(world_counts(world).memory_bytes < 100000);
    leaf = large_leaf(2, payload);
    (void)driver_submit(driver, &leaf, 1);
    for (int i = 0; i < 5; i++) {
        world_pass(world, 15000);
        driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    }
    assert_int_equal(driver_returned(driver, 2), TP__RETURNED_RECALLED);
    assert_int_equal(world_counts(world).tasks, 0);
    free(payload);
    world_free(world);
}

static void a_cell_has_a_process_of_its_own_that_stops_with_its_last_task(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *common = driver_begin(driver);
    struct tp__leaf leaves[3] = {plain_leaf(1), plain_leaf(2), plain_leaf(3)};
    leaves[0].cell = leaves[1].cell = 9;
    leaves[2].cell = 10;
    (void)driver_submit(driver, leaves, 3);
    assert_int_equal(world->process_count, 3);
    struct world_process *nine = world_process(world, 1);
    process_ready(world, nine);
    process_ready(world, world_process(world, 2));
    assert_int_equal(process_told(common, TP__RECORD_TASK, 0, NULL), 0);
    assert_int_equal(process_told(nine, TP__RECORD_TASK, 0, NULL), 2);
    process_finish(world, nine, 1);
    assert_int_equal(process_told(nine, TP__RECORD_STOP, 0, NULL), 0);
    process_finish(world, nine, 2);
    assert_int_equal(process_told(nine, TP__RECORD_STOP, 0, NULL), 1);
    leaves[0].sequence = 4; /* the cell again, while the old process ends */
    (void)driver_submit(driver, leaves, 1);
    assert_int_equal(world->process_count, 4);
    process_end(world, nine, &(struct agent_crash){.text = "called exit(0)"});
    process_ready(world, world_process(world, 3));
    assert_int_equal(process_told(world_process(world, 3), TP__RECORD_TASK, 4, NULL), 1);
    assert_int_equal(driver_heard(driver, TP__RECORD_CRASHED, 0, NULL), 0);
    world_free(world);
}

static void an_isolated_task_is_alone_in_a_process_with_one_thread(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    struct tp__leaf leaves[2] = {plain_leaf(1), plain_leaf(2)};
    leaves[0].flags = leaves[1].flags = TP__LEAF_ISOLATED;
    (void)driver_submit(driver, leaves, 2);
    assert_int_equal(world->process_count, 3);
    for (size_t i = 1; i <= 2; i++) {
        struct world_process *process = world_process(world, i);
        assert_int_equal(process->options.threads, 1);
        process_ready(world, process);
        assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), 1);
        assert_int_equal(process_told(process, TP__RECORD_TASK, i, NULL), 1);
    }
    world_free(world);
}

static void so_many_isolated_tasks_have_processes_and_the_rest_wait(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    struct tp__leaf leaves[100];
    for (uint32_t i = 0; i < 100; i++) {
        leaves[i] = plain_leaf(i + 1);
        leaves[i].flags = TP__LEAF_ISOLATED;
    }
    (void)driver_submit(driver, leaves, 100);
    assert_int_equal(world->process_count, 1 + 64);
    struct world_process *first = world_process(world, 1);
    process_ready(world, first);
    process_finish(world, first, 1);
    process_end(world, first, &(struct agent_crash){.text = "called exit(0)"});
    assert_int_equal(world->process_count, 1 + 65);
    world_free(world);
}

/* What they wait for may need one, too. */
static void for_deeper_tasks_there_are_more_processes(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    struct tp__leaf leaves[70];
    for (uint32_t i = 0; i < 70; i++) {
        leaves[i] = plain_leaf(i + 1);
        leaves[i].flags = TP__LEAF_ISOLATED;
    }
    leaves[67].depth = 1;
    leaves[68].depth = 1;
    leaves[69].depth = 3;
    (void)driver_submit(driver, leaves, 70);
    assert_int_equal(world->process_count, 1 + 64 + 2);
    for (size_t i = 1; i < world->process_count; i++)
        process_ready(world, world_process(world, i));
    assert_int_equal(process_told(world_process(world, 1 + 64), TP__RECORD_TASK, 68, NULL), 1);
    assert_int_equal(process_told(world_process(world, 1 + 65), TP__RECORD_TASK, 70, NULL), 1);
    world_free(world);
}

static void a_process_that_does_not_stop_is_killed(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    struct tp__leaf leaf = plain_leaf(1);
    leaf.flags = TP__LEAF_ISOLATED;
    (void)driver_submit(driver, &leaf, 1);
    struct world_process *process = world_process(world, 1);
    process_ready(world, process);
    driver_say(driver, TP__RECORD_CANCEL, 1, 1, 0, NULL, 0);
    assert_int_equal(process_told(process, TP__RECORD_CANCEL, 1, NULL), 1);
    assert_int_equal(process_told(process, TP__RECORD_STOP, 0, NULL), 1);
    world_pass(world, 9000);
    assert_false(process->killed);
    world_pass(world, 2000);
    assert_true(process->killed);
    process_end(world, process, &(struct agent_crash){.text = "was killed by SIGKILL"});
    assert_int_equal(driver_heard(driver, TP__RECORD_CRASHED, 0, NULL), 0);
    world_free(world);
}

static void a_cancelled_task_is_forgotten_and_its_late_result_dropped(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    struct tp__leaf waits = plain_leaf(2);
    waits.cell = 5;
    (void)driver_submit(driver, &waits, 1);
    driver_say(driver, TP__RECORD_CANCEL, 1, 2, 0, NULL, 0); /* another dispatch: nothing */
    assert_int_equal(world_counts(world).tasks, 2);
    driver_say(driver, TP__RECORD_CANCEL, 1, 1, 0, NULL, 0);
    driver_say(driver, TP__RECORD_CANCEL, 2, 1, 0, NULL, 0); /* was in the agent: nobody is told */
    assert_int_equal(world_counts(world).tasks, 0);
    assert_int_equal(process_told(process, TP__RECORD_CANCEL, 0, NULL), 1);
    process_say(world, process, TP__RECORD_RESULT, 1, 1, "late", 4);
    assert_false(process->killed);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 0, NULL), 0);
    struct world_process *of_cell = world_process(world, 1);
    process_ready(world, of_cell);
    assert_int_equal(process_told(of_cell, TP__RECORD_TASK, 0, NULL), 0);
    assert_int_equal(process_told(of_cell, TP__RECORD_STOP, 0, NULL), 1);
    world_free(world);
}

static void reconciling_lists_what_is_here_and_forgets_what_came_in_part(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    uint8_t *payload = make_payload();
    struct tp__leaf leaves[5] = {plain_leaf(1), plain_leaf(2), plain_leaf(3), large_leaf(4, payload), plain_leaf(5)};
    leaves[1].flags = TP__LEAF_AT_MOST_ONCE;
    leaves[2].cell = 3;
    (void)driver_submit(driver, leaves, 5);
    process_finish(world, process, 5);
    const uint64_t nonce = 77;
    driver_say(driver, TP__RECORD_RECONCILE, 0, 0, 0, &nonce, sizeof nonce);
    struct tp__record record;
    assert_int_equal(driver_heard(driver, TP__RECORD_HELD, 0, &record), 1);
    struct tp__reader reader = tp__reader_of(record.body, record.size);
    assert_int_equal(tp__get_u64(&reader), 77);
    enum tp__held held[6] = {0};
    while (tp__reader_left(&reader) > 0) {
        const uint64_t sequence = tp__get_u64(&reader);
        assert_int_equal(tp__get_u32(&reader), 1);
        assert_in_range(sequence, 1, 5);
        held[sequence] = (enum tp__held)tp__get_u8(&reader);
    }
    assert_true(reader.ok);
    assert_int_equal(held[1], TP__HELD_RUNNING);
    assert_int_equal(held[2], TP__HELD_CLAIMED);
    assert_int_equal(held[3], TP__HELD_QUEUED);
    assert_int_equal(held[4], 0);
    assert_int_equal(held[5], 0);
    driver_send_payload(driver, &leaves[3], 0, payload, 1 << 20);
    assert_int_equal(world_counts(world).tasks, 3);
    free(payload);
    world_free(world);
}

static void a_hundred_thousand_tasks_come_and_go_in_any_order(void **state)
{
    (void)state;
    enum { ROUNDS = 400 };
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaves[TP__BATCH_LIMIT];
    struct tp__buffer results = {NULL, 0, 0};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < TP__BATCH_LIMIT; i++)
            leaves[i] = plain_leaf(1 + round * TP__BATCH_LIMIT + i);
        (void)driver_submit(driver, leaves, TP__BATCH_LIMIT);
    }
    assert_int_equal(world_counts(world).tasks, ROUNDS * TP__BATCH_LIMIT);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), ROUNDS * TP__BATCH_LIMIT);
    uint64_t task = 0;
    for (uint64_t i = 0; i < ROUNDS * TP__BATCH_LIMIT; i++) {
        task = (task + 7919) % (ROUNDS * TP__BATCH_LIMIT);
        assert_true(tp__record_append(
            &results, &(struct tp__record){.type = TP__RECORD_RESULT, .task = task + 1, .dispatch = 1}));
    }
    for (size_t at = 0; at < results.size; at += 10007) { /* pieces that cut records */
        const size_t left = results.size - at;
        agent_worker_received(world->agent, process->id, results.bytes + at, left < 10007 ? left : 10007,
                              world->now_ms);
    }
    world_run(world);
    tp__buffer_free(&results);
    assert_int_equal(world_counts(world).tasks, 0);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 0, NULL), ROUNDS * TP__BATCH_LIMIT);
    assert_true(world_counts(world).memory_bytes < 4 << 20);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_record_has_the_leaf_s_numbers_and_its_closure),
        cmocka_unit_test(a_pinned_task_goes_to_its_worker_where_there_is_one),
        cmocka_unit_test(nothing_starts_before_the_driver_has_spoken),
        cmocka_unit_test(any_run_of_a_batch_verifies_by_itself_and_each_leaf_runs_once),
        cmocka_unit_test(a_batch_that_is_too_old_is_stale),
        cmocka_unit_test(a_later_dispatch_replaces_an_earlier_one),
        cmocka_unit_test(an_at_most_once_task_is_claimed_and_starts_when_it_is_granted),
        cmocka_unit_test(a_large_payload_is_put_together_and_handed_on),
        cmocka_unit_test(a_payload_that_is_not_the_signed_one_never_reaches_a_process),
        cmocka_unit_test(half_a_payload_is_forgotten_with_the_link_and_after_a_while),
        cmocka_unit_test(a_cell_has_a_process_of_its_own_that_stops_with_its_last_task),
        cmocka_unit_test(an_isolated_task_is_alone_in_a_process_with_one_thread),
        cmocka_unit_test(so_many_isolated_tasks_have_processes_and_the_rest_wait),
        cmocka_unit_test(for_deeper_tasks_there_are_more_processes),
        cmocka_unit_test(a_process_that_does_not_stop_is_killed),
        cmocka_unit_test(a_cancelled_task_is_forgotten_and_its_late_result_dropped),
        cmocka_unit_test(reconciling_lists_what_is_here_and_forgets_what_came_in_part),
        cmocka_unit_test(a_hundred_thousand_tasks_come_and_go_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
