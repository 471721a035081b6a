/* SPDX-License-Identifier: MIT */
#include "hostile_scene.h"

struct scene open_scene(void)
{
    struct scene scene = {.world =
                              world_open(&(struct coordinator_options){.name = "head", .queue_limit_bytes = 4 << 20})};
    scene.driver = world_driver(scene.world, 0, 1);
    scene.node = world_node(scene.world, 0, 11, 4);
    world_join(scene.node, scene.driver);
    scene.bad_driver = world_driver(scene.world, 1, 2);
    scene.bad_node = world_node(scene.world, 1, 12, 4);
    scene.bad_incarnation = world_join(scene.bad_node, scene.bad_driver);
    return scene;
}

void close_scene(struct scene *scene)
{
    world_run(scene->world);
    assert_false(scene->driver->broken[0]);
    assert_false(scene->node->broken[0]);
    node_credit(scene->node, scene->credit += 10, 0, 0);
    driver_tasks(scene->driver, 10, NULL);
    assert_int_equal(node_take_tasks(scene->node, scene->driver), 10);
    assert_int_equal(end_drop(scene->driver, TASKPOOL__FRAME__BODY_REFUSAL), 0);
    world_close(scene->world);
}
