/* SPDX-License-Identifier: MIT */
#include "cluster/image.h"

#include "base/error.h"
#include "trust/program.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tp__image own = {.descriptor = -1};
static bool is_measured;

static tp_status measure(void)
{
    if (own.descriptor < 0)
        own.descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (own.descriptor < 0)
        return tp__fail_errno(TP_E_SYSTEM, "the program's own file cannot be opened");
    struct tp__problem problem;
    if (!tp__program_measure(own.descriptor, &own.length, &own.root, &own.chunk_hashes, &problem))
        return tp__fail(problem.status, "the program's own file cannot be offered to a cluster: %s", problem.text);
    struct utsname system;
    if (uname(&system) != 0)
        return tp__fail_errno(TP_E_SYSTEM, "uname");
    snprintf(own.machine, sizeof own.machine, "%.15s", system.machine);
    snprintf(own.name, sizeof own.name, "%.63s", program_invocation_short_name);
    return TP_OK;
}

const struct tp__image *tp__image_get(void)
{
    pthread_mutex_lock(&lock);
    if (!is_measured)
        is_measured = measure() == TP_OK;
    pthread_mutex_unlock(&lock);
    return is_measured ? &own : NULL;
}

size_t tp__image_read(const struct tp__image *image, uint32_t index, uint8_t *to)
{
    const uint64_t start = (uint64_t)index * TP__CHUNK_BYTES;
    if (start >= image->length)
        return 0;
    const size_t size = image->length - start < TP__CHUNK_BYTES ? (size_t)(image->length - start) : TP__CHUNK_BYTES;
    size_t done = 0;
    while (done < size) {
        const ssize_t got = pread(image->descriptor, to + done, size - done, (off_t)(start + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        done += (size_t)got;
    }
    return size;
}
