/* SPDX-License-Identifier: MIT */
/** @file
 * Whether tp_init was called.
 */
#ifndef TP_RUNTIME_INIT_H
#define TP_RUNTIME_INIT_H

#include <stdbool.h>

bool tp__init_was_called(void);

#endif
