/* SPDX-License-Identifier: MIT */
/* How many tasks the node asks for, and how it hands them back. */
#include "agent_world.h"

static void submit(struct world_driver *driver, uint64_t first, uint32_t count)
{
    struct tp__leaf leaves[TP__BATCH_LIMIT];
    while (count > 0) {
        const uint32_t some = count < TP__BATCH_LIMIT ? count : TP__BATCH_LIMIT;
        for (uint32_t i = 0; i < some; i++)
            leaves[i] = plain_leaf(first++);
        (void)driver_submit(driver, leaves, some);
        count -= some;
    }
}

/* Tasks of 0.1 ms on average, as many as there is credit for; returns how many were received. */
static uint64_t work(struct world_driver *driver, struct world_process *process, uint64_t received, int64_t ms,
                     uint32_t a_ms)
{
    struct world *world = driver->world;
    uint64_t finished = process->started;
    for (int64_t i = 0; i < ms; i++) {
        if (world->credit > received) {
            submit(driver, received + 1, (uint32_t)(world->credit - received));
            received = world->credit;
        }
        struct tp__buffer results = {NULL, 0, 0};
        for (uint32_t n = 0; n < a_ms && finished < received; n++) {
            finished++;
            process->started++;
            assert_true(tp__record_append(
                &results, &(struct tp__record){.type = TP__RECORD_RESULT, .task = finished, .dispatch = 1}));
        }
        agent_worker_received(world->agent, process->id, results.bytes, results.size, world->now_ms);
        tp__buffer_free(&results);
        world_run(world);
        world_pass(world, 1);
        if (i % 1000 == 0)
            driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    }
    return received;
}

static void what_waits_is_about_ten_milliseconds_of_work(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    const uint64_t received = work(driver, process, 0, 500, 20);
    const uint64_t waiting = received - process->started;
    assert_in_range(waiting, 100, 210);
    assert_true(world->credits < 500 * 20 / 8);                    /* many tasks an announcement */
    const uint64_t now = work(driver, process, received, 3000, 1); /* slower: fewer wait */
    assert_in_range(now - process->started, 2, 40);
    world_free(world);
}

/* Credit and tasks are 20 ms on their way; 20 tasks a millisecond could be done. */
static void a_long_way_to_the_coordinator_leaves_no_worker_idle(void **state)
{
    (void)state;
    enum { WAY_MS = 20, A_MS = 20, ALL_MS = 3000 };
    static uint64_t credits[ALL_MS];
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    uint64_t received = 0;
    uint64_t finished_early = 0;
    for (int64_t i = 0; i < ALL_MS; i++) {
        credits[i] = world->credit;
        const uint64_t allowed = i < WAY_MS ? 0 : credits[i - WAY_MS];
        if (allowed > received) {
            submit(driver, received + 1, (uint32_t)(allowed - received));
            received = allowed;
        }
        struct tp__buffer results = {NULL, 0, 0};
        for (uint32_t n = 0; n < A_MS && process->started < received; n++)
            assert_true(tp__record_append(
                &results, &(struct tp__record){.type = TP__RECORD_RESULT, .task = ++process->started, .dispatch = 1}));
        agent_worker_received(world->agent, process->id, results.bytes, results.size, world->now_ms);
        tp__buffer_free(&results);
        world_run(world);
        world_pass(world, 1);
        if (i == ALL_MS / 2)
            finished_early = process->started;
        if (i % 1000 == 0)
            driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    }
    assert_true(process->started - finished_early > ALL_MS / 2 * A_MS * 8 / 10);
    world_free(world);
}

static void never_more_than_4096_wait(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    const uint64_t received = work(driver, process, 0, 300, 2000);
    assert_in_range(received - process->started, 2048, 4096);
    world_free(world);
}

static void parked_tasks_use_no_credit_and_a_start_is_noticed(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    submit(driver, 1, 4);
    assert_int_equal(world->credit, 4);
    assert_int_equal(world_counts(world).waiting, 4);
    process->started = 3; /* they park: no record says so */
    world_pass(world, 100);
    assert_int_equal(world->credit, 4 + 3);
    assert_int_equal(world_counts(world).running, 3);
    world_free(world);
}

static void an_announcement_waits_a_moment_for_a_result_to_leave_with(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    submit(driver, 1, 4);
    process->started = 4;
    driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0); /* the agent looks */
    assert_int_equal(world->credit, 4);
    process_finish(world, process, 1);
    assert_int_equal(world->credit, 8);
    submit(driver, 5, 4);
    process->started = 8;
    driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    assert_int_equal(world->credit, 8);
    world_pass(world, 2); /* none comes */
    assert_int_equal(world->credit, 12);
    world_free(world);
}

