/* SPDX-License-Identifier: MIT */
/* The way of a task whom nothing befalls: batches, placing, results, failures, pins, limits, cancelling. */
#include "session/stage.h"

static void a_task_goes_out_is_placed_and_gives_its_result(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 2);
    assert_int_equal(stage->workers, 2);
    const struct stage_leaf leaf = stage_start(stage, node, 7, 0);
    assert_int_equal(leaf.leaf.sequence, 1);
    assert_int_equal(leaf.leaf.dispatch, 1);
    assert_int_equal(leaf.leaf.parent, 0);
    assert_int_equal(leaf.leaf.worker, 0);
    assert_int_equal(leaf.leaf.cell, 0);
    assert_int_equal(leaf.payload[0], 7);
    assert_int_equal(tp__session_count(stage->session).placed, 1);
    stage_result(node, &leaf.leaf, "49");
    stage_expect_result(stage, 7, "49");
    assert_int_equal(tp__session_count(stage->session).unresolved, 0);
    stage_result(node, &leaf.leaf, "50");
    stage_no_event(stage, STAGE_RESULT);
    stage_free(stage);
}

static void the_first_record_opens_the_stream_with_the_number_of_the_first_worker(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 2);
    struct stage_node *b = stage_node(stage, "b", 3);
    assert_int_equal(stage_record(a, TP__RECORD_OPEN)->bytes[0], 0);
    assert_int_equal(stage_record(b, TP__RECORD_OPEN)->bytes[0], 2);
    assert_int_equal(stage->workers, 5);
    stage_free(stage);
}

static void numbers_of_a_lost_node_go_to_the_next_that_fits(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 2);
    stage_node(stage, "b", 3);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    assert_int_equal(stage->workers, 3);
    assert_int_equal(stage_record(stage_node(stage, "c", 3), TP__RECORD_OPEN)->bytes[0], 5);
    assert_int_equal(stage_record(stage_node(stage, "d", 1), TP__RECORD_OPEN)->bytes[0], 0);
    assert_int_equal(stage->workers, 7);
    stage_free(stage);
}

static void what_waits_goes_in_one_batch(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_node(stage, "a", 1);
    for (uintptr_t i = 1; i <= TP__BATCH_LIMIT + 44; i++)
        stage_submit(stage, i);
    stage_run(stage);
    for (uintptr_t i = 1; i <= TP__BATCH_LIMIT + 44; i++) {
        const struct stage_leaf *leaf = stage_leaf(stage);
        assert_int_equal(leaf->leaf.sequence, i);
        assert_int_equal(leaf->count, i <= TP__BATCH_LIMIT ? TP__BATCH_LIMIT : 44);
        assert_int_equal(leaf->batch, i <= TP__BATCH_LIMIT ? 1 : 2);
    }
    stage_no_leaf(stage);
    stage_free(stage);
}

static void results_come_in_any_order_and_each_task_ends_once(void **state)
{
    (void)state;
    enum { TASKS = 1000 };
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    for (uintptr_t i = 1; i <= TASKS; i++)
        stage_submit(stage, i);
    stage_run(stage);
    assert_int_equal(stage->leaf_count, TASKS);
    for (size_t i = 0; i < TASKS; i++)
        stage_place(stage, &stage->leaves[i], node);
    for (size_t i = 0; i < TASKS; i++) /* 7 and 1000 have no common divisor */
        stage_result(node, &stage->leaves[(i * 7 + 3) % TASKS].leaf, "r");
    for (size_t i = 0; i < TASKS; i++)
        assert_int_equal(stage_event(stage, STAGE_RESULT)->tag, (i * 7 + 3) % TASKS + 1);
    const struct tp__session_counts counts = tp__session_count(stage->session);
    assert_int_equal(counts.unresolved + counts.waiting + counts.queued + counts.placed, 0);
    assert_int_equal(counts.dispatches, TASKS);
    stage_free(stage);
}

static void pages_go_when_their_tasks_have_ended(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf first = stage_start(stage, node, 1, 0);
    for (uintptr_t i = 2; i < 5000; i++) {
        const struct stage_leaf leaf = stage_start(stage, node, i, 0);
        stage_result(node, &leaf.leaf, "r");
    }
    assert_true(tp__session_count(stage->session).memory_bytes < 100000);
    stage_result(node, &first.leaf, "last");
    for (uintptr_t i = 2; i < 5000; i++)
        stage_event(stage, STAGE_RESULT);
    stage_expect_result(stage, 1, "last");
    stage_free(stage);
}

