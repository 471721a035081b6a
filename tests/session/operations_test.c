/* SPDX-License-Identifier: MIT */
/* What running tasks ask their driver for: channel operations. And what counts as an effect. */
#include "session/stage.h"

#include <string.h>

/* ---- channel operations ---- */

static const uint8_t reply[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'm'};

static struct tp__session_operation operate(struct stage_node *node, const struct tp__leaf *leaf, uint32_t number)
{
    static const uint8_t body[] = {TP__CHANNEL_RECEIVE, 4, 's', 'y', 'n', 'c', 1, 0, 0, 0, 0, 0};
    stage_say(node, TP__RECORD_OPERATION, leaf, number, body, sizeof body);
    const struct stage_event *event = stage_event(node->stage, STAGE_OPERATION);
    assert_int_equal(event->size, sizeof body);
    assert_int_equal(event->operation.task, leaf->sequence);
    assert_int_equal(event->operation.dispatch, leaf->dispatch);
    assert_int_equal(event->operation.operation, number);
    return event->operation;
}

static void an_operation_is_answered_when_the_channel_answers(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const struct tp__session_operation operation = operate(node, &leaf.leaf, 4);
    stage_no_record(node);
    tp__session_reply(stage->session, &operation, reply, sizeof reply, false, false);
    stage_run(stage);
    const struct stage_record *record = stage_record(node, TP__RECORD_REPLY);
    assert_int_equal(record->record.task, leaf.leaf.sequence);
    assert_int_equal(record->record.dispatch, leaf.leaf.dispatch);
    assert_int_equal(record->record.operation, 4);
    assert_int_equal(record->record.size, sizeof reply);
    tp__session_reply(stage->session, &operation, reply, sizeof reply, false, false); /* it is over */
    stage_run(stage);
    stage_no_record(node);
    stage_free(stage);
}

static void reply_at_once(struct stage *stage, const struct tp__session_operation *operation)
{
    tp__session_reply(stage->session, operation, reply, sizeof reply, true, false);
}

static void an_operation_may_be_answered_in_the_call(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    stage->on_operation = reply_at_once;
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    operate(node, &leaf.leaf, 1);
    stage_record(node, TP__RECORD_REPLY);
    stage_say(node, TP__RECORD_CONFIRM, &leaf.leaf, 1, NULL, 0);
    assert_int_equal(stage_event(stage, STAGE_CONFIRMED)->operation.operation, 1);
    stage_free(stage);
}

static void a_taken_message_is_confirmed_once_or_goes_back(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const struct tp__session_operation first = operate(node, &leaf.leaf, 1);
    const struct tp__session_operation second = operate(node, &leaf.leaf, 2);
    operate(node, &leaf.leaf, 3);
    tp__session_reply(stage->session, &first, reply, sizeof reply, true, false);
    tp__session_reply(stage->session, &second, reply, sizeof reply, true, false);
    stage_run(stage);
    stage_say(node, TP__RECORD_CONFIRM, &leaf.leaf, 1, NULL, 0);
    assert_int_equal(stage_event(stage, STAGE_CONFIRMED)->operation.operation, 1);
    stage_say(node, TP__RECORD_CONFIRM, &leaf.leaf, 1, NULL, 0); /* twice: nothing */
    stage_say(node, TP__RECORD_CONFIRM, &leaf.leaf, 3, NULL, 0); /* nothing was received */
    stage_no_event(stage, STAGE_CONFIRMED);
    stage_result(node, &leaf.leaf, "r"); /* it ends with two open */
    assert_int_equal(stage_event(stage, STAGE_DROPPED)->operation.operation, 2);
    assert_int_equal(stage_event(stage, STAGE_DROPPED)->operation.operation, 3);
    stage_no_event(stage, STAGE_DROPPED);
    stage_free(stage);
}

static void a_withdrawal_goes_to_the_channel_unless_the_reply_is_on_its_way(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const struct tp__session_operation operation = operate(node, &leaf.leaf, 1);
    stage_say(node, TP__RECORD_WITHDRAW, &leaf.leaf, 1, NULL, 0);
    assert_int_equal(stage_event(stage, STAGE_WITHDRAW)->operation.operation, 1);
    tp__session_reply(stage->session, &operation, reply, sizeof reply, true, false);
    stage_run(stage);
    stage_say(node, TP__RECORD_WITHDRAW, &leaf.leaf, 1, NULL, 0);
    stage_say(node, TP__RECORD_WITHDRAW, &leaf.leaf, 9, NULL, 0);
    stage_no_event(stage, STAGE_WITHDRAW);
    stage_free(stage);
}

static void operations_are_dropped_with_their_attempt(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, a, 1, 0);
    const struct tp__session_operation waiting = operate(a, &leaf.leaf, 1);
    const struct tp__session_operation taken = operate(a, &leaf.leaf, 2);
    tp__session_reply(stage->session, &taken, reply, sizeof reply, true, false);
    stage_run(stage);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    assert_int_equal(stage_event(stage, STAGE_DROPPED)->operation.operation, 1);
    assert_int_equal(stage_event(stage, STAGE_DROPPED)->operation.operation, 2);
    tp__session_reply(stage->session, &waiting, reply, sizeof reply, true, true); /* too late */
    stage_run(stage);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2); /* nothing was taken for good: it runs again */
    stage_free(stage);
}

