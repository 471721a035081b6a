/* SPDX-License-Identifier: MIT */
/* Attempts that are lost: crashes, tasks that come back, lost nodes, claims; and what is found out after a break. */
#include "session/stage.h"

static struct stage_node *node_named(struct stage *stage, const char *name)
{
    struct stage_node *node = stage_node(stage, name, 1);
    stage_record(node, TP__RECORD_OPEN);
    return node;
}

static struct stage_leaf place_next(struct stage *stage, struct stage_node *node)
{
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_place(stage, &leaf, node);
    return leaf;
}

/* ---- nodes ---- */

static void tasks_of_a_lost_node_are_dispatched_again_in_their_order(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
    struct stage_leaf leaves[3];
    for (uintptr_t i = 0; i < 3; i++)
        leaves[i] = stage_start(stage, a, i + 1, 0);
    const struct stage_leaf elsewhere = stage_start(stage, b, 4, 0);
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "silent for 3 s");
    for (uint64_t i = 0; i < 3; i++) {
        const struct stage_leaf again = place_next(stage, b);
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
    struct stage_node *a = node_named(stage, "a");
    stage_start(stage, a, 1, 0);
    for (uintptr_t i = 2; i <= 100; i++)
        stage_submit(stage, i);
    stage_run(stage);
    assert_true(stage->leaf_count < 100); /* the others wait in the driver */
    stage_condition(a, TASKPOOL__NODE_CONDITION__NODE_LOST, "silent for 3 s");
    struct stage_node *b = node_named(stage, "b");
    for (size_t i = 0; i < 100; i++) {
        const struct stage_leaf leaf = place_next(stage, b);
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
    struct stage_node *node = node_named(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (uint32_t i = 1; i <= 16; i++) {
        stage_no_event(stage, STAGE_FAILURE);
        assert_int_equal(place_next(stage, node).leaf.dispatch, i);
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
    struct stage_node *node = node_named(stage, "a");
    stage_start(stage, node, 1, 0);
    stage_accept_anew(node);
    stage_record(node, TP__RECORD_OPEN);
    assert_true(node->used);
    assert_int_equal(tp__session_count(stage->session).nodes, 1);
    const struct stage_leaf again = place_next(stage, node);
    assert_int_equal(again.leaf.dispatch, 2);
    stage_result(node, &again.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void an_incarnation_that_was_given_up_is_forgotten_and_never_used_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
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
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
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
    struct stage_node *a = node_named(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, a, 1, 0);
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_REFUSE);
    stage_free(stage);
}

static void a_claim_of_a_dispatch_that_was_not_sent_is_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = node_named(stage, "a");
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
    struct stage_node *a = node_named(stage, "a");
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
    struct stage_node *a = node_named(stage, "a");
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
    struct stage_node *a = node_named(stage, "a");
    const struct stage_leaf leaf = stage_start(stage, a, 1, TP__LEAF_AT_MOST_ONCE);
    stage_say(a, TP__RECORD_CLAIM, &leaf.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_GRANT);
    stage_returned(a, &leaf.leaf, TP__RETURNED_RECALLED, "its process crashed");
    const struct stage_leaf again = place_next(stage, a);
    stage_say(a, TP__RECORD_CLAIM, &again.leaf, 0, NULL, 0);
    assert_int_equal(stage_record(a, TP__RECORD_GRANT)->record.dispatch, 2);
    stage_free(stage);
}

/* ---- tasks that come back ---- */

static void recalled_and_stale_tasks_go_out_again_as_often_as_it_takes(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_named(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (uint32_t i = 1; i <= 40; i++) {
        const struct stage_leaf leaf = place_next(stage, node);
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
    struct stage_node *node = node_named(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (int i = 0; i < 3; i++) {
        stage_no_event(stage, STAGE_FAILURE);
        const struct stage_leaf leaf = place_next(stage, node);
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
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *node = node_named(stage, "b");
    const struct stage_leaf first = stage_start(stage, node, 1, 0);
    const struct stage_leaf other = stage_start(stage, node, 2, 0);
    stage_append_crash(node, &first.leaf, TP__CRASH_SUSPECT, false);
    stage_crash(node, &other.leaf, TP__CRASH_SUSPECT, false);
    const struct stage_leaf second = place_next(stage, node);
    const struct stage_leaf third = place_next(stage, node);
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
    struct stage_node *node = node_named(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (int i = 0; i < 3; i++) {
        stage_no_event(stage, STAGE_FAILURE);
        const struct stage_leaf leaf = place_next(stage, node);
        stage_crash(node, &leaf.leaf, TP__CRASH_SUSPECT, false);
    }
    stage_expect_failure(stage, 1, TP_E_TASK, "suspected 3 times");
    stage_free(stage);
}

static void max_attempts_is_the_tasks_own(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_named(stage, "a");
    const struct tp__session_task task = {.tag = stage, .worker = -1, .max_attempts = 1};
    tp_status status;
    tp__session_submit(stage->session, &task, &status);
    stage_run(stage);
    const struct stage_leaf leaf = place_next(stage, node);
    stage_crash(node, &leaf.leaf, TP__CRASH_SUSPECT, false);
    stage_expect_failure(stage, (uintptr_t)stage, TP_E_TASK, "SIGSEGV");
    stage_free(stage);
}

static void bystanders_share_a_new_cell_that_each_further_crash_halves(void **state)
{
    (void)state;
    enum { TASKS = 8 };
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_named(stage, "a");
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
            leaves[i] = place_next(stage, node);
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

/* ---- a node's link broke ---- */

static void what_a_relinked_node_does_not_hold_is_lost_and_nothing_else(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
    const struct stage_leaf superseded = stage_start(stage, a, 1, 0);
    stage_returned(a, &superseded.leaf, TP__RETURNED_RECALLED, "");
    place_next(stage, b);
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
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
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
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
    stage_submit(stage, 1);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_break(stage);
    stage_accept(a);
    stage_accept(b);
    struct stage_node *late = node_named(stage, "late");
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
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
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
    struct stage_node *a = node_named(stage, "a");
    struct stage_node *b = node_named(stage, "b");
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
    struct stage_node *node = node_named(stage, "a");
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
    struct stage_node *node = node_named(stage, "a");
    stage_submit(stage, 1);
    stage_run(stage);
    for (uint32_t i = 1; i <= 30; i++) {
        assert_int_equal(stage_leaf(stage)->leaf.dispatch, i);
        stage_break(stage);
        stage_accept(node);
        stage_held(node, stage_asked(node), NULL, 0, TP__HELD_QUEUED);
    }
    const struct stage_leaf last = place_next(stage, node);
    stage_result(node, &last.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void a_node_that_is_lost_meanwhile_is_not_waited_for(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = node_named(stage, "a");
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
    struct stage_node *a = node_named(stage, "a");
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