static void a_failure_says_what_and_where(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf leaf = stage_start(stage, node, 3, 0);
    stage_failure(node, &leaf.leaf, TP_E_TASK, "boom 7");
    const struct stage_event *event = stage_expect_failure(stage, 3, TP_E_TASK, "boom 7");
    assert_string_equal(event->task, "fib");
    assert_string_equal(event->node, "a");
    assert_string_equal(event->backtrace, "frame 1");
    assert_int_equal(event->worker, 7);
    stage_free(stage);
}

static void a_status_that_is_none_is_an_error_of_the_task(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    struct stage_leaf leaf = stage_start(stage, node, 3, 0);
    stage_failure(node, &leaf.leaf, (tp_status)9999, "odd");
    stage_expect_failure(stage, 3, TP_E_TASK, "odd");
    leaf = stage_start(stage, node, 4, 0);
    stage_failure(node, &leaf.leaf, TP_OK, "no");
    stage_expect_failure(stage, 4, TP_E_TASK, "no");
    stage_free(stage);
}

static void a_node_is_not_believed_about_what_was_not_placed_there(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *rogue = stage_node(stage, "rogue", 1);
    struct stage_node *node = stage_node(stage, "honest", 1);
    stage_record(rogue, TP__RECORD_OPEN);
    stage_record(node, TP__RECORD_OPEN);
    stage_submit_with(stage, 5, TP__LEAF_AT_MOST_ONCE, -1);
    stage_submit(stage, 6);
    stage_run(stage);
    const struct stage_leaf once = *stage_leaf(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_say(rogue, TP__RECORD_CLAIM, &once.leaf, 0, NULL, 0);
    stage_record(rogue, TP__RECORD_REFUSE);
    stage_result(rogue, &leaf.leaf, "made up");
    stage_no_event(stage, STAGE_RESULT);
    assert_int_equal(stage_record(rogue, TP__RECORD_CANCEL)->record.task, leaf.leaf.sequence);
    stage_condition(rogue, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    const struct tp__leaf named[] = {once.leaf, leaf.leaf};
    stage_held(rogue, stage_asked(rogue), named, 2, TP__HELD_RUNNING);
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    stage_place(stage, &once, node);
    stage_place(stage, &leaf, node);
    stage_say(node, TP__RECORD_CLAIM, &once.leaf, 0, NULL, 0);
    stage_record(node, TP__RECORD_GRANT);
    stage_result(node, &leaf.leaf, "true");
    stage_expect_result(stage, 6, "true");
    stage_free(stage);
}

static void pinned_tasks_go_to_the_node_of_their_worker_in_batches_of_their_own(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 2);
    struct stage_node *b = stage_node(stage, "b", 2);
    for (int worker = 0; worker < 4; worker++)
        stage_submit_with(stage, (uintptr_t)worker + 1, 0, worker);
    stage_submit(stage, 9);
    stage_run(stage);
    for (uint64_t i = 0; i < 4; i++) {
        const struct stage_leaf *leaf = stage_leaf(stage);
        assert_int_equal(leaf->count, 2);
        assert_int_equal(leaf->leaf.worker, leaf->index + 1);
        const struct stage_node *node = i < 2 ? a : b;
        if (leaf->batch == 1)
            assert_true(tp__id_equal(&leaf->incarnation, &node->incarnation) || i >= 2);
        assert_false(tp__id_is_none(&leaf->incarnation));
        assert_int_equal(leaf->leaf.sequence, leaf->payload[0]);
        assert_true(tp__id_equal(&leaf->incarnation, leaf->leaf.sequence <= 2 ? &a->incarnation : &b->incarnation));
    }
    const struct stage_leaf *free_leaf = stage_leaf(stage);
    assert_true(tp__id_is_none(&free_leaf->incarnation));
    assert_int_equal(free_leaf->leaf.worker, 0);
    stage_free(stage);
}

static void there_is_no_worker_past_the_last(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_node(stage, "a", 2);
    const struct tp__session_task task = {.tag = stage, .worker = 2, .payload = (const uint8_t *)"", .length = 0};
    tp_status status;
    assert_int_equal(tp__session_submit(stage->session, &task, &status), 0);
    assert_int_equal(status, TP_E_ARGUMENT);
    stage_free(stage);
}

static void be_strict(struct tp__session_options *options)
{
    options->strict = true;
}

static void strict_pools_deal_their_tasks_out_in_turn(void **state)
{
    (void)state;
    struct stage *stage = stage_new(be_strict);
    for (uintptr_t i = 1; i <= 3; i++) /* before there is a worker */
        stage_submit(stage, i);
    stage_run(stage);
    stage_no_leaf(stage);
    stage_node(stage, "a", 3);
    stage_run(stage);
    for (uint32_t i = 0; i < 3; i++) {
        const struct stage_leaf *leaf = stage_leaf(stage);
        assert_int_equal(leaf->leaf.worker, i + 1);
        assert_false(tp__id_is_none(&leaf->incarnation));
    }
    stage_free(stage);
}

static void pinned_tasks_of_a_node_that_goes_are_pinned_to_another(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 1);
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_submit_with(stage, 1, 0, 0); /* placed */
    stage_submit_with(stage, 2, 0, 0); /* queued */
    stage_run(stage);
    stage_place(stage, stage_leaf(stage), a);
    stage_leaf(stage);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    stage_run(stage);
    for (int i = 0; i < 2; i++) {
        const struct stage_leaf *leaf = stage_leaf(stage);
        assert_true(tp__id_equal(&leaf->incarnation, &b->incarnation));
        assert_int_equal(leaf->leaf.dispatch, 2);
        assert_int_equal(leaf->leaf.worker, 1);
    }
    stage_condition(b, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    stage_no_leaf(stage);
    assert_int_equal(tp__session_count(stage->session).waiting, 2);
    struct stage_node *c = stage_node(stage, "c", 1);
    assert_true(tp__id_equal(&stage_leaf(stage)->incarnation, &c->incarnation));
    stage_leaf(stage);
    stage_no_leaf(stage);
    stage_free(stage);
}

static void a_draining_node_gets_no_pinned_tasks_and_does_not_count(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 2);
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_submit_with(stage, 1, 0, 0);
    stage_run(stage);
    const struct stage_leaf first = *stage_leaf(stage);
    assert_true(tp__id_equal(&first.incarnation, &a->incarnation));
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_DRAINING, "");
    assert_int_equal(stage->workers, 1);
    const struct stage_leaf second = *stage_leaf(stage);
    assert_true(tp__id_equal(&second.incarnation, &b->incarnation));
    assert_int_equal(second.leaf.dispatch, 2);
    stage_record(a, TP__RECORD_OPEN);
    stage_place(stage, &first, a); /* on its way there all the same: stopped */
    assert_int_equal(stage_record(a, TP__RECORD_CANCEL)->record.dispatch, 1);
    stage_place(stage, &second, b);
    stage_result(b, &second.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void a_node_that_is_named_again_drains_no_more_unless_that_is_said_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 2);
    stage_node(stage, "b", 1);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_DRAINING, "");
    assert_int_equal(stage->workers, 1);
    stage_accept(a);
    assert_int_equal(stage->workers, 3);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_DRAINING, "");
    assert_int_equal(stage->workers, 1);
    stage_free(stage);
}

