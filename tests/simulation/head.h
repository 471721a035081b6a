/* SPDX-License-Identifier: MIT */
/** @file
 * A coordinator in the simulation: its state machine behind the virtual network.
 */
#ifndef TESTS_SIMULATION_HEAD_H
#define TESTS_SIMULATION_HEAD_H

#include "coordinator.h"
#include "network.h"

struct head {
    struct host host;
    struct coordinator *machine; /**< NULL: it is not running */
    bool lies;                   /**< what it says and hears is changed on its way */
};

void head_init(struct head *head, struct world *world, uint32_t number);
void head_start(struct head *head);
void head_crash(struct head *head);
void head_receive(struct head *head, const struct connection *connection, const uint8_t *bytes, size_t size);
void head_fini(struct head *head);

#endif
