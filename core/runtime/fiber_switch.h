/* SPDX-License-Identifier: MIT */
/** @file
 * Switching between fibers, and running tasks on them. For loop.c alone.
 */
#ifndef TP_RUNTIME_FIBER_SWITCH_H
#define TP_RUNTIME_FIBER_SWITCH_H

#include "runtime/fiber.h"

/** Leaves `from` (the current fiber of the calling thread) and goes on with `to`, which begins to run its task if it is
 *  new. Returns when somebody switches back. */
void tp__fiber_switch(struct tp__fiber *from, struct tp__fiber *to);

/** Prepares a fiber that never ran. */
void tp__fiber_init(struct tp__fiber *fiber, struct tp__loop *loop);

#endif
