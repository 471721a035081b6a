/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char scheme[] = "tcp://";

bool identity_read(struct identity *identity, const char *key, const char *authorized, struct tp__problem *problem)
{
    memset(identity, 0, sizeof *identity);
    if (!tp__identity_key_path(key, identity->key_path, problem) ||
        !tp__identity_authorized_path(authorized, identity->authorized_path, problem) ||
        !tp__key_read(&identity->key, identity->key_path, problem))
        return false;
    identity->authorized = tp__authorized_read(identity->authorized_path, problem);
    return identity->authorized != NULL;
}

void identity_fini(struct identity *identity)
{
    tp__authorized_free(identity->authorized);
    identity->authorized = NULL;
    tp__key_wipe(&identity->key);
}

bool identity_endpoint(const char *given, char endpoint[ENDPOINT_BYTES], struct tp__problem *problem)
{
    const char *where = given ? given : getenv("TASKPOOL");
    if (!where || !where[0])
        return tp__problem_set(problem, TP_E_ADDRESS,
                               "which cluster? Say --coordinator tcp://HOST:PORT, or set $TASKPOOL");
    const char *host = strncmp(where, scheme, strlen(scheme)) == 0 ? where + strlen(scheme) : where;
    const bool is_local = strncmp(where, "local:", strlen("local:")) == 0; /* a pool of threads */
    const char *port = strrchr(host, ':');
    if (is_local || strstr(host, "://") || !port || port == host || !port[1] ||
        strspn(port + 1, "0123456789") != strlen(port + 1))
        return tp__problem_set(problem, TP_E_ADDRESS, "%s\"%.100s\" is not a cluster: write tcp://HOST:PORT",
                               given ? "" : "$TASKPOOL: ", where);
    return snprintf(endpoint, ENDPOINT_BYTES, "%s%s", scheme, host) < ENDPOINT_BYTES ||
           tp__problem_set(problem, TP_E_ADDRESS, "the address of the coordinator is too long");
}

bool identity_coordinator(const struct identity *identity, const char *endpoint, struct tp__public_key *key,
                          struct tp__problem *problem)
{
    return tp__identity_coordinator(identity->authorized, identity->authorized_path, endpoint + strlen(scheme), key,
                                    problem);
}
