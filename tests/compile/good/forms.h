/* SPDX-License-Identifier: MIT */
#include <taskpool/taskpool.h>

TP_TASK(whole_in_header, int, (int, a))
{
    return a + 1;
}
TP_TASK_DECLARE(shared, long, (char, a), (long, b));
TP_TASK_DECLARE(shared_nothing, void);