static uint64_t submit_large_pinned(struct stage *stage, uintptr_t tag, size_t size, int worker)
{
    uint8_t *payload = calloc(1, size);
    assert_non_null(payload);
    const struct tp__session_task task = {.tag = (void *)tag, .worker = worker, .payload = payload, .length = size};
    tp_status status;
    const uint64_t sequence = tp__session_submit(stage->session, &task, &status);
    free(payload);
    return sequence;
}

static uint64_t submit_large(struct stage *stage, uintptr_t tag, size_t size)
{
    return submit_large_pinned(stage, tag, size, -1);
}

enum { LARGE = (3 << 20) + 5 };

static void large_payloads_follow_their_batch_in_parts(void **state)
{
    (void)state;
    stage_queue_bytes = 4 << 20;
    struct stage *stage = stage_new(NULL);
    stage_queue_bytes = 1 << 20;
    stage_node(stage, "a", 1);
    assert_int_not_equal(submit_large(stage, 1, LARGE), 0);
    stage_run(stage);
    const struct stage_leaf *leaf = stage_leaf(stage);
    assert_true(leaf->leaf.flags & TP__LEAF_LARGE);
    assert_int_equal(leaf->leaf.length, LARGE);
    assert_int_equal(stage->payload_bytes, LARGE);
    uint8_t *zeros = calloc(1, LARGE);
    const struct tp__hash hash = tp__hash_of(zeros, LARGE);
    free(zeros);
    assert_memory_equal(&leaf->leaf.payload_hash, &hash, sizeof hash);
    stage_free(stage);
}

static void a_payload_past_the_limit_is_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    assert_int_equal(submit_large(stage, 1, TP__PAYLOAD_LIMIT_BYTES + 1), 0);
    stage_free(stage);
}

