/* SPDX-License-Identifier: MIT */
/* Records between drivers and processes, freshness, what happens when a driver lags behind. */
#include "agent_world.h"

static void records_of_a_task_pass_in_both_directions(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    const enum tp__record_type up[] = {TP__RECORD_OPERATION, TP__RECORD_WITHDRAW, TP__RECORD_CONFIRM, TP__RECORD_CHILD,
                                       TP__RECORD_CHILD_CANCEL};
    for (size_t i = 0; i < sizeof up / sizeof *up; i++) {
        struct tp__record record;
        process_say(world, process, up[i], 1, 1, "up", 2);
        assert_int_equal(driver_heard(driver, up[i], 1, &record), 1);
        assert_memory_equal(record.body, "up", 2);
    }
    const enum tp__record_type down[] = {TP__RECORD_REPLY, TP__RECORD_CHILD_RESULT, TP__RECORD_CHILD_FAILURE};
    for (size_t i = 0; i < sizeof down / sizeof *down; i++) {
        struct tp__record record;
        driver_say(driver, down[i], 1, 1, 5, "down", 4);
        assert_int_equal(process_told(process, down[i], 1, &record), 1);
        assert_int_equal(record.operation, 5);
        assert_memory_equal(record.body, "down", 4);
        driver_say(driver, down[i], 1, 2, 5, "down", 4); /* another dispatch, another task: nobody's */
        driver_say(driver, down[i], 2, 1, 5, "down", 4);
        assert_int_equal(process_told(process, down[i], 0, NULL), 1);
    }
    process_say(world, process, TP__RECORD_FAILURE, 1, 1, "why", 3);
    assert_int_equal(driver_heard(driver, TP__RECORD_FAILURE, 1, NULL), 1);
    assert_int_equal(world_counts(world).tasks, 0);
    world_free(world);
}

static void a_result_in_parts_ends_its_task_with_the_last_part(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    enum { SIZE = 3 * TP__PART_BYTES - 7 };
    uint8_t *value = calloc(1, SIZE);
    assert_non_null(value);
    struct tp__buffer bytes = {NULL, 0, 0};
    assert_true(tp__record_append(
        &bytes,
        &(struct tp__record){.type = TP__RECORD_RESULT, .task = 1, .dispatch = 1, .body = value, .size = SIZE}));
    for (size_t at = 0; at < bytes.size; at += 65536) {
        assert_int_equal(world_counts(world).tasks, 1);
        const size_t left = bytes.size - at;
        agent_worker_received(world->agent, process->id, bytes.bytes + at, left < 65536 ? left : 65536, world->now_ms);
        world_run(world);
    }
    assert_int_equal(world_counts(world).tasks, 0);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 1, NULL), 3);
    tp__buffer_free(&bytes);
    free(value);
    world_free(world);
}

static void nothing_starts_when_the_driver_was_silent_for_a_minute(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    world_pass(world, 59000);
    assert_int_equal(process_told(process, TP__RECORD_GIVE_BACK, 0, NULL), 0);
    driver_submit_plain(driver, 2);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 2, NULL), 1);
    world_pass(world, 1100);
    assert_int_equal(process_told(process, TP__RECORD_GIVE_BACK, 0, NULL), 1); /* what has not started comes back */
    driver_submit_plain(driver, 3);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 3, NULL), 0);
    driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 3, NULL), 1);
    world_free(world);
}

static void a_process_knows_until_when_it_may_start_what_it_has(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    driver_offer(driver);
    struct world_process *process = world_process(world, 0);
    process_ready(world, process);
    assert_int_equal(process->fresh_until_ms, 0); /* nothing was heard of the driver yet */
    driver_open(driver, 0);
    const int64_t opened_ms = world->now_ms;
    assert_int_equal(process->fresh_until_ms, opened_ms + 60000);
    world_pass(world, 30000);
    assert_int_equal(process->fresh_until_ms, opened_ms + 60000);
    driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    assert_int_equal(process->fresh_until_ms, world->now_ms + 60000);
    struct tp__leaf leaf = plain_leaf(1);
    leaf.cell = 3;
    (void)driver_submit(driver, &leaf, 1);
    process_ready(world, world_process(world, 1));
    assert_int_equal(world_process(world, 1)->fresh_until_ms, process->fresh_until_ms);
    world_free(world);
}

