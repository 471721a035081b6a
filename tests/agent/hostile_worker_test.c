/* SPDX-License-Identifier: MIT */
/* A worker process says what it may not: its own end, and nobody else's harm. */
#include "agent_world.h"

struct fixture {
    struct world *world;
    struct world_driver *a, *b;
    struct world_process *of_a, *of_b;
};

/* Two sessions with a task each: 1 of a, 2 of b. */
static struct fixture two_sessions(void)
{
    struct fixture f = {.world = world_new()};
    f.a = driver_new(f.world);
    f.b = driver_new(f.world);
    f.of_a = driver_begin(f.a);
    f.of_b = driver_begin(f.b);
    driver_submit_plain(f.a, 1);
    driver_submit_plain(f.b, 2);
    return f;
}

static void expect_only_a_is_harmed(struct fixture *f)
{
    assert_true(f->of_a->killed);
    assert_false(f->of_b->killed);
    assert_int_equal(world_counts(f->world).refused, 1);
    process_say(f->world, f->of_a, TP__RECORD_RESULT, 1, 1, "x", 1); /* too late */
    assert_int_equal(driver_heard(f->a, TP__RECORD_RESULT, 0, NULL), 0);
    process_end(f->world, f->of_a, &(struct agent_crash){.text = "was killed by SIGKILL"});
    struct tp__record record;
    assert_int_equal(driver_heard(f->a, TP__RECORD_CRASHED, 1, &record), 1);
    process_finish(f->world, f->of_b, 2);
    assert_int_equal(driver_heard(f->b, TP__RECORD_RESULT, 2, NULL), 1);
    world_free(f->world);
}

static void a_malformed_record_ends_its_process(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct fixture f = two_sessions();
        uint8_t bytes[TP__RECORD_HEADER_LIMIT_BYTES];
        uint8_t *end = tp__put_u8(bytes, TP__RECORD_RESULT);
        end = tp__put_u8(end, kind == 0 ? 4 : kind == 1 ? TP__RECORD_NUMBERED : 0); /* unknown; it is 0 */
        end = tp__put_u32(end, kind == 2 ? TP__PART_BYTES + 1 : 0);
        end = tp__put_number(tp__put_number(tp__put_number(end, 1), 1), 0);
        agent_worker_received(f.world->agent, f.of_a->id, bytes, (size_t)(end - bytes), f.world->now_ms);
        expect_only_a_is_harmed(&f);
    }
}

static void records_that_processes_do_not_send_end_their_process(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        if ((type >= TP__RECORD_RESULT && type <= TP__RECORD_OUTPUT))
            continue;
        struct fixture f = two_sessions();
        process_say(f.world, f.of_a, (enum tp__record_type)type, 1, 1, "", 0);
        expect_only_a_is_harmed(&f);
    }
}

static void a_process_may_not_return_tasks_as_refused(void **state)
{
    (void)state;
    const uint8_t reasons[] = {0, TP__RETURNED_STALE, TP__RETURNED_REFUSED, 9};
    for (size_t i = 0; i < sizeof reasons; i++) {
        struct fixture f = two_sessions();
        process_say(f.world, f.of_a, TP__RECORD_RETURNED, 1, 1, &reasons[i], 1);
        expect_only_a_is_harmed(&f);
    }
    struct fixture f = two_sessions();
    process_say(f.world, f.of_a, TP__RECORD_RETURNED, 1, 1, "", 0);
    expect_only_a_is_harmed(&f);
}

static void a_process_cannot_speak_of_another_session_s_task(void **state)
{
    (void)state;
    struct fixture f = two_sessions();
    process_say(f.world, f.of_a, TP__RECORD_RESULT, 2, 1, "forged", 6);
    process_say(f.world, f.of_a, TP__RECORD_OPERATION, 2, 1, "forged", 6);
    assert_int_equal(driver_heard(f.a, TP__RECORD_RESULT, 0, NULL), 0);
    assert_int_equal(driver_heard(f.b, TP__RECORD_RESULT, 0, NULL), 0);
    process_finish(f.world, f.of_b, 2);
    assert_int_equal(driver_heard(f.b, TP__RECORD_RESULT, 2, NULL), 1);
    world_free(f.world);
}

