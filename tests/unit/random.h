/* SPDX-License-Identifier: MIT */
/** @file
 * Random numbers of tests, from a state that follows from a seed: xorshift64.
 */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stdint.h>

/** 0 to `below` - 1. */
static inline uint64_t next_random(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 11) % below;
}

#endif
