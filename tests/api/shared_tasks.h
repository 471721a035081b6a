/* SPDX-License-Identifier: MIT */
/* Tasks that two source files share: a whole one, and one that is declared here and defined in shared_tasks_other.c. */
#ifndef TESTS_API_SHARED_TASKS_H
#define TESTS_API_SHARED_TASKS_H

#include <taskpool/taskpool.h>

TP_TASK(in_the_header, int64_t, (int64_t, x))
{
    return x + 1;
}

TP_TASK_DECLARE(defined_once, int64_t, (int64_t, x), (int64_t, y));
TP_TASK_DECLARE(defined_without_captures, int);

int64_t run_from_the_other_file(tp_pool *pool, int64_t x);
tp_closure bind_in_the_other_file(int64_t y);

#endif