static void a_process_cannot_speak_of_a_task_of_another_process_or_of_one_in_the_agent(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct fixture f = two_sessions();
        struct tp__leaf leaf = plain_leaf(5);
        leaf.cell = 3;
        (void)driver_submit(f.a, &leaf, 1);
        struct world_process *of_cell = world_process(f.world, 2);
        if (kind == 0)
            process_ready(f.world, of_cell);
        process_say(f.world, f.of_a, TP__RECORD_RESULT, 5, 1, "forged", 6);
        assert_int_equal(driver_heard(f.a, TP__RECORD_RESULT, 0, NULL), 0);
        if (kind == 1)
            process_ready(f.world, of_cell);
        process_finish(f.world, of_cell, 5);
        assert_int_equal(driver_heard(f.a, TP__RECORD_RESULT, 5, NULL), 1);
        process_end(f.world, of_cell, &(struct agent_crash){.text = "called exit(0)"});
        f.a->heard.size = 0;
        expect_only_a_is_harmed(&f);
    }
}

static void a_process_speaks_only_after_ready_and_says_it_well(void **state)
{
    (void)state;
    static const struct {
        enum tp__record_type type;
        const char *body;
        size_t size;
    } first[] = {
        {TP__RECORD_RESULT, "", 0},
        {TP__RECORD_OUTPUT, "\1\0\0\0\0x", 6},
        {TP__RECORD_READY, "", 0},
        {TP__RECORD_READY, "\1\0\0\0\377\377\377\377", 8},             /* more names than bytes */
        {TP__RECORD_READY, "\1\0\0\0\1\0\0\0\377\377\377\177abc", 15}, /* a name that is not whole */
        {TP__RECORD_READY, "\1\0\0\0\1\0\0\0\1\0\0\0ab", 14},          /* a byte too many */
        {TP__RECORD_READY, "\2\0\0\0\0\0\0\0", 8},                     /* another protocol */
    };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        struct world *world = world_new();
        struct world_driver *driver = driver_new(world);
        driver_offer(driver);
        struct world_process *process = world_process(world, 0);
        process_say(world, process, first[i].type, 1, 1, first[i].body, first[i].size);
        assert_true(process->killed);
        process_end(world, process, &(struct agent_crash){.text = "was killed by SIGKILL"});
        assert_int_equal(driver->accepts, 0);
        assert_int_equal(driver->refusals, 1);
        world_free(world);
    }
}

static void its_output_is_cut_off_from_others_and_bounded(void **state)
{
    (void)state;
    struct fixture f = two_sessions();
    process_say(f.world, f.of_a, TP__RECORD_OUTPUT, 1, 1, "\1\0\0\0\0hello", 10);
    assert_int_equal(driver_heard(f.a, TP__RECORD_OUTPUT, 1, NULL), 1);
    process_say(f.world, f.of_a, TP__RECORD_OUTPUT, 1, 1, "\1\0", 2); /* too short */
    expect_only_a_is_harmed(&f);
}

static void a_process_that_floods_its_driver_is_paused_then_killed(void **state)
{
    (void)state;
    enum { BODY_BYTES = 512 << 10 };
    struct fixture f = two_sessions();
    f.a->deaf = true;
    uint8_t *body = calloc(1, BODY_BYTES);
    assert_non_null(body);
    size_t sent = 0;
    while (!f.of_a->killed && sent < (size_t)2 << 30) {
        process_say(f.world, f.of_a, TP__RECORD_OPERATION, 1, 1, body, BODY_BYTES);
        sent += BODY_BYTES;
        if (sent < 100 << 20)
            assert_false(f.of_a->paused);
        if (sent > 140 << 20)
            assert_true(f.of_a->paused); /* this one is read all the same */
    }
    assert_true(f.of_a->killed);
    assert_false(f.of_b->killed || f.of_b->paused);
    free(body);
    world_free(f.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_record_ends_its_process),
        cmocka_unit_test(records_that_processes_do_not_send_end_their_process),
        cmocka_unit_test(a_process_may_not_return_tasks_as_refused),
        cmocka_unit_test(a_process_cannot_speak_of_another_session_s_task),
        cmocka_unit_test(a_process_cannot_speak_of_a_task_of_another_process_or_of_one_in_the_agent),
        cmocka_unit_test(a_process_speaks_only_after_ready_and_says_it_well),
        cmocka_unit_test(its_output_is_cut_off_from_others_and_bounded),
        cmocka_unit_test(a_process_that_floods_its_driver_is_paused_then_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
