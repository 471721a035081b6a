/* SPDX-License-Identifier: MIT */
/** @file
 * An executable file that is open, and known by its hash. What was hashed is what is executed: the same descriptor.
 */
#ifndef NODE_PROGRAM_FILE_H
#define NODE_PROGRAM_FILE_H

#include "trust/program.h"

#include <sys/stat.h>

struct program_file {
    int descriptor;
    struct tp__hash root;
    uint64_t length;
    struct stat as_hashed;
};

/** Opens a regular file for reading and hashes it. `flags`: O_NOFOLLOW or 0. */
bool program_file_open(struct program_file *file, int directory, const char *name, int flags,
                       struct tp__problem *problem);
void program_file_close(struct program_file *file);
/** Is it still what was hashed, as far as its length and its times tell? */
bool program_file_is_unchanged(const struct program_file *file);
bool program_file_is_same(const struct stat *a, const struct stat *b);

#endif
