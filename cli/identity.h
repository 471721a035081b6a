/* SPDX-License-Identifier: MIT */
/** @file
 * Who the user is and whom the user believes: found as a driver finds them.
 */
#ifndef CLI_IDENTITY_H
#define CLI_IDENTITY_H

#include "trust/identity.h"

enum { ENDPOINT_BYTES = 300 };

struct identity {
    struct tp__key key;
    struct tp__authorized *authorized;
    char key_path[TP__PATH_BYTES];
    char authorized_path[TP__PATH_BYTES];
};

/** Reads both. Afterwards, also after a failure: identity_fini. */
bool identity_read(struct identity *identity, const char *key, const char *authorized, struct tp__problem *problem);
void identity_fini(struct identity *identity);

/** Where the coordinator listens: as given, else $TASKPOOL; "HOST:PORT" is enough. */
bool identity_endpoint(const char *given, char endpoint[ENDPOINT_BYTES], struct tp__problem *problem);
/** Its key: tp__identity_coordinator. */
bool identity_coordinator(const struct identity *identity, const char *endpoint, struct tp__public_key *key,
                          struct tp__problem *problem);

#endif
