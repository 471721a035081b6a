/* SPDX-License-Identifier: MIT */
/* A process dies: who is told what. */
#include "agent_world.h"

static bool only_odd_have_started(void *context, uint64_t task, uint32_t dispatch)
{
    (void)context;
    (void)dispatch;
    return task % 2 == 1;
}

struct crashed {
    uint8_t role, alone;
    uint32_t status;
    uint32_t worker; /* from 1; 0: unknown */
    char message[4096], task[64], backtrace[1024];
};

static void read_text(struct tp__reader *reader, char *text, size_t size)
{
    size_t length;
    const char *bytes = tp__get_text(reader, &length);
    assert_non_null(bytes);
    assert_true(length < size);
    memcpy(text, bytes, length);
    text[length] = '\0';
}

static struct crashed read_crashed(const struct world_driver *driver, uint64_t task)
{
    struct crashed crashed;
    struct tp__record record;
    assert_int_equal(driver_heard(driver, TP__RECORD_CRASHED, task, &record), 1);
    struct tp__reader reader = tp__reader_of(record.body, record.size);
    crashed.role = tp__get_u8(&reader);
    crashed.alone = tp__get_u8(&reader);
    crashed.status = tp__get_u32(&reader);
    crashed.worker = tp__get_u32(&reader);
    read_text(&reader, crashed.message, sizeof crashed.message);
    read_text(&reader, crashed.task, sizeof crashed.task);
    read_text(&reader, crashed.backtrace, sizeof crashed.backtrace);
    assert_true(reader.ok);
    assert_int_equal(tp__reader_left(&reader), 0);
    return crashed;
}

static void suspects_bystanders_and_unstarted_tasks_are_told_apart(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaves[6];
    for (uint32_t i = 0; i < 6; i++) {
        leaves[i] = plain_leaf(i + 1);
        leaves[i].task = 1;
    }
    leaves[2].task = 2;
    (void)driver_submit(driver, leaves, 6);
    const struct agent_suspect suspects[] = {{3, 1, 1}, {5, 99, 0}, {1000, 1, 0}}; /* the last two are not here */
    const struct agent_crash crash = {.signal = 11,
                                      .text = "was killed by SIGSEGV at address 0x10",
                                      .backtrace = "#0 explode at demo.c:7\n#1 main",
                                      .last_output = "about to explode",
                                      .suspects = suspects,
                                      .suspect_count = 3,
                                      .has_started = only_odd_have_started};
    process_end(world, process, &crash);
    const struct crashed suspect = read_crashed(driver, 3);
    assert_int_equal(suspect.role, TP__CRASH_SUSPECT);
    assert_int_equal(suspect.alone, 0);
    assert_int_equal(suspect.worker, 2);
    assert_int_equal(suspect.status, TP_E_TASK);
    assert_string_equal(suspect.task, "explode");
    assert_string_equal(suspect.message, "task 'explode' was killed by SIGSEGV at address 0x10 on node n1; its last "
                                         "output:\nabout to explode");
    assert_string_equal(suspect.backtrace, crash.backtrace);
    for (uint64_t task = 1; task <= 5; task += 4) {
        const struct crashed bystander = read_crashed(driver, task);
        assert_int_equal(bystander.role, TP__CRASH_BYSTANDER);
        assert_string_equal(bystander.task, "fib");
        assert_string_equal(bystander.backtrace, "");
        assert_int_equal(bystander.worker, 0);
        assert_non_null(strstr(bystander.message, "SIGSEGV"));
    }
    for (uint64_t task = 2; task <= 6; task += 2)
        assert_int_equal(driver_returned(driver, task), TP__RETURNED_RECALLED);
    assert_int_equal(world_counts(world).tasks, 0);
    assert_int_equal(world->process_count, 1); /* another one starts when there is something to run */
    driver_submit_plain(driver, 10);
    process_ready(world, world_process(world, 1));
    assert_int_equal(process_told(world_process(world, 1), TP__RECORD_TASK, 10, NULL), 1);
    world_free(world);
}

/* In a process of a cell. In the common one it may have been killed for another's sins. */
static void a_suspect_that_was_the_only_task_that_had_started_in_a_cell_was_alone(void **state)
{
    (void)state;
    for (uint32_t cell = 0; cell < 2; cell++) {
        struct world *world = world_new();
        struct world_driver *driver = driver_new(world);
        struct world_process *process = driver_begin(driver);
        struct tp__leaf leaves[3] = {plain_leaf(1), plain_leaf(2), plain_leaf(4)};
        for (size_t i = 0; i < 3; i++)
            leaves[i].cell = cell;
        (void)driver_submit(driver, leaves, 3);
        if (cell > 0) {
            process = world_process(world, 1);
            process_ready(world, process);
        }
        const struct agent_suspect suspect = {1, 1, 0};
        process_end(world, process,
                    &(struct agent_crash){.text = "called exit(3)",
                                          .exit_status = 3,
                                          .suspects = &suspect,
                                          .suspect_count = 1,
                                          .has_started = only_odd_have_started});
        const struct crashed crashed = read_crashed(driver, 1);
        assert_int_equal(crashed.role, TP__CRASH_SUSPECT);
        assert_int_equal(crashed.alone, cell > 0);
        assert_string_equal(crashed.message, "task 'square' called exit(3) on node n1");
        world_free(world);
    }
}