static void replayed_frames_keep_nothing_fresh(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    const uint8_t zero[8] = {0};
    assert_true(
        tp__stream_append(driver->stream, &(struct tp__record){.type = TP__RECORD_TICK, .body = zero, .size = 0}));
    struct tp__sealed sealed;
    assert_true(tp__stream_next(driver->stream, &sealed));
    uint8_t *copy = malloc(sealed.size);
    assert_non_null(copy);
    memcpy(copy, sealed.bytes, sealed.size);
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    stream.session = tp__field_of_id(&driver->offer.session);
    stream.incarnation = tp__field_of_id(&driver->incarnation);
    stream.position = sealed.position;
    stream.sealed = tp__field(copy, sealed.size);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &stream;
    for (int i = 0; i < 7; i++) {
        world_send(world, &frame);
        world_pass(world, 10000);
    }
    driver_submit_plain(driver, 1);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 0, NULL), 0);
    free(copy);
    world_free(world);
}

static void output_reaches_the_driver_and_what_is_dropped_is_said(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    agent_worker_output(world->agent, process->id, 1, 7, 2, (const uint8_t *)"hello\n", 6, world->now_ms);
    world_run(world);
    struct tp__record record;
    assert_int_equal(driver_heard(driver, TP__RECORD_OUTPUT, 7, &record), 1);
    assert_int_equal(record.dispatch, 2);
    assert_int_equal(record.size, 11);
    assert_int_equal(record.body[0], 1);
    assert_memory_equal(record.body + 5, "hello\n", 6);

    driver->deaf = true;
    static uint8_t lots[64 << 10];
    for (int i = 0; i < 200; i++)
        agent_worker_output(world->agent, process->id, 2, 0, 0, lots, sizeof lots, world->now_ms);
    world_run(world);
    assert_true(world_counts(world).memory_bytes < 6 << 20);
    driver->deaf = false;
    world_cut(world);
    world_pass(world, 1000);
    uint64_t heard = 0, dropped = 0;
    struct tp__reader reader = tp__reader_of(driver->heard.bytes, driver->heard.size);
    while (tp__record_read(&reader, &record) == TP__RECORD_FOUND) {
        if (record.type != TP__RECORD_OUTPUT || record.task != 0)
            continue;
        struct tp__reader body = tp__reader_of(record.body, record.size);
        (void)tp__get_u8(&body);
        dropped += tp__get_u32(&body);
        heard += tp__reader_left(&body);
    }
    assert_true(dropped > 0);
    assert_int_equal(heard + dropped, 200 * sizeof lots);
    world_free(world);
}

static void a_driver_that_lags_behind_is_waited_for(void **state)
{
    (void)state;
    enum { RESULT_BYTES = 16 << 20 };
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    for (uint64_t task = 1; task <= 10; task++)
        driver_submit_plain(driver, task);
    driver->deaf = true;
    uint8_t *value = calloc(1, RESULT_BYTES);
    assert_non_null(value);
    for (uint64_t task = 1; task <= 4; task++)
        process_say(world, process, TP__RECORD_RESULT, task, 1, value, RESULT_BYTES);
    driver_submit_plain(driver, 20);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 20, NULL), 0);
    assert_int_equal(world_counts(world).waiting, 1 + 6);
    assert_false(process->paused);
    for (uint64_t task = 5; task <= 8; task++)
        process_say(world, process, TP__RECORD_RESULT, task, 1, value, RESULT_BYTES);
    assert_true(process->paused);
    driver->deaf = false;
    world_cut(world);
    world_run(world);
    assert_false(process->paused);
    assert_int_equal(process_told(process, TP__RECORD_TASK, 20, NULL), 1);
    free(value);
    world_free(world);
}

static void a_driver_that_cannot_be_understood_ends_its_session(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *a = driver_new(world);
    struct world_driver *b = driver_new(world);
    struct world_process *of_a = driver_begin(a);
    struct world_process *of_b = driver_begin(b);
    driver_say(a, TP__RECORD_RESULT, 1, 1, 0, NULL, 0);
    assert_true(of_a->killed);
    assert_int_equal(a->status, TP_E_DECODE);
    assert_false(of_b->killed);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_a_task_pass_in_both_directions),
        cmocka_unit_test(a_result_in_parts_ends_its_task_with_the_last_part),
        cmocka_unit_test(nothing_starts_when_the_driver_was_silent_for_a_minute),
        cmocka_unit_test(a_process_knows_until_when_it_may_start_what_it_has),
        cmocka_unit_test(replayed_frames_keep_nothing_fresh),
        cmocka_unit_test(output_reaches_the_driver_and_what_is_dropped_is_said),
        cmocka_unit_test(a_driver_that_lags_behind_is_waited_for),
        cmocka_unit_test(a_driver_that_cannot_be_understood_ends_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
