/* SPDX-License-Identifier: MIT */
/** @file
 * The signals of a daemon, as a descriptor to poll: SIGTERM, SIGINT, SIGHUP, SIGCHLD. SIGPIPE is ignored.
 */
#ifndef TP_PROTO_SIGNALS_H
#define TP_PROTO_SIGNALS_H

#include "wire/problem.h"

/** Call it before there are threads: they inherit that these signals are blocked. -1 on failure. */
int tp__signals_open(struct tp__problem *problem);
/** The next signal that has come, 0 if there is none. One SIGCHLD may stand for several children. */
int tp__signals_next(int descriptor);
/** In a child, before exec: signals as a program expects them. Async-signal-safe. */
void tp__signals_restore(void);

#endif
