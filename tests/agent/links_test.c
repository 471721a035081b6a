/* SPDX-License-Identifier: MIT */
/* The link to the coordinator: made, lost, made again, refused. */
#include "agent_world.h"

static void hello_says_who_it_is_and_credit_follows_the_welcome(void **state)
{
    (void)state;
    struct world *world = world_new();
    assert_int_equal(world->hellos, 1);
    assert_int_equal(world->credit, 4); /* twice its workers */
    assert_int_equal(world->credits, 1);
    world_free(world);
}

static void a_silent_coordinator_is_left_after_three_seconds_and_tried_for_ever(void **state)
{
    (void)state;
    struct world *world = world_new();
    world_pass(world, 10000);
    assert_int_equal(world->reconnects, 0); /* heartbeats */
    world->mute = true;
    world_pass(world, 2600);
    assert_int_equal(world->reconnects, 0);
    world_pass(world, 500);
    assert_int_equal(world->reconnects, 1);
    world_pass(world, 300000);
    assert_in_range(world->reconnects, 90, 105); /* each of them waits for three seconds */
    world->mute = false;
    world_pass(world, 4000);
    assert_int_equal(agent_count(world->agent).sessions, 0);
    assert_true(world->credits >= 2);
    world_free(world);
}

static void send_refusal(struct world *world, tp_status status)
{
    Taskpool__Refusal refusal;
    taskpool__refusal__init(&refusal);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    refusal.status = status;
    frame.body_case = TASKPOOL__FRAME__BODY_REFUSAL;
    frame.refusal = &refusal;
    world_send(world, &frame);
    world_run(world);
}

static void a_node_that_was_declared_lost_drops_everything_and_takes_a_new_life(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    const struct tp__id life = world->life;
    send_refusal(world, TP_E_NODE_LOST);
    assert_true(process->killed);
    assert_int_equal(world_counts(world).sessions, 0);
    assert_int_equal(world_counts(world).tasks, 0);
    assert_int_equal(world->hellos, 2);
    assert_memory_not_equal(&world->life, &life, sizeof life);
    world_free(world);
}

static void another_refusal_keeps_sessions_and_is_tried_again_later(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    world->mute = true;
    const struct tp__id life = world->life;
    send_refusal(world, TP_E_UNTRUSTED);
    assert_int_equal(world->hellos, 2); /* at once, as after any break */
    send_refusal(world, TP_E_UNTRUSTED);
    assert_int_equal(world->hellos, 2); /* then not before a second has passed */
    world_pass(world, 900);
    assert_int_equal(world->hellos, 2);
    world_pass(world, 200);
    assert_int_equal(world->hellos, 3);
    assert_memory_equal(&world->life, &life, sizeof life);
    assert_false(process->killed);
    world_free(world);
}

static void what_a_coordinator_says_cannot_write_log_lines(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->mute = true;
    world_cut(world);
    Taskpool__Refusal refusal;
    Taskpool__Frame frame;
    taskpool__refusal__init(&refusal);
    taskpool__frame__init(&frame);
    char reason[3000];
    memset(reason, '"', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    memcpy(reason, "a \"b\"\nc\\", 8);
    refusal.status = TP_E_UNTRUSTED;
    refusal.reason = reason;
    frame.body_case = TASKPOOL__FRAME__BODY_REFUSAL;
    frame.refusal = &refusal;
    world_send(world, &frame);
    world_run(world);
    const char *start = strstr(world->last_warning, "reason=\"a \\\"b\\\" c\\\\\\\"");
    assert_non_null(start);
    assert_null(strchr(world->last_warning, '\n'));
    world_free(world);
}

static void sessions_and_results_survive_a_new_link(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    for (uint64_t task = 1; task <= 10; task++)
        driver_submit_plain(driver, task);
    driver->deaf = true;
    for (uint64_t task = 1; task <= 9; task++)
        process_finish(world, process, task);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 0, NULL), 0);
    driver->deaf = false;
    const struct tp__id life = world->life;
    world_cut(world);
    assert_memory_equal(&world->life, &life, sizeof life);
    assert_int_equal(driver->accepts, 2); /* without being asked */
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 0, NULL), 9);
    process_finish(world, process, 10);
    assert_int_equal(driver_heard(driver, TP__RECORD_RESULT, 10, NULL), 1);
    assert_in_range(world->credit, 3, 4); /* counted from this Hello */
    world_free(world);
}