/* ... and not any more when there is nobody to tell. */
static void an_announcement_ends_with_its_link(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    submit(driver, 1, 4);
    process->started = 4;
    driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    assert_int_equal(world->credit, 4);
    world->mute = true;
    world_cut(world);
    world_pass(world, 10);
    assert_true(agent_tick(world->agent, world->now_ms) > world->now_ms);
    world_free(world);
}

static void large_tasks_are_asked_for_by_their_bytes(void **state)
{
    (void)state;
    enum { BYTES = 64 << 10, TASKS = 200 }; /* 16 MiB are 256 of them */
    static uint8_t payload[BYTES];
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    uint64_t received = work(driver, process, 0, 300, 200);
    assert_true(world->credit - process->started > 1000);
    for (unsigned i = 0; i < TASKS; i++) {
        struct tp__leaf leaf = plain_leaf(++received);
        leaf.payload = payload;
        leaf.length = BYTES;
        (void)driver_submit(driver, &leaf, 1);
    }
    received = world->credit > received ? world->credit : received;
    process->started = received;
    world_pass(world, 100);
    assert_in_range(world->credit - received, 200, 300);
    world_free(world);
}

static void a_task_cancelled_before_its_start_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    submit(driver, 1, 4);
    for (uint64_t task = 1; task <= 4; task++)
        driver_say(driver, TP__RECORD_CANCEL, task, 1, 0, NULL, 0);
    assert_int_equal(world_counts(world).waiting, 0);
    assert_in_range(world->credit, 7, 8); /* half of it is left: there is time to say it */
    submit(driver, 5, 2);
    assert_int_equal(world_counts(world).waiting, 2);
    process->started = 1; /* the fifth */
    world_pass(world, 100);
    assert_int_equal(world_counts(world).waiting, 1);
    world_free(world);
}

/* They start and park: no record says so. */
static void park(struct world_driver *driver, struct world_process *process, uint64_t first, uint32_t count)
{
    submit(driver, first, count);
    process->started += count;
    world_pass(driver->world, 100);
}

static void a_session_near_its_limit_is_told_how_many_may_come(void **state)
{
    (void)state;
    struct world *world = world_new_with_limit(10);
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    park(driver, process, 1, 4);
    assert_int_equal(world->credit, 8);
    assert_false(world->has_room); /* 4 here, 4 more may come */
    park(driver, process, 5, 4);
    assert_true(world->has_room);
    assert_int_equal(world->room, 10);
    process_finish(world, process, 1);
    assert_int_equal(world->room, 10); /* two may come: one more is no news */
    process_finish(world, process, 2);
    assert_false(world->has_room);
    park(driver, process, 9, 4);
    assert_int_equal(world->room, 12);
    const unsigned before = world->credits;
    process_finish(world, process, 3); /* it was full: each is news */
    assert_int_equal(world->room, 13);
    assert_int_equal(world->credits, before + 1);
    process_finish(world, process, 4);
    assert_int_equal(world->room, 13);
    world_free(world);
}

static void an_accept_says_what_may_come(void **state)
{
    (void)state;
    struct world *world = world_new_with_limit(3);
    world_run(world);
    assert_int_equal(world->credit, 4); /* more than a session may have */
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    assert_int_equal(world->room, 3);
    park(driver, process, 1, 2);
    process_finish(world, process, 1);
    assert_int_equal(world->room, 4);
    world->room = 0;
    driver_offer(driver); /* the same Accept again */
    assert_int_equal(world->room, 4);
    world_free(world);
}

static void past_its_limit_a_node_has_room_for_deeper_tasks_alone(void **state)
{
    (void)state;
    struct world *world = world_new_with_limit(4);
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    park(driver, process, 1, 4);
    struct tp__leaf leaves[4] = {plain_leaf(5), plain_leaf(6), plain_leaf(7), plain_leaf(8)};
    for (uint32_t i = 0; i < 4; i++)
        leaves[i].depth = i; /* the second is one too many, had the first one been taken */
    (void)driver_submit(driver, leaves, 4);
    assert_int_equal(driver_returned(driver, 5), TP__RETURNED_RECALLED);
    assert_int_equal(driver_returned(driver, 6), 0);
    assert_int_equal(driver_returned(driver, 7), 0);
    assert_int_equal(driver_returned(driver, 8), 0);
    process->started += 3;
    world_pass(world, 100);
    assert_int_equal(world->room, 5); /* 8 have come, and 7 are here */
    for (uint64_t task = 6; task <= 8; task++)
        process_finish(world, process, task);
    assert_int_equal(world->room, 8);
    world_free(world);
}

