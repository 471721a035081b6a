/* SPDX-License-Identifier: MIT */
/** @file
 * A run of tasks leaves a queue: as frames to a node, or back to its driver.
 */
#ifndef COORDINATOR_RUN_H
#define COORDINATOR_RUN_H

#include "state.h"

/** Sends the next run of the queue, of at most `limit` tasks, to the node of `use`, and notes it for the driver.
 *  Returns how many tasks: they have left the queue also if the node's link has ended over it. */
uint32_t run_send(struct coordinator *coordinator, struct use *use, struct queue *queue, uint32_t limit);
/** The same without sending anything: the incarnation is about to end, and with it the driver gets the tasks back. */
uint32_t run_give_back(struct coordinator *coordinator, struct use *use, struct queue *queue);

#endif
