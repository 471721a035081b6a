/* SPDX-License-Identifier: MIT */
/** @file
 * What the system lets the process have.
 */
#ifndef TP_PROTO_LIMITS_H
#define TP_PROTO_LIMITS_H

#include "wire/problem.h"

#include <stdint.h>

/** Raises the number of descriptors to what the system allows, and stores it. False if that is less than `needed`: then
 *  `problem` says how to allow more; the program may go on. */
bool tp__limits_raise_descriptors(uint64_t needed, uint64_t *allowed, struct tp__problem *problem);

#endif
