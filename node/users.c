/* SPDX-License-Identifier: MIT */
#include "users.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

struct users {
    uid_t base;
    uint32_t count;
    uint32_t next;
    int locks[]; /* of each: its descriptor, -1 if it is free */
};

static bool has_capability(const struct __user_cap_data_struct *data, unsigned capability)
{
    return data[capability / 32].effective >> (capability % 32) & 1;
}

/* In a user namespace only the users that its map lists exist. */
static bool is_mapped(uid_t base, uint32_t count)
{
    FILE *file = fopen("/proc/self/uid_map", "re");
    if (!file)
        return true; /* the change of user itself will tell */
    uint64_t first, outside, size;
    uint64_t at = base;
    const uint64_t end = (uint64_t)base + count;
    /* The lines are in no order: a few rounds do for ranges that continue each other. */
    for (int round = 0; round < 8 && at < end; round++) {
        rewind(file);
        while (fscanf(file, "%" SCNu64 " %" SCNu64 " %" SCNu64, &first, &outside, &size) == 3)
            if (first <= at && at < first + size)
                at = first + size;
    }
    fclose(file);
    return at >= end;
}

bool users_possible(uid_t base, uint32_t count, struct tp__problem *problem)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the capabilities of this process");
    if (!has_capability(data, CAP_SETUID) || !has_capability(data, CAP_SETGID) || !has_capability(data, CAP_KILL))
        return tp__problem_set(problem, TP_E_UNSUPPORTED,
                               "worker processes cannot run as other users: start the node as root, or with the "
                               "capabilities SETUID, SETGID and KILL, or accept that tasks can do what the node can "
                               "with --same-user");
    if (base == 0 || count == 0 || count > 1U << 20 || (uint64_t)base + count > UINT32_MAX - 1U)
        return tp__problem_set(problem, TP_E_ARGUMENT, "%" PRIu32 " users from %u on: not a range of users", count,
                               (unsigned)base);
    if (!is_mapped(base, count))
        return tp__problem_set(problem, TP_E_UNSUPPORTED,
                               "the users %u to %u do not exist in this user namespace: choose others with "
                               "worker-uid-base and worker-uid-count",
                               (unsigned)base, (unsigned)(base + count - 1));
    return true;
}

struct users *users_open(uid_t base, uint32_t count, struct tp__problem *problem)
{
    struct users *users = malloc(sizeof *users + count * sizeof users->locks[0]);
    if (!users) {
        tp__problem_set(problem, TP_E_NOMEM, "out of memory");
        return NULL;
    }
    *users = (struct users){.base = base, .count = count};
    for (uint32_t i = 0; i < count; i++)
        users->locks[i] = -1;
    return users;
}

void users_close(struct users *users)
{
    if (!users)
        return;
    for (uint32_t i = 0; i < users->count; i++)
        if (users->locks[i] >= 0)
            close(users->locks[i]);
    free(users);
}

/* An abstract name: no file, so it does not matter which folders an agent sees or may write to; it goes with whoever
 * has bound it. -1: another agent has it. */
static int lock(uid_t user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int length =
        snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "taskpool-node/user/%u", (unsigned)user);
    const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && bind(descriptor, (const struct sockaddr *)&address,
                                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0)
        return descriptor;
    const int error = errno;
    if (descriptor >= 0)
        close(descriptor);
    errno = error;
    return -1;
}

bool users_take(struct users *users, uid_t *user, struct tp__problem *problem)
{
    int error = 0;
    for (uint32_t tried = 0; tried < users->count; tried++) {
        const uint32_t index = users->next;
        users->next = (index + 1) % users->count;
        if (users->locks[index] >= 0)
            continue;
        users->locks[index] = lock(users->base + index);
        if (users->locks[index] >= 0) {
            *user = users->base + index;
            return true;
        }
        if (errno != EADDRINUSE)
            error = errno;
    }
    if (error) {
        errno = error;
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot lock a user for the process");
    }
    return tp__problem_set(
        problem, TP_E_LIMIT,
        "all %u users for worker processes are in use: give the nodes of this machine more of them, or each "
        "others, with worker-uid-base and worker-uid-count",
        (unsigned)users->count);
}

void users_give_back(struct users *users, uid_t user)
{
    const uint32_t index = (uint32_t)(user - users->base);
    if (index >= users->count || users->locks[index] < 0)
        return;
    close(users->locks[index]);
    users->locks[index] = -1;
}
