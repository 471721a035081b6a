/* SPDX-License-Identifier: MIT */
/* What is found out after a link broke: a node's, the driver's. */
#include "session/stage.h"

/* ---- a node's link broke ---- */

static void what_a_relinked_node_does_not_hold_is_lost_and_nothing_else(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf kept = stage_start(stage, node, 1, 0);
    const struct stage_leaf gone = stage_start(stage, node, 2, 0);
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    const uint64_t nonce = stage_asked(node);
    const struct stage_leaf after = stage_start(stage, node, 3, 0); /* placed since: not judged */
    stage_held(node, nonce, &kept.leaf, 1, TP__HELD_RUNNING);
    const struct stage_leaf again = *stage_leaf(stage);
    assert_int_equal(again.leaf.sequence, gone.leaf.sequence);
    assert_int_equal(again.leaf.dispatch, 2);
    stage_no_leaf(stage);
    stage_result(node, &kept.leaf, "kept");
    stage_expect_result(stage, 1, "kept");
    stage_result(node, &after.leaf, "after");
    stage_expect_result(stage, 3, "after");
    stage_free(stage);
}

static void what_was_lost_with_a_nodes_link_is_sent_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_start(stage, node, 1, 0);
    node->cut = true;
    tp__session_cancel(stage->session, 1);
    stage_run(stage);
    node->cut = false;
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    stage_record(node, TP__RECORD_CANCEL);
    stage_asked(node);
    stage_free(stage);
}

static void a_granted_task_that_a_relinked_node_does_not_hold_fails(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, TP__LEAF_AT_MOST_ONCE);
    stage_say(node, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    stage_record(node, TP__RECORD_GRANT);
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    stage_held(node, stage_asked(node), NULL, 0, TP__HELD_RUNNING);
    stage_expect_failure(stage, 1, TP_E_NODE_LOST, "was not there afterwards");
    stage_free(stage);
}

static void held_tasks_that_are_over_are_stopped(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    const struct stage_leaf superseded = stage_start(stage, a, 1, 0);
    stage_returned(a, &superseded.leaf, TP__RETURNED_RECALLED, "");
    stage_place_next(stage, b);
    const struct stage_leaf elsewhere = stage_start(stage, b, 2, 0);
    const struct stage_leaf resolved = stage_start(stage, a, 3, 0);
    stage_result(a, &resolved.leaf, "r");
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    const struct tp__leaf held[] = {superseded.leaf, elsewhere.leaf, resolved.leaf};
    stage_held(a, stage_asked(a), held, 3, TP__HELD_RUNNING);
    for (size_t i = 0; i < 3; i++) {
        const struct stage_record *record = stage_record(a, TP__RECORD_CANCEL);
        assert_int_equal(record->record.task, held[i].sequence);
        assert_int_equal(record->record.dispatch, held[i].dispatch);
    }
    stage_no_record(a);
    stage_no_leaf(stage);
    stage_free(stage);
}

static void breaks_while_a_question_is_open_are_asked_about_afterwards(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    const uint64_t first = stage_asked(node);
    for (int i = 0; i < 100; i++)
        stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    stage_no_record(node);
    stage_held(node, first, &leaf.leaf, 1, TP__HELD_QUEUED);
    const uint64_t second = stage_asked(node);
    assert_true(second > first);
    stage_no_leaf(stage);
    stage_held(node, second, NULL, 0, TP__HELD_QUEUED);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    stage_no_record(node);
    stage_free(stage);
}

static void an_answer_without_a_question_ends_the_incarnation(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_start(stage, node, 1, 0);
    stage_held(node, 1, NULL, 0, TP__HELD_QUEUED);
    assert_true(node->forgotten);
    assert_int_equal(tp__session_count(stage->session).nodes, 0);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    stage_free(stage);
}

/* ---- the driver's link broke ---- */

static void what_was_queued_is_sent_again_when_no_node_lists_it(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    for (uintptr_t i = 1; i <= 3; i++)
        stage_submit(stage, i);
    stage_run(stage);
    const struct stage_leaf arrived = *stage_leaf(stage); /* placed at b, but nobody says so */
    stage_leaf(stage);
    stage_leaf(stage);
    stage_break(stage);
    assert_int_equal(stage->hellos, 2);
    assert_int_equal(stage->offers, 2);
    stage_no_leaf(stage);
    stage_accept(a);
    stage_accept(b);
    assert_true(a->used && b->used);
    stage_held(a, stage_asked(a), NULL, 0, TP__HELD_QUEUED);
    stage_no_leaf(stage);
    stage_held(b, stage_asked(b), &arrived.leaf, 1, TP__HELD_RUNNING);
    for (uint64_t sequence = 2; sequence <= 3; sequence++) {
        const struct stage_leaf *leaf = stage_leaf(stage);
        assert_int_equal(leaf->leaf.sequence, sequence);
        assert_int_equal(leaf->leaf.dispatch, 2);
    }
    stage_no_leaf(stage);
    stage_result(b, &arrived.leaf, "r");
    stage_expect_result(stage, 1, "r");
    assert_int_equal(tp__session_count(stage->session).lost, 0);
    stage_free(stage);
}

