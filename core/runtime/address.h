/* SPDX-License-Identifier: MIT */
/** @file
 * The one string that says where a pool runs.
 */
#ifndef TP_RUNTIME_ADDRESS_H
#define TP_RUNTIME_ADDRESS_H

#include <stddef.h>
#include <taskpool/status.h>

/** Parses "local", "local:N" or "tcp://host:port"; NULL: $TASKPOOL, and "local" without it. Stores the number of
 *  workers. TP_E_ADDRESS, TP_E_LIMIT, TP_E_UNSUPPORTED with what is wrong and what to write instead. */
tp_status tp__address_parse(const char *where, size_t *worker_count);

#endif
