/* SPDX-License-Identifier: MIT */
/* Attempts that are lost: crashes, tasks that come back, lost nodes, claims. */
#include "session/stage.h"

/* ---- nodes ---- */

static void tasks_of_a_lost_node_are_dispatched_again_in_their_order(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    struct stage_leaf leaves[3];
    for (uintptr_t i = 0; i < 3; i++)
        leaves[i] = stage_start(stage, a, i + 1, 0);
    const struct stage_leaf elsewhere = stage_start(stage, b, 4, 0);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "silent for 3 s");
    for (uint64_t i = 0; i < 3; i++) {
        const struct stage_leaf again = stage_place_next(stage, b);
        assert_int_equal(again.leaf.sequence, i + 1);
        assert_int_equal(again.leaf.dispatch, 2);
        assert_int_equal(again.payload[0], i + 1);
        stage_result(b, &leaves[i].leaf, "stale"); /* of the dispatch before */
        stage_no_event(stage, STAGE_RESULT);
        stage_result(b, &again.leaf, "new");
        stage_expect_result(stage, i + 1, "new");
    }
    stage_result(b, &elsewhere.leaf, "kept");
    stage_expect_result(stage, 4, "kept");
    assert_int_equal(tp__session_count(stage->session).lost, 3);
    assert_int_equal(tp__session_count(stage->session).nodes, 1);
    stage_free(stage);
}

/* The coordinator places batches of tasks that are run again first, and only those. */
static void what_is_dispatched_again_is_in_no_batch_with_what_is_new(void **state)
{
    (void)state;
    stage_queue_bytes = 8192;
    struct stage *stage = stage_new(NULL);
    stage_queue_bytes = 1 << 20;
    struct stage_node *a = stage_node_open(stage, "a");
    stage_start(stage, a, 1, 0);
    for (uintptr_t i = 2; i <= 100; i++)
        stage_submit(stage, i);
    stage_run(stage);
    assert_true(stage->leaf_count < 100); /* the others wait in the driver */
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "silent for 3 s");
    struct stage_node *b = stage_node_open(stage, "b");
    for (size_t i = 0; i < 100; i++) {
        const struct stage_leaf leaf = stage_place_next(stage, b);
        assert_int_equal(leaf.leaf.dispatch, leaf.leaf.sequence == 1 ? 2 : 1);
        if (leaf.leaf.sequence == 1)
            assert_int_equal(leaf.count, 1);
    }
    stage_no_leaf(stage);
    stage_free(stage);
}

static void a_task_that_was_lost_16_times_fails(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (uint32_t i = 1; i <= 16; i++) {
        stage_no_event(stage, STAGE_FAILURE);
        assert_int_equal(stage_place_next(stage, node).leaf.dispatch, i);
        stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_LOST, "again");
        node->life = tp__id_new();
        stage_accept_anew(node);
    }
    stage_expect_failure(stage, 1, TP_E_NODE_LOST, "lost 16 times");
    stage_no_leaf(stage);
    stage_free(stage);
}

static void a_new_incarnation_of_a_node_replaces_the_one_before(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_start(stage, node, 1, 0);
    stage_accept_anew(node);
    stage_record(node, TP__RECORD_OPEN);
    assert_true(node->used);
    assert_int_equal(tp__session_count(stage->session).nodes, 1);
    const struct stage_leaf again = stage_place_next(stage, node);
    assert_int_equal(again.leaf.dispatch, 2);
    stage_result(node, &again.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void an_incarnation_that_was_given_up_is_forgotten_and_never_used_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    node->used = false;
    stage_accept(node);
    assert_true(node->forgotten);
    assert_false(node->used);
    stage_result(node, &leaf.leaf, "from the grave");
    stage_no_event(stage, STAGE_RESULT);
    assert_int_equal(tp__session_count(stage->session).nodes, 0);
    stage_free(stage);
}

/* ---- at most once ---- */

static void the_first_claim_is_granted_and_no_other(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    const struct stage_leaf leaf = stage_start(stage, a, 1, TP__LEAF_AT_MOST_ONCE);
    assert_true(leaf.leaf.flags & TP__LEAF_AT_MOST_ONCE);
    stage_say(b, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0); /* placed elsewhere */
    assert_int_equal(stage_record(b, TP__RECORD_REFUSE)->record.task, 1);
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    assert_int_equal(stage_record(a, TP__RECORD_GRANT)->record.dispatch, 1);
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_REFUSE);
    stage_result(a, &leaf.leaf, "paid");
    stage_expect_result(stage, 1, "paid");
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0); /* it has ended */
    stage_record(a, TP__RECORD_REFUSE);
    stage_free(stage);
}