static void on_a_new_link_the_room_is_counted_anew(void **state)
{
    (void)state;
    struct world *world = world_new_with_limit(4);
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    park(driver, process, 1, 3);
    assert_int_equal(world->room, 4);
    world_cut(world);
    world_pass(world, 5000);
    assert_true(world->has_room);
    assert_int_equal(world->room, 1);
    park(driver, process, 4, 1);
    process_finish(world, process, 1);
    assert_int_equal(world->room, 2);
    world_free(world);
}

/* At-most-once tasks, which wait for the driver's word. */
static void submit_once(struct world_driver *driver, uint64_t first, uint32_t count)
{
    struct tp__leaf leaves[TP__BATCH_LIMIT];
    for (uint32_t done = 0; done < count;) {
        const uint32_t some = count - done < TP__BATCH_LIMIT ? count - done : TP__BATCH_LIMIT;
        for (uint32_t i = 0; i < some; i++) {
            leaves[i] = plain_leaf(first + done + i);
            leaves[i].flags = TP__LEAF_AT_MOST_ONCE;
        }
        (void)driver_submit(driver, leaves, some);
        done += some;
    }
}

static void claims_that_a_driver_leaves_unanswered_use_no_credit(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    submit_once(driver, 1, 4);
    world_pass(world, 500);
    assert_int_equal(world->credit, 4); /* an answer may be on its way */
    world_pass(world, 1500);
    assert_int_equal(world->credit, 4 + 4);
    submit_once(driver, 5, 4);
    assert_int_equal(world->credit, 8 + 4);
    for (uint64_t task = 1; task <= 8; task++)
        driver_say(driver, TP__RECORD_GRANT, task, 1, 0, NULL, 0); /* now they wait for a worker */
    submit_once(driver, 9, 4);
    world_pass(world, 500);
    assert_int_equal(world->credit, 12);
    world_free(world);
}

static void only_so_many_unanswered_claims_use_no_credit(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    submit_once(driver, 1, 4096 + 4);
    world_pass(world, 2000);
    assert_int_equal(world->credit, 4096 + 4);
    for (uint64_t task = 1; task <= 4; task++)
        driver_say(driver, TP__RECORD_REFUSE, task, 1, 0, NULL, 0);
    world_pass(world, 2000);
    assert_int_equal(world->credit, 4096 + 4 + 4);
    world_free(world);
}

static void a_session_that_is_held_back_for_long_uses_no_credit(void **state)
{
    (void)state;
    enum { VALUE_BYTES = 1 << 19, VALUES = 130, WAITING = 1000 };
    static uint8_t value[VALUE_BYTES];
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    submit(driver, 1, VALUES);
    process->started = VALUES;
    driver->deaf = true; /* acknowledges no results */
    for (uint64_t task = 1; task <= VALUES; task++)
        process_say(world, process, TP__RECORD_RESULT, task, 1, value, sizeof value);
    submit(driver, VALUES + 1, WAITING);
    assert_int_equal(process_told(process, TP__RECORD_TASK, VALUES + 1, NULL), 0);
    world_pass(world, 500);
    assert_int_equal(world->credit, VALUES + WAITING);
    world_pass(world, 1500);
    assert_true(world->credit > VALUES + WAITING);
    world_free(world);
}

static void tasks_that_wait_for_a_process_use_no_credit_but_do_not_pile_up(void **state)
{
    (void)state;
    enum { PROCESSES = 64, STALLED = 4096 + 64 };
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    struct tp__leaf leaves[TP__BATCH_LIMIT];
    uint64_t submitted = 0;
    while (submitted < PROCESSES + STALLED - 128) {
        for (uint32_t i = 0; i < 128; i++) {
            leaves[i] = plain_leaf(++submitted);
            leaves[i].flags = TP__LEAF_ISOLATED;
        }
        (void)driver_submit(driver, leaves, 128);
    }
    for (size_t i = 1; i <= PROCESSES; i++) {
        process_ready(world, world_process(world, i));
        world_process(world, i)->started = 1; /* and wait for other tasks */
    }
    world_pass(world, 200);
    assert_in_range(world->credit, submitted + 1, submitted + 4);
    const uint64_t stalled = submitted - PROCESSES;
    assert_false(world->has_room);
    for (uint32_t i = 0; i < STALLED - stalled; i++) {
        leaves[i] = plain_leaf(++submitted);
        leaves[i].flags = TP__LEAF_ISOLATED;
    }
    (void)driver_submit(driver, leaves, (uint32_t)(STALLED - stalled));
    world_pass(world, 200);
    assert_in_range(world->credit, submitted + 1, submitted + 4);
    assert_true(world->has_room);
    assert_int_equal(world->room, submitted); /* only what is deeper */
    leaves[0] = plain_leaf(++submitted);
    leaves[1] = plain_leaf(++submitted);
    leaves[1].depth = 1;
    (void)driver_submit(driver, leaves, 2);
    assert_int_equal(driver_returned(driver, submitted - 1), TP__RETURNED_RECALLED);
    assert_int_equal(process_told(world_process(world, 0), TP__RECORD_TASK, submitted, NULL), 1);
    world_free(world);
}

