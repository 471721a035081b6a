/* SPDX-License-Identifier: MIT */
/* output: what tasks write, for output.py to look at. */
#include "check.h"
#include "test_pool.h"

TP_TASK(say, int64_t, (int64_t, x))
{
    printf("out of task %d\n", (int)x);
    fprintf(stderr, "err of task %d\n", (int)x);
    return x;
}

/* As C++ streams and child processes do. */
TP_TASK(say_by_descriptor, int64_t, (int64_t, x))
{
    if (fileno(stdout) != STDOUT_FILENO || fileno(stderr) != STDERR_FILENO)
        tp_raise("the streams have descriptors %d and %d", fileno(stdout), fileno(stderr));
    dprintf(fileno(stdout), "out by descriptor %d\n", (int)x);
    dprintf(fileno(stderr), "err by descriptor %d\n", (int)x);
    return x;
}

TP_TASK(say_without_end, int64_t, (int, unused))
{
    printf("no line end");
    return unused;
}

TP_TASK(flood, int64_t, (int, lines))
{
    for (int i = 0; i < lines; i++)
        printf("flood %06d 0123456789012345678901234567890123456789012345678901234567890123456789012345678\n", i);
    return lines;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    enum { TASKS = 60, LINES = 100000 };
    int64_t in[TASKS];
    int64_t out[TASKS];
    for (int64_t i = 0; i < TASKS; i++)
        in[i] = i;
    tp_pool *pool = test_pool_open(2);
    CHECK_OK(tp_map(pool, say, in, out, TASKS));
    CHECK_OK(tp_map(pool, say_by_descriptor, in, out, TASKS));
    CHECK_OK(tp_run(pool, say_without_end, NULL, 0));
    CHECK_OK(tp_run(pool, flood, NULL, LINES));
    CHECK_OK(tp_pool_close(pool));
    printf("the driver's own line\n");
    return check_result();
}
