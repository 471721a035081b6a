/* SPDX-License-Identifier: MIT */
/* The link to the coordinator, time, programs and people; and what a coordinator or a node that lies can do: nothing
 * but stall. */
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

/* ---- coordinators that lie ---- */

static size_t nodes_of(struct stage *stage)
{
    return tp__session_count(stage->session).nodes;
}

static void accepts_of_keys_that_are_not_listed_are_not_used(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_make(stage, "a", 1);
    tp__key_generate(&node->key, "stranger");
    stage_accept_anew(node);
    assert_false(node->used);
    assert_int_equal(nodes_of(stage), 0);
    stage_submit(stage, 1);
    stage_pass(stage, 31000);
    stage_expect_failure(stage, 1, TP_E_UNTRUSTED, "node 'a': its key is not in this driver's authorized_keys");
    stage_free(stage);
}

/* A list of what stage nodes have keys, from `first` to before `end`; the caller frees it. */
static struct tp__authorized *list_nodes(struct stage *stage, size_t first, size_t end)
{
    char text[STAGE_NODES * 80] = "";
    size_t length = 0;
    for (size_t i = first; i < end; i++) {
        char key[45];
        tp__public_key_text(&stage->nodes[i].key.public_key, key);
        length += (size_t)snprintf(text + length, sizeof text - length, "node %s n%zu\n", key, i);
    }
    struct tp__problem problem;
    struct tp__authorized *list = tp__authorized_parse(text, length, "authorized_keys", &problem);
    assert_non_null(list);
    return list;
}

static void a_node_that_is_listed_no_more_is_given_up_until_it_is_listed_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 1);
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_start(stage, a, 1, 0);
    struct tp__authorized *one = list_nodes(stage, 1, 2);
    tp__session_authorize(stage->session, one, stage->now_ms);
    stage_run(stage);
    assert_true(a->forgotten);
    assert_false(b->forgotten);
    assert_int_equal(nodes_of(stage), 1);
    const struct stage_leaf *leaf = stage_leaf(stage); /* what ran there runs elsewhere */
    assert_int_equal(leaf->leaf.sequence, 1);
    assert_int_equal(leaf->leaf.dispatch, 2);

    stage_accept_anew(a);
    assert_false(a->used);
    assert_int_equal(nodes_of(stage), 1);
    struct tp__authorized *both = list_nodes(stage, 0, 2);
    tp__session_authorize(stage->session, both, stage->now_ms);
    stage_run(stage);
    assert_true(a->forgotten); /* asked anew */
    stage_accept_anew(a);
    assert_true(a->used);
    assert_int_equal(nodes_of(stage), 2);
    stage_free(stage);
    tp__authorized_free(one);
    tp__authorized_free(both);
}

static void a_session_that_is_given_up_fails_its_tasks(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_submit(stage, 1);
    tp__session_give_up(stage->session, TP_E_UNTRUSTED, "no coordinator is believed", stage->now_ms);
    stage_expect_failure(stage, 1, TP_E_UNTRUSTED, "no coordinator is believed");
    stage_free(stage);
}

static void accepts_of_other_offers_are_not_used(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_make(stage, "a", 1);
    stage->offer_hash.bytes[0] ^= 1;
    stage_accept_anew(node);
    assert_int_equal(nodes_of(stage), 0);
    stage_free(stage);
}

static void accepts_that_were_changed_are_not_used(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    stage_accept_anew(node); /* a good one, for its signature */
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_LOST, "");
    uint8_t good[TP__ACCEPT_LIMIT_BYTES];
    memcpy(good, node->accept, sizeof good);
    for (size_t i = 0; i < node->accept_size; i++) {
        memcpy(node->accept, good, sizeof good);
        node->accept[i] ^= 0x40;
        stage_accept(node);
        assert_int_equal(nodes_of(stage), 0);
    }
    memcpy(node->accept, good, sizeof good);
    node->incarnation = tp__id_new(); /* not the one that was signed */
    stage_accept(node);
    assert_int_equal(nodes_of(stage), 0);
    stage_free(stage);
}

