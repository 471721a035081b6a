/* SPDX-License-Identifier: MIT */
/* A worker that computes without a pause holds back neither what was done before nor what its process is told
 * meanwhile. */
#include "check.h"
#include "test_pool.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL_TASKS = 1000, PATIENCE_MS = 60000 };

static _Atomic int64_t small_ended; /* in this process, since it began */

TP_TASK(small, int64_t, (int64_t, x))
{
    small_ended++;
    return x + 1;
}

/* Says how many small tasks have ended here; computes until the other file is there, and never waits. */
TP_TASK(hog, int64_t, (tp_str, begun), (tp_str, end))
{
    const int64_t ended = small_ended;
    const int file = open(begun.data, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (file < 0 || write(file, &ended, sizeof ended) != sizeof ended)
        tp_raise("cannot write to %s", begun.data);
    close(file);
    while (access(end.data, F_OK) != 0) {
    }
    return 7;
}

static char folder[] = "/tmp/taskpool-busy-XXXXXX";
static char begun[64], end[64];

static int64_t ended_when_it_began(void)
{
    int64_t ended = 0;
    for (ssize_t got = 0; got != sizeof ended;) {
        const int file = open(begun, O_RDONLY);
        got = file < 0 ? 0 : read(file, &ended, sizeof ended);
        if (file >= 0)
            close(file);
        tp_yield();
    }
    return ended;
}

/* Waits until so many have their result: whichever they are, as the worker may take them in any order. */
static void await_some(tp_promise **promises, int64_t wanted)
{
    static tp_promise *waiting[SMALL_TASKS];
    for (;;) {
        size_t count = 0;
        for (int i = 0; i < SMALL_TASKS; i++)
            if (!tp_promise_ready(promises[i]))
                waiting[count++] = promises[i];
        if (SMALL_TASKS - (int64_t)count >= wanted)
            return;
        size_t which;
        if (!CHECK_OK(tp_wait_any(waiting, count, PATIENCE_MS, &which)))
            return;
    }
}

static void play(tp_pool *pool, int64_t ended_before)
{
    static tp_promise *promises[SMALL_TASKS];
    int64_t value = 0;
    /* All in one go: the worker has the last ones in its queue while it computes. */
    for (int64_t i = 0; i < SMALL_TASKS / 2; i++)
        promises[i] = tp_submit(pool, small, i);
    tp_promise *busy = tp_submit(pool, hog, tp_str_view(begun, strlen(begun)), tp_str_view(end, strlen(end)));
    for (int64_t i = SMALL_TASKS / 2; i < SMALL_TASKS; i++)
        promises[i] = tp_submit(pool, small, i);
    await_some(promises, ended_when_it_began() - ended_before);
    CHECK(!tp_promise_ready(busy));
    const int file = open(end, O_WRONLY | O_CREAT, 0644);
    CHECK_OR_EXIT(file >= 0);
    close(file);
    CHECK_OK(tp_await_for(busy, &value, PATIENCE_MS));
    CHECK_INT(value, 7);
    for (int64_t i = 0; i < SMALL_TASKS; i++) {
        CHECK_OK(tp_await_for(promises[i], &value, PATIENCE_MS));
        CHECK_INT(value, i + 1);
        tp_promise_release(promises[i]);
    }
    tp_promise_release(busy);
    unlink(begun);
    unlink(end);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHECK_OR_EXIT(mkdtemp(folder));
    CHECK_INT(chmod(folder, 0777), 0); /* tasks may run as another user */
    snprintf(begun, sizeof begun, "%s/begun", folder);
    snprintf(end, sizeof end, "%s/end", folder);
    tp_with (tp_pool, pool, test_pool_open(1)) {
        for (int64_t round = 0; round < 3; round++)
            play(pool, round * SMALL_TASKS);
    }
    rmdir(folder);
    return check_result();
}
