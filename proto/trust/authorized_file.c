/* SPDX-License-Identifier: MIT */
#include "trust/authorized.h"
#include "trust/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct text {
    char *bytes; /* from malloc */
    size_t size;
};

static bool read_text(int descriptor, const char *path, struct text *text, struct tp__problem *problem)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot look at %s", path);
    if (status.st_size > TP__AUTHORIZED_LIMIT_BYTES)
        return tp__problem_set(problem, TP_E_LIMIT, "%s has more than %d bytes", path, TP__AUTHORIZED_LIMIT_BYTES);
    const size_t room = (size_t)status.st_size;
    text->bytes = malloc(room + 1);
    if (!text->bytes)
        return tp__problem_set(problem, TP_E_NOMEM, "no memory to read %s", path);
    const ssize_t size = tp__keyfile_read(descriptor, text->bytes, room + 1);
    if (size >= 0 && (size_t)size <= room) {
        text->size = (size_t)size;
        return true;
    }
    if (size < 0)
        tp__problem_errno(problem, TP_E_SYSTEM, "cannot read %s", path);
    else
        tp__problem_set(problem, TP_E_BUSY, "%s became longer while it was read: try again", path);
    free(text->bytes);
    text->bytes = NULL;
    return false;
}

struct tp__authorized *tp__authorized_read(const char *path, struct tp__problem *problem)
{
    const int descriptor = tp__keyfile_open(path, TP__KEYFILE_TRUSTED, O_RDONLY, problem);
    if (descriptor < 0)
        return NULL;
    struct text text = {NULL, 0};
    struct tp__authorized *authorized = NULL;
    if (read_text(descriptor, path, &text, problem))
        authorized = tp__authorized_parse(text.bytes, text.size, path, problem);
    free(text.bytes);
    close(descriptor);
    return authorized;
}

/* In one write, so that who reads without the lock sees all of the line or nothing. */
static bool append_line(int descriptor, const char *path, const struct text *text, const char *line, size_t size,
                        struct tp__problem *problem)
{
    const bool ends = text->size == 0 || text->bytes[text->size - 1] == '\n';
    ssize_t put;
    do
        put = ends ? write(descriptor, line + 1, size - 1) : write(descriptor, line, size);
    while (put < 0 && errno == EINTR);
    if (put < 0 || fsync(descriptor) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot write %s", path);
    if ((size_t)put != size - ends)
        return tp__problem_set(problem, TP_E_SYSTEM, "%s was written in part: no space? Look at its last line", path);
    return true;
}

static bool add(int descriptor, const char *path, enum tp__role role, const struct tp__public_key *key,
                const char *name, struct tp__problem *problem)
{
    struct text text = {NULL, 0};
    if (!read_text(descriptor, path, &text, problem))
        return false;
    bool added = false;
    struct tp__authorized *authorized = tp__authorized_parse(text.bytes, text.size, path, problem);
    const char *listed = authorized ? tp__authorized_find(authorized, role, key) : NULL;
    if (listed && strcmp(listed, name) != 0) {
        tp__problem_set(problem, TP_E_ARGUMENT, "%s lists that key already, as %s", path, listed);
    } else if (listed) {
        added = true;
    } else if (authorized) {
        char line[sizeof "\ncoordinator " + 44 + 1 + TP__NAME_LIMIT + 1];
        char key_text[45];
        tp__public_key_text(key, key_text);
        const int size = snprintf(line, sizeof line, "\n%s %s %s\n", tp__role_name(role), key_text, name);
        added = append_line(descriptor, path, &text, line, (size_t)size, problem);
    }
    tp__authorized_free(authorized);
    free(text.bytes);
    return added;
}

bool tp__authorized_add(const char *path, enum tp__role role, const struct tp__public_key *key, const char *name,
                        struct tp__problem *problem)
{
    uint8_t curve[32];
    enum tp__role known;
    if (!tp__role_parse(&known, tp__role_name(role)) || !tp__curve_of_public(key, curve))
        return tp__problem_set(problem, TP_E_ARGUMENT, "this is no public key, or no role");
    if (!tp__keyfile_name_is_good(name, strlen(name)))
        return tp__problem_set(problem, TP_E_ARGUMENT,
                               "a key needs a name of 1 to %d bytes without spaces, and no # in front", TP__NAME_LIMIT);
    const int descriptor = tp__keyfile_open(path, TP__KEYFILE_TRUSTED, O_RDWR | O_APPEND | O_CREAT, problem);
    if (descriptor < 0)
        return false;
    int locked;
    do
        locked = flock(descriptor, LOCK_EX);
    while (locked != 0 && errno == EINTR);
    const bool added = locked == 0 ? add(descriptor, path, role, key, name, problem)
                                   : tp__problem_errno(problem, TP_E_SYSTEM, "cannot lock %s", path);
    close(descriptor); /* unlocks */
    return added;
}
