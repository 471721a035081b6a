/* SPDX-License-Identifier: MIT */
/* Nodes and sessions come, are silent, come back, and go. */
#include "world.h"

static struct world *open_world(void)
{
    return world_open(NULL);
}

static Taskpool__NodeCondition take_condition(struct end *driver, const struct tp__id *incarnation)
{
    Taskpool__Frame *frame = end_take(driver, TASKPOOL__FRAME__BODY_NODE_STATE);
    if (!frame)
        return TASKPOOL__NODE_CONDITION__NODE_UNKNOWN;
    assert_int_equal(frame->node_state->incarnation.len, sizeof *incarnation);
    assert_memory_equal(frame->node_state->incarnation.data, incarnation, sizeof *incarnation);
    const Taskpool__NodeCondition condition = frame->node_state->condition;
    tp__frame_free(frame);
    return condition;
}

static struct end *connect_node(struct world *world, size_t key, uint64_t life)
{
    struct end *node = world_connect(world, &world->nodes[key]);
    const struct tp__id id = world_id(life);
    end_hello(node, TASKPOOL__ROLE__ROLE_NODE, &id, "again", 4);
    return node;
}

static struct end *connect_driver(struct world *world, size_t key, uint64_t session)
{
    struct end *driver = world_connect(world, &world->drivers[key]);
    const struct tp__id id = world_id(session);
    end_hello(driver, TASKPOOL__ROLE__ROLE_DRIVER, &id, "again", 0);
    return driver;
}

/* ---- nodes ---- */

static void an_offer_reaches_every_node_also_one_that_comes_later(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *before = world_node(world, 0, 11, 4);
    struct end *driver = world_driver(world, 0, 1);
    struct end *after = world_node(world, 1, 12, 4);
    struct end *nodes[] = {before, after};
    for (int i = 0; i < 2; i++) {
        Taskpool__Frame *frame = end_take(nodes[i], TASKPOOL__FRAME__BODY_OFFER);
        assert_non_null(frame);
        assert_int_equal(frame->offer->signed_offer.len, driver->offer_size);
        assert_memory_equal(frame->offer->signed_offer.data, driver->offer, driver->offer_size);
        tp__frame_free(frame);
    }
    world_close(world);
}

static void an_accept_reaches_the_driver_with_the_nodes_name_and_life(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = node_accept(node, driver, 111);
    Taskpool__Frame *frame = end_take(driver, TASKPOOL__FRAME__BODY_ACCEPT);
    assert_non_null(frame);
    assert_string_equal(frame->accept->node_name, "n11");
    assert_memory_equal(frame->accept->node_life.data, &node->life, sizeof node->life);
    assert_memory_equal(frame->accept->incarnation.data, &incarnation, sizeof incarnation);
    assert_int_equal(frame->accept->signed_accept.len, 100);
    tp__frame_free(frame);
    world_close(world);
}

static void a_welcome_says_how_many_nodes_there_are_and_the_queues_limit(void **state)
{
    (void)state;
    struct world *world =
        world_open(&(struct coordinator_options){.name = "head", .queue_limit_bytes = 12345, .life = world_id(99)});
    for (size_t i = 0; i < 3; i++)
        world_node(world, i, 11 + i, 4);
    struct end *driver = connect_driver(world, 0, 1);
    Taskpool__Frame *frame = end_take(driver, TASKPOOL__FRAME__BODY_WELCOME);
    assert_non_null(frame);
    const struct tp__id life = world_id(99);
    assert_memory_equal(frame->welcome->life.data, &life, sizeof life);
    assert_string_equal(frame->welcome->name, "head");
    assert_int_equal(frame->welcome->queue_limit_bytes, 12345);
    assert_int_equal(frame->welcome->nodes, 3);
    tp__frame_free(frame);
    world_close(world);
}

