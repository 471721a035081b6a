/* SPDX-License-Identifier: MIT */
/* A program that runs a task when it is told to: it opens its pool, says "open", and waits for a line. */
#include "check.h"
#include "test_pool.h"

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_pool *pool = test_pool_open(2);
    CHECK_OR_EXIT(pool);
    char line[16];
    printf("open\n");
    fflush(stdout);
    CHECK_OR_EXIT(fgets(line, sizeof line, stdin));
    int64_t result = 0;
    CHECK_OK(tp_run(pool, square, &result, 7));
    CHECK_INT(result, 49);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
