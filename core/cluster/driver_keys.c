/* SPDX-License-Identifier: MIT */
/* Whose key a driver uses, and which coordinator it believes. */
#include "base/error.h"
#include "cluster/driver.h"
#include "trust/identity.h"

tp_status tp__driver_read_keys(struct tp__driver *driver, const char *host_and_port)
{
    char path[TP__PATH_BYTES];
    struct tp__problem problem;
    if (!tp__trust_start())
        return tp__fail(TP_E_SYSTEM, "libsodium cannot start");
    if (!tp__identity_key_path(NULL, path, &problem))
        return tp__fail(problem.status, "tcp://%s: %s", host_and_port, problem.text);
    if (!tp__key_read(&driver->key, path, &problem))
        return tp__fail(problem.status, "tcp://%s: %s%s", host_and_port, problem.text,
                        problem.status == TP_E_SYSTEM ? "; `taskpool keygen` makes a key" : "");
    if (tp__identity_authorized_path(NULL, path, &problem))
        driver->authorized = tp__authorized_read(path, &problem);
    if (!driver->authorized ||
        !tp__identity_coordinator(driver->authorized, path, host_and_port, &driver->coordinator, &problem))
        return tp__fail(problem.status, "tcp://%s: %s", host_and_port, problem.text);
    return TP_OK;
}
