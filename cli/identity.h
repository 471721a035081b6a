/* SPDX-License-Identifier: MIT */
/** @file
 * Who the user is and whom the user believes: found as a driver finds them.
 */
#ifndef CLI_IDENTITY_H
#define CLI_IDENTITY_H

#include "trust/keys.h"

#include <limits.h>

enum { ENDPOINT_BYTES = 300 };

struct identity {
    struct tp__key key;
    struct tp__authorized *authorized;
    char key_path[PATH_MAX];
    char authorized_path[PATH_MAX];
};

/** The file: as given, else $TASKPOOL_KEY, else key in the user's own folder. `given` may be NULL. */
bool identity_key_path(const char *given, char path[PATH_MAX], struct tp__problem *problem);
/** The same with $TASKPOOL_AUTHORIZED_KEYS and authorized_keys. */
bool identity_authorized_path(const char *given, char path[PATH_MAX], struct tp__problem *problem);

/** Reads both. Afterwards, also after a failure: identity_fini. */
bool identity_read(struct identity *identity, const char *key, const char *authorized, struct tp__problem *problem);
void identity_fini(struct identity *identity);

/** Where the coordinator listens: as given, else $TASKPOOL; "HOST:PORT" is enough. */
bool identity_endpoint(const char *given, char endpoint[ENDPOINT_BYTES], struct tp__problem *problem);
/** Its key: the only coordinator that is listed; among several, the one whose name is the host's. */
bool identity_coordinator(const struct identity *identity, const char *endpoint, struct tp__public_key *key,
                          struct tp__problem *problem);

#endif
