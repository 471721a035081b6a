/* SPDX-License-Identifier: MIT */
/** @file
 * What the tests of the wire, the link and the programs' common parts share.
 */
#ifndef TESTS_WIRE_SUPPORT_H
#define TESTS_WIRE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** Random numbers from a seed: xorshift64*. */
struct dice {
    uint64_t state;
};
static inline uint64_t dice_roll(struct dice *dice)
{
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return dice->state * 0x2545f4914f6cdd1dU;
}
/** 0 to `below` - 1. */
static inline uint32_t dice_below(struct dice *dice, uint32_t below)
{
    return (uint32_t)((dice_roll(dice) >> 32) % below);
}

#endif
