/* SPDX-License-Identifier: MIT */
#include "installed.h"

#include "program_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct installed {
    int directory;
    size_t count;
    struct program_file files[INSTALLED_LIMIT];
};

/* Takes over what has not changed; its place in `old` becomes empty. */
static bool take_over(struct installed *old, const struct stat *info, struct program_file *file)
{
    for (size_t i = 0; i < old->count; i++) {
        if (old->files[i].descriptor >= 0 && program_file_is_same(&old->files[i].as_hashed, info)) {
            *file = old->files[i];
            old->files[i].descriptor = -1;
            return true;
        }
    }
    return false;
}

static bool scan(struct installed *installed, DIR *stream, struct program_file *files, size_t *count,
                 struct tp__problem *problem)
{
    bool ok = true;
    const struct dirent *found;
    while ((found = readdir(stream))) {
        struct stat info;
        if (fstatat(installed->directory, found->d_name, &info, 0) != 0 || !S_ISREG(info.st_mode) ||
            !(info.st_mode & 0111))
            continue;
        if (*count == INSTALLED_LIMIT)
            return tp__problem_set(problem, TP_E_LIMIT, "more than %d programs are installed", INSTALLED_LIMIT);
        if (take_over(installed, &info, &files[*count]) ||
            program_file_open(&files[*count], installed->directory, found->d_name, 0, problem))
            (*count)++;
        else
            ok = false;
    }
    return ok;
}

bool installed_rescan(struct installed *installed, struct tp__problem *problem)
{
    struct program_file *files = calloc(INSTALLED_LIMIT, sizeof *files);
    if (!files)
        return tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    const int copy = openat(installed->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    if (!stream) {
        if (copy >= 0)
            close(copy);
        free(files);
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the directory of installed programs");
    }
    size_t count = 0;
    const bool ok = scan(installed, stream, files, &count, problem);
    closedir(stream);
    for (size_t i = 0; i < installed->count; i++)
        program_file_close(&installed->files[i]);
    memcpy(installed->files, files, count * sizeof *files);
    installed->count = count;
    free(files);
    return ok;
}

struct installed *installed_open(const char *directory, struct tp__problem *problem)
{
    struct installed *installed = calloc(1, sizeof *installed);
    if (!installed) {
        tp__problem_set(problem, TP_E_NOMEM, "out of memory");
        return NULL;
    }
    installed->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat info;
    bool ok = true;
    if (installed->directory < 0 || fstat(installed->directory, &info) != 0)
        ok = tp__problem_errno(problem, TP_E_SYSTEM, "cannot open the directory of programs %s", directory);
    else if (info.st_mode & 022)
        ok = tp__problem_set(problem, TP_E_UNTRUSTED,
                             "the directory of programs %s can be written by others: chmod go-w", directory);
    if (ok && installed_rescan(installed, problem))
        return installed;
    installed_close(installed);
    return NULL;
}

void installed_close(struct installed *installed)
{
    if (!installed)
        return;
    for (size_t i = 0; i < installed->count; i++)
        program_file_close(&installed->files[i]);
    if (installed->directory >= 0)
        close(installed->directory);
    free(installed);
}

size_t installed_count(const struct installed *installed)
{
    return installed->count;
}

static int find(const struct installed *installed, const struct tp__hash *root, uint64_t length)
{
    for (size_t i = 0; i < installed->count; i++) {
        const struct program_file *file = &installed->files[i];
        if (file->length == length && memcmp(file->root.bytes, root->bytes, sizeof root->bytes) == 0 &&
            program_file_is_unchanged(file))
            return file->descriptor;
    }
    return -1;
}

int installed_find(struct installed *installed, const struct tp__hash *root, uint64_t length,
                   struct tp__problem *problem)
{
    problem->status = TP_OK;
    const int descriptor = find(installed, root, length);
    if (descriptor >= 0)
        return descriptor;
    (void)installed_rescan(installed, problem);
    return find(installed, root, length);
}
