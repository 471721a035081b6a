/* SPDX-License-Identifier: MIT */
/** @file
 * Proxies: channels that live elsewhere. To the fast paths of channels a proxy is closed; the slow ones come here, and
 * from here an operation goes to the remote (see remote.h). When its pool is closed a proxy is closed for everyone.
 */
#ifndef TP_RUNTIME_PROXY_H
#define TP_RUNTIME_PROXY_H

#include "runtime/clause.h"

struct tp__remote;

/** Makes a proxy of a channel that nobody else sees yet. */
void tp__proxy_init(tp_channel *proxy, struct tp__remote *remote);

/** tp__send and tp__recv. Takes over what is sent if the result is TP_OK. */
tp_status tp__proxy_operate(struct tp__clause *clause, int64_t timeout_ms, const char *name, const char *function);
/** tp_select. What is to be sent stays the caller's. `*chosen` stays as it is if no operation ended. */
tp_status tp__proxy_select(struct tp__clause *clauses, size_t count, int64_t timeout_ms, size_t *chosen);

tp_status tp__proxy_close(tp_channel *proxy);
size_t tp__proxy_size(const tp_channel *proxy);
/** TP_E_ARGUMENT if the channel exists with another capacity. */
tp_status tp__proxy_open(tp_channel *proxy, size_t capacity);

#endif
