/* SPDX-License-Identifier: MIT */
/* Questions of people. */
#include "world.h"

#include <stdio.h>

static void ask(struct end *tool, uint64_t id, Taskpool__QueryKind kind, const char *subject)
{
    Taskpool__Query query;
    taskpool__query__init(&query);
    query.id = id;
    query.kind = kind;
    query.subject = (char *)(uintptr_t)subject;
    end_send(tool, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_QUERY, &query);
    world_run(tool->world);
}

static tp_status take_status(struct end *tool, uint64_t id)
{
    Taskpool__Frame *frame = end_take(tool, TASKPOOL__FRAME__BODY_ANSWER);
    assert_non_null(frame);
    assert_int_equal(frame->answer->id, id);
    const tp_status status = frame->answer->status;
    tp__frame_free(frame);
    return status;
}

static void status_shows_nodes_sessions_and_the_coordinator(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = world_driver(world, 0, 1);
    struct end *up = world_node(world, 0, 11, 4);
    struct end *silent = world_node(world, 1, 12, 8);
    world_join(up, driver);
    node_credit(up, 3, 0, 0);
    driver_tasks(driver, 10, NULL);
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    credit.total = 3;
    credit.running = 2;
    credit.queued = 1;
    credit.finished = 40;
    end_send(up, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_CREDIT, &credit);
    silent->deaf = true;
    world_pass(world, 1500);
    struct end *tool = world_tool(world, 0);
    ask(tool, 42, TASKPOOL__QUERY_KIND__QUERY_STATUS, "");
    Taskpool__Frame *frame = end_take(tool, TASKPOOL__FRAME__BODY_ANSWER);
    assert_non_null(frame);
    const Taskpool__Answer *answer = frame->answer;
    assert_int_equal(answer->id, 42);
    assert_int_equal(answer->n_nodes, 2);
    assert_string_equal(answer->nodes[0]->name, "n11");
    assert_string_equal(answer->nodes[0]->condition, "up");
    assert_string_equal(answer->nodes[0]->version, "0.1.0");
    assert_int_equal(answer->nodes[0]->workers, 4);
    assert_int_equal(answer->nodes[0]->running, 2);
    assert_int_equal(answer->nodes[0]->queued, 1);
    assert_int_equal(answer->nodes[0]->finished, 40);
    assert_int_equal(answer->nodes[0]->sessions, 1);
    assert_true(answer->nodes[0]->rate > 30 && answer->nodes[0]->rate < 50);
    assert_string_equal(answer->nodes[1]->condition, "silent");
    assert_int_equal(answer->n_sessions, 1);
    char session[33];
    tp__id_text(&driver->life, session);
    assert_string_equal(answer->sessions[0]->session, session);
    assert_string_equal(answer->sessions[0]->driver, "driver0");
    assert_string_equal(answer->sessions[0]->program, "program");
    assert_int_equal(answer->sessions[0]->queued, 7);
    assert_int_equal(answer->sessions[0]->placed, 3);
    assert_int_equal(answer->sessions[0]->nodes, 1);
    assert_int_equal(answer->coordinator->queued, 7);
    assert_string_equal(answer->coordinator->name, "head");
    tp__frame_free(frame);
    world_pass(world, 2000); /* now it is lost, and still shown */
    ask(tool, 43, TASKPOOL__QUERY_KIND__QUERY_STATUS, "");
    frame = end_take(tool, TASKPOOL__FRAME__BODY_ANSWER);
    assert_non_null(frame);
    assert_int_equal(frame->answer->n_nodes, 2);
    assert_string_equal(frame->answer->nodes[1]->name, "n12");
    assert_string_equal(frame->answer->nodes[1]->condition, "lost");
    tp__frame_free(frame);
    world_close(world);
}

static void a_node_that_has_said_goodbye_is_not_shown_any_more(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *node = world_node(world, 0, 11, 4);
    struct end *tool = world_tool(world, 0);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    bye.reason = (char *)(uintptr_t) "drained";
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    world_run(world);
    ask(tool, 42, TASKPOOL__QUERY_KIND__QUERY_STATUS, "");
    Taskpool__Frame *frame = end_take(tool, TASKPOOL__FRAME__BODY_ANSWER);
    assert_non_null(frame);
    assert_int_equal(frame->answer->n_nodes, 0);
    tp__frame_free(frame);
    world_close(world);
}