/* The coordinator of the stage gives 1 MiB. */
static void no_more_is_queued_than_the_coordinator_gives_room_for(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    for (uintptr_t i = 1; i <= 30; i++)
        submit_large(stage, i, 60000);
    stage_run(stage);
    assert_int_equal(stage->leaf_count, 9); /* of 60,057 bytes each: half of it, and one past that */
    assert_int_equal(tp__session_count(stage->session).waiting, 21);
    stage_place(stage, stage_leaf(stage), node);
    assert_int_equal(stage->leaf_count, 9);
    stage_place(stage, stage_leaf(stage), node);
    assert_int_equal(stage->leaf_count, 10);
    tp__session_cancel(stage->session, 4); /* it is queued there all the same */
    stage_run(stage);
    assert_int_equal(stage->leaf_count, 10);
    stage_place(stage, stage_leaf(stage), node);
    assert_int_equal(stage->leaf_count, 11);
    stage_free(stage);
}

/* 32 MiB of them keep it busy. What is pinned is not among these. */
static void large_tasks_wait_here_when_enough_are_ahead_of_them(void **state)
{
    (void)state;
    enum { MEBIBYTE = 1 << 20 };
    stage_queue_bytes = 256 << 20;
    struct stage *stage = stage_new(NULL);
    stage_queue_bytes = MEBIBYTE;
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_run(stage);
    for (uintptr_t i = 1; i <= 40; i++)
        submit_large_pinned(stage, i, MEBIBYTE, 0);
    stage_run(stage);
    assert_int_equal(tp__session_count(stage->session).queued, 40);
    for (uintptr_t i = 41; i <= 80; i++)
        submit_large(stage, i, MEBIBYTE);
    stage_run(stage);
    const uint64_t queued = tp__session_count(stage->session).queued;
    assert_in_range(queued, 40 + 31, 40 + 33);
    assert_int_not_equal(stage_submit(stage, 81), 0); /* a small one is not ahead of those, and waits for its turn */
    for (size_t i = 0; i < 45; i++)
        stage_place(stage, stage_leaf(stage), node);
    assert_true(tp__session_count(stage->session).queued > queued - 45);
    stage_free(stage);
}

static void a_task_that_is_larger_than_the_room_goes_alone_or_fails(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    submit_large(stage, 1, 2 << 20);
    stage_submit(stage, 2);
    submit_large(stage, 3, 4 << 20);
    stage_submit(stage, 4);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_no_leaf(stage);
    stage_place(stage, &leaf, node);
    stage_expect_failure(stage, 3, TP_E_LIMIT, "coordinator 'head' queues at most 1048576");
    assert_int_equal(stage_leaf(stage)->leaf.sequence, 2);
    assert_int_equal(stage_leaf(stage)->leaf.sequence, 4);
    stage_free(stage);
}

static void be_small(struct tp__session_options *options)
{
    options->limit_tasks = 16;
    options->limit_bytes = 1000;
}

static void a_full_session_has_room_again_when_an_eighth_is_free(void **state)
{
    (void)state;
    struct stage *stage = stage_new(be_small);
    struct stage_node *node = stage_node(stage, "a", 1);
    for (uintptr_t i = 1; i <= 16; i++) {
        assert_false(tp__session_is_full(stage->session));
        stage_submit(stage, i);
    }
    assert_true(tp__session_is_full(stage->session));
    stage_run(stage);
    for (size_t i = 0; i < 3; i++) {
        assert_true(tp__session_is_full(stage->session));
        stage_place(stage, &stage->leaves[i], node);
        stage_result(node, &stage->leaves[i].leaf, "r");
    }
    assert_false(tp__session_is_full(stage->session));
    submit_large(stage, 20, 1000);
    assert_true(tp__session_is_full(stage->session));
    stage_free(stage);
}

static void a_cancelled_task_is_stopped_wherever_it_is(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_record(node, TP__RECORD_OPEN);
    const uint64_t waiting = stage_submit(stage, 1);
    tp__session_cancel(stage->session, waiting);
    stage_run(stage);
    stage_no_leaf(stage);

    const uint64_t queued = stage_submit(stage, 2);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    tp__session_cancel(stage->session, queued);
    stage_run(stage);
    stage_no_record(node);
    stage_place(stage, &leaf, node);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, queued);

    const struct stage_leaf placed = stage_start(stage, node, 3, 0);
    tp__session_cancel(stage->session, placed.leaf.sequence);
    stage_run(stage);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, placed.leaf.sequence);
    stage_result(node, &placed.leaf, "late");
    stage_no_event(stage, STAGE_RESULT);
    stage_no_event(stage, STAGE_FAILURE);
    assert_int_equal(tp__session_count(stage->session).unresolved, 0);
    tp__session_cancel(stage->session, placed.leaf.sequence); /* again: nothing */
    tp__session_cancel(stage->session, 12345);
    stage_free(stage);
}

