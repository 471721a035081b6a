/* SPDX-License-Identifier: MIT */
/* What running tasks ask their driver for: children. */
#include "session/stage.h"

#include <string.h>

/* ---- children ---- */

static void a_child_is_a_deeper_task_whose_result_goes_to_its_parent(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    stage_child(node, &parent.leaf, 77, 0, TP__LEAF_ISOLATED);
    const uint64_t sequence = stage_event(stage, STAGE_CHILD_BEGAN)->sequence;
    const struct stage_leaf child = *stage_leaf(stage);
    assert_int_equal(child.leaf.sequence, sequence);
    assert_int_equal(child.leaf.parent, parent.leaf.sequence);
    assert_int_equal(child.leaf.depth, 1);
    assert_int_equal(child.leaf.task, 2);
    assert_int_equal(child.leaf.flags, TP__LEAF_ISOLATED);
    assert_memory_equal(child.payload, "captures", 8);
    stage_place(stage, &child, node);
    stage_result(node, &child.leaf, "value");
    assert_int_equal(stage_event(stage, STAGE_CHILD_ENDED)->sequence, sequence);
    const struct stage_record *record = stage_record(node, TP__RECORD_CHILD_RESULT);
    assert_int_equal(record->record.task, parent.leaf.sequence);
    assert_int_equal(record->record.dispatch, parent.leaf.dispatch);
    assert_int_equal(record->record.operation, 77);
    assert_memory_equal(record->bytes, "value", 5);
    stage_no_event(stage, STAGE_RESULT);
    stage_result(node, &parent.leaf, "sum");
    stage_expect_result(stage, 1, "sum");
    stage_free(stage);
}

static void the_deepest_waiting_go_first(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    stage_child(node, &parent.leaf, 1, 0, 0);
    const struct stage_leaf child = *stage_leaf(stage);
    stage_place(stage, &child, node);
    static uint8_t payload[60000];
    const struct tp__session_task task = {.tag = stage, .worker = -1, .payload = payload, .length = sizeof payload};
    tp_status status;
    for (int i = 0; i < 40; i++) /* more than the room at the coordinator */
        tp__session_submit(stage->session, &task, &status);
    stage_run(stage);
    const size_t before = stage->leaf_count;
    stage_child(node, &child.leaf, 2, 0, 0);
    stage_child(node, &parent.leaf, 3, 0, 0);
    while (stage->leaf_read < before - 2) /* all but two are placed */
        stage_place(stage, stage_leaf(stage), node);
    stage->leaf_read = before;
    assert_int_equal(stage_leaf(stage)->leaf.depth, 2);
    assert_int_equal(stage_leaf(stage)->leaf.depth, 1);
    assert_int_equal(stage_leaf(stage)->leaf.depth, 0);
    stage_free(stage);
}

static void a_childs_failure_goes_to_its_parent_with_the_node(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node(stage, "b", 1);
    const struct stage_leaf parent = stage_start(stage, a, 1, 0);
    stage_child(a, &parent.leaf, 5, 0, 0);
    const struct stage_leaf child = *stage_leaf(stage);
    stage_place(stage, &child, b);
    stage_failure(b, &child.leaf, TP_E_TASK, "boom");
    const struct stage_record *record = stage_record(a, TP__RECORD_CHILD_FAILURE);
    struct tp__reader body = tp__reader_of(record->bytes, record->record.size);
    assert_int_equal(tp__get_u32(&body), TP_E_TASK);
    assert_int_equal(tp__get_u32(&body), 8);
    static const char *const texts[] = {"boom", "walk", "frame 1", "b"};
    for (size_t i = 0; i < 4; i++) {
        size_t size;
        const char *text = tp__get_text(&body, &size);
        assert_int_equal(size, strlen(texts[i]));
        assert_memory_equal(text, texts[i], size);
    }
    assert_int_equal(tp__reader_left(&body), 0);
    stage_no_event(stage, STAGE_FAILURE);
    stage_free(stage);
}

static uint32_t refused_with(struct stage_node *node)
{
    const struct stage_record *record = stage_record(node, TP__RECORD_CHILD_FAILURE);
    struct tp__reader body = tp__reader_of(record->bytes, record->record.size);
    return tp__get_u32(&body);
}

