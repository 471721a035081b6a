/* SPDX-License-Identifier: MIT */
#include "api/shared_tasks.h"

/* Another task of the same name as one in shared_tasks.c: each belongs to its file. */
TP_TASK(same_name, int64_t, (int64_t, x))
{
    return x * 2;
}

TP_TASK_DEFINE(defined_once, int64_t, (int64_t, x), (int64_t, y))
{
    return x * 10 + y;
}

TP_TASK_DEFINE(defined_without_captures, int)
{
    return 12;
}

int64_t run_from_the_other_file(tp_pool *pool, int64_t x)
{
    int64_t a = 0;
    int64_t b = 0;
    int64_t c = 0;
    if (tp_run(pool, same_name, &a, x) != TP_OK || tp_run(pool, in_the_header, &b, x) != TP_OK ||
        tp_run(pool, defined_once, &c, x, .y = 1) != TP_OK)
        return -1;
    return a * 1000000 + b * 1000 + c;
}

tp_closure bind_in_the_other_file(int64_t y)
{
    return tp_bind(defined_once, .y = y);
}
