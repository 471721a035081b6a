/* SPDX-License-Identifier: MIT */
/** @file
 * The number of OS threads of this process.
 */
#ifndef TESTS_THREADS_H
#define TESTS_THREADS_H

#include <dirent.h>
#include <sched.h>
#include <time.h>

static inline int thread_count(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/** The number once it is `wanted`: the kernel lists a thread that was joined for a moment longer. After ten seconds
 *  whatever it is. */
static inline int thread_count_settled(int wanted)
{
    const time_t end = time(NULL) + 10;
    int count;
    while ((count = thread_count()) != wanted && time(NULL) < end)
        sched_yield();
    return count;
}

#endif
