/* SPDX-License-Identifier: MIT */
/* The link to the coordinator, streams in time, programs and people. */
#include "session/stage.h"

#include "trust/authorized.h"
#include "trust/program.h"

#include <sodium.h>

/* ---- the link ---- */

static void hello_comes_first_and_the_offer_after_the_welcome(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    assert_int_equal(stage->hellos, 1);
    assert_int_equal(stage->offers, 1);
    assert_int_equal(stage->offer.protocol, TP__PROTOCOL_VERSION);
    assert_string_equal(stage->offer.machine, "x86_64");
    assert_string_equal(stage->offer.program_name, "test");
    assert_memory_equal(&stage->offer.program, &stage->options.program, sizeof stage->offer.program);
    assert_int_equal(stage->offer.program_length, stage->options.program_length);
    assert_int_equal(tp__session_state(stage->session, NULL), TP__SESSION_OPEN);
    stage_free(stage);
}

static void refuse(struct stage *stage, uint32_t status, const char *reason)
{
    char text[400];
    (void)snprintf(text, sizeof text, "%s", reason);
    Taskpool__Refusal refusal;
    taskpool__refusal__init(&refusal);
    refusal.status = status;
    refusal.reason = text;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_REFUSAL;
    frame.refusal = &refusal;
    stage_send(stage, &frame);
    stage_run(stage);
}

static void a_refusal_fails_the_session_and_every_task_in_it(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_start(stage, node, 1, 0);
    stage_submit(stage, 2);
    stage_run(stage);
    stage_submit(stage, 3);
    refuse(stage, TP_E_SESSION_LOST, "the driver was silent for 30 s");
    for (uintptr_t tag = 1; tag <= 3; tag++)
        stage_expect_failure(stage, tag, TP_E_SESSION_LOST, "refused the session: the driver was silent for 30 s");
    struct tp__problem problem;
    assert_int_equal(tp__session_state(stage->session, &problem), TP__SESSION_FAILED);
    assert_int_equal(problem.status, TP_E_SESSION_LOST);
    const struct tp__session_task task = {.tag = stage, .worker = -1};
    tp_status status;
    assert_int_equal(tp__session_submit(stage->session, &task, &status), 0);
    assert_int_equal(status, TP_E_SESSION_LOST);
    assert_int_equal(tp__session_count(stage->session).unresolved, 0);
    stage_pass(stage, 40000);
    stage_no_event(stage, STAGE_RECONNECT);
    stage_free(stage);
}

static void a_refusal_with_an_unknown_status_is_a_lost_session(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    refuse(stage, 4711, "\n\x1b[31m no");
    struct tp__problem problem;
    assert_int_equal(tp__session_state(stage->session, &problem), TP__SESSION_FAILED);
    assert_int_equal(problem.status, TP_E_SESSION_LOST);
    for (const char *at = problem.text; *at; at++)
        assert_true((unsigned char)*at >= ' ');
    stage_free(stage);
}

