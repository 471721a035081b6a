/* SPDX-License-Identifier: MIT */
/** @file
 * Marks: lines that tasks append to a file and the driver counts. What a task did outside the pool, which is the only
 * thing that shows how often it ran.
 */
#ifndef TESTS_CLUSTER_MARKS_H
#define TESTS_CLUSTER_MARKS_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <taskpool/taskpool.h>
#include <time.h>
#include <unistd.h>

struct marks {
    char path[64];
};

/** Tasks may run as another user. */
__attribute__((unused)) static void marks_open(struct marks *marks)
{
    snprintf(marks->path, sizeof marks->path, "/tmp/taskpool-marks-XXXXXX");
    const int file = mkstemp(marks->path);
    if (file < 0 || fchmod(file, 0666) != 0) {
        perror(marks->path);
        exit(1);
    }
    close(file);
}

__attribute__((unused)) static void marks_close(struct marks *marks)
{
    unlink(marks->path);
}

__attribute__((unused)) static tp_str marks_path(const struct marks *marks)
{
    return tp_str_view(marks->path, strlen(marks->path));
}

/** In a task: one line, at once. A line of its own, also when many write. */
__attribute__((format(printf, 2, 3), unused)) static void mark(tp_str path, const char *format, ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    const int file = open(path.data, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file < 0 || length < 0 || length >= (int)sizeof line - 1)
        tp_raise("cannot append to %s", path.data);
    line[length] = '\n';
    const ssize_t written = write(file, line, (size_t)length + 1);
    close(file);
    if (written != length + 1)
        tp_raise("cannot append to %s", path.data);
}

/** How many lines begin with that. */
__attribute__((unused)) static size_t marks_of(const char *path, const char *beginning)
{
    char line[128];
    size_t count = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        count += strncmp(line, beginning, strlen(beginning)) == 0;
    fclose(file);
    return count;
}

__attribute__((unused)) static double patience_seconds(void)
{
    const char *given = getenv("TASKPOOL_TEST_PATIENCE");
    return 30 * (given ? atof(given) : 1);
}

/** Waits for that many; false if they do not come for a long time. */
__attribute__((unused)) static bool marks_wait(const char *path, const char *beginning, size_t count)
{
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (marks_of(path, beginning) < count) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((double)(now.tv_sec - start.tv_sec) > patience_seconds())
            return false;
        usleep(2000);
    }
    return true;
}

#endif