static void send_stream(struct stage_node *node, const struct tp__sealed *sealed, const struct tp__id *incarnation)
{
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    stream.session = tp__field_of_id(&node->stage->session_id);
    stream.incarnation = tp__field_of_id(incarnation);
    stream.position = sealed->position;
    stream.acknowledgement = sealed->acknowledgement;
    stream.sealed = tp__field(sealed->bytes, sealed->size);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &stream;
    stage_send(node->stage, &frame);
    stage_run(node->stage);
}

static void forged_replayed_reordered_and_foreign_frames_have_no_effect(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 1);
    struct stage_node *b = stage_node(stage, "b", 1);
    const struct stage_leaf leaf = stage_start(stage, a, 1, 0);
    struct tp__sealed sealed;
    while (tp__stream_next(a->stream, &sealed)) /* acknowledgements */
        continue;
    stage_append(a, TP__RECORD_OUTPUT, leaf.leaf.sequence, 1, 0, "\1\0\0\0\0x", 6);
    assert_true(tp__stream_next(a->stream, &sealed));
    uint8_t bytes[256];
    assert_true(sealed.size <= sizeof bytes);
    memcpy(bytes, sealed.bytes, sealed.size);
    struct tp__sealed changed = {sealed.position, sealed.acknowledgement, bytes, sealed.size};
    const uint64_t refused = tp__session_count(stage->session).refused;
    for (size_t i = 0; i < sealed.size; i++) {
        bytes[i] ^= 1;
        send_stream(a, &changed, &a->incarnation);
        bytes[i] ^= 1;
    }
    changed.position++;
    send_stream(a, &changed, &a->incarnation);
    changed.position--;
    changed.acknowledgement = true;
    send_stream(a, &changed, &a->incarnation);
    changed.acknowledgement = false;
    send_stream(a, &changed, &b->incarnation);
    changed.size = 3;
    send_stream(a, &changed, &a->incarnation);
    changed.size = sealed.size;
    assert_int_equal(tp__session_count(stage->session).refused, refused + sealed.size + 4);
    stage_no_event(stage, STAGE_OUTPUT);
    send_stream(a, &changed, &a->incarnation);
    stage_event(stage, STAGE_OUTPUT);
    send_stream(a, &changed, &a->incarnation); /* once more */
    stage_no_event(stage, STAGE_OUTPUT);

    stage_append(a, TP__RECORD_OUTPUT, 1, 1, 0, "\1\0\0\0\0y", 6);
    assert_true(tp__stream_next(a->stream, &sealed));
    memcpy(bytes, sealed.bytes, sealed.size);
    const struct tp__sealed held_back = {sealed.position, false, bytes, sealed.size};
    stage_append(a, TP__RECORD_OUTPUT, 1, 1, 0, "\1\0\0\0\0z", 6);
    assert_true(tp__stream_next(a->stream, &sealed));
    send_stream(a, &sealed, &a->incarnation); /* before the one that it follows */
    stage_no_event(stage, STAGE_OUTPUT);
    send_stream(a, &held_back, &a->incarnation);
    stage_event(stage, STAGE_OUTPUT);
    stage_result(b, &leaf.leaf, "mine!"); /* b's word about a task that is a's */
    stage_no_event(stage, STAGE_RESULT);
    assert_int_equal(nodes_of(stage), 2);
    stage_free(stage);
}

static void say_placed(struct stage *stage, uint64_t batch, uint32_t first, uint32_t run_length,
                       const struct tp__id *incarnation)
{
    Taskpool__Run run;
    taskpool__run__init(&run);
    run.batch = batch;
    run.first = first;
    run.run = run_length;
    run.incarnation = tp__field_of_id(incarnation);
    Taskpool__Run *runs[] = {&run};
    Taskpool__Placed placed;
    taskpool__placed__init(&placed);
    placed.n_runs = 1;
    placed.runs = runs;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    stage_send(stage, &frame);
    stage_run(stage);
}

