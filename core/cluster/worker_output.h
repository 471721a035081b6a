/* SPDX-License-Identifier: MIT */
/** @file
 * What tasks of a worker process write to stdout and stderr: marked with who wrote it.
 */
#ifndef TP_CLUSTER_WORKER_OUTPUT_H
#define TP_CLUSTER_WORKER_OUTPUT_H

#include "runtime/foreign.h"

/** Before the first task. */
void tp__worker_watch_output(void);
/** A task ends, and with it the line that it has begun: it goes out before the result. */
void tp__worker_end_output(struct tp__foreign_identity identity);

#endif
