/* SPDX-License-Identifier: MIT */
/** @file
 * A coordinator with an honest pair, driver and node, that must not notice anything, and beside it a pair whose frames
 * the test forges.
 */
#ifndef TESTS_COORDINATOR_HOSTILE_SCENE_H
#define TESTS_COORDINATOR_HOSTILE_SCENE_H

#include "world.h"

struct scene {
    struct world *world;
    struct end *driver, *node;
    struct end *bad_driver, *bad_node;
    struct tp__id bad_incarnation;
    uint64_t credit; /* that the honest node has given */
};

struct scene open_scene(void);
/** The honest session goes on: tasks of its driver reach its node, and nothing was refused there. */
void close_scene(struct scene *scene);

#endif
