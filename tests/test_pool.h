/* SPDX-License-Identifier: MIT */
/** @file
 * The pool that a test runs on: "local:WORKERS", or whatever $TASKPOOL_TEST_POOL names, so that the same programs also
 * run on a cluster.
 */
#ifndef TESTS_TEST_POOL_H
#define TESTS_TEST_POOL_H

#include <stdio.h>
#include <stdlib.h>
#include <taskpool/taskpool.h>

struct test_where {
    char text[24];
};

static inline bool test_where_is_given(void)
{
    const char *given = getenv("TASKPOOL_TEST_POOL");
    return given != NULL && given[0] != '\0';
}

/** The address for a pool of that many workers. `local` is where it is put together. */
static inline const char *test_where(int workers, struct test_where *local)
{
    if (test_where_is_given())
        return getenv("TASKPOOL_TEST_POOL");
    snprintf(local->text, sizeof local->text, "local:%d", workers);
    return local->text;
}

/** Opens the pool; without one there is nothing to test. */
static inline tp_pool *test_pool_open_with(int workers, tp_pool_options options)
{
    struct test_where local;
    const char *where = test_where(workers, &local);
    tp_pool *pool = tp_pool_open_with(where, options);
    if (pool == NULL) {
        fprintf(stderr, "cannot open %s: %s\n", where, tp_last_error()->message);
        exit(1);
    }
    return pool;
}

static inline tp_pool *test_pool_open(int workers)
{
    return test_pool_open_with(workers, (tp_pool_options){.stack_bytes = 0});
}

static inline tp_async_pool *test_async_pool_open(int workers)
{
    struct test_where local;
    const char *where = test_where(workers, &local);
    tp_async_pool *pool = tp_async_pool_open(where);
    if (pool == NULL) {
        fprintf(stderr, "cannot open %s: %s\n", where, tp_last_error()->message);
        exit(1);
    }
    return pool;
}

#endif
