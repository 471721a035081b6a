/* SPDX-License-Identifier: MIT */
/* What a coordinator or a node that lies can do: nothing but stall. */
#include "session/stage.h"

#include "trust/authorized.h"
#include "trust/program.h"

#include <sodium.h>

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

/* As stage_place_run, with a stream's frame, which is refused. */
static void say_placed_with_a_frame(struct stage_node *node, uint64_t batch, uint32_t first, uint32_t run_length)
{
    Taskpool__Run run;
    taskpool__run__init(&run);
    run.batch = batch;
    run.first = first;
    run.run = run_length;
    run.incarnation = tp__field_of_id(&node->incarnation);
    Taskpool__Run *runs[] = {&run};
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    stream.session = tp__field_of_id(&node->stage->session_id);
    stream.incarnation = tp__field_of_id(&node->incarnation);
    stream.n_placed = 1;
    stream.placed = runs;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &stream;
    stage_send(node->stage, &frame);
    stage_run(node->stage);
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
    stage_place_run(stage, leaf->batch + 1, 0, 1, &a->incarnation);
    stage_place_run(stage, leaf->batch, 3, 1, &a->incarnation);
    stage_place_run(stage, leaf->batch, 2, 2, &a->incarnation);
    stage_place_run(stage, leaf->batch, 0, 0, &a->incarnation);
    stage_place_run(stage, leaf->batch, UINT32_MAX, 2, &a->incarnation);
    stage_place_run(stage, leaf->batch, 2, UINT32_MAX, &a->incarnation);
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    assert_int_equal(tp__session_count(stage->session).refused, refused + 6);
    say_placed_with_a_frame(a, leaf->batch, 3, 1);
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    assert_int_equal(tp__session_count(stage->session).refused, refused + 8);
    say_placed_with_a_frame(a, leaf->batch, 1, 1);
    assert_int_equal(tp__session_count(stage->session).placed, 1);
    stage_place_run(stage, leaf->batch, 2, 1, &a->incarnation);
    assert_int_equal(tp__session_count(stage->session).placed, 2);
    stage_place_run(stage, leaf->batch, 1, 1, &a->incarnation); /* twice */
    assert_int_equal(tp__session_count(stage->session).refused, refused + 10);
    const struct tp__id nowhere = tp__id_new();
    stage_place_run(stage, leaf->batch, 0, 1, &nowhere); /* it is sent again */
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

/* It was told to forget the task. What it had said of it before that comes after the link was made anew. */
static void what_was_refused_while_it_was_queued_is_not_believed_in_limbo(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_record(node, TP__RECORD_OPEN);
    stage_submit(stage, 1);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_say(node, TP__RECORD_WITHDRAW, &leaf.leaf, 5, NULL, 0); /* the coordinator said nothing of placing it */
    stage_record(node, TP__RECORD_CANCEL);
    stage_break(stage);
    stage_accept(node);
    const uint64_t nonce = stage_asked(node);
    stage_say(node, TP__RECORD_WITHDRAW, &leaf.leaf, 6, NULL, 0);
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    stage_held(node, nonce, NULL, 0, TP__HELD_RUNNING);
    stage_pass(stage, 1000);
    const struct stage_leaf again = *stage_leaf(stage);
    assert_int_equal(again.leaf.sequence, leaf.leaf.sequence);
    assert_int_equal(again.leaf.dispatch, 2);
    stage_place(stage, &again, node);
    stage_result(node, &again.leaf, "r");
    stage_expect_result(stage, 1, "r");
    stage_free(stage);
}

/* The coordinator says nothing of placing them; the node speaks of the first, and is told to forget it. */
static struct stage_leaf second_of_two_hidden(struct stage *stage, struct stage_node *node)
{
    stage_submit(stage, 1);
    stage_submit(stage, 2);
    stage_run(stage);
    const struct stage_leaf first = *stage_leaf(stage);
    const struct stage_leaf second = *stage_leaf(stage);
    stage_say(node, TP__RECORD_WITHDRAW, &first.leaf, 5, NULL, 0);
    stage_record(node, TP__RECORD_CANCEL);
    assert_int_equal(first.leaf.sequence, 1);
    return second;
}

/* The node is not believed, and told to forget the task: with its answer to an older question, ... */
static void what_was_refused_in_limbo_is_not_believed_behind_that_answer(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = second_of_two_hidden(stage, node);
    stage_condition(node, TASKPOOL__NODE_CONDITION__NODE_RELINKED, "");
    const uint64_t first = stage_asked(node);
    stage_break(stage);
    stage_accept(node);
    stage_append(node, TP__RECORD_WITHDRAW, leaf.leaf.sequence, 1, 6, NULL, 0);
    stage_held(node, first, &leaf.leaf, 1, TP__HELD_RUNNING);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, leaf.leaf.sequence);
    assert_int_equal(stage_record(node, TP__RECORD_CANCEL)->record.task, leaf.leaf.sequence);
    const uint64_t second = stage_asked(node);
    stage_say(node, TP__RECORD_WITHDRAW, &leaf.leaf, 7, NULL, 0); /* said before it was told */
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    stage_held(node, second, NULL, 0, TP__HELD_RUNNING);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    stage_free(stage);
}

