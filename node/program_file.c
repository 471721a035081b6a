/* SPDX-License-Identifier: MIT */
#include "program_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

bool program_file_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool program_file_open(struct program_file *file, int directory, const char *name, int flags,
                       struct tp__problem *problem)
{
    *file = (struct program_file){.descriptor = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags)};
    if (file->descriptor < 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot open the program %s", name);
    struct tp__hash *hashes = NULL;
    bool ok = true;
    if (fstat(file->descriptor, &file->as_hashed) != 0)
        ok = tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the program %s", name);
    else if (!S_ISREG(file->as_hashed.st_mode))
        ok = tp__problem_set(problem, TP_E_ARGUMENT, "%s is not a regular file", name);
    ok = ok && tp__program_measure(file->descriptor, &file->length, &file->root, &hashes, problem);
    free(hashes);
    if (!ok)
        program_file_close(file);
    return ok;
}

void program_file_close(struct program_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
}

bool program_file_is_unchanged(const struct program_file *file)
{
    struct stat now;
    return fstat(file->descriptor, &now) == 0 && program_file_is_same(&now, &file->as_hashed);
}
