/* SPDX-License-Identifier: MIT */
/** @file
 * The files that say whom one is and trusts: opening them with care, and the words in them. Private to this folder.
 */
#ifndef TP_PROTO_KEYFILE_H
#define TP_PROTO_KEYFILE_H

#include "wire/problem.h"

#include <stddef.h>
#include <sys/types.h>

enum tp__keyfile {
    TP__KEYFILE_SECRET, /**< nobody else may read or write it, and it is no symbolic link */
    TP__KEYFILE_TRUSTED /**< nobody else may write it */
};

/** Opens a file to read (`flags` may say more) and refuses one that is too loose, no regular file, or of another user
 *  than this one or root. The checks are of what was opened. -1 on failure. */
int tp__keyfile_open(const char *path, enum tp__keyfile kind, int flags, struct tp__problem *problem);

/** Reads until the end or until `size` bytes. -1: errno. */
ssize_t tp__keyfile_read(int descriptor, void *bytes, size_t size);
/** Writes all. False: errno. */
bool tp__keyfile_write(int descriptor, const char *text, size_t size);

/** A name can stand in a line: 1 to TP__NAME_LIMIT bytes, no space, no control character, no # in front. */
bool tp__keyfile_name_is_good(const char *name, size_t length);

/** Decodes base64 in its one canonical form. False: malformed, or not exactly `size` bytes. */
bool tp__keyfile_base64(void *bytes, size_t size, const char *text, size_t length);

#endif
