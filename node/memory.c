/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* A number in a file; UINT64_MAX if it says "max" or is not there. */
static uint64_t read_limit(const char *directory, const char *group, const char *file)
{
    char path[PATH_MAX];
    uint64_t value = UINT64_MAX;
    if (snprintf(path, sizeof path, "%s%s/%s", directory, group, file) >= (int)sizeof path)
        return value;
    FILE *stream = fopen(path, "re");
    if (!stream)
        return value;
    if (fscanf(stream, "%" SCNu64, &value) != 1)
        value = UINT64_MAX;
    fclose(stream);
    return value;
}

/* The least of a group's limit and those of the groups above it. In a container the path may be one of the host's, of
 * which only the root is there. */
static uint64_t limit_of_group(const char *directory, char *group, const char *file)
{
    uint64_t least = read_limit(directory, "", file);
    for (;;) {
        const uint64_t limit = read_limit(directory, group, file);
        if (limit < least)
            least = limit;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

static uint64_t limit_of_groups(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return UINT64_MAX;
    uint64_t least = UINT64_MAX;
    char line[PATH_MAX];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        /* "NUMBER:CONTROLLERS:PATH"; version 2 has no controllers */
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        uint64_t limit = UINT64_MAX;
        if (*controllers == '\0')
            limit = limit_of_group("/sys/fs/cgroup", group, "memory.max");
        else if (strcmp(controllers, "memory") == 0)
            limit = limit_of_group("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
        if (limit < least)
            least = limit;
    }
    fclose(file);
    return least;
}

uint64_t memory_of_machine(void)
{
    struct sysinfo info;
    uint64_t machine = UINT64_MAX;
    if (sysinfo(&info) == 0)
        machine = (uint64_t)info.totalram * info.mem_unit;
    const uint64_t groups = limit_of_groups();
    return groups < machine ? groups : machine;
}

uint64_t memory_of_process(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    uint64_t whole, resident;
    const int got = fscanf(file, "%" SCNu64 " %" SCNu64, &whole, &resident);
    fclose(file);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