static void a_late_reply_does_not_answer_the_next_attempt(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf first = stage_start(stage, node, 1, 0);
    const struct tp__session_operation late = operate(node, &first.leaf, 1);
    stage_crash(node, &first.leaf, TP__CRASH_BYSTANDER, false);
    const struct stage_leaf second = *stage_leaf(stage);
    stage_place(stage, &second, node);
    const struct tp__session_operation current = operate(node, &second.leaf, 1);
    tp__session_reply(stage->session, &late, reply, sizeof reply, true, true);
    stage_run(stage);
    stage_no_record(node);
    tp__session_reply(stage->session, &current, reply, sizeof reply, false, false);
    stage_run(stage);
    assert_int_equal(stage_record(node, TP__RECORD_REPLY)->record.dispatch, 2);
    stage_free(stage);
}

static void the_same_number_twice_is_one_operation(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    operate(node, &leaf.leaf, 1);
    static const uint8_t body[] = {TP__CHANNEL_CLOSE, 1, 'x'};
    stage_say(node, TP__RECORD_OPERATION, &leaf.leaf, 1, body, sizeof body);
    stage_no_event(stage, STAGE_OPERATION);
    stage_free(stage);
}

static void operations_of_stale_attempts_are_not_performed(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    stage_returned(node, &leaf.leaf, TP__RETURNED_RECALLED, "");
    static const uint8_t body[] = {TP__CHANNEL_CLOSE, 1, 'x'};
    stage_say(node, TP__RECORD_OPERATION, &leaf.leaf, 1, body, sizeof body);
    stage_no_event(stage, STAGE_OPERATION);
    stage_free(stage);
}

/* ---- effects ---- */

static void an_attempt_that_sent_is_not_run_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const struct tp__session_operation operation = operate(node, &leaf.leaf, 1);
    tp__session_reply(stage->session, &operation, reply, sizeof reply, false, true);
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_LOST, "it was silent for 3 s");
    const struct stage_event *event =
        stage_expect_failure(stage, 1, TP_E_NODE_LOST, "node 'a' was lost: it was silent");
    assert_string_equal(event->node, "a");
    stage_free(stage);
}

static void an_attempt_that_may_have_sent_is_not_run_again(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        struct stage *stage = stage_new(NULL);
        struct stage_node *node = stage_node_open(stage, "a");
        const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
        stage_child(node, &leaf.leaf, 1, 0, 0);
        const struct stage_leaf child = *stage_leaf(stage);
        stage_place(stage, &child, node);
        stage->may_have_sent = true; /* found out only when it is dropped */
        operate(node, own ? &leaf.leaf : &child.leaf, 2);
        stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
        stage_expect_failure(stage, 1, TP_E_NODE_LOST, "had sent or taken messages");
        stage_no_leaf(stage);
        stage_free(stage);
    }
}

static void an_attempt_that_took_for_good_is_not_run_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    const struct tp__session_operation operation = operate(node, &leaf.leaf, 1);
    tp__session_reply(stage->session, &operation, reply, sizeof reply, true, false);
    stage_run(stage);
    stage_say(node, TP__RECORD_CONFIRM, &leaf.leaf, 1, NULL, 0);
    stage_crash(node, &leaf.leaf, TP__CRASH_BYSTANDER, false);
    stage_expect_failure(stage, 1, TP_E_NODE_LOST, "was killed by SIGSEGV");
    stage_free(stage);
}

static void what_a_child_does_counts_for_its_ancestors(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node(stage, "b", 1);
    const struct stage_leaf parent = stage_start(stage, a, 1, 0);
    stage_child(a, &parent.leaf, 1, 0, 0);
    const struct stage_leaf child = *stage_leaf(stage);
    stage_place(stage, &child, b);
    stage_child(b, &child.leaf, 1, 0, 0);
    const struct stage_leaf grandchild = *stage_leaf(stage);
    stage_place(stage, &grandchild, b);
    stage_result(b, &child.leaf, "ended"); /* the chain holds */
    const struct tp__session_operation operation = operate(b, &grandchild.leaf, 1);
    tp__session_reply(stage->session, &operation, reply, sizeof reply, false, true);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    stage_expect_failure(stage, 1, TP_E_NODE_LOST, "had sent or taken messages");
    stage_free(stage);
}

static void a_granted_child_is_an_effect_of_its_parent(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_record(b, TP__RECORD_OPEN);
    const struct stage_leaf parent = stage_start(stage, a, 1, 0);
    stage_child(a, &parent.leaf, 1, 0, TP__LEAF_AT_MOST_ONCE);
    const struct stage_leaf child = *stage_leaf(stage);
    stage_place(stage, &child, b);
    stage_say(b, TP__RECORD_CLAIM, &child.leaf, 0, NULL, 0);
    stage_record(b, TP__RECORD_GRANT);
    stage_result(b, &child.leaf, "r");
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    stage_expect_failure(stage, 1, TP_E_NODE_LOST, "at-most-once");
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_is_answered_when_the_channel_answers),
        cmocka_unit_test(an_operation_may_be_answered_in_the_call),
        cmocka_unit_test(a_taken_message_is_confirmed_once_or_goes_back),
        cmocka_unit_test(a_withdrawal_goes_to_the_channel_unless_the_reply_is_on_its_way),
        cmocka_unit_test(operations_are_dropped_with_their_attempt),
        cmocka_unit_test(a_late_reply_does_not_answer_the_next_attempt),
        cmocka_unit_test(the_same_number_twice_is_one_operation),
        cmocka_unit_test(operations_of_stale_attempts_are_not_performed),
        cmocka_unit_test(an_attempt_that_sent_is_not_run_again),
        cmocka_unit_test(an_attempt_that_may_have_sent_is_not_run_again),
        cmocka_unit_test(an_attempt_that_took_for_good_is_not_run_again),
        cmocka_unit_test(what_a_child_does_counts_for_its_ancestors),
        cmocka_unit_test(a_granted_child_is_an_effect_of_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