static void a_claim_of_an_earlier_dispatch_is_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    const struct stage_leaf first = stage_start(stage, a, 1, TP__LEAF_AT_MOST_ONCE);
    stage_returned(a, &first.leaf, TP__RETURNED_RECALLED, "");
    const struct stage_leaf second = *stage_leaf(stage);
    stage_say(a, TP__RECORD_CLAIM, &first.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_REFUSE);
    stage_place(stage, &second, b);
    stage_say(b, TP__RECORD_CLAIM, &second.leaf, 0, NULL, 0);
    stage_record(b, TP__RECORD_GRANT);
    stage_free(stage);
}

static void a_claim_of_an_ordinary_task_is_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, a, 1, 0);
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_REFUSE);
    stage_free(stage);
}

static void a_claim_of_a_dispatch_that_was_not_sent_is_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    stage_submit_with(stage, 1, TP__LEAF_AT_MOST_ONCE, -1);
    stage_append(a, TP__RECORD_CLAIM, 1, 1, 0, NULL, 0);
    const struct tp__leaf guess = {.sequence = 2, .dispatch = 1};
    stage->deaf = true; /* what is submitted does not get out */
    stage_run(stage);
    stage->deaf = false;
    stage_say(a, TP__RECORD_CLAIM, &guess, 0, NULL, 0);
    stage_free(stage);
}

static void an_ungranted_task_is_dispatched_again_a_granted_one_is_not(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    stage_start(stage, a, 1, TP__LEAF_AT_MOST_ONCE);
    const struct stage_leaf granted = stage_start(stage, a, 2, TP__LEAF_AT_MOST_ONCE);
    stage_say(a, TP__RECORD_CLAIM, &granted.leaf, 0, NULL, 0);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "silent for 3 s");
    const struct stage_event *event =
        stage_expect_failure(stage, 2, TP_E_NODE_LOST, "node 'a' was lost: silent for 3 s");
    stage_contains(event->message, "task 'pay' may have run");
    assert_int_equal(stage_leaf(stage)->leaf.sequence, 1);
    stage_no_leaf(stage);
    stage_free(stage);
}

static void a_granted_task_whose_process_crashed_is_not_run_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, a, 1, TP__LEAF_AT_MOST_ONCE);
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    stage_crash(a, &leaf.leaf, TP__CRASH_SUSPECT, true);
    stage_expect_failure(stage, 1, TP_E_NODE_LOST, "was killed by SIGSEGV at address 0x0 on node x");
    stage_free(stage);
}

static void a_granted_task_that_comes_back_unstarted_is_claimed_anew(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, a, 1, TP__LEAF_AT_MOST_ONCE);
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_GRANT);
    stage_returned(a, &leaf.leaf, TP__RETURNED_RECALLED, "its process crashed");
    const struct stage_leaf again = stage_place_next(stage, a);
    stage_say(a, TP__RECORD_CLAIM, &again.leaf, 0, NULL, 0);
    assert_int_equal(stage_record(a, TP__RECORD_GRANT)->record.dispatch, 2);
    stage_free(stage);
}

/* ---- tasks that come back ---- */

static void recalled_and_stale_tasks_go_out_again_as_often_as_it_takes(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (uint32_t i = 1; i <= 40; i++) {
        const struct stage_leaf leaf = stage_place_next(stage, node);
        assert_int_equal(leaf.leaf.dispatch, i);
        assert_int_equal(leaf.leaf.cell, 0);
        stage_returned(node, &leaf.leaf, i % 2 ? TP__RETURNED_RECALLED : TP__RETURNED_STALE, "");
    }
    stage_no_event(stage, STAGE_FAILURE);
    assert_int_equal(tp__session_count(stage->session).lost, 0);
    stage_free(stage);
}

static void three_refusals_make_it_untrusted(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (int i = 0; i < 3; i++) {
        stage_no_event(stage, STAGE_FAILURE);
        const struct stage_leaf leaf = stage_place_next(stage, node);
        stage_returned(node, &leaf.leaf, TP__RETURNED_REFUSED, "the proof is wrong");
    }
    stage_expect_failure(stage, 1, TP_E_UNTRUSTED, "the proof is wrong");
    stage_no_leaf(stage);
    stage_free(stage);
}

static void what_cannot_be_read_fails_at_once(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    stage_returned(node, &leaf.leaf, TP__RETURNED_UNREADABLE, "3 bytes are missing");
    stage_expect_failure(stage, 1, TP_E_DECODE, "3 bytes are missing");
    stage_free(stage);
}

/* ---- crashes ---- */