/* The question that came to a driver. */
static uint64_t take_question(struct end *driver, const char *subject)
{
    Taskpool__Frame *frame = end_take(driver, TASKPOOL__FRAME__BODY_QUERY);
    assert_non_null(frame);
    assert_int_equal(frame->query->kind, TASKPOOL__QUERY_KIND__QUERY_WHY);
    assert_string_equal(frame->query->subject, subject);
    const uint64_t id = frame->query->id;
    tp__frame_free(frame);
    return id;
}

static void send_answer(struct end *driver, uint64_t id, const char *task)
{
    Taskpool__TaskStatus status;
    taskpool__task_status__init(&status);
    status.task = (char *)(uintptr_t)task;
    Taskpool__TaskStatus *list[] = {&status};
    Taskpool__Answer answer;
    taskpool__answer__init(&answer);
    answer.id = id;
    answer.n_tasks = 1;
    answer.tasks = list;
    end_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_ANSWER, &answer);
    world_run(driver->world);
}

static void why_is_asked_of_the_driver_that_it_names(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = world_driver(world, 0, 1);
    struct end *other = world_driver(world, 1, 2);
    struct end *tool = world_tool(world, 0);
    char subject[64];
    tp__id_text(&driver->life, subject);
    strcat(subject, "/17");
    ask(tool, 5, TASKPOOL__QUERY_KIND__QUERY_WHY, subject);
    assert_int_equal(end_drop(other, TASKPOOL__FRAME__BODY_QUERY), 0);
    const uint64_t id = take_question(driver, subject);
    send_answer(other, id, "lie"); /* who was not asked cannot answer */
    assert_int_equal(end_drop(tool, TASKPOOL__FRAME__BODY_ANSWER), 0);
    send_answer(driver, id, subject);
    Taskpool__Frame *frame = end_take(tool, TASKPOOL__FRAME__BODY_ANSWER);
    assert_non_null(frame);
    assert_int_equal(frame->answer->id, 5);
    assert_int_equal(frame->answer->status, TP_OK);
    assert_int_equal(frame->answer->n_tasks, 1);
    assert_string_equal(frame->answer->tasks[0]->task, subject);
    tp__frame_free(frame);
    send_answer(driver, id, subject); /* nor twice */
    assert_int_equal(end_drop(tool, TASKPOOL__FRAME__BODY_ANSWER), 0);
    assert_int_equal(world_counts(world).refused_frames, 2);
    world_close(world);
}

