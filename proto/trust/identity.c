/* SPDX-License-Identifier: MIT */
#include "trust/identity.h"

#include <stdlib.h>
#include <string.h>

static bool find_file(const char *given, const char *variable, const char *file, char path[TP__PATH_BYTES],
                      struct tp__problem *problem)
{
    if (!given)
        given = getenv(variable);
    if (given && given[0])
        return snprintf(path, TP__PATH_BYTES, "%s", given) < TP__PATH_BYTES ||
               tp__problem_set(problem, TP_E_ARGUMENT, "the path of the %s is too long", file);
    return tp__home_path(path, TP__PATH_BYTES, file) ||
           tp__problem_set(problem, TP_E_ARGUMENT, "no place for the %s: name the file, or set $%s or $HOME", file,
                           variable);
}

bool tp__identity_key_path(const char *given, char path[TP__PATH_BYTES], struct tp__problem *problem)
{
    return find_file(given, "TASKPOOL_KEY", "key", path, problem);
}

bool tp__identity_authorized_path(const char *given, char path[TP__PATH_BYTES], struct tp__problem *problem)
{
    return find_file(given, "TASKPOOL_AUTHORIZED_KEYS", "authorized_keys", path, problem);
}

bool tp__identity_coordinator(const struct tp__authorized *authorized, const char *path, const char *host_and_port,
                              struct tp__public_key *key, struct tp__problem *problem)
{
    const char *name;
    const size_t count = tp__authorized_count(authorized, TP__ROLE_COORDINATOR);
    const char *colon = strrchr(host_and_port, ':');
    const size_t host_length = colon ? (size_t)(colon - host_and_port) : strlen(host_and_port);
    for (size_t i = 0; i < count; i++) {
        *key = *tp__authorized_at(authorized, TP__ROLE_COORDINATOR, i, &name);
        if (count == 1 || (strlen(name) == host_length && memcmp(name, host_and_port, host_length) == 0))
            return true;
    }
    if (count == 0)
        return tp__problem_set(problem, TP_E_UNTRUSTED,
                               "%.120s lists no coordinator: `taskpool authorize coordinator KEY NAME` with its key",
                               path);
    return tp__problem_set(problem, TP_E_UNTRUSTED,
                           "%.120s lists %zu coordinators, and none has the name of the host in %.60s", path, count,
                           host_and_port);
}
