/* SPDX-License-Identifier: MIT */
/* The seed's table "Constructor": TaskPool(n) has n OS worker threads. */
#include "check.h"
#include "test_pool.h"

#include <sched.h>

TP_TASK(who_runs, int, (int, i))
{
    (void)i;
    return tp_worker_index();
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    for (int n = 1; n <= 5; n++) {
        tp_auto(tp_pool) pool = test_pool_open_with(n, tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT));
        if (!test_where_is_given())
            CHECK_INT(tp_pool_size(pool), n);
        const int size = (int)tp_pool_size(pool);
        const int in[10] = {0};
        int workers[10];
        CHECK_OK(tp_map(pool, who_runs, in, workers, 10));
        for (int i = 0; i < 10; i++)
            CHECK_INT(workers[i], i % size);
    }

    /* "local" is a worker for each processor that this process may use. */
    cpu_set_t allowed;
    CHECK_OR_EXIT(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    tp_with (tp_pool, pool, tp_pool_open("local")) {
        CHECK_INT(tp_pool_size(pool), CPU_COUNT(&allowed));
    } else {
        CHECK_STR(tp_last_error()->message, "");
    }
    return check_result();
}