static void nobody_else_is_believed_about_what_was_queued_when_the_link_broke(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    stage_submit(stage, 1);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_break(stage);
    stage_accept(a);
    stage_accept(b);
    struct stage_node *late = stage_node_open(stage, "late");
    stage_result(late, &leaf.leaf, "it was not there then");
    stage_held(a, stage_asked(a), NULL, 0, TP__HELD_QUEUED);
    stage_result(a, &leaf.leaf, "it has said that it has none");
    stage_no_event(stage, STAGE_RESULT);
    stage_result(b, &leaf.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void with_no_node_there_is_nobody_to_ask(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_submit(stage, 1);
    stage_run(stage);
    stage_leaf(stage);
    stage_break(stage);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    stage_free(stage);
}

static void nodes_that_do_not_answer_in_500_ms_are_not_waited_for(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    const struct stage_leaf at_a = stage_start(stage, a, 1, 0);
    const struct stage_leaf at_b = stage_start(stage, b, 2, 0);
    stage_submit(stage, 3);
    stage_run(stage);
    stage_leaf(stage);
    stage_break(stage);
    stage_accept(a);
    stage_held(a, stage_asked(a), &at_a.leaf, 1, TP__HELD_RUNNING);
    stage_pass(stage, 399);
    stage_no_leaf(stage);
    stage_pass(stage, 101);
    assert_int_equal(stage_leaf(stage)->leaf.sequence, 2); /* was placed at b */
    assert_int_equal(stage_leaf(stage)->leaf.sequence, 3); /* was queued */
    stage_no_leaf(stage);
    stage_accept(b); /* it comes after all */
    stage_held(b, stage_asked(b), &at_b.leaf, 1, TP__HELD_RUNNING);
    assert_int_equal(stage_record(b, TP__RECORD_CANCEL)->record.task, 2);
    stage_result(a, &at_a.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_pass(stage, 20000);
    assert_int_equal(tp__session_count(stage->session).nodes, 2);
    stage_free(stage);
}

static void a_granted_task_waits_10_s_for_its_node(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node_open(stage, "b");
    const struct stage_leaf comes = stage_start(stage, a, 1, TP__LEAF_AT_MOST_ONCE);
    const struct stage_leaf stays_away = stage_start(stage, b, 2, TP__LEAF_AT_MOST_ONCE);
    stage_say(a, TP__RECORD_CLAIM, &comes.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_GRANT);
    stage_say(b, TP__RECORD_CLAIM, &stays_away.leaf, 0, NULL, 0);
    stage_break(stage);
    stage_pass(stage, 5000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_accept(a);
    stage_held(a, stage_asked(a), &comes.leaf, 1, TP__HELD_RUNNING);
    stage_pass(stage, 4900);
    stage_no_event(stage, STAGE_FAILURE);
    stage_pass(stage, 200);
    stage_expect_failure(stage, 2, TP_E_NODE_LOST, "node 'b' was lost: it was silent for 10 s");
    stage_no_event(stage, STAGE_FAILURE);
    assert_int_equal(tp__session_count(stage->session).nodes, 1);
    stage_result(a, &comes.leaf, "paid");
    stage_expect_result(stage, 1, "paid");
    stage_accept(b); /* much later */
    assert_true(b->forgotten);
    stage_free(stage);
}

static void streams_go_on_after_a_new_link(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const struct stage_leaf cancelled = stage_start(stage, node, 2, 0);
    tp__session_cancel(stage->session, 2);
    tp__session_flush(stage->session, stage->now_ms); /* the frame is lost */
    stage_append(node, TP__RECORD_RESULT, 1, 1, 0, "r", 1);
    stage_break(stage);
    stage_accept(node);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, cancelled.leaf.sequence);
    stage_held(node, stage_asked(node), &leaf.leaf, 1, TP__HELD_FINISHED);
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void many_breaks_cost_no_task_its_life(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (uint32_t i = 1; i <= 30; i++) {
        assert_int_equal(stage_leaf(stage)->leaf.dispatch, i);
        stage_break(stage);
        stage_accept(node);
        stage_held(node, stage_asked(node), NULL, 0, TP__HELD_QUEUED);
    }
    const struct stage_leaf last = stage_place_next(stage, node);
    stage_result(node, &last.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void a_node_that_is_lost_meanwhile_is_not_waited_for(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    stage_leaf(stage);
    stage_break(stage);
    stage_no_leaf(stage);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    stage_free(stage);
}

static void a_placement_that_is_known_from_before_the_break_is_no_more(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_break(stage);
    const uint64_t refused = tp__session_count(stage->session).refused;
    stage_place(stage, &leaf, a); /* the coordinator must have dropped it */
    assert_int_equal(tp__session_count(stage->session).refused, refused + 1);
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_relinked_node_does_not_hold_is_lost_and_nothing_else),
        cmocka_unit_test(what_was_lost_with_a_nodes_link_is_sent_again),
        cmocka_unit_test(a_granted_task_that_a_relinked_node_does_not_hold_fails),
        cmocka_unit_test(held_tasks_that_are_over_are_stopped),
        cmocka_unit_test(breaks_while_a_question_is_open_are_asked_about_afterwards),
        cmocka_unit_test(an_answer_without_a_question_ends_the_incarnation),
        cmocka_unit_test(what_was_queued_is_sent_again_when_no_node_lists_it),
        cmocka_unit_test(nobody_else_is_believed_about_what_was_queued_when_the_link_broke),
        cmocka_unit_test(with_no_node_there_is_nobody_to_ask),
        cmocka_unit_test(nodes_that_do_not_answer_in_500_ms_are_not_waited_for),
        cmocka_unit_test(a_granted_task_waits_10_s_for_its_node),
        cmocka_unit_test(streams_go_on_after_a_new_link),
        cmocka_unit_test(many_breaks_cost_no_task_its_life),
        cmocka_unit_test(a_node_that_is_lost_meanwhile_is_not_waited_for),
        cmocka_unit_test(a_placement_that_is_known_from_before_the_break_is_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
