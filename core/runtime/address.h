/* SPDX-License-Identifier: MIT */
/** @file
 * The one string that says where a pool runs.
 */
#ifndef TP_RUNTIME_ADDRESS_H
#define TP_RUNTIME_ADDRESS_H

#include <stddef.h>
#include <taskpool/status.h>

struct tp__address {
    size_t worker_count;       /**< of a local pool */
    const char *host_and_port; /**< of a cluster's coordinator, NULL for a local pool; part of what was parsed */
};

/** Parses "local", "local:N" or "tcp://host:port"; NULL: $TASKPOOL, and "local" without it. TP_E_ADDRESS, TP_E_LIMIT,
 *  TP_E_UNSUPPORTED with what is wrong and what to write instead. */
tp_status tp__address_parse(const char *where, struct tp__address *address);

#endif