static void a_silent_node_gets_no_new_work_and_is_lost_after_three_seconds(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    node_credit(node, 100, 0, 0);
    driver_tasks(driver, 1, NULL);
    assert_int_equal(node_take_tasks(node, driver), 1);
    node->deaf = true; /* and dumb, as the world does not tick it */
    world_pass(world, 1100);
    driver_tasks(driver, 1, NULL);
    assert_int_equal(world_counts(world).queued_tasks, 1);
    assert_int_equal(take_condition(driver, &incarnation), TASKPOOL__NODE_CONDITION__NODE_UNKNOWN);
    world_pass(world, 1700);
    assert_int_equal(take_condition(driver, &incarnation), TASKPOOL__NODE_CONDITION__NODE_UNKNOWN);
    world_pass(world, 300);
    assert_int_equal(take_condition(driver, &incarnation), TASKPOOL__NODE_CONDITION__NODE_LOST);
    assert_int_equal(world_counts(world).nodes, 0);
    node->deaf = false;
    assert_int_equal(end_refusal(node), TP_E_NODE_LOST);
    /* its life is over, also over another link */
    assert_int_equal(end_refusal(connect_node(world, 0, 11)), TP_E_NODE_LOST);
    world_close(world);
}

static void a_node_that_is_heard_again_in_time_gets_work_again(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    node_credit(node, 100, 0, 0);
    node->deaf = true;
    world_pass(world, 2000);
    driver_tasks(driver, 3, NULL);
    assert_int_equal(world_counts(world).queued_tasks, 3);
    node->deaf = false;
    world_pass(world, 400); /* a heartbeat */
    assert_int_equal(node_take_tasks(node, driver), 3);
    world_close(world);
}

static void a_node_with_a_new_link_is_relinked_and_begins_without_credit(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    node_credit(node, 100, 0, 0);
    driver_tasks(driver, 10, NULL);
    struct end *again = connect_node(world, 0, 11);
    assert_int_equal(end_drop(again, TASKPOOL__FRAME__BODY_WELCOME), 1);
    assert_int_equal(end_drop(again, TASKPOOL__FRAME__BODY_OFFER), 1); /* it may have missed it */
    assert_int_equal(take_condition(driver, &incarnation), TASKPOOL__NODE_CONDITION__NODE_RELINKED);
    assert_true(node->broken[0]);
    assert_int_equal(world_counts(world).nodes, 1);
    driver_tasks(driver, 5, NULL);
    assert_int_equal(node_take_tasks(again, driver), 0);
    node_credit(again, 7, 0, 0); /* counted from the new Hello */
    assert_int_equal(node_take_tasks(again, driver), 5);
    world_close(world);
}

static void a_node_whose_link_broke_has_three_seconds_to_come_back(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct world *world = open_world();
        struct end *driver = world_driver(world, 0, 1);
        struct end *node = world_node(world, 0, 11, 4);
        const struct tp__id incarnation = world_join(node, driver);
        end_send_raw(node, (const uint8_t *)"\xff\xff", 2);
        world_pass(world, late ? 3100 : 2500);
        assert_true(node->broken[0]);
        struct end *again = connect_node(world, 0, 11);
        if (late)
            assert_int_equal(end_refusal(again), TP_E_NODE_LOST);
        assert_int_equal(take_condition(driver, &incarnation),
                         late ? TASKPOOL__NODE_CONDITION__NODE_LOST : TASKPOOL__NODE_CONDITION__NODE_RELINKED);
        world_close(world);
    }
}

static void a_life_belongs_to_the_key_that_began_it(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *node = world_node(world, 0, 11, 4);
    assert_int_equal(end_refusal(connect_node(world, 1, 11)), TP_E_UNTRUSTED);
    world_driver(world, 0, 1);
    assert_int_equal(end_refusal(connect_driver(world, 1, 1)), TP_E_UNTRUSTED);
    assert_false(node->broken[0]);
    assert_int_equal(world_counts(world).nodes, 1);
    assert_int_equal(world_counts(world).sessions, 1);
    world_close(world);
}