static void without_knowledge_every_task_counts_as_started(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    for (uint64_t task = 1; task <= 50; task++)
        driver_submit_plain(driver, task);
    process_end(world, process, &(struct agent_crash){.text = "was killed by SIGKILL", .signal = 9});
    assert_int_equal(driver_heard(driver, TP__RECORD_CRASHED, 0, NULL), 50);
    for (uint64_t task = 1; task <= 50; task++)
        assert_int_equal(read_crashed(driver, task).role, TP__CRASH_BYSTANDER);
    world_free(world);
}

static void results_sent_before_the_death_count(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    driver_submit_plain(driver, 2);
    process_finish(world, process, 1);
    process_end(world, process, &(struct agent_crash){.text = "was killed by SIGKILL"});
    assert_int_equal(driver_heard(driver, TP__RECORD_CRASHED, 1, NULL), 0);
    assert_int_equal(driver_heard(driver, TP__RECORD_CRASHED, 2, NULL), 1);
    world_free(world);
}

static void the_tasks_of_other_processes_and_sessions_are_not_touched(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *a = driver_new(world);
    struct world_driver *b = driver_new(world);
    struct world_process *of_a = driver_begin(a);
    struct world_process *of_b = driver_begin(b);
    struct tp__leaf leaves[2] = {plain_leaf(1), plain_leaf(2)};
    leaves[1].cell = 4;
    (void)driver_submit(a, leaves, 2);
    (void)driver_submit(b, leaves, 1);
    struct world_process *of_cell = world_process(world, 2);
    process_ready(world, of_cell);
    process_end(world, of_a, &(struct agent_crash){.text = "was killed by SIGKILL"});
    assert_int_equal(driver_heard(a, TP__RECORD_CRASHED, 0, NULL), 1);
    assert_int_equal(driver_heard(b, TP__RECORD_CRASHED, 0, NULL), 0);
    process_finish(world, of_cell, 2);
    process_finish(world, of_b, 1);
    assert_int_equal(driver_heard(a, TP__RECORD_RESULT, 2, NULL), 1);
    assert_int_equal(driver_heard(b, TP__RECORD_RESULT, 1, NULL), 1);
    world_free(world);
}

static void tasks_whose_process_cannot_start_are_lost_and_no_start_is_repeated_for_nothing(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    struct tp__leaf leaves[3] = {plain_leaf(1), plain_leaf(2), plain_leaf(3)};
    leaves[0].cell = leaves[1].cell = 6;
    leaves[2].flags = TP__LEAF_ISOLATED;
    (void)driver_submit(driver, leaves, 3);
    assert_int_equal(world->process_count, 3);
    process_end(world, world_process(world, 1), &(struct agent_crash){.text = "called exit(1)"});
    process_end(world, world_process(world, 2), &(struct agent_crash){.text = "called exit(2)"});
    assert_non_null(strstr(read_crashed(driver, 1).message, "did not start: called exit(1)"));
    assert_int_equal(read_crashed(driver, 2).role, TP__CRASH_BYSTANDER);
    assert_non_null(strstr(read_crashed(driver, 3).message, "exit(2)"));
    assert_int_equal(world->process_count, 3);
    world->processes_fail = true;
    leaves[0].sequence = 4;
    leaves[1].sequence = 5;
    leaves[2].sequence = 6;
    (void)driver_submit(driver, leaves, 3);
    world_pass(world, 100);
    for (uint64_t task = 4; task <= 6; task++)
        assert_non_null(strstr(read_crashed(driver, task).message, "no more processes"));
    assert_int_equal(world_counts(world).tasks, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suspects_bystanders_and_unstarted_tasks_are_told_apart),
        cmocka_unit_test(a_suspect_that_was_the_only_task_that_had_started_in_a_cell_was_alone),
        cmocka_unit_test(without_knowledge_every_task_counts_as_started),
        cmocka_unit_test(results_sent_before_the_death_count),
        cmocka_unit_test(the_tasks_of_other_processes_and_sessions_are_not_touched),
        cmocka_unit_test(tasks_whose_process_cannot_start_are_lost_and_no_start_is_repeated_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
