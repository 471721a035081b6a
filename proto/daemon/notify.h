/* SPDX-License-Identifier: MIT */
/** @file
 * Telling whoever started the program how it is: systemd, if it asked ($NOTIFY_SOCKET), and scripts, by --ready-fd.
 */
#ifndef TP_PROTO_NOTIFY_H
#define TP_PROTO_NOTIFY_H

#include "wire/problem.h"

/** Ready. With `ready_fd` (-1: none) also writes the line "ready ENDPOINT" there ("ready" if `endpoint` is NULL) and
 *  closes it. False if that descriptor cannot be written. */
bool tp__notify_ready(int ready_fd, const char *endpoint, struct tp__problem *problem);
/** Reading its settings again; afterwards tp__notify_reloaded. */
void tp__notify_reloading(void);
void tp__notify_reloaded(void);
void tp__notify_stopping(void);
/** A line for `systemctl status`. */
void tp__notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