static void a_new_incarnation_ends_the_one_before(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id old = world_join(node, driver);
    driver_tasks(driver, 3, &(struct batch_options){.incarnation = &old});
    const struct tp__id fresh = node_accept(node, driver, 222);
    node_credit(node, 10, 0, 0);
    driver_tasks(driver, 2, NULL);
    assert_int_equal(node_take_tasks(node, driver), 0); /* not used yet, and what was pinned to the old one is gone */
    assert_int_equal(end_drop(driver, TASKPOOL__FRAME__BODY_PLACED), 1);
    driver_use(driver, &old);
    assert_int_equal(node_take_tasks(node, driver), 0);
    driver_use(driver, &fresh);
    assert_int_equal(node_take_tasks(node, driver), 2);
    world_close(world);
}

static void a_refusal_after_an_accept_ends_the_incarnation(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    static char reason[] = "the key was removed";
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = tp__field_of_id(&driver->life);
    accept.status = TP_E_UNTRUSTED;
    accept.reason = reason;
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_ACCEPT, &accept);
    assert_int_equal(take_condition(driver, &incarnation), TASKPOOL__NODE_CONDITION__NODE_LOST);
    Taskpool__Frame *frame = end_take(driver, TASKPOOL__FRAME__BODY_ACCEPT);
    assert_non_null(frame);
    assert_string_equal(frame->accept->reason, reason);
    assert_int_equal(frame->accept->status, TP_E_UNTRUSTED);
    assert_int_equal(frame->accept->incarnation.len, 0);
    tp__frame_free(frame);
    node_credit(node, 10, 0, 0);
    driver_tasks(driver, 2, NULL);
    assert_int_equal(node_take_tasks(node, driver), 0);
    world_close(world);
}

static void forget_ends_an_incarnation_and_reaches_the_node(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    node_credit(node, 10, 0, 0);
    Taskpool__Forget forget;
    taskpool__forget__init(&forget);
    forget.session = tp__field_of_id(&driver->life);
    forget.incarnation = tp__field_of_id(&incarnation);
    end_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_FORGET, &forget);
    driver_tasks(driver, 2, NULL);
    assert_int_equal(end_drop(node, TASKPOOL__FRAME__BODY_FORGET), 1);
    assert_int_equal(node_take_tasks(node, driver), 0);
    const struct tp__id fresh = node_accept(node, driver, 333);
    driver_use(driver, &fresh);
    assert_int_equal(node_take_tasks(node, driver), 2);
    world_close(world);
}

static void a_node_that_says_bye_has_left_at_once(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    bye.reason = (char *)(uintptr_t) "drained";
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    assert_int_equal(take_condition(driver, &incarnation), TASKPOOL__NODE_CONDITION__NODE_LOST);
    assert_string_equal(world->last_end, "node-left node=n11 reason=\"drained\"");
    assert_int_equal(world_counts(world).nodes, 0);
    assert_int_equal(world_counts(world).links, 1);
    world_close(world);
}

static void only_drivers_that_a_node_has_accepted_hear_of_it(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *a = world_driver(world, 0, 1);
    struct end *b = world_driver(world, 1, 2);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, a);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    assert_int_equal(take_condition(a, &incarnation), TASKPOOL__NODE_CONDITION__NODE_LOST);
    assert_int_equal(end_drop(b, TASKPOOL__FRAME__BODY_NODE_STATE), 0);
    world_close(world);
}