static void output_comes_with_node_and_task(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    static const uint8_t body[] = {2, 3, 0, 0, 0, 'h', 'i'};
    stage_say(node, TP__RECORD_OUTPUT, &leaf.leaf, 0, body, sizeof body);
    const struct stage_event *event = stage_event(stage, STAGE_OUTPUT);
    assert_string_equal(event->node, "a");
    assert_string_equal(event->task, "fib");
    assert_int_equal(event->worker, 2);
    assert_int_equal(event->number, 3);
    assert_int_equal(event->size, 2);
    stage_free(stage);
}

static void a_long_result_comes_in_parts(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const size_t size = 5 << 20;
    char *value = malloc(size);
    assert_non_null(value);
    memset(value, 'v', size);
    stage_say(node, TP__RECORD_RESULT, &leaf.leaf, 0, value, size);
    const struct stage_event *event = stage_event(stage, STAGE_RESULT);
    assert_int_equal(event->size, size);
    assert_memory_equal(event->bytes, value, sizeof event->bytes);
    free(value);
    stage_free(stage);
}

static void a_result_past_the_limit_fails_its_task_and_no_other(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_record(node, TP__RECORD_OPEN);
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const struct stage_leaf other = stage_start(stage, node, 2, 0);
    const size_t size = 17 << 20;
    char *value = calloc(1, size);
    assert_non_null(value);
    stage_say(node, TP__RECORD_RESULT, &leaf.leaf, 0, value, size);
    free(value);
    stage_expect_failure(stage, 1, TP_E_LIMIT, "16 MiB");
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, leaf.leaf.sequence);
    stage_result(node, &other.leaf, "fine");
    stage_expect_result(stage, 2, "fine");
    stage_free(stage);
}

static void a_closed_session_says_bye_and_takes_nothing(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_node(stage, "a", 1);
    tp__session_close(stage->session, stage->now_ms);
    stage_run(stage);
    assert_int_equal(stage->byes, 1);
    const struct tp__session_task task = {.tag = stage, .worker = -1};
    tp_status status;
    assert_int_equal(tp__session_submit(stage->session, &task, &status), 0);
    assert_int_equal(status, TP_E_SESSION_LOST);
    stage_pass(stage, 60000);
    stage_no_event(stage, STAGE_RECONNECT);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_goes_out_is_placed_and_gives_its_result),
        cmocka_unit_test(the_first_record_opens_the_stream_with_the_number_of_the_first_worker),
        cmocka_unit_test(numbers_of_a_lost_node_go_to_the_next_that_fits),
        cmocka_unit_test(what_waits_goes_in_one_batch),
        cmocka_unit_test(results_come_in_any_order_and_each_task_ends_once),
        cmocka_unit_test(pages_go_when_their_tasks_have_ended),
        cmocka_unit_test(a_failure_says_what_and_where),
        cmocka_unit_test(a_status_that_is_none_is_an_error_of_the_task),
        cmocka_unit_test(a_node_is_not_believed_about_what_was_not_placed_there),
        cmocka_unit_test(pinned_tasks_go_to_the_node_of_their_worker_in_batches_of_their_own),
        cmocka_unit_test(there_is_no_worker_past_the_last),
        cmocka_unit_test(strict_pools_deal_their_tasks_out_in_turn),
        cmocka_unit_test(pinned_tasks_of_a_node_that_goes_are_pinned_to_another),
        cmocka_unit_test(a_draining_node_gets_no_pinned_tasks_and_does_not_count),
        cmocka_unit_test(a_node_that_is_named_again_drains_no_more_unless_that_is_said_again),
        cmocka_unit_test(large_payloads_follow_their_batch_in_parts),
        cmocka_unit_test(a_payload_past_the_limit_is_refused),
        cmocka_unit_test(no_more_is_queued_than_the_coordinator_gives_room_for),
        cmocka_unit_test(large_tasks_wait_here_when_enough_are_ahead_of_them),
        cmocka_unit_test(a_task_that_is_larger_than_the_room_goes_alone_or_fails),
        cmocka_unit_test(a_full_session_has_room_again_when_an_eighth_is_free),
        cmocka_unit_test(a_cancelled_task_is_stopped_wherever_it_is),
        cmocka_unit_test(output_comes_with_node_and_task),
        cmocka_unit_test(a_long_result_comes_in_parts),
        cmocka_unit_test(a_result_past_the_limit_fails_its_task_and_no_other),
        cmocka_unit_test(a_closed_session_says_bye_and_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
