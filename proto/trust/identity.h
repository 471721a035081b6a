/* SPDX-License-Identifier: MIT */
/** @file
 * Who a program is and whom it believes, where nobody has said: the files of its user, and the coordinator that is
 * meant. One rule for drivers, daemons and tools.
 */
#ifndef TP_PROTO_IDENTITY_H
#define TP_PROTO_IDENTITY_H

#include "trust/keys.h"

enum { TP__PATH_BYTES = 4096 };

/** Where the key is: `given` if it is not NULL; else $TASKPOOL_KEY, if it is not empty; else `key` in $TASKPOOL_HOME or
 *  ~/.config/taskpool. */
bool tp__identity_key_path(const char *given, char path[TP__PATH_BYTES], struct tp__problem *problem);
/** The same of the trusted keys: $TASKPOOL_AUTHORIZED_KEYS, `authorized_keys`. */
bool tp__identity_authorized_path(const char *given, char path[TP__PATH_BYTES], struct tp__problem *problem);

/** The key of the coordinator at "host:port": the one that is listed; among several, the one whose name is the host.
 *  `path`: of the list, for messages. */
bool tp__identity_coordinator(const struct tp__authorized *authorized, const char *path, const char *host_and_port,
                              struct tp__public_key *key, struct tp__problem *problem);

#endif