static void send_recall(struct world *world, uint32_t count, bool drain)
{
    Taskpool__Recall recall;
    taskpool__recall__init(&recall);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    recall.count = count;
    recall.drain = drain;
    frame.body_case = TASKPOOL__FRAME__BODY_RECALL;
    frame.recall = &recall;
    world_send(world, &frame);
    world_run(world);
}

static void a_recall_takes_from_the_agent_first_and_asks_processes_for_the_rest(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    submit(driver, 1, 10);
    process->started = 4;
    struct tp__leaf leaves[3] = {plain_leaf(11), plain_leaf(12), plain_leaf(13)};
    leaves[0].cell = leaves[1].cell = leaves[2].cell = 2;
    leaves[1].worker = 1; /* pinned: it stays */
    (void)driver_submit(driver, leaves, 3);
    send_recall(world, 5, false);
    assert_int_equal(driver_returned(driver, 11), TP__RETURNED_RECALLED);
    assert_int_equal(driver_returned(driver, 12), 0);
    assert_int_equal(driver_returned(driver, 13), TP__RETURNED_RECALLED);
    struct tp__record record;
    assert_int_equal(process_told(process, TP__RECORD_GIVE_BACK, 0, &record), 1);
    struct tp__reader reader = tp__reader_of(record.body, record.size);
    assert_int_equal(tp__get_u32(&reader), 3);
    const uint8_t recalled[] = {TP__RETURNED_RECALLED, 0, 0, 0, 0};
    process_say(world, process, TP__RECORD_RETURNED, 10, 1, recalled, sizeof recalled);
    assert_int_equal(driver_returned(driver, 10), TP__RETURNED_RECALLED);
    assert_int_equal(world_counts(world).waiting, 1 + 5);
    world_free(world);
}

static void a_drained_node_hands_back_all_and_takes_none(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    struct tp__leaf leaves[3] = {plain_leaf(1), plain_leaf(2), plain_leaf(3)};
    leaves[0].cell = 4;
    leaves[1].flags = TP__LEAF_AT_MOST_ONCE;
    (void)driver_submit(driver, leaves, 3);
    send_recall(world, 0, true);
    assert_int_equal(driver_returned(driver, 1), TP__RETURNED_RECALLED);
    assert_int_equal(driver_returned(driver, 2), TP__RETURNED_RECALLED);
    assert_int_equal(process_told(process, TP__RECORD_GIVE_BACK, 0, NULL), 1);
    driver_say(driver, TP__RECORD_GRANT, 2, 1, 0, NULL, 0); /* crossed the return: it does not start here */
    assert_int_equal(process_told(process, TP__RECORD_TASK, 2, NULL), 0);
    assert_int_equal(world->credit, 3);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_about_ten_milliseconds_of_work),
        cmocka_unit_test(a_long_way_to_the_coordinator_leaves_no_worker_idle),
        cmocka_unit_test(never_more_than_4096_wait),
        cmocka_unit_test(parked_tasks_use_no_credit_and_a_start_is_noticed),
        cmocka_unit_test(an_announcement_waits_a_moment_for_a_result_to_leave_with),
        cmocka_unit_test(an_announcement_ends_with_its_link),
        cmocka_unit_test(large_tasks_are_asked_for_by_their_bytes),
        cmocka_unit_test(a_task_cancelled_before_its_start_does_not_wait_for_ever),
        cmocka_unit_test(a_session_near_its_limit_is_told_how_many_may_come),
        cmocka_unit_test(an_accept_says_what_may_come),
        cmocka_unit_test(past_its_limit_a_node_has_room_for_deeper_tasks_alone),
        cmocka_unit_test(on_a_new_link_the_room_is_counted_anew),
        cmocka_unit_test(claims_that_a_driver_leaves_unanswered_use_no_credit),
        cmocka_unit_test(only_so_many_unanswered_claims_use_no_credit),
        cmocka_unit_test(a_session_that_is_held_back_for_long_uses_no_credit),
        cmocka_unit_test(tasks_that_wait_for_a_process_use_no_credit_but_do_not_pile_up),
        cmocka_unit_test(a_recall_takes_from_the_agent_first_and_asks_processes_for_the_rest),
        cmocka_unit_test(a_drained_node_hands_back_all_and_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
