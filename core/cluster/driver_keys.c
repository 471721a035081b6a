/* SPDX-License-Identifier: MIT */
/* Whose key a driver uses, and which coordinator it believes. */
#include "base/error.h"
#include "cluster/driver.h"

#include <stdlib.h>

enum { PATH_LIMIT_BYTES = 4096 };

/* $variable, or the file in the user's own folder. */
static tp_status find_file(const char *variable, const char *file, char path[PATH_LIMIT_BYTES])
{
    const char *given = getenv(variable);
    if (given && given[0]) {
        if ((size_t)snprintf(path, PATH_LIMIT_BYTES, "%s", given) >= PATH_LIMIT_BYTES)
            return tp__fail(TP_E_ARGUMENT, "$%s is longer than %d bytes", variable, PATH_LIMIT_BYTES - 1);
        return TP_OK;
    }
    if (!tp__home_path(path, PATH_LIMIT_BYTES, file))
        return tp__fail(TP_E_ARGUMENT, "neither $%s nor $TASKPOOL_HOME nor $HOME says where the %s is", variable, file);
    return TP_OK;
}

/* The one that is listed; among several, the one whose name is the host's. */
static tp_status choose_coordinator(struct tp__driver *driver, const char *path, const char *host_and_port)
{
    const size_t count = tp__authorized_count(driver->authorized, TP__ROLE_COORDINATOR);
    const char *name;
    if (count == 0)
        return tp__fail(
            TP_E_UNTRUSTED,
            "%s lists no coordinator: add a line \"coordinator KEY NAME\" with the key that the coordinator "
            "prints when it starts",
            path);
    if (count == 1) {
        driver->coordinator = *tp__authorized_at(driver->authorized, TP__ROLE_COORDINATOR, 0, &name);
        return TP_OK;
    }
    const size_t host_length = (size_t)(strrchr(host_and_port, ':') - host_and_port);
    for (size_t i = 0; i < count; i++) {
        const struct tp__public_key *key = tp__authorized_at(driver->authorized, TP__ROLE_COORDINATOR, i, &name);
        if (strlen(name) == host_length && memcmp(name, host_and_port, host_length) == 0) {
            driver->coordinator = *key;
            return TP_OK;
        }
    }
    return tp__fail(TP_E_UNTRUSTED, "%s lists %zu coordinators, none of which has the name of the host in %s", path,
                    count, host_and_port);
}

tp_status tp__driver_read_keys(struct tp__driver *driver, const char *host_and_port)
{
    char path[PATH_LIMIT_BYTES];
    struct tp__problem problem;
    if (!tp__trust_start())
        return tp__fail(TP_E_SYSTEM, "libsodium cannot start");
    tp_status status = find_file("TASKPOOL_KEY", "key", path);
    if (status != TP_OK)
        return status;
    if (!tp__key_read(&driver->key, path, &problem))
        return tp__fail(problem.status, "tcp://%s: %s%s", host_and_port, problem.text,
                        problem.status == TP_E_SYSTEM ? "; `taskpool keygen` makes a key" : "");
    status = find_file("TASKPOOL_AUTHORIZED_KEYS", "authorized_keys", path);
    if (status != TP_OK)
        return status;
    driver->authorized = tp__authorized_read(path, &problem);
    if (!driver->authorized)
        return tp__fail(problem.status, "tcp://%s: %s", host_and_port, problem.text);
    return choose_coordinator(driver, path, host_and_port);
}