/* ... or after its answer to the last one. */
static void what_comes_behind_an_answer_is_not_believed_when_the_link_breaks_again(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *a = stage_node_open(stage, "a");
    stage_node(stage, "b", 1); /* says nothing */
    stage_submit_with(stage, 1, 0, -1);
    stage_submit_with(stage, 2, TP__LEAF_AT_MOST_ONCE, -1);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    const struct stage_leaf claimed = *stage_leaf(stage);
    stage_break(stage);
    stage_accept(a);
    stage_held(a, stage_asked(a), NULL, 0, TP__HELD_RUNNING);
    stage_say(a, TP__RECORD_WITHDRAW, &leaf.leaf, 5, NULL, 0); /* the coordinator had held them back */
    stage_record(a, TP__RECORD_CANCEL);
    stage_say(a, TP__RECORD_CLAIM, &claimed.leaf, 0, NULL, 0);
    stage_record(a, TP__RECORD_REFUSE);
    stage_break(stage);
    stage_accept(a);
    const uint64_t nonce = stage_asked(a);
    stage_say(a, TP__RECORD_WITHDRAW, &leaf.leaf, 6, NULL, 0);
    stage_record(a, TP__RECORD_CANCEL);
    assert_int_equal(tp__session_count(stage->session).placed, 0);
    stage_held(a, nonce, NULL, 0, TP__HELD_RUNNING);
    stage_pass(stage, 1000);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    assert_int_equal(stage_leaf(stage)->leaf.dispatch, 2);
    stage_free(stage);
}

static void a_node_that_was_told_to_forget_is_believed_when_it_has_done_so(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = stage_node_open(stage, "a");
    const struct stage_leaf leaf = second_of_two_hidden(stage, node);
    stage_break(stage);
    stage_accept(node);
    stage_held(node, stage_asked(node), &leaf.leaf, 1, TP__HELD_RUNNING);
    stage_no_record(node);
    assert_int_equal(stage_leaf(stage)->leaf.sequence, 1);
    stage_no_leaf(stage);
    stage_result(node, &leaf.leaf, "r");
    stage_expect_result(stage, 2, "r");
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
        cmocka_unit_test(accepts_of_keys_that_are_not_listed_are_not_used),
        cmocka_unit_test(a_node_that_is_listed_no_more_is_given_up_until_it_is_listed_again),
        cmocka_unit_test(a_session_that_is_given_up_fails_its_tasks),
        cmocka_unit_test(accepts_of_other_offers_are_not_used),
        cmocka_unit_test(accepts_that_were_changed_are_not_used),
        cmocka_unit_test(forged_replayed_reordered_and_foreign_frames_have_no_effect),
        cmocka_unit_test(lies_about_placing_are_refused),
        cmocka_unit_test(a_pinned_task_that_is_placed_elsewhere_is_sent_again),
        cmocka_unit_test(what_was_refused_while_it_was_queued_is_not_believed_in_limbo),
        cmocka_unit_test(what_was_refused_in_limbo_is_not_believed_behind_that_answer),
        cmocka_unit_test(what_comes_behind_an_answer_is_not_believed_when_the_link_breaks_again),
        cmocka_unit_test(a_node_that_was_told_to_forget_is_believed_when_it_has_done_so),
        cmocka_unit_test(frames_that_are_not_for_drivers_are_counted_and_ignored),
        cmocka_unit_test(a_node_that_says_nonsense_is_given_up),
        cmocka_unit_test(results_twice_or_of_others_tasks_have_no_effect),
        cmocka_unit_test(records_about_tasks_that_wait_have_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