static void lies_about_placing_are_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 1);
    for (uintptr_t i = 1; i <= 3; i++)
        stage_submit(stage, i);
    stage_run(stage);
    const struct stage_leaf *leaf = stage_leaf(stage);
    const uint64_t refused = tp__session_count(stage->session).refused;
    say_placed(stage, leaf->batch + 1, 0, 1, &a->incarnation);
    say_placed(stage, leaf->batch, 3, 1, &a->incarnation);
    say_placed(stage, leaf->batch, 2, 2, &a->incarnation);
    say_placed(stage, leaf->batch, 0, 0, &a->incarnation);
    say_placed(stage, leaf->batch, UINT32_MAX, 2, &a->incarnation);
    say_placed(stage, leaf->batch, 2, UINT32_MAX, &a->incarnation);
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    assert_int_equal(tp__session_count(stage->session).refused, refused + 6);
    say_placed(stage, leaf->batch, 1, 2, &a->incarnation);
    assert_int_equal(tp__session_count(stage->session).placed, 2);
    say_placed(stage, leaf->batch, 1, 1, &a->incarnation); /* twice */
    assert_int_equal(tp__session_count(stage->session).refused, refused + 7);
    const struct tp__id nowhere = tp__id_new();
    say_placed(stage, leaf->batch, 0, 1, &nowhere); /* it is sent again */
    stage_leaf(stage);
    stage_leaf(stage);
    const struct stage_leaf *again = stage_leaf(stage);
    assert_int_equal(again->leaf.sequence, 1);
    assert_int_equal(again->leaf.dispatch, 2);
    stage_free(stage);
}

static void a_pinned_task_that_is_placed_elsewhere_is_sent_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 1);
    struct stage_node *b = stage_node(stage, "b", 1);
    stage_submit_with(stage, 1, 0, 0);
    stage_run(stage);
    stage_place(stage, stage_leaf(stage), b);
    const struct stage_leaf *again = stage_leaf(stage);
    assert_int_equal(again->leaf.dispatch, 2);
    assert_true(tp__id_equal(&again->incarnation, &a->incarnation));
    stage_free(stage);
}

static void frames_that_are_not_for_drivers_are_counted_and_ignored(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    stage_node(stage, "a", 1);
    const uint64_t refused = tp__session_count(stage->session).refused;
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_CREDIT;
    frame.credit = &credit;
    stage_send(stage, &frame);
    Taskpool__StreamFrame stream; /* of no session */
    taskpool__stream_frame__init(&stream);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &stream;
    stage_send(stage, &frame);
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &accept;
    stage_send(stage, &frame);
    stage_run(stage);
    assert_int_equal(tp__session_count(stage->session).refused, refused + 3);
    assert_int_equal(nodes_of(stage), 1);
    stage_no_event(stage, STAGE_RECONNECT);
    stage_free(stage);
}

/* ---- nodes that lie ---- */

