/* SPDX-License-Identifier: MIT */
#include "runtime/address.h"

#include "base/error.h"
#include "runtime/executor.h"
#include "runtime/remote.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS_FORMS "write \"local\", \"local:4\" or \"tcp://host:7077\""

/* The processors that this process may use, which in a container are fewer than the machine has. */
static size_t usable_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (size_t)CPU_COUNT(&set);
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

static tp_status parse_local(const char *source, const char *where, const char *digits, size_t *worker_count)
{
    const size_t length = strlen(digits);
    if (length == 0 || strspn(digits, "0123456789") != length)
        return tp__fail(TP_E_ADDRESS, "%s\"%.100s\": the number of workers is 1 to %d; " ADDRESS_FORMS, source, where,
                        TP__WORKERS_LIMIT);
    const unsigned long count = length > 9 ? ULONG_MAX : strtoul(digits, NULL, 10);
    if (count == 0)
        return tp__fail(TP_E_ADDRESS, "%s\"%.100s\": a pool has at least one worker; " ADDRESS_FORMS, source, where);
    if (count > TP__WORKERS_LIMIT)
        return tp__fail(TP_E_LIMIT, "%s\"%.100s\": a local pool has at most %d workers", source, where,
                        TP__WORKERS_LIMIT);
    *worker_count = count;
    return TP_OK;
}

static tp_status parse_tcp(const char *source, const char *where, const char *host, struct tp__address *address)
{
    const char *colon = strrchr(host, ':');
    if (!colon || colon == host)
        return tp__fail(TP_E_ADDRESS, "%s\"%.100s\": a host and a port are missing; " ADDRESS_FORMS, source, where);
    const size_t digits = strlen(colon + 1);
    if (digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits ||
        strtoul(colon + 1, NULL, 10) > 65535 || strtoul(colon + 1, NULL, 10) == 0)
        return tp__fail(TP_E_ADDRESS, "%s\"%.100s\": the port is 1 to 65535; " ADDRESS_FORMS, source, where);
    if (!tp__remote_open)
        return tp__fail(TP_E_UNSUPPORTED,
                        "%s\"%.100s\": this libtaskpool was built without the cluster; open \"local\"", source, where);
    if (tp__process_is_worker())
        return tp__fail(
            TP_E_UNSUPPORTED,
            "%s\"%.100s\": a task on a cluster cannot open another one; tp_pool_open(NULL) is its own pool, "
            "\"local\" this machine",
            source, where);
    address->host_and_port = host;
    return TP_OK;
}

tp_status tp__address_parse(const char *where, struct tp__address *address)
{
    *address = (struct tp__address){0};
    const char *source = "";
    if (!where && (where = getenv("TASKPOOL")))
        source = "TASKPOOL="; /* for the messages: where the address came from */
    if (!where)
        where = "local";
    if (strcmp(where, "local") == 0) {
        address->worker_count = usable_processors();
        return TP_OK;
    }
    if (strncmp(where, "local:", 6) == 0)
        return parse_local(source, where, where + 6, &address->worker_count);
    if (strncmp(where, "tcp://", 6) == 0)
        return parse_tcp(source, where, where + 6, address);
    return tp__fail(TP_E_ADDRESS, "%s\"%.100s\" is not the address of a pool; " ADDRESS_FORMS, source, where);
}
