/* SPDX-License-Identifier: MIT */
/** @file
 * A driver's channels: where messages of its tasks wait. In place of core/cluster/operations.c and the channels of the
 * runtime. Some operations are answered at once, others some time later, as on another thread.
 */
#ifndef TESTS_SIMULATION_HOME_H
#define TESTS_SIMULATION_HOME_H

#include "work.h"

struct operation;

struct channel {
    struct note *head, *tail;
    size_t count;
    size_t capacity; /**< 0: unbounded */
    bool closed;
};

struct home {
    struct driver *driver;
    struct channel channels[CHANNELS];
    struct operation *operations, **operations_tail; /**< as they came */
    uint32_t order[CHANNELS];                        /**< of what the driver's program sends */
};

void home_init(struct home *home, struct driver *driver);
void home_fini(struct home *home);

void home_operation(struct home *home, const struct tp__session_operation *key, const uint8_t *body, size_t size);
void home_withdraw(struct home *home, const struct tp__session_operation *key);
void home_confirmed(struct home *home, const struct tp__session_operation *key);
/** True if it has sent a message, and the session does not know it yet. */
bool home_dropped(struct home *home, const struct tp__session_operation *key);

/** The driver's own program sends, and takes a message if there is one. */
void home_send(struct home *home, uint8_t channel);
void home_take(struct home *home, uint8_t channel);
void home_close(struct home *home, uint8_t channel);
size_t home_operation_count(const struct home *home);

#endif