static void without_a_coordinator_the_session_tries_on_and_keeps_its_tasks(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    stage->deaf = true;
    stage_pass(stage, 3000);
    stage_event(stage, STAGE_RECONNECT);
    stage_pass(stage, 120000);
    size_t tries = 0;
    for (size_t i = stage->event_read; i < stage->event_count; i++)
        tries += stage->events[i].kind == STAGE_RECONNECT;
    assert_in_range(tries, 20, 60);
    stage_no_event(stage, STAGE_FAILURE);
    stage->deaf = false;
    for (int i = 0; i < 40 && stage->hellos < 2; i++)
        stage_pass(stage, 100);
    stage_accept(node);
    assert_true(node->used);
    while (node->records[node->record_read].record.type != TP__RECORD_RECONCILE) {
        node->record_read++;
        assert_true(node->record_read < node->record_count);
    }
    stage_held(node, stage_asked(node), &leaf.leaf, 1, TP__HELD_RUNNING);
    stage_result(node, &leaf.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

static void new_links_are_not_made_in_a_rush(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    static const uint8_t garbage[] = {0xff};
    stage->deaf = true;
    for (int64_t ms = 0; ms < 2000; ms++) {
        stage->now_ms++;
        tp__session_receive(stage->session, garbage, sizeof garbage, stage->now_ms);
        tp__session_tick(stage->session, stage->now_ms);
    }
    size_t tries = 0;
    for (size_t i = 0; i < stage->event_count; i++)
        tries += stage->events[i].kind == STAGE_RECONNECT;
    assert_in_range(tries, 10, 21);
    stage_free(stage);
}

static void a_frame_before_the_welcome_or_a_second_welcome_breaks_the_link(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    Taskpool__Welcome welcome;
    taskpool__welcome__init(&welcome);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_WELCOME;
    frame.welcome = &welcome;
    stage_send(stage, &frame);
    stage_pass(stage, 100);
    stage_event(stage, STAGE_RECONNECT);
    assert_int_equal(stage->hellos, 2);
    stage->mute = true;
    stage_break(stage);
    stage_event(stage, STAGE_RECONNECT);
    Taskpool__Placed placed;
    taskpool__placed__init(&placed);
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    stage_send(stage, &frame);
    stage->mute = false;
    stage_pass(stage, 100);
    stage_event(stage, STAGE_RECONNECT);
    assert_int_equal(tp__session_state(stage->session, NULL), TP__SESSION_OPEN);
    stage_free(stage);
}

static void a_bye_of_the_coordinator_makes_a_new_link(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_BYE;
    frame.bye = &bye;
    stage_send(stage, &frame);
    stage_pass(stage, 100);
    stage_event(stage, STAGE_RECONNECT);
    assert_int_equal(stage->hellos, 2);
    stage_free(stage);
}

/* ---- streams ---- */

static void a_small_result_is_acknowledged_after_a_while(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    stage_result(node, &leaf.leaf, "r");
    stage_expect_result(stage, 1, "r");
    assert_true(tp__stream_unacknowledged(node->stream) > 0);
    stage_pass(stage, 100);
    assert_int_equal(tp__stream_unacknowledged(node->stream), 0);
    stage_free(stage);
}

static void many_small_results_are_acknowledged_before_the_window_is_full(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    size_t acknowledged = 0;
    size_t before = 0;
    for (uintptr_t i = 1; i <= 1000; i++) {
        const struct stage_leaf leaf = stage_start(stage, node, i, 0);
        stage_result(node, &leaf.leaf, "r");
        stage_expect_result(stage, i, "r"); /* none is ever held back */
        const size_t now = tp__stream_unacknowledged(node->stream);
        acknowledged += now < before;
        before = now;
    }
    assert_in_range(acknowledged, 10, 100); /* of about 80 bytes each, at 2,048 */
    stage_free(stage);
}

static void what_is_said_to_a_node_acknowledges(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf first = stage_start(stage, node, 1, 0);
    const struct stage_leaf second = stage_start(stage, node, 2, 0);
    stage_result(node, &first.leaf, "r");
    assert_true(tp__stream_unacknowledged(node->stream) > 0);
    tp__session_cancel(stage->session, second.leaf.sequence);
    stage_run(stage);
    assert_int_equal(tp__stream_unacknowledged(node->stream), 0);
    stage_free(stage);
}

static void the_streams_tick_every_20_s(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_record(node, TP__RECORD_OPEN);
    stage_pass(stage, 19900);
    stage_no_record(node);
    stage_pass(stage, 200);
    stage_record(node, TP__RECORD_TICK);
    stage_pass(stage, 20000);
    stage_record(node, TP__RECORD_TICK);
    stage_no_record(node);
    stage_free(stage);
}

static void what_a_silent_node_did_not_get_is_sent_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    const struct stage_leaf leaf = stage_start(stage, node, 1, 0);
    stage_record(node, TP__RECORD_OPEN);
    node->cut = true; /* the coordinator swallows it */
    tp__session_cancel(stage->session, leaf.leaf.sequence);
    stage_run(stage);
    node->cut = false;
    stage_pass(stage, 61000);
    stage_record(node, TP__RECORD_CANCEL);
    stage_free(stage);
}

/* ---- no nodes ---- */

static void tasks_fail_after_30_s_without_a_node_with_each_nodes_reason(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_make(stage, "a", 1);
    struct stage_node *b = stage_node_make(stage, "b", 1);
    stage_refuse(a, TP_E_UNSUPPORTED, "this node is an aarch64");
    stage_refuse(a, TP_E_UNSUPPORTED, "this node is an armv7"); /* the later one counts */
    stage_refuse(b, TP_E_LIMIT, "its cache is full");
    stage_submit(stage, 1);
    stage_pass(stage, 29000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_pass(stage, 1200);
    const struct stage_event *event =
        stage_expect_failure(stage, 1, TP_E_SESSION_LOST, "node 'a': this node is an armv7");
    stage_contains(event->message, "node 'b': its cache is full");
    stage_submit(stage, 2); /* it has its own 30 s */
    stage_pass(stage, 20000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_accept_anew(a);
    const struct stage_leaf *leaf = stage_leaf(stage);
    assert_int_equal(leaf->leaf.sequence, 1); /* what was sent to the coordinator */
    leaf = stage_leaf(stage);
    stage_place(stage, leaf, a);
    stage_pass(stage, 20000);
    stage_result(a, &leaf->leaf, "r");
    stage_expect_result(stage, 2, "r");
    stage_free(stage);
}

static void the_status_is_that_of_the_nodes_if_they_agree(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_refuse(stage_node_make(stage, "a", 1), TP_E_UNSUPPORTED, "another machine");
    stage_refuse(stage_node_make(stage, "b", 1), TP_E_UNSUPPORTED, "another machine");
    stage_submit(stage, 1);
    stage_pass(stage, 31000);
    stage_expect_failure(stage, 1, TP_E_UNSUPPORTED, "another machine");
    stage_submit(stage, 2);
    stage_free(stage);
}

static void the_reasons_are_whole_and_nodes_that_say_the_same_are_named_together(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    char reason[900];
    memset(reason, 'x', sizeof reason);
    (void)snprintf(reason + 880, sizeof reason - 880, " the end");
    stage_refuse(stage_node_make(stage, "a", 1), TP_E_UNSUPPORTED, reason);
    stage_refuse(stage_node_make(stage, "b", 1), TP_E_LIMIT, "its cache is full");
    stage_refuse(stage_node_make(stage, "c", 1), TP_E_UNSUPPORTED, reason);
    stage_submit(stage, 1);
    stage_pass(stage, 31000);
    struct stage_event *event =
        stage_expect_failure(stage, 1, TP_E_SESSION_LOST, "no node has accepted this program for 30 s");
    stage_contains(event->message, "; nodes 'a', 'c': xxx");
    stage_contains(event->message, "x the end");
    stage_contains(event->message, "; node 'b': its cache is full");
    stage_free(stage);
}

static void a_program_that_all_refuse_for_good_fails_after_a_short_while(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_submit(stage, 1);
    stage_pass(stage, 4000);
    stage_refuse(stage_node_make(stage, "a", 1), TP_E_UNSUPPORTED, "no library");
    stage_pass(stage, 4000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_refuse(stage_node_make(stage, "b", 1), TP_E_UNTRUSTED, "an unknown key"); /* others may come as well */
    stage_pass(stage, 4000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_pass(stage, 2000);
    stage_expect_failure(stage, 1, TP_E_SESSION_LOST, "every node has refused this program; node 'a': no library");
    stage_free(stage);
}

static void other_nodes_are_waited_for_where_one_may_come(void **state)
{
    (void)state;
    stage_nodes_there = 2; /* one of which does not answer */
    struct stage *stage = stage_new(NULL);
    stage_nodes_there = 0;
    stage_submit(stage, 1);
    stage_refuse(stage_node_make(stage, "a", 1), TP_E_UNSUPPORTED, "no library");
    stage_pass(stage, 20000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_free(stage);

    stage = stage_new(NULL); /* one refuses for now */
    stage_submit(stage, 1);
    stage_refuse(stage_node_make(stage, "a", 1), TP_E_UNSUPPORTED, "no library");
    stage_refuse(stage_node_make(stage, "b", 1), TP_E_NOMEM, "no memory");
    stage_pass(stage, 20000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_free(stage);

    stage = stage_new(NULL); /* one had accepted, and may come back */
    stage_condition(stage_node(stage, "a", 1), TASKPOOL__NODE_CONDITION__NODE_LOST, "silent");
    stage_submit(stage, 1);
    stage_refuse(stage_node_make(stage, "b", 1), TP_E_UNSUPPORTED, "no library");
    stage_pass(stage, 20000);
    stage_no_event(stage, STAGE_FAILURE);
    stage_free(stage);
}

static void without_any_node_the_error_says_what_to_look_at(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_submit(stage, 1);
    stage_pass(stage, 31000);
    stage_expect_failure(stage, 1, TP_E_SESSION_LOST, "coordinator 'head' named none");
    stage_free(stage);
}

static void the_session_is_answered_when_every_node_has_accepted_or_refused(void **state)
{
    (void)state;
    stage_nodes_there = 2;
    struct stage *stage = stage_new(NULL);
    stage_nodes_there = 0;
    assert_false(tp__session_is_answered(stage->session));
    stage_refuse(stage_node_make(stage, "a", 1), TP_E_UNSUPPORTED, "another machine");
    assert_false(tp__session_is_answered(stage->session));
    stage_node(stage, "b", 1);
    assert_true(tp__session_is_answered(stage->session));
    stage_free(stage);
}

/* ---- programs ---- */

static void need(struct stage *stage, bool list, uint32_t *chunks, size_t count, const struct tp__hash *root)
{
    Taskpool__Need message;
    taskpool__need__init(&message);
    message.root = tp__field(root, sizeof *root);
    message.list = list;
    message.chunks = chunks;
    message.n_chunks = count;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_NEED;
    frame.need = &message;
    stage_send(stage, &frame);
    stage_run(stage);
}

static void chunks_are_sent_as_they_are_asked_for(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    uint32_t chunks[] = {2, 0, 7, 2};
    need(stage, true, chunks, 4, &stage->options.program);
    assert_int_equal(stage->lists, 1);
    assert_int_equal(stage->chunks, 2); /* once each; 7 is none */
    assert_int_equal(stage->chunk_indices, 2);
    need(stage, false, chunks, 1, &stage->options.program);
    assert_int_equal(stage->chunks, 3);
    const struct tp__hash other = {{1}};
    need(stage, true, chunks, 1, &other);
    assert_int_equal(stage->chunks, 3);
    assert_int_equal(stage->lists, 1);
    stage_free(stage);
}

/* ---- people ---- */

static const Taskpool__Answer *ask(struct stage *stage, Taskpool__QueryKind kind, const char *subject)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s", subject);
    Taskpool__Query query;
    taskpool__query__init(&query);
    query.id = 99;
    query.kind = kind;
    query.subject = text;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_QUERY;
    frame.query = &query;
    stage_send(stage, &frame);
    stage_run(stage);
    if (!stage->answer)
        return NULL;
    assert_int_equal(stage->answer->answer->id, 99);
    return stage->answer->answer;
}

static void why_a_task_is_not_done_can_be_asked_by_number_and_by_name(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    char id[33];
    char subject[64];
    tp__id_text(&stage->session_id, id);
    assert_null(ask(stage, TASKPOOL__QUERY_KIND__QUERY_STATUS, "x"));
    stage_submit(stage, 1);
    (void)snprintf(subject, sizeof subject, "%s/1", id);
    const Taskpool__Answer *answer = ask(stage, TASKPOOL__QUERY_KIND__QUERY_WHY, subject);
    assert_int_equal(answer->status, TP_OK);
    assert_int_equal(answer->n_tasks, 1);
    assert_string_equal(answer->tasks[0]->task, subject);
    assert_string_equal(answer->tasks[0]->name, "fib");
    assert_string_equal(answer->tasks[0]->state, "queued");
    stage_contains(answer->tasks[0]->reason, "no node has accepted");

    struct stage_node *node = stage_node(stage, "a", 1);
    stage_place(stage, stage_leaf(stage), node);
    answer = ask(stage, TASKPOOL__QUERY_KIND__QUERY_WHY, "fib");
    assert_string_equal(answer->tasks[0]->state, "placed");
    assert_string_equal(answer->tasks[0]->node, "a");
    assert_int_equal(answer->tasks[0]->dispatch, 1);
    stage_result(node, &stage->leaves[0].leaf, "r");
    answer = ask(stage, TASKPOOL__QUERY_KIND__QUERY_WHY, subject);
    assert_string_equal(answer->tasks[0]->state, "resolved");
    answer = ask(stage, TASKPOOL__QUERY_KIND__QUERY_WHY, "fib");
    assert_int_equal(answer->status, TP_E_ARGUMENT);
    stage_contains(answer->text, "no unresolved task");
    for (uintptr_t i = 1; i <= 50; i++)
        stage_submit(stage, i);
    answer = ask(stage, TASKPOOL__QUERY_KIND__QUERY_WHY, "fib");
    assert_int_equal(answer->n_tasks, 20);
    static const char *const wrong[] = {"", "/", "0123456789abcdef0123456789abcdef/1", "fib/1"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ask(stage, TASKPOOL__QUERY_KIND__QUERY_WHY, wrong[i])->status, TP_E_ARGUMENT);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_comes_first_and_the_offer_after_the_welcome),
        cmocka_unit_test(a_refusal_fails_the_session_and_every_task_in_it),
        cmocka_unit_test(a_refusal_with_an_unknown_status_is_a_lost_session),
        cmocka_unit_test(without_a_coordinator_the_session_tries_on_and_keeps_its_tasks),
        cmocka_unit_test(new_links_are_not_made_in_a_rush),
        cmocka_unit_test(a_frame_before_the_welcome_or_a_second_welcome_breaks_the_link),
        cmocka_unit_test(a_bye_of_the_coordinator_makes_a_new_link),
        cmocka_unit_test(a_small_result_is_acknowledged_after_a_while),
        cmocka_unit_test(many_small_results_are_acknowledged_before_the_window_is_full),
        cmocka_unit_test(what_is_said_to_a_node_acknowledges),
        cmocka_unit_test(the_streams_tick_every_20_s),
        cmocka_unit_test(what_a_silent_node_did_not_get_is_sent_again),
        cmocka_unit_test(tasks_fail_after_30_s_without_a_node_with_each_nodes_reason),
        cmocka_unit_test(the_status_is_that_of_the_nodes_if_they_agree),
        cmocka_unit_test(the_reasons_are_whole_and_nodes_that_say_the_same_are_named_together),
        cmocka_unit_test(a_program_that_all_refuse_for_good_fails_after_a_short_while),
        cmocka_unit_test(other_nodes_are_waited_for_where_one_may_come),
        cmocka_unit_test(without_any_node_the_error_says_what_to_look_at),
        cmocka_unit_test(the_session_is_answered_when_every_node_has_accepted_or_refused),
        cmocka_unit_test(chunks_are_sent_as_they_are_asked_for),
        cmocka_unit_test(why_a_task_is_not_done_can_be_asked_by_number_and_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
