/* SPDX-License-Identifier: MIT */
/** @file
 * The monitor: one thread a pool, which ends tasks whose time has run out and names tasks that hold their worker too
 * long. It sleeps while the pool is idle.
 */
#ifndef TP_RUNTIME_MONITOR_H
#define TP_RUNTIME_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <taskpool/pool.h>

struct tp__executor;
struct tp__monitor;
struct tp__task_extra;

/** NULL on failure (the error is stored). */
struct tp__monitor *tp__monitor_start(struct tp__executor *executor, const tp_pool_options *options)
    __attribute__((warn_unused_result));
void tp__monitor_stop(struct tp__monitor *monitor); /* ends the thread; time limits are not kept any more */
void tp__monitor_free(struct tp__monitor *monitor); /* NULL is allowed */

/** Arms the time limit of a task, which then has a reference to its promise; false if it was disarmed before. */
bool tp__monitor_arm(struct tp__monitor *monitor, struct tp__task_extra *extra);
/** Disarms it for good. True if it was armed: the caller now has that reference. */
bool tp__monitor_disarm(struct tp__monitor *monitor, struct tp__task_extra *extra);

/** A worker begins to work: makes sure that the monitor watches. */
void tp__monitor_watch(struct tp__monitor *monitor);

#endif