static void a_name_is_asked_of_all_and_answered_by_those_who_do(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *drivers[3];
    for (size_t i = 0; i < 3; i++)
        drivers[i] = world_driver(world, i, i + 1);
    struct end *tool = world_tool(world, 0);
    ask(tool, 6, TASKPOOL__QUERY_KIND__QUERY_WHY, "fib");
    send_answer(drivers[0], take_question(drivers[0], "fib"), "one");
    send_answer(drivers[1], take_question(drivers[1], "fib"), "two");
    assert_int_equal(end_drop(tool, TASKPOOL__FRAME__BODY_ANSWER), 0);
    world_pass(world, 2100); /* the third one sleeps */
    Taskpool__Frame *frame = end_take(tool, TASKPOOL__FRAME__BODY_ANSWER);
    assert_non_null(frame);
    assert_int_equal(frame->answer->n_tasks, 2);
    tp__frame_free(frame);
    ask(tool, 7, TASKPOOL__QUERY_KIND__QUERY_WHY, "fib");
    world_pass(world, 2100);
    assert_int_equal(take_status(tool, 7), TP_E_TIMEOUT);
    ask(tool, 8, TASKPOOL__QUERY_KIND__QUERY_WHY, "fib");
    for (int i = 0; i < 3; i++) {
        Taskpool__Bye bye;
        taskpool__bye__init(&bye);
        end_send(drivers[i], TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    }
    world_run(world);
    take_status(tool, 8); /* nobody is left who could answer */
    ask(tool, 9, TASKPOOL__QUERY_KIND__QUERY_WHY, "fib");
    assert_int_equal(take_status(tool, 9), TP_E_SESSION_LOST);
    world_close(world);
}

static void questions_are_bounded(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    world_driver(world, 0, 1);
    struct end *tool = world_tool(world, 0);
    for (uint64_t i = 1; i <= 8; i++)
        ask(tool, i, TASKPOOL__QUERY_KIND__QUERY_WHY, "x");
    assert_int_equal(end_drop(tool, TASKPOOL__FRAME__BODY_ANSWER), 0);
    ask(tool, 9, TASKPOOL__QUERY_KIND__QUERY_WHY, "x");
    assert_int_equal(take_status(tool, 9), TP_E_LIMIT);
    char subject[400];
    memset(subject, 'x', sizeof subject - 1);
    subject[sizeof subject - 1] = '\0';
    ask(tool, 10, TASKPOOL__QUERY_KIND__QUERY_WHY, subject);
    assert_int_equal(take_status(tool, 10), TP_E_ARGUMENT);
    ask(tool, 11, (Taskpool__QueryKind)99, "");
    assert_int_equal(take_status(tool, 11), TP_E_UNSUPPORTED);
    ask(tool, 12, TASKPOOL__QUERY_KIND__QUERY_WHY, "0123456789abcdef0123456789abcdef/1");
    assert_int_equal(take_status(tool, 12), TP_E_SESSION_LOST);
    /* a tool that leaves takes its questions along */
    end_send_raw(tool, (const uint8_t *)"\xff", 1);
    world_pass(world, 2500);
    struct end *next = world_tool(world, 1);
    ask(next, 1, TASKPOOL__QUERY_KIND__QUERY_WHY, "x");
    assert_int_equal(end_drop(next, TASKPOOL__FRAME__BODY_ANSWER), 0);
    world_close(world);
}

static void a_drained_node_hands_its_tasks_back_and_gets_no_more(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    node_credit(node, 10, 0, 0);
    struct end *tool = world_tool(world, 0);
    ask(tool, 1, TASKPOOL__QUERY_KIND__QUERY_DRAIN, "nobody");
    assert_int_equal(take_status(tool, 1), TP_E_ARGUMENT);
    ask(tool, 2, TASKPOOL__QUERY_KIND__QUERY_DRAIN, "n11");
    assert_int_equal(take_status(tool, 2), TP_OK);
    Taskpool__Frame *frame = end_take(node, TASKPOOL__FRAME__BODY_RECALL);
    assert_non_null(frame);
    assert_true(frame->recall->drain);
    tp__frame_free(frame);
    frame = end_take(driver, TASKPOOL__FRAME__BODY_NODE_STATE);
    assert_non_null(frame);
    assert_int_equal(frame->node_state->condition, TASKPOOL__NODE_CONDITION__NODE_DRAINING);
    tp__frame_free(frame);
    node_credit(node, 100, 0, 0);
    driver_tasks(driver, 5, NULL);
    assert_int_equal(node_take_tasks(node, driver), 0);
    struct end *later = world_driver(world, 1, 2);
    world_join(node, later);
    frame = end_take(later, TASKPOOL__FRAME__BODY_NODE_STATE);
    assert_non_null(frame);
    assert_int_equal(frame->node_state->condition, TASKPOOL__NODE_CONDITION__NODE_DRAINING);
    tp__frame_free(frame);
    world_close(world);
}

static void a_drain_that_did_not_reach_the_node_is_said_again_over_its_next_link(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    node->deaf = true;
    struct end *tool = world_tool(world, 0);
    ask(tool, 1, TASKPOOL__QUERY_KIND__QUERY_DRAIN, "n11");
    assert_int_equal(take_status(tool, 1), TP_OK);
    end_cut(node);
    struct end *again = world_connect(world, &world->nodes[0]);
    const struct tp__id life = world_id(11);
    end_hello(again, TASKPOOL__ROLE__ROLE_NODE, &life, "n11", 4);
    Taskpool__Frame *frame = end_take(again, TASKPOOL__FRAME__BODY_RECALL);
    assert_non_null(frame);
    assert_true(frame->recall->drain);
    tp__frame_free(frame);
    node_credit(again, 100, 0, 0);
    driver_tasks(driver, 5, NULL);
    assert_int_equal(node_take_tasks(again, driver), 0);
    world_close(world);
}

/* Its driver, which was told before that the node drains, has sent them elsewhere. */
static void expect_back(struct end *driver, uint64_t told, uint64_t batch, const struct tp__id *incarnation)
{
    world_pass(driver->world, 100);
    Taskpool__Frame *frame = end_take(driver, TASKPOOL__FRAME__BODY_PLACED);
    assert_non_null(frame);
    assert_true(frame->number > told);
    assert_int_equal(frame->placed->n_runs, 1);
    assert_int_equal(frame->placed->runs[0]->batch, batch);
    assert_int_equal(frame->placed->runs[0]->run, 3);
    assert_memory_equal(frame->placed->runs[0]->incarnation.data, incarnation, sizeof *incarnation);
    tp__frame_free(frame);
    assert_int_equal(world_counts(driver->world).queued_tasks, 0);
    assert_int_equal(world_counts(driver->world).queued_bytes, 0);
}

static uint64_t take_draining(struct end *driver)
{
    Taskpool__Frame *frame = end_take(driver, TASKPOOL__FRAME__BODY_NODE_STATE);
    while (frame && frame->node_state->condition != TASKPOOL__NODE_CONDITION__NODE_DRAINING) {
        tp__frame_free(frame);
        frame = end_take(driver, TASKPOOL__FRAME__BODY_NODE_STATE);
    }
    assert_non_null(frame);
    const uint64_t number = frame->number;
    tp__frame_free(frame);
    return number;
}

static void what_waits_for_a_drained_node_alone_goes_back_to_its_driver(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    const struct batch_options pinned = {.incarnation = &incarnation};
    const uint64_t before = driver_tasks(driver, 3, &pinned);
    assert_int_equal(world_counts(world).queued_tasks, 3);
    struct end *tool = world_tool(world, 0);
    ask(tool, 1, TASKPOOL__QUERY_KIND__QUERY_DRAIN, "n11");
    const uint64_t told = take_draining(driver);
    expect_back(driver, told, before, &incarnation);
    const uint64_t on_the_way = driver_tasks(driver, 3, &pinned);
    expect_back(driver, told, on_the_way, &incarnation);
    world_close(world);
}

static void what_waits_for_a_node_that_comes_back_draining_goes_back_as_well(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    end_cut(node);
    const uint64_t batch = driver_tasks(driver, 3, &(struct batch_options){.incarnation = &incarnation});
    assert_int_equal(world_counts(world).queued_tasks, 3);
    struct end *again = world_connect(world, &world->nodes[0]);
    const struct tp__id life = world_id(11);
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = TASKPOOL__ROLE__ROLE_NODE;
    hello.life = tp__field_of_id(&life);
    hello.draining = true;
    end_send(again, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_HELLO, &hello);
    world_run(world);
    expect_back(driver, take_draining(driver), batch, &incarnation);
    world_close(world);
}

static void a_silent_tool_is_forgotten(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *tool = world_tool(world, 0);
    tool->deaf = true;
    world_pass(world, 3100);
    assert_int_equal(world_counts(world).links, 0);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_shows_nodes_sessions_and_the_coordinator),
        cmocka_unit_test(a_node_that_has_said_goodbye_is_not_shown_any_more),
        cmocka_unit_test(why_is_asked_of_the_driver_that_it_names),
        cmocka_unit_test(a_name_is_asked_of_all_and_answered_by_those_who_do),
        cmocka_unit_test(questions_are_bounded),
        cmocka_unit_test(a_drained_node_hands_its_tasks_back_and_gets_no_more),
        cmocka_unit_test(a_drain_that_did_not_reach_the_node_is_said_again_over_its_next_link),
        cmocka_unit_test(what_waits_for_a_drained_node_alone_goes_back_to_its_driver),
        cmocka_unit_test(what_waits_for_a_node_that_comes_back_draining_goes_back_as_well),
        cmocka_unit_test(a_silent_tool_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
