/* SPDX-License-Identifier: MIT */
/** @file
 * Sets of small numbers (the slots of sessions and nodes), made to find the next member that two sets have in common:
 * one bit a number, and above it one bit for each word that is not zero. For a thousand numbers that is a look at two
 * or three words, whatever the sets hold.
 */
#ifndef COORDINATOR_SET_H
#define COORDINATOR_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zero it to begin with. */
struct set {
    uint64_t *words;   /* and behind them their summary */
    uint32_t capacity; /* words, a multiple of 64 */
    uint32_t members;
};

enum { SET_NONE = UINT32_MAX };

/** Adding what is there, and removing what is not, does nothing. False without memory. */
bool set_add(struct set *set, uint32_t member) __attribute__((warn_unused_result));
void set_remove(struct set *set, uint32_t member);
bool set_has(const struct set *set, uint32_t member);
/** The greatest member; SET_NONE: it is empty. */
uint32_t set_last(const struct set *set);
/** The first common member from `from` on, and, if there is none, from 0 on; or SET_NONE. Adds the words it looked at
 *  to `*steps`. */
uint32_t set_next_common(const struct set *a, const struct set *b, uint32_t from, uint64_t *steps);
void set_free(struct set *set);
size_t set_bytes(const struct set *set);

#endif
