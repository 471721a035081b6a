/* SPDX-License-Identifier: MIT */
/* Nodes that are at their limit of a session take only tasks that are deep enough. */
#include "world.h"

static struct world *open_world(void)
{
    return world_open(NULL);
}

static void tasks_of_depth(struct end *driver, uint32_t count, uint32_t depth)
{
    driver_tasks(driver, count, &(struct batch_options){.depth = depth});
}

static void a_node_takes_one_more_for_each_level_of_depth(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    node_credit_with_room(node, 100, driver, 3);
    tasks_of_depth(driver, 10, 0);
    assert_int_equal(node_take_tasks(node, driver), 3);
    tasks_of_depth(driver, 10, 1);
    assert_int_equal(node_take_tasks(node, driver), 1);
    tasks_of_depth(driver, 10, 4);
    assert_int_equal(node_take_tasks(node, driver), 3);
    assert_int_equal(world_counts(world).queued_tasks, 7 + 9 + 7);
    node_credit_with_room(node, 100, driver, 5); /* two have ended */
    assert_int_equal(node_take_tasks(node, driver), 2);
    node_credit(node, 100, 0, 0); /* far from its limit again */
    assert_int_equal(node_take_tasks(node, driver), 7 + 9 + 5);
    world_close(world);
}

static void a_deeper_task_passes_those_that_do_not_fit(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *nodes[3];
    for (uint64_t i = 0; i < 3; i++) {
        world_join(nodes[i] = world_node(world, i, 11 + i, 4), driver);
        node_credit_with_room(nodes[i], 100, driver, i == 2 ? -2 : -9);
    }
    tasks_of_depth(driver, 5, 2);
    tasks_of_depth(driver, 1, 3);
    assert_int_equal(node_take_tasks(nodes[2], driver), 1);
    tasks_of_depth(driver, 1, 9);
    assert_int_equal(node_take_tasks(nodes[0], driver) + node_take_tasks(nodes[1], driver), 0);
    assert_int_equal(node_take_tasks(nodes[2], driver), 1);
    assert_int_equal(world_counts(world).queued_tasks, 5);
    world_close(world);
}

static void the_deepest_of_a_thousand_depths_is_found(void **state)
{
    (void)state;
    enum { DEPTHS = 1000, STEP = 65 };
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    for (uint32_t i = 0; i < DEPTHS; i++)
        tasks_of_depth(driver, 1, i * 7 % DEPTHS * STEP); /* each once, in no order */
    node_credit_with_room(node, 100, driver, 1 - (DEPTHS - 1) * STEP);
    assert_int_equal(node_take_tasks(node, driver), 1);
    node_credit_with_room(node, 100, driver, 2 - (DEPTHS - 2) * STEP);
    assert_int_equal(node_take_tasks(node, driver), 1);
    world_close(world);
}

/* Also where the head of what is pinned there does not fit, and the other way round. */
static void pinned_and_other_tasks_go_by_their_own_depth(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = world_join(node, driver);
    node_credit_with_room(node, 100, driver, -1);
    driver_tasks(driver, 2, &(struct batch_options){.depth = 1, .incarnation = &incarnation});
    tasks_of_depth(driver, 2, 1);
    assert_int_equal(node_take_tasks(node, driver), 0);
    tasks_of_depth(driver, 1, 2);
    assert_int_equal(node_take_tasks(node, driver), 1);
    driver_tasks(driver, 1, &(struct batch_options){.depth = 3, .incarnation = &incarnation});
    assert_int_equal(node_take_tasks(node, driver), 1);
    assert_int_equal(world_counts(world).queued_tasks, 4);
    world_close(world);
}

static void one_session_at_its_limit_leaves_the_node_to_others(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *first = world_driver(world, 0, 1);
    struct end *second = world_driver(world, 1, 2);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, first);
    world_join(node, second);
    node_credit_with_room(node, 100, first, 0);
    tasks_of_depth(first, 200, 0);
    assert_int_equal(node_take_tasks(node, first), 0);
    tasks_of_depth(second, 200, 0);
    assert_int_equal(node_take_tasks(node, second), 100);
    node_credit_with_room(node, 200, second, 100);
    assert_int_equal(node_take_tasks(node, second), 0);
    assert_int_equal(node_take_tasks(node, first), 100);
    world_close(world);
}

static void a_new_incarnation_and_a_new_link_are_counted_anew(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    node_credit_with_room(node, 100, driver, 2);
    tasks_of_depth(driver, 10, 0);
    assert_int_equal(node_take_tasks(node, driver), 2);
    const struct tp__id next = node_accept(node, driver, 112);
    driver_use(driver, &next);
    assert_int_equal(node_take_tasks(node, driver), 8); /* nothing was said of it yet */
    node_credit_with_room(node, 100, driver, 9);
    tasks_of_depth(driver, 10, 0);
    assert_int_equal(node_take_tasks(node, driver), 1);

    struct end *again = world_node(world, 0, 11, 4); /* the same life over a new link */
    node_credit_with_room(again, 100, driver, 3);
    assert_int_equal(node_take_tasks(again, driver), 3);
    world_close(world);
}

static void an_accept_says_what_may_come_until_the_next_credit(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    node_credit(node, 100, 0, 0);
    node->task_limit = 4;
    world_join(node, driver);
    tasks_of_depth(driver, 20, 0);
    assert_int_equal(node_take_tasks(node, driver), 4);
    node->task_limit = 6; /* the same accept again: two have ended */
    world_join(node, driver);
    tasks_of_depth(driver, 1, 0);
    assert_int_equal(node_take_tasks(node, driver), 2);
    node_credit(node, 100, 0, 0);
    assert_int_equal(node_take_tasks(node, driver), 15);
    world_close(world);
}

static void a_room_that_cannot_be_has_no_effect_but_on_its_session(void **state)
{
    (void)state;
    struct world *world = open_world();
    struct end *driver = world_driver(world, 0, 1);
    struct end *stranger = world_driver(world, 1, 2);
    struct end *node = world_node(world, 0, 11, 4);
    world_join(node, driver);
    node_credit_with_room(node, 100, stranger, 5); /* of which it has not accepted a session */
    tasks_of_depth(driver, 1, 0);
    assert_int_equal(node_take_tasks(node, driver), 1);
    node_credit_with_room(node, 100, driver, INT64_MIN);
    tasks_of_depth(driver, 1, UINT32_MAX);
    assert_int_equal(node_take_tasks(node, driver), 0);
    node_credit_with_room(node, 100, driver, INT64_MAX);
    assert_int_equal(node_take_tasks(node, driver), 1);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_takes_one_more_for_each_level_of_depth),
        cmocka_unit_test(a_deeper_task_passes_those_that_do_not_fit),
        cmocka_unit_test(the_deepest_of_a_thousand_depths_is_found),
        cmocka_unit_test(pinned_and_other_tasks_go_by_their_own_depth),
        cmocka_unit_test(one_session_at_its_limit_leaves_the_node_to_others),
        cmocka_unit_test(a_new_incarnation_and_a_new_link_are_counted_anew),
        cmocka_unit_test(an_accept_says_what_may_come_until_the_next_credit),
        cmocka_unit_test(a_room_that_cannot_be_has_no_effect_but_on_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
