/* SPDX-License-Identifier: MIT */
/** @file
 * Tasks that wait at one node while others have nothing to do are called back, to be placed anew.
 */
#ifndef COORDINATOR_RECALL_H
#define COORDINATOR_RECALL_H

#include "state.h"

/** Has a node give back so many tasks that have not started; with `drain` it takes none any more. */
void recall_send(struct node *node, uint32_t count, bool drain);

/** Looks from time to time whether there is something to call back. Returns when it is due again. */
int64_t recall_tick(struct coordinator *coordinator);

#endif
