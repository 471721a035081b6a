/* SPDX-License-Identifier: MIT */
/* leave HOW: ends with a task that is parked on the cluster and a pool that is open: by "exit", by "return" from main,
 * or in a child that is "forked" while the parent waits for a line. */
#include "check.h"
#include "cluster/marks.h"
#include "test_pool.h"

#include <sys/wait.h>

/* A forked child of a process with threads must not look for leaks: the search may wait for ever for threads that it
 * does not have. */
static bool is_child;
#if CHECK_ASAN
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return is_child;
}
#endif

TP_TASK(park, int64_t, (tp_channel *, begun))
{
    tp_try(tp_send(begun, (int64_t)1));
    tp_try(tp_sleep_ms(600000));
    return 0;
}

static tp_pool *pool; /* left open, and found by whoever looks for leaks */
static tp_promise *promise;

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const char *how = argc > 1 ? argv[1] : "";
    int64_t one;
    pool = test_pool_open(1);
    tp_channel *begun = tp_pool_channel(pool, "begun");
    promise = tp_submit(pool, park, begun);
    CHECK_OK(tp_recv(begun, &one));
    printf("parked\n");
    fflush(stdout);
    if (strcmp(how, "forked") == 0) {
        const pid_t child = fork();
        is_child = child == 0;
        if (is_child)
            exit(0);
        CHECK_INT(waitpid(child, NULL, 0), child);
        printf("forked\n");
        fflush(stdout);
        char line[16];
        CHECK_OR_EXIT(fgets(line, sizeof line, stdin));
        CHECK(!tp_promise_ready(promise));
    }
    if (strcmp(how, "return") == 0)
        return check_result();
    exit(check_result());
}
