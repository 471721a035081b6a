/* SPDX-License-Identifier: MIT */
#include "trust/keyfile.h"

#include "wire/names.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

static bool check(int descriptor, const char *path, enum tp__keyfile kind, struct tp__problem *problem)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot look at %s", path);
    if (!S_ISREG(status.st_mode))
        return tp__problem_set(problem, TP_E_ARGUMENT, "%s is no regular file", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return tp__problem_set(problem, TP_E_UNTRUSTED, "%s belongs to user %u: it must be yours or root's", path,
                               (unsigned)status.st_uid);
    if (kind == TP__KEYFILE_SECRET && (status.st_mode & 077) != 0)
        return tp__problem_set(problem, TP_E_UNTRUSTED, "%s is open to others (mode %04o): chmod 600 it", path,
                               (unsigned)status.st_mode & 07777);
    if (kind == TP__KEYFILE_TRUSTED && (status.st_mode & 022) != 0)
        return tp__problem_set(problem, TP_E_UNTRUSTED, "others can write %s (mode %04o): chmod go-w it", path,
                               (unsigned)status.st_mode & 07777);
    return true;
}

int tp__keyfile_open(const char *path, enum tp__keyfile kind, int flags, struct tp__problem *problem)
{
    /* O_NONBLOCK: to open a pipe would wait for its other end. */
    flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (kind == TP__KEYFILE_SECRET ? O_NOFOLLOW : 0);
    const int descriptor = open(path, flags, 0644);
    if (descriptor < 0) {
        if (errno == ELOOP && kind == TP__KEYFILE_SECRET)
            tp__problem_set(problem, TP_E_UNTRUSTED, "%s is a symbolic link: name the key file itself", path);
        else
            tp__problem_errno(problem, TP_E_SYSTEM, "cannot open %s", path);
        return -1;
    }
    if (!check(descriptor, path, kind, problem)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

ssize_t tp__keyfile_read(int descriptor, void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(descriptor, (char *)bytes + done, size - done);
        if (got == 0)
            break;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)done;
}

bool tp__keyfile_write(int descriptor, const char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t put = write(descriptor, text + done, size - done);
        if (put > 0)
            done += (size_t)put;
        else if (put == 0 || errno != EINTR)
            return false;
    }
    return true;
}

bool tp__keyfile_name_is_good(const char *name, size_t length)
{
    if (length == 0 || length > TP__NAME_LIMIT || name[0] == '#')
        return false;
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c == 0x7f)
            return false;
    }
    return true;
}

bool tp__keyfile_base64(void *bytes, size_t size, const char *text, size_t length)
{
    size_t decoded = 0;
    return length == sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL) - 1 &&
           sodium_base642bin(bytes, size, text, length, NULL, &decoded, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           decoded == size;
}
