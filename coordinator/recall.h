/* SPDX-License-Identifier: MIT */
/** @file
 * Tasks that wait at one node while others have nothing to do are called back, to be placed anew.
 */
#ifndef COORDINATOR_RECALL_H
#define COORDINATOR_RECALL_H

#include "state.h"

/** Looks from time to time whether there is something to call back. Returns when it is due again. */
int64_t recall_tick(struct coordinator *coordinator);

#endif