static void without_a_coordinator_work_goes_on_and_ends_after_ten_minutes(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    driver_submit_plain(driver, 2);
    world->mute = true;
    world_pass(world, 300000);
    process_finish(world, process, 1);
    assert_int_equal(world_counts(world).sessions, 1);
    world_pass(world, 290000);
    assert_int_equal(world_counts(world).sessions, 1);
    world_pass(world, 15000);
    assert_int_equal(world_counts(world).sessions, 0);
    assert_true(process->killed);
    world_free(world);
}

static void a_gap_and_a_frame_before_the_welcome_break_the_link(void **state)
{
    (void)state;
    struct world *world = world_new();
    Taskpool__Heartbeat heartbeat;
    taskpool__heartbeat__init(&heartbeat);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    uint8_t bytes[64];
    frame.number = 99;
    frame.body_case = TASKPOOL__FRAME__BODY_HEARTBEAT;
    frame.heartbeat = &heartbeat;
    agent_receive(world->agent, bytes, taskpool__frame__pack(&frame, bytes), world->now_ms);
    assert_int_equal(world->reconnects, 1);
    world->mute = true;
    world_run(world);
    Taskpool__Recall recall;
    taskpool__recall__init(&recall);
    frame.body_case = TASKPOOL__FRAME__BODY_RECALL;
    frame.recall = &recall;
    world_send(world, &frame);
    world_run(world);
    world_pass(world, 1000);
    assert_int_equal(world->reconnects, 2);
    assert_true(world_counts(world).refused > 0);
    world_free(world);
}

static void draining_is_said_and_ends_with_bye(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaves[2] = {plain_leaf(1), plain_leaf(2)};
    leaves[1].cell = 8;
    (void)driver_submit(driver, leaves, 2);
    process->started = 1;
    agent_drain(world->agent, world->now_ms);
    world_run(world);
    assert_int_equal(driver_returned(driver, 2), TP__RETURNED_RECALLED); /* waited in the agent */
    assert_int_equal(process_told(process, TP__RECORD_GIVE_BACK, 0, NULL), 1);
    assert_false(agent_is_drained(world->agent));
    driver_submit_plain(driver, 3);
    assert_int_equal(driver_returned(driver, 3), TP__RETURNED_RECALLED);
    assert_int_equal(world->credit, 3); /* what was received, no more */
    struct world_driver *late = driver_new(world);
    driver_offer(late);
    assert_int_equal(late->status, TP_E_SHUTDOWN);
    world_cut(world);
    assert_true(world->hello_draining);
    assert_false(world->said_bye);
    process_finish(world, process, 1);
    assert_true(agent_is_drained(world->agent));
    assert_true(world->said_bye);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_says_who_it_is_and_credit_follows_the_welcome),
        cmocka_unit_test(a_silent_coordinator_is_left_after_three_seconds_and_tried_for_ever),
        cmocka_unit_test(a_node_that_was_declared_lost_drops_everything_and_takes_a_new_life),
        cmocka_unit_test(another_refusal_keeps_sessions_and_is_tried_again_later),
        cmocka_unit_test(what_a_coordinator_says_cannot_write_log_lines),
        cmocka_unit_test(sessions_and_results_survive_a_new_link),
        cmocka_unit_test(without_a_coordinator_work_goes_on_and_ends_after_ten_minutes),
        cmocka_unit_test(a_gap_and_a_frame_before_the_welcome_break_the_link),
        cmocka_unit_test(draining_is_said_and_ends_with_bye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
