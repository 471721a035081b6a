/* SPDX-License-Identifier: MIT */
/** @file
 * Where all chance in the simulation comes from: generators that a seed determines, one of which also stands in for
 * libsodium's random bytes.
 */
#ifndef TESTS_SIMULATION_RANDOM_H
#define TESTS_SIMULATION_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_begin(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/** 0 to `count` - 1. */
uint64_t random_below(struct random *random, uint64_t count);
/** `low` to `high`, both included. */
int64_t random_between(struct random *random, int64_t low, int64_t high);
/** True `parts` times in a million. */
bool random_chance(struct random *random, uint32_t parts);

/** A good hash of two numbers: for what must follow from others, and not from when it is asked for. */
uint64_t random_mix(uint64_t a, uint64_t b);

/** libsodium takes its random bytes from here from now on. Must come before anything else of it. */
void random_be_sodium(struct random *random);

#endif