static void a_node_that_says_nonsense_is_given_up(void **state)
{
    (void)state;
    static const struct {
        enum tp__record_type type;
        const char *body;
        size_t size;
    } nonsense[] = {
        {TP__RECORD_FAILURE, "\1\0\0\0\0\0\0\0\xff\0\0\0", 12},
        {TP__RECORD_RETURNED, "\1", 1},
        {TP__RECORD_RETURNED, "\7\0\0\0\0", 5},
        {TP__RECORD_CRASHED, "\1", 1},
        {TP__RECORD_CRASHED, "\3\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22},
        {TP__RECORD_HELD, "\0", 1},
        {TP__RECORD_GRANT, "", 0},
        {TP__RECORD_TASK, "", 0},
        {(enum tp__record_type)200, "", 0},
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        struct stage *stage = stage_new(NULL);
        struct stage_node *a = stage_node(stage, "a", 1);
        struct stage_node *b = stage_node(stage, "b", 1);
        const struct stage_leaf leaf = stage_start(stage, a, 1, 0);
        const struct stage_leaf other = stage_start(stage, b, 2, 0);
        stage_say(a, nonsense[i].type, &leaf.leaf, 0, nonsense[i].body, nonsense[i].size);
        assert_true(a->forgotten);
        assert_int_equal(nodes_of(stage), 1);
        assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
        stage_result(b, &other.leaf, "r");
        stage_expect_result(stage, 2, "r");
        stage_free(stage);
    }
}

static void results_twice_or_of_others_tasks_have_no_effect(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node(stage, "a", 1);
    struct stage_node *b = stage_node(stage, "b", 1);
    const struct stage_leaf leaf = stage_start(stage, a, 1, 0);
    stage_result(b, &leaf.leaf, "not mine");
    stage_failure(b, &leaf.leaf, TP_E_TASK, "not mine");
    stage_crash(b, &leaf.leaf, TP__CRASH_SUSPECT, true);
    stage_returned(b, &leaf.leaf, TP__RETURNED_REFUSED, "");
    stage_no_event(stage, STAGE_RESULT);
    stage_no_event(stage, STAGE_FAILURE);
    stage_append(a, TP__RECORD_RESULT, 1, 1, 0, "x", 1); /* in one frame */
    stage_append(a, TP__RECORD_RESULT, 1, 1, 0, "y", 1);
    stage_failure(a, &leaf.leaf, TP_E_TASK, "z");
    stage_expect_result(stage, 1, "x");
    stage_no_event(stage, STAGE_RESULT);
    stage_no_event(stage, STAGE_FAILURE);
    struct tp__leaf guess = {.sequence = UINT64_MAX, .dispatch = 1};
    stage_result(a, &guess, "r");
    guess.sequence = 0;
    stage_result(a, &guess, "r");
    stage_no_event(stage, STAGE_RESULT);
    stage_free(stage);
}

static void records_about_tasks_that_wait_have_no_effect(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    for (uintptr_t i = 1; i <= 200; i++) { /* more than there is room for */
        static uint8_t payload[60000];
        const struct tp__session_task task = {
            .tag = (void *)i, .worker = -1, .payload = payload, .length = sizeof payload};
        tp_status status;
        tp__session_submit(stage->session, &task, &status);
    }
    stage_run(stage);
    const struct tp__leaf guess = {.sequence = 200, .dispatch = 1};
    stage_result(node, &guess, "guessed");
    stage_no_event(stage, STAGE_RESULT);
    stage_say(node, TP__RECORD_CLAIM, &guess, 0, NULL, 0);
    stage_record(node, TP__RECORD_OPEN);
    stage_record(node, TP__RECORD_REFUSE);
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
        cmocka_unit_test(accepts_of_keys_that_are_not_listed_are_not_used),
        cmocka_unit_test(a_node_that_is_listed_no_more_is_given_up_until_it_is_listed_again),
        cmocka_unit_test(a_session_that_is_given_up_fails_its_tasks),
        cmocka_unit_test(accepts_of_other_offers_are_not_used),
        cmocka_unit_test(accepts_that_were_changed_are_not_used),
        cmocka_unit_test(forged_replayed_reordered_and_foreign_frames_have_no_effect),
        cmocka_unit_test(lies_about_placing_are_refused),
        cmocka_unit_test(a_pinned_task_that_is_placed_elsewhere_is_sent_again),
        cmocka_unit_test(frames_that_are_not_for_drivers_are_counted_and_ignored),
        cmocka_unit_test(a_node_that_says_nonsense_is_given_up),
        cmocka_unit_test(results_twice_or_of_others_tasks_have_no_effect),
        cmocka_unit_test(records_about_tasks_that_wait_have_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