static void children_that_cannot_be_are_answered(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    uint8_t body[28] = {2};
    stage_say(node, TP__RECORD_CHILD, &parent.leaf, 1, body, 27); /* too short */
    assert_int_equal(refused_with(node), TP_E_ARGUMENT);
    body[0] = 99; /* no such task */
    stage_say(node, TP__RECORD_CHILD, &parent.leaf, 2, body, sizeof body);
    assert_int_equal(refused_with(node), TP_E_ARGUMENT);
    body[0] = 2;
    body[16] = TP__LEAF_LARGE; /* not theirs to say */
    stage_say(node, TP__RECORD_CHILD, &parent.leaf, 3, body, sizeof body);
    assert_int_equal(refused_with(node), TP_E_ARGUMENT);
    body[16] = 0;
    body[20] = 2; /* worker 1 of 1 */
    stage_say(node, TP__RECORD_CHILD, &parent.leaf, 4, body, sizeof body);
    assert_int_equal(refused_with(node), TP_E_ARGUMENT);
    stage_no_event(stage, STAGE_CHILD_BEGAN);
    body[20] = 1;
    stage_say(node, TP__RECORD_CHILD, &parent.leaf, 5, body, sizeof body);
    assert_int_equal(stage_leaf(stage)->leaf.worker, 1);
    stage_free(stage);
}

static void be_small(struct tp__session_options *options)
{
    options->limit_tasks = 2;
}

static void a_child_past_the_limit_fails_with_full(void **state)
{
    (void)state;
    struct stage *stage = stage_new(be_small);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    stage_child(node, &parent.leaf, 1, 0, 0);
    stage_leaf(stage);
    stage_child(node, &parent.leaf, 2, 0, 0);
    assert_int_equal(refused_with(node), TP_E_FULL);
    stage_no_leaf(stage);
    stage_free(stage);
}

static void children_of_tasks_that_are_not_there_are_ignored(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_record(b, TP__RECORD_OPEN);
    const struct stage_leaf parent = stage_start(stage, a, 1, 0);
    const uint64_t refused = tp__session_count(stage->session).refused;
    stage_child(b, &parent.leaf, 1, 0, 0); /* another node's */
    struct tp__leaf wrong = parent.leaf;
    wrong.dispatch = 2;
    stage_child(a, &wrong, 1, 0, 0);
    wrong.sequence = 999;
    stage_child(a, &wrong, 1, 0, 0);
    stage_no_event(stage, STAGE_CHILD_BEGAN);
    stage_no_leaf(stage);
    stage_no_record(a);
    stage_no_record(b);
    assert_int_equal(tp__session_count(stage->session).refused, refused + 3);
    stage_free(stage);
}

static void a_child_is_made_once(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    stage_child(node, &parent.leaf, 1, 0, 0);
    stage_child(node, &parent.leaf, 1, 0, 0);
    stage_event(stage, STAGE_CHILD_BEGAN);
    stage_no_event(stage, STAGE_CHILD_BEGAN);
    stage_free(stage);
}

static void a_cancelled_child_is_stopped_without_a_word_to_its_parent(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    stage_child(node, &parent.leaf, 1, 0, 0);
    const struct stage_leaf child = *stage_leaf(stage);
    stage_place(stage, &child, node);
    stage_say(node, TP__RECORD_CHILD_CANCEL, &parent.leaf, 1, NULL, 0);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, child.leaf.sequence);
    stage_event(stage, STAGE_CHILD_ENDED);
    stage_result(node, &child.leaf, "late");
    stage_say(node, TP__RECORD_CHILD_CANCEL, &parent.leaf, 1, NULL, 0); /* again: nothing */
    stage_no_record(node);
    stage_free(stage);
}

static void a_child_that_takes_too_long_fails_and_is_stopped(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    stage_child(node, &parent.leaf, 1, 700, 0);
    stage_child(node, &parent.leaf, 2, 300, 0);
    stage_child(node, &parent.leaf, 3, 500, 0);
    const struct stage_leaf first = *stage_leaf(stage);
    const struct stage_leaf second = *stage_leaf(stage);
    const struct stage_leaf third = *stage_leaf(stage);
    stage_place(stage, &first, node);
    stage_place(stage, &second, node);
    stage_place(stage, &third, node);
    stage_result(node, &third.leaf, "in time");
    stage_record(node, TP__RECORD_CHILD_RESULT);
    stage_pass(stage, 299);
    stage_no_record(node);
    stage_pass(stage, 1);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, second.leaf.sequence);
    assert_int_equal(node->records[node->record_read].record.operation, 2);
    assert_int_equal(refused_with(node), TP_E_TIMEOUT);
    stage_pass(stage, 400);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, first.leaf.sequence);
    assert_int_equal(refused_with(node), TP_E_TIMEOUT);
    stage_free(stage);
}

