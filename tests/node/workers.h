/* SPDX-License-Identifier: MIT */
/** @file
 * Fake worker processes under test, with everything that they cause written down.
 */
#ifndef TESTS_NODE_WORKERS_H
#define TESTS_NODE_WORKERS_H

#include "process.h"
#include "test_users.h"

struct worker_seen {
    char received[256 << 10];
    size_t received_size;
    char output[64 << 10]; /* "1:TASK/DISPATCH:bytes" of each call */
    size_t output_size;
    bool ended;
    struct agent_crash crash; /* `backtrace` and `last_output` point into the next two */
    char backtrace[16 << 10];
    char last_output[16 << 10];
    struct agent_suspect suspects[16];
    bool seven_started, eight_started;
};

enum { WORKERS_SEEN = 4 };

struct workers {
    struct events events;
    struct processes *processes;
    char directory[64];
    int program;
    struct worker_seen seen[WORKERS_SEEN]; /* worker 1 is seen[1] */
    int warnings;
};

/** `same_user` unless root. `options` may be changed from these by `change` (NULL: not). */
struct workers *workers_open(void (*change)(struct processes_options *options));
void workers_close(struct workers *workers);
/** Starts one that behaves so. Fails the test if it cannot. */
void workers_start(struct workers *workers, uint32_t worker, const char *behaviour);
void workers_send(struct workers *workers, uint32_t worker, const char *text);

/** Handles events until it holds; fails the test after 30 s. */
#define WORKERS_UNTIL(workers, condition)  \
    do {                                   \
        const int64_t start_ = now_ms();   \
        while (!(condition))               \
            workers_step(workers, start_); \
    } while (0)
void workers_step(struct workers *workers, int64_t start_ms);
int64_t now_ms(void);

#endif