static void a_suspect_runs_again_in_a_cell_of_its_own_and_is_guilty_there(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "b");
    const struct stage_leaf first = stage_start(stage, node, 1, 0);
    const struct stage_leaf other = stage_start(stage, node, 2, 0);
    stage_append_crash(node, &first.leaf, TP__CRASH_SUSPECT, false);
    stage_crash(node, &other.leaf, TP__CRASH_SUSPECT, false);
    const struct stage_leaf second = stage_place_next(stage, node);
    const struct stage_leaf third = stage_place_next(stage, node);
    assert_int_not_equal(second.leaf.cell, 0);
    assert_int_not_equal(third.leaf.cell, 0);
    assert_int_not_equal(second.leaf.cell, third.leaf.cell);
    const bool is_first = second.leaf.sequence == 1;
    stage_crash(node, is_first ? &second.leaf : &third.leaf, TP__CRASH_SUSPECT, true);
    const struct stage_event *event =
        stage_expect_failure(stage, 1, TP_E_TASK, "task 'fib' was killed by SIGSEGV at address 0x0 on node x");
    assert_string_equal(event->backtrace, "frame 1");
    assert_string_equal(event->node, "b");
    stage_result(node, is_first ? &third.leaf : &second.leaf, "innocent");
    stage_expect_result(stage, 2, "innocent");
    stage_free(stage);
}

static void a_task_that_is_suspected_too_often_fails(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (int i = 0; i < 3; i++) {
        stage_no_event(stage, STAGE_FAILURE);
        const struct stage_leaf leaf = stage_place_next(stage, node);
        stage_crash(node, &leaf.leaf, TP__CRASH_SUSPECT, false);
    }
    stage_expect_failure(stage, 1, TP_E_TASK, "suspected 3 times");
    stage_free(stage);
}

static void max_attempts_is_the_tasks_own(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct tp__session_task task = {.tag = stage, .worker = -1, .max_attempts = 1};
    tp_status status;
    tp__session_submit(stage->session, &task, &status);
    stage_run(stage);
    const struct stage_leaf leaf = stage_place_next(stage, node);
    stage_crash(node, &leaf.leaf, TP__CRASH_SUSPECT, false);
    stage_expect_failure(stage, (uintptr_t)stage, TP_E_TASK, "SIGSEGV");
    stage_free(stage);
}

static void bystanders_share_a_new_cell_that_each_further_crash_halves(void **state)
{
    (void)state;
    enum { TASKS = 8 };
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    struct stage_leaf leaves[TASKS];
    for (uintptr_t i = 0; i < TASKS; i++)
        leaves[i] = stage_start(stage, node, i + 1, 0);
    size_t largest = TASKS;
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < TASKS; i++)
            stage_append_crash(node, &leaves[i].leaf, TP__CRASH_BYSTANDER, false);
        struct tp__leaf none = {.sequence = 0};
        stage_say(node, TP__RECORD_OUTPUT, &none, 0, "\1\0\0\0\0", 5);
        for (size_t i = 0; i < TASKS; i++)
            leaves[i] = stage_place_next(stage, node);
        size_t most = 0;
        for (size_t i = 0; i < TASKS; i++) {
            assert_int_not_equal(leaves[i].leaf.cell, 0);
            size_t same = 0;
            for (size_t j = 0; j < TASKS; j++)
                same += leaves[j].leaf.cell == leaves[i].leaf.cell;
            most = same > most ? same : most;
        }
        assert_int_equal(most, round == 0 ? TASKS : largest / 2);
        largest = most;
    }
    assert_int_equal(largest, 1);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_a_lost_node_are_dispatched_again_in_their_order),
        cmocka_unit_test(what_is_dispatched_again_is_in_no_batch_with_what_is_new),
        cmocka_unit_test(a_task_that_was_lost_16_times_fails),
        cmocka_unit_test(a_new_incarnation_of_a_node_replaces_the_one_before),
        cmocka_unit_test(an_incarnation_that_was_given_up_is_forgotten_and_never_used_again),
        cmocka_unit_test(the_first_claim_is_granted_and_no_other),
        cmocka_unit_test(a_claim_of_an_earlier_dispatch_is_refused),
        cmocka_unit_test(a_claim_of_an_ordinary_task_is_refused),
        cmocka_unit_test(a_claim_of_a_dispatch_that_was_not_sent_is_refused),
        cmocka_unit_test(an_ungranted_task_is_dispatched_again_a_granted_one_is_not),
        cmocka_unit_test(a_granted_task_whose_process_crashed_is_not_run_again),
        cmocka_unit_test(a_granted_task_that_comes_back_unstarted_is_claimed_anew),
        cmocka_unit_test(recalled_and_stale_tasks_go_out_again_as_often_as_it_takes),
        cmocka_unit_test(three_refusals_make_it_untrusted),
        cmocka_unit_test(what_cannot_be_read_fails_at_once),
        cmocka_unit_test(a_suspect_runs_again_in_a_cell_of_its_own_and_is_guilty_there),
        cmocka_unit_test(a_task_that_is_suspected_too_often_fails),
        cmocka_unit_test(max_attempts_is_the_tasks_own),
        cmocka_unit_test(bystanders_share_a_new_cell_that_each_further_crash_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
