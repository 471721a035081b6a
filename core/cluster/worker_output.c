/* SPDX-License-Identifier: MIT */
/* Design notes. What tasks write with stdio goes to two pipes that all threads share: each line gets a mark of its task
 * in front, in the same write (wire/output_mark.h). So stdout and stderr become streams of ours. Who writes to the
 * descriptors (a C++ stream, a child process) writes lines without a mark: they are of the task that runs, if only one
 * does. A line that two tasks of one thread write together belongs to the one that ends it.
 *
 * The agent reads the pipes before it passes on what this process has sent: so what a task wrote reaches the driver
 * before its result. It looks only if the count in the shared memory has changed. */
#include "cluster/worker_output.h"
#include "cluster/worker.h"
#include "runtime/foreign.h"
#include "wire/output_mark.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of the task that ends here: it is not current any more. */
static __thread struct tp__foreign_identity ending;
/* What this thread wrote last to descriptor 1, 2 was no line end. */
static __thread bool in_line[3];

static bool write_all(int file, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t written = writev(file, parts, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        while (count > 0 && (size_t)written >= parts->iov_len) {
            written -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + written;
            parts->iov_len -= (size_t)written;
        }
    }
    return true;
}

static ssize_t write_marked(void *cookie, const char *bytes, size_t size)
{
    const int file = (int)(intptr_t)cookie;
    const int before = errno;
    const struct tp__foreign_identity identity = ending.sequence ? ending : tp__foreign_current();
    const struct tp__output_mark name = {identity.sequence, identity.dispatch};
    uint8_t mark[TP__OUTPUT_MARK_BYTES];
    tp__output_mark_write(mark, &name);
    size_t done = 0;
    bool good = true;
    while (good && done < size) {
        const char *end = memchr(bytes + done, '\n', size - done);
        const size_t length = end ? (size_t)(end - bytes) + 1 - done : size - done;
        struct iovec parts[] = {{mark, sizeof mark}, {(void *)(uintptr_t)(bytes + done), length}};
        good = name.task ? write_all(file, parts, 2) : write_all(file, parts + 1, 1);
        done += length;
    }
    in_line[file] = size > 0 && bytes[size - 1] != '\n';
    atomic_fetch_add_explicit(&tp__worker_process.memory->writes, 1, memory_order_release);
    if (good)
        errno = before;
    return good ? (ssize_t)size : 0;
}

static FILE *open_marked(int file, int buffering)
{
    const cookie_io_functions_t functions = {.write = write_marked};
    FILE *stream = fopencookie((void *)(intptr_t)file, "w", functions);
    if (!stream || setvbuf(stream, NULL, buffering, 0) != 0)
        tp__worker_die("out of memory for the standard streams");
    stream->_fileno = file; /* for fileno(3): glibc uses it for nothing else of a stream with functions of its own */
    return stream;
}

void tp__worker_watch_output(void)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* for those who have kept the pointer */
    stdout = open_marked(STDOUT_FILENO, _IOLBF);
    stderr = open_marked(STDERR_FILENO, _IONBF);
}

void tp__worker_end_output(struct tp__foreign_identity identity)
{
    const bool out = in_line[STDOUT_FILENO] || __fpending(stdout) > 0;
    if (!out && !in_line[STDERR_FILENO])
        return;
    ending = identity;
    if (out)
        (void)putc('\n', stdout);
    if (in_line[STDERR_FILENO])
        (void)putc('\n', stderr);
    ending = (struct tp__foreign_identity){.sequence = 0};
}
