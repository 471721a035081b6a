/* SPDX-License-Identifier: MIT */
/* A worker that computes without a pause holds back neither what was done before nor what its process is told
 * meanwhile. */
#include "check.h"
#include "test_pool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SMALL_TASKS = 1000 };

TP_TASK(small, int64_t, (int64_t, x))
{
    return x + 1;
}

/* Computes until the file is there, and never waits. */
TP_TASK(hog, int64_t, (tp_str, path))
{
    while (access(path.data, F_OK) != 0) {
    }
    return 7;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    char path[] = "/tmp/taskpool-busy-XXXXXX";
    const int file = mkstemp(path);
    CHECK_OR_EXIT(file >= 0);
    close(file);
    unlink(path);
    tp_with (tp_pool, pool, test_pool_open(1)) {
        static tp_promise *promises[SMALL_TASKS];
        for (int round = 0; round < 3; round++) {
            /* All in one go: the worker has the last ones in its queue while it computes. */
            int64_t value = 0;
            for (int64_t i = 0; i < SMALL_TASKS / 2; i++)
                promises[i] = tp_submit(pool, small, i);
            tp_promise *busy = tp_submit(pool, hog, tp_str_view(path, sizeof path - 1));
            for (int64_t i = SMALL_TASKS / 2; i < SMALL_TASKS; i++)
                promises[i] = tp_submit(pool, small, i);
            for (int64_t i = 0; i < SMALL_TASKS / 2; i++) {
                CHECK_OK(tp_await_for(promises[i], &value, 60000));
                CHECK_INT(value, i + 1);
            }
            CHECK(!tp_promise_ready(busy));
            const int begin = open(path, O_WRONLY | O_CREAT, 0644);
            CHECK_OR_EXIT(begin >= 0);
            close(begin);
            CHECK_OK(tp_await_for(busy, &value, 60000));
            CHECK_INT(value, 7);
            for (int64_t i = SMALL_TASKS / 2; i < SMALL_TASKS; i++) {
                CHECK_OK(tp_await_for(promises[i], &value, 60000));
                CHECK_INT(value, i + 1);
            }
            for (int i = 0; i < SMALL_TASKS; i++)
                tp_promise_release(promises[i]);
            tp_promise_release(busy);
            unlink(path);
        }
    }
    return check_result();
}
