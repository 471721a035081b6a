/* SPDX-License-Identifier: MIT */
/** @file
 * A frame of 3 GiB that is touched at its far end first: beyond the guard page of any stack of a green thread, and
 * beyond the stacks that lie below it.
 */
#ifndef TESTS_JUMP_H
#define TESTS_JUMP_H

#include <stdint.h>

int64_t use_large_frame(int64_t value);

#endif
