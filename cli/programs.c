/* SPDX-License-Identifier: MIT */
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_there(char path[PATH_MAX], const char *folder, size_t folder_length, const char *middle,
                     const char *name)
{
    return folder_length < PATH_MAX &&
           snprintf(path, PATH_MAX, "%.*s/%s%s", (int)folder_length, folder, middle, name) < PATH_MAX &&
           access(path, X_OK) == 0;
}

static bool find_beside(const char *name, char path[PATH_MAX])
{
    static const char *const places[] = {"", "../sbin/", "../libexec/taskpool/"};
    char own[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length <= 0)
        return false;
    own[length] = '\0';
    const char *slash = strrchr(own, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++)
        if (is_there(path, own, (size_t)(slash - own), places[i], name))
            return true;
    return false;
}

bool programs_find(const char *name, char path[PATH_MAX], struct tp__problem *problem)
{
    if (find_beside(name, path))
        return true;
    const char *folder = getenv("PATH");
    while (folder && *folder) {
        const size_t length = strcspn(folder, ":");
        if (length > 0 && is_there(path, folder, length, "", name))
            return true;
        folder += length + (folder[length] == ':');
    }
    return tp__problem_set(problem, TP_E_SYSTEM, "there is no %s beside this program or in $PATH", name);
}
