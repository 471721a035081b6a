/* SPDX-License-Identifier: MIT */
/** @file
 * The node's shell: sockets, processes, files, signals and the clock around the agent's state machine.
 */
#ifndef NODE_SHELL_H
#define NODE_SHELL_H

#include "agent.h"
#include "process.h"
#include "trust/keys.h"

struct shell_options {
    const char *coordinator; /**< "tcp://host:port" */
    /** Its key; NULL: the one coordinator of authorized_keys. */
    const struct tp__public_key *coordinator_key;
    const char *authorized_keys; /**< path: read at the start and on SIGHUP */
    const struct tp__key *key;
    struct agent_options agent;
    struct processes_options processes;
    const char *cache;
    uint64_t cache_limit_bytes;
    const char *programs; /**< NULL: programs are shipped to the cache */
    int64_t drain_ms;     /**< after SIGTERM; 0: it ends at once */
    int ready_fd;         /**< -1: none */
};

/** Runs until a signal ends it. `signals`: of tp__signals_open. Returns false if it could not start. */
bool shell_run(const struct shell_options *options, int signals, struct tp__problem *problem);

#endif