static void tasks_are_called_back_from_a_busy_node_when_another_is_idle(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *busy = world_node(world, 0, 11, 2);
    struct end *idle = world_node(world, 1, 12, 2);
    world_join(busy, driver);
    node_credit(busy, 10, 0, 0);
    driver_tasks(driver, 10, NULL);
    assert_int_equal(node_take_tasks(busy, driver), 10);
    node_credit(busy, 10, 2, 8);
    world_pass(world, 400);
    assert_int_equal(end_drop(busy, TASKPOOL__FRAME__BODY_RECALL), 0); /* nobody is idle */
    world_join(idle, driver);
    node_credit(idle, 4, 0, 0);
    world_pass(world, 150);
    Taskpool__Frame *frame = end_take(busy, TASKPOOL__FRAME__BODY_RECALL);
    assert_non_null(frame);
    assert_int_equal(frame->recall->count, 2); /* as many as workers have nothing to do */
    assert_false(frame->recall->drain);
    tp__frame_free(frame);
    assert_int_equal(end_drop(idle, TASKPOOL__FRAME__BODY_RECALL), 0);
    world_close(world);
}

static void nothing_is_called_back_while_tasks_are_queued(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *other = world_driver(world, 1, 2);
    struct end *busy = world_node(world, 0, 11, 2);
    struct end *idle = world_node(world, 1, 12, 2);
    world_join(busy, driver);
    node_credit(busy, 10, 2, 8);
    node_credit(idle, 10, 0, 0);
    driver_tasks(other, 5, NULL); /* for nobody here */
    world_pass(world, 1000);
    assert_int_equal(end_drop(busy, TASKPOOL__FRAME__BODY_RECALL), 0);
    world_close(world);
}

/* ---- sessions ---- */

static void a_new_link_of_a_driver_drops_what_was_queued(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    driver_tasks(driver, 100, NULL);
    driver_tasks(driver, 100, &(struct batch_options){.incarnation = &incarnation});
    driver_tasks(driver, 1, &(struct batch_options){.payload_bytes = 200000});
    assert_int_equal(world_counts(world).queued_tasks, 201);
    struct end *again = connect_driver(world, 0, 1);
    assert_int_equal(end_drop(again, TASKPOOL__FRAME__BODY_WELCOME), 1);
    assert_int_equal(world_counts(world).queued_tasks, 0);
    assert_int_equal(world_counts(world).queued_bytes, 0);
    assert_int_equal(world_counts(world).sessions, 1);
    assert_true(driver->broken[0]);
    /* the offer reaches the nodes again, and the use of the node still holds */
    end_drop(node, TASKPOOL__FRAME__BODY_OFFER);
    memcpy(again->offer, driver->offer, driver->offer_size);
    again->offer_size = driver->offer_size;
    memcpy(again->signing_secret, driver->signing_secret, sizeof driver->signing_secret);
    memcpy(again->signing_public, driver->signing_public, sizeof driver->signing_public);
    driver_offer(again);
    assert_int_equal(end_drop(node, TASKPOOL__FRAME__BODY_OFFER), 1);
    driver_tasks(again, 4, NULL);
    node_credit(node, 10, 0, 0);
    assert_int_equal(node_take_tasks(node, again), 4);
    world_close(world);
}

static void a_silent_driver_loses_its_session_after_its_lease(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    driver_tasks(driver, 100, NULL);
    driver->deaf = true;
    world_pass(world, 29000);
    assert_int_equal(world_counts(world).sessions, 1);
    assert_int_equal(end_drop(node, TASKPOOL__FRAME__BODY_SESSION_END), 0);
    world_pass(world, 1100);
    assert_int_equal(world_counts(world).sessions, 0);
    assert_int_equal(world_counts(world).queued_tasks, 0);
    Taskpool__Frame *frame = end_take(node, TASKPOOL__FRAME__BODY_SESSION_END);
    assert_non_null(frame);
    assert_memory_equal(frame->session_end->session.data, &driver->life, sizeof driver->life);
    tp__frame_free(frame);
    driver->deaf = false;
    assert_int_equal(end_refusal(driver), TP_E_SESSION_LOST);
    assert_int_equal(end_refusal(connect_driver(world, 0, 1)), TP_E_SESSION_LOST);
    world_close(world);
}

