/* SPDX-License-Identifier: MIT */
/** @file
 * When a node says that no coordinator answers, and why.
 */
#ifndef NODE_SILENCE_H
#define NODE_SILENCE_H

#include "link/watch.h"

#include <stdbool.h>
#include <stdint.h>

/** Zero it, then silence_begin. */
struct silence {
    int64_t since_ms; /**< INT64_MAX: there is none */
    int64_t told_ms;  /**< -1: not yet */
    enum tp__trouble told;
};

void silence_begin(struct silence *silence, int64_t now_ms);
void silence_end(struct silence *silence);
/** Is it time to say that nobody answers, for this reason? Once, and again if the reason is another. What only a person
 *  can mend is said at once. Stores when it wants to be asked again. */
bool silence_is_due(struct silence *silence, enum tp__trouble trouble, int64_t now_ms, int64_t *next_ms);

#endif
