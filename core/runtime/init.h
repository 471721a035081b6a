/* SPDX-License-Identifier: MIT */
/** @file
 * Whether tp_init was called. tp_init itself is in core/cluster/init.c where there is a cluster.
 */
#ifndef TP_RUNTIME_INIT_H
#define TP_RUNTIME_INIT_H

#include <stdbool.h>

bool tp__init_was_called(void);

/** What tp_init does everywhere. */
void tp__init_done(void);

#endif
