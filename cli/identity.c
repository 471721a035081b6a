/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char scheme[] = "tcp://";

static bool find_file(const char *given, const char *variable, const char *file, char path[PATH_MAX],
                      struct tp__problem *problem)
{
    if (!given)
        given = getenv(variable);
    if (given && given[0])
        return snprintf(path, PATH_MAX, "%s", given) < PATH_MAX ||
               tp__problem_set(problem, TP_E_LIMIT, "the path of the %s is too long", file);
    return tp__home_path(path, PATH_MAX, file) ||
           tp__problem_set(problem, TP_E_ARGUMENT, "no place for the %s: name the file, or set $%s or $HOME", file,
                           variable);
}

bool identity_key_path(const char *given, char path[PATH_MAX], struct tp__problem *problem)
{
    return find_file(given, "TASKPOOL_KEY", "key", path, problem);
}

bool identity_authorized_path(const char *given, char path[PATH_MAX], struct tp__problem *problem)
{
    return find_file(given, "TASKPOOL_AUTHORIZED_KEYS", "authorized_keys", path, problem);
}

bool identity_read(struct identity *identity, const char *key, const char *authorized, struct tp__problem *problem)
{
    memset(identity, 0, sizeof *identity);
    if (!identity_key_path(key, identity->key_path, problem) ||
        !identity_authorized_path(authorized, identity->authorized_path, problem) ||
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
    const char *name;
    const size_t count = tp__authorized_count(identity->authorized, TP__ROLE_COORDINATOR);
    const char *host = endpoint + strlen(scheme);
    const size_t host_length = (size_t)(strrchr(host, ':') - host);
    for (size_t i = 0; i < count; i++) {
        *key = *tp__authorized_at(identity->authorized, TP__ROLE_COORDINATOR, i, &name);
        if (count == 1 || (strlen(name) == host_length && memcmp(name, host, host_length) == 0))
            return true;
    }
    if (count == 0)
        return tp__problem_set(problem, TP_E_UNTRUSTED,
                               "%.120s lists no coordinator: `taskpool authorize coordinator KEY NAME` with its key",
                               identity->authorized_path);
    return tp__problem_set(problem, TP_E_UNTRUSTED,
                           "%.120s lists %zu coordinators, and none has the name of the host in %.60s",
                           identity->authorized_path, count, endpoint);
}
