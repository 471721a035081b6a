/* SPDX-License-Identifier: MIT */
/** @file
 * What goes wrong, and when: chosen by the seed, until the plan's faults_us; then everything is as it should be.
 */
#ifndef TESTS_SIMULATION_FAULTS_H
#define TESTS_SIMULATION_FAULTS_H

#include "world.h"

void faults_plan(struct world *world);

#endif
