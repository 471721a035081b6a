/* SPDX-License-Identifier: MIT */
/** @file
 * The coordinator's outside: its socket, its clock, its signals, its log.
 */
#ifndef COORDINATOR_SHELL_H
#define COORDINATOR_SHELL_H

#include "coordinator.h"

struct shell_options {
    const struct tp__key *key;
    const char *listen;          /**< "tcp://127.0.0.1:7077" */
    const char *authorized_keys; /**< path */
    int ready_fd;                /**< -1: none */
    struct coordinator_options coordinator;
};

/** Runs until SIGTERM or SIGINT, which come over `signals` (daemon/signals.h). False if it cannot start. */
bool shell_run(const struct shell_options *options, int signals, struct tp__problem *problem);

#endif
