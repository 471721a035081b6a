/* SPDX-License-Identifier: MIT */
/* Design notes: programs that end with an open pool
 *
 * Nodes would keep its tasks for the session's lease: so it says Bye. That is done when all functions of atexit and all
 * destructors of C++ objects have run, which may still use the pool. Threads run on meanwhile, and one of them may be
 * closing its pool: whoever takes a driver out of the list joins its thread. None is waited for longer than EXIT_MS.
 *
 * A forked child has none of the threads, and nothing in its list.
 */
#include "cluster/driver.h"

#include <time.h>

enum { EXIT_MS = 1000, LAST_BUT_THE_SYSTEM = 101 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows, and of what drivers say of it */
static pthread_cond_t joined = PTHREAD_COND_INITIALIZER;
static struct tp__driver *first;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void)
{
    first = NULL;
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void tp__driver_enlist(struct tp__driver *driver)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    driver->next_open = first;
    first = driver;
    pthread_mutex_unlock(&lock);
}

/* Lock held. True if it was there. */
static bool take_out(struct tp__driver *driver)
{
    struct tp__driver **link = &first;
    while (*link && *link != driver)
        link = &(*link)->next_open;
    const bool found = *link != NULL;
    if (found)
        *link = driver->next_open;
    return found;
}

void tp__driver_join(struct tp__driver *driver)
{
    pthread_mutex_lock(&lock);
    const bool is_ours = take_out(driver);
    while (!is_ours && !driver->is_joined)
        pthread_cond_wait(&joined, &lock); /* the process ends: say_bye joins it */
    pthread_mutex_unlock(&lock);
    if (is_ours)
        pthread_join(driver->thread, NULL);
}

static __attribute__((destructor(LAST_BUT_THE_SYSTEM))) void say_bye(void)
{
    const struct timespec deadline = tp__driver_deadline(EXIT_MS);
    pthread_mutex_lock(&lock);
    struct tp__driver *driver = first;
    first = NULL;
    pthread_mutex_unlock(&lock);
    for (struct tp__driver *each = driver; each; each = each->next_open) {
        each->leaver = pthread_self();
        each->has_leaver = true;
        tp__driver_stop(each);
    }
    while (driver) {
        struct tp__driver *next = driver->next_open; /* the pool may be freed when it is joined */
        if (pthread_clockjoin_np(driver->thread, NULL, CLOCK_MONOTONIC, &deadline) == 0) {
            pthread_mutex_lock(&lock);
            driver->is_joined = true;
            pthread_cond_broadcast(&joined);
            pthread_mutex_unlock(&lock);
        }
        driver = next;
    }
}
