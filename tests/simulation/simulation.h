/* SPDX-License-Identifier: MIT */
/** @file
 * One run: a seed from the first event to the last check.
 */
#ifndef TESTS_SIMULATION_SIMULATION_H
#define TESTS_SIMULATION_SIMULATION_H

#include <stdbool.h>
#include <stdint.h>

struct simulation_options {
    bool trace;
    unsigned with, without; /**< flags of plan.h that are set, and those that are not, whatever the seed says */
};

struct simulation_counts {
    uint64_t runs, tasks, starts, values, failures, lost, cancelled, crashed, messages, events, breaks, frames_lost;
    double virtual_seconds, longest_seconds; /**< in all; the longest from the last fault to the last result */
};

/** Returns a digest of all that happened. Ends the process if an invariant does not hold. Adds to `counts`. */
uint64_t simulation_run(uint64_t seed, const struct simulation_options *options, struct simulation_counts *counts);

#endif
