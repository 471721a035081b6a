/* SPDX-License-Identifier: MIT */
/** @file
 * A node that is trusted and should not be: it says records in its streams that no agent would say. What it says about
 * the tasks that it names may be believed; nothing else may suffer.
 */
#ifndef TESTS_SIMULATION_ROGUE_H
#define TESTS_SIMULATION_ROGUE_H

#include "machine.h"

/** Says some. The ledger forgives what happens to tasks that it names. */
void rogue_forge(struct machine *machine);

#endif