static void the_lease_goes_on_over_a_broken_link(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    end_send_raw(driver, (const uint8_t *)"", 0);
    world_pass(world, 29000);
    assert_int_equal(world_counts(world).links, 0);
    assert_int_equal(world_counts(world).sessions, 1);
    world_pass(world, 1100);
    assert_int_equal(world_counts(world).sessions, 0);
    world_close(world);
}

static void a_driver_that_says_bye_ends_its_session(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    end_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    assert_int_equal(end_drop(node, TASKPOOL__FRAME__BODY_SESSION_END), 1);
    assert_int_equal(world_counts(world).sessions, 0);
    assert_int_equal(end_drop(driver, TASKPOOL__FRAME__BODY_REFUSAL), 0);
    world_close(world);
}

static void a_node_that_was_away_hears_that_a_session_has_ended(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    end_send_raw(node, (const uint8_t *)"\xff\xff", 2);
    world_run(world);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    end_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    world_pass(world, 500);
    struct end *again = connect_node(world, 0, 11);
    assert_int_equal(end_drop(again, TASKPOOL__FRAME__BODY_SESSION_END), 1);
    world_close(world);
}

static void a_key_has_only_so_many_sessions(void **state)
{
    (void)state;
    struct world *world = world_open(&(struct coordinator_options){.name = "head", .sessions_per_key = 3});
    struct end *first = world_driver(world, 0, 1);
    world_driver(world, 0, 2);
    world_driver(world, 0, 3);
    assert_int_equal(end_refusal(connect_driver(world, 0, 4)), TP_E_LIMIT);
    world_driver(world, 1, 5); /* another key */
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    end_send(first, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    world_driver(world, 0, 6);
    world_close(world);
}

static void many_lives_are_remembered_and_no_more_than_so_many(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *node = world_node(world, 0, 1, 4);
    uint64_t memory = 0;
    for (uint64_t life = 2; life < 3 * LOST_LIVES; life++) {
        /* the same connection begins one life after another */
        Taskpool__Hello hello;
        taskpool__hello__init(&hello);
        const struct tp__id id = world_id(life);
        hello.protocol = TP__PROTOCOL_VERSION;
        hello.role = TASKPOOL__ROLE__ROLE_NODE;
        hello.life = tp__field_of_id(&id);
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        frame.number = 1;
        frame.body_case = TASKPOOL__FRAME__BODY_HELLO;
        frame.hello = &hello;
        end_send_frame_raw(node, &frame);
        world_run(world);
        if (life == 2 * LOST_LIVES)
            memory = world_counts(world).memory_bytes;
    }
    assert_int_equal(world_counts(world).nodes, 1);
    assert_int_equal(world_counts(world).links, 1);
    assert_int_equal(world_counts(world).memory_bytes, memory);
    assert_int_equal(end_refusal(connect_node(world, 0, 3 * LOST_LIVES - 100)), TP_E_NODE_LOST);
    assert_int_equal(end_drop(connect_node(world, 0, 2), TASKPOOL__FRAME__BODY_WELCOME), 1); /* forgotten */
    world_close(world);
}

/* ---- keys ---- */

static void a_key_that_is_removed_ends_links_and_sessions(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct world *other = open_world(); /* its list has none of the first one's keys */
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    struct end *tool = world_tool(world, 0);
    world_join(node, driver);
    coordinator_authorize(world->coordinator, other->authorized, world->now_ms);
    assert_int_equal(end_refusal(driver), TP_E_UNTRUSTED);
    assert_int_equal(end_refusal(node), TP_E_UNTRUSTED);
    assert_int_equal(end_refusal(tool), TP_E_UNTRUSTED);
    const struct coordinator_counts counts = world_counts(world);
    assert_int_equal(counts.links, 0);
    assert_int_equal(counts.nodes, 0);
    assert_int_equal(counts.sessions, 0);
    world_close(world);
    world_close(other);
}

static void who_is_not_listed_in_a_role_does_not_get_it(void **state)
{
    (void)state;
    struct world *world = open_world();
    const struct tp__id id = world_id(5);
    struct end *end = world_connect(world, &world->nodes[0]);
    end_hello(end, TASKPOOL__ROLE__ROLE_DRIVER, &id, "node", 0);
    assert_int_equal(end_refusal(end), TP_E_UNTRUSTED);
    end = world_connect(world, &world->drivers[0]);
    end_hello(end, TASKPOOL__ROLE__ROLE_ADMIN, &id, "driver", 0);
    assert_int_equal(end_refusal(end), TP_E_UNTRUSTED);
    end = world_connect(world, &world->drivers[0]);
    end_hello(end, TASKPOOL__ROLE__ROLE_COORDINATOR, &id, "driver", 0);
    assert_int_equal(end_refusal(end), TP_E_UNTRUSTED);
    end = world_connect(world, &world->stranger);
    end_hello(end, TASKPOOL__ROLE__ROLE_NODE, &id, "stranger", 0);
    assert_int_equal(end_refusal(end), TP_E_UNTRUSTED);
    assert_int_equal(world_counts(world).links, 0);
    world_close(world);
}

static void stopping_says_bye_to_everyone(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *ends[] = {world_driver(world, 0, 1), world_node(world, 0, 11, 4), world_tool(world, 0)};
    coordinator_stop(world->coordinator, world->now_ms);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end_drop(ends[i], TASKPOOL__FRAME__BODY_BYE), 1);
    assert_int_equal(world_counts(world).links, 0);
    struct end *late = connect_node(world, 0, 12);
    world_run(world);
    assert_true(late->broken[0]); /* by a Reset */
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_reaches_every_node_also_one_that_comes_later),
        cmocka_unit_test(an_accept_reaches_the_driver_with_the_nodes_name_and_life),
        cmocka_unit_test(a_welcome_says_how_many_nodes_there_are_and_the_queues_limit),
        cmocka_unit_test(a_silent_node_gets_no_new_work_and_is_lost_after_three_seconds),
        cmocka_unit_test(a_node_that_is_heard_again_in_time_gets_work_again),
        cmocka_unit_test(a_node_with_a_new_link_is_relinked_and_begins_without_credit),
        cmocka_unit_test(a_node_whose_link_broke_has_three_seconds_to_come_back),
        cmocka_unit_test(a_life_belongs_to_the_key_that_began_it),
        cmocka_unit_test(a_new_incarnation_ends_the_one_before),
        cmocka_unit_test(a_refusal_after_an_accept_ends_the_incarnation),
        cmocka_unit_test(forget_ends_an_incarnation_and_reaches_the_node),
        cmocka_unit_test(a_node_that_says_bye_has_left_at_once),
        cmocka_unit_test(only_drivers_that_a_node_has_accepted_hear_of_it),
        cmocka_unit_test(tasks_are_called_back_from_a_busy_node_when_another_is_idle),
        cmocka_unit_test(nothing_is_called_back_while_tasks_are_queued),
        cmocka_unit_test(a_new_link_of_a_driver_drops_what_was_queued),
        cmocka_unit_test(a_silent_driver_loses_its_session_after_its_lease),
        cmocka_unit_test(the_lease_goes_on_over_a_broken_link),
        cmocka_unit_test(a_driver_that_says_bye_ends_its_session),
        cmocka_unit_test(a_node_that_was_away_hears_that_a_session_has_ended),
        cmocka_unit_test(a_key_has_only_so_many_sessions),
        cmocka_unit_test(many_lives_are_remembered_and_no_more_than_so_many),
        cmocka_unit_test(a_key_that_is_removed_ends_links_and_sessions),
        cmocka_unit_test(who_is_not_listed_in_a_role_does_not_get_it),
        cmocka_unit_test(stopping_says_bye_to_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