static void children_are_stopped_with_the_attempt_that_asked_for_them(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_record(b, TP__RECORD_OPEN);
    const struct stage_leaf parent = stage_start(stage, a, 1, 0);
    stage_child(a, &parent.leaf, 1, 0, 0);
    const struct stage_leaf child = *stage_leaf(stage);
    stage_place(stage, &child, b);
    stage_child(b, &child.leaf, 1, 0, 0);
    const struct stage_leaf grandchild = *stage_leaf(stage);
    stage_place(stage, &grandchild, b);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "silent for 3 s");
    assert_int_equal(stage_record(b, TP__RECORD_CANCEL)->record.task, child.leaf.sequence);
    assert_int_equal(stage_record(b, TP__RECORD_CANCEL)->record.task, grandchild.leaf.sequence);
    stage_event(stage, STAGE_CHILD_ENDED);
    stage_event(stage, STAGE_CHILD_ENDED);
    const struct stage_leaf *again = stage_leaf(stage);
    assert_int_equal(again->leaf.sequence, parent.leaf.sequence);
    assert_int_equal(again->leaf.dispatch, 2);
    stage_no_leaf(stage);
    assert_int_equal(tp__session_count(stage->session).unresolved, 1);
    stage_free(stage);
}

static void children_of_a_task_that_has_ended_go_on(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    stage_child(node, &parent.leaf, 1, 0, 0);
    const struct stage_leaf child = *stage_leaf(stage);
    stage_place(stage, &child, node);
    stage_result(node, &parent.leaf, "done");
    stage_expect_result(stage, 1, "done");
    stage_no_record(node);
    assert_int_equal(tp__session_count(stage->session).unresolved, 1);
    stage_result(node, &child.leaf, "for nobody");
    stage_event(stage, STAGE_CHILD_ENDED);
    stage_no_record(node);
    stage_no_event(stage, STAGE_RESULT);
    stage_free(stage);
}

/* a -> b -> c; b ends; a is lost: c is of that attempt all the same. */
static void orphans_are_stopped_with_the_attempt_that_they_come_from(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_record(b, TP__RECORD_OPEN);
    const struct stage_leaf first = stage_start(stage, a, 1, 0);
    stage_child(a, &first.leaf, 1, 0, 0);
    const struct stage_leaf second = *stage_leaf(stage);
    stage_place(stage, &second, b);
    stage_child(b, &second.leaf, 1, 0, 0);
    const struct stage_leaf third = *stage_leaf(stage);
    stage_place(stage, &third, b);
    stage_result(b, &second.leaf, "ended");
    stage_record(a, TP__RECORD_CHILD_RESULT);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    assert_int_equal(stage_record(b, TP__RECORD_CANCEL)->record.task, third.leaf.sequence);
    stage_free(stage);
}

static void a_deep_chain_of_children_is_stopped_at_once(void **state)
{
    (void)state;
    enum { DEPTH = 3000 };
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    for (uint32_t i = 1; i < DEPTH; i++) {
        stage_child(node, &leaf.leaf, 1, 0, 0);
        leaf = *stage_leaf(stage);
        assert_int_equal(leaf.leaf.depth, i);
        stage_place(stage, &leaf, node);
    }
    assert_int_equal(tp__session_count(stage->session).unresolved, DEPTH);
    tp__session_cancel(stage->session, 1);
    stage_run(stage);
    assert_int_equal(tp__session_count(stage->session).unresolved, 0);
    for (size_t i = 1; i < DEPTH; i++)
        stage_event(stage, STAGE_CHILD_ENDED);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_a_deeper_task_whose_result_goes_to_its_parent),
        cmocka_unit_test(the_deepest_waiting_go_first),
        cmocka_unit_test(a_childs_failure_goes_to_its_parent_with_the_node),
        cmocka_unit_test(children_that_cannot_be_are_answered),
        cmocka_unit_test(a_child_past_the_limit_fails_with_full),
        cmocka_unit_test(children_of_tasks_that_are_not_there_are_ignored),
        cmocka_unit_test(a_child_is_made_once),
        cmocka_unit_test(a_cancelled_child_is_stopped_without_a_word_to_its_parent),
        cmocka_unit_test(a_child_that_takes_too_long_fails_and_is_stopped),
        cmocka_unit_test(children_are_stopped_with_the_attempt_that_asked_for_them),
        cmocka_unit_test(children_of_a_task_that_has_ended_go_on),
        cmocka_unit_test(orphans_are_stopped_with_the_attempt_that_they_come_from),
        cmocka_unit_test(a_deep_chain_of_children_is_stopped_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
