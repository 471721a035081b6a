/* SPDX-License-Identifier: MIT */
/* The seed's "Parallel Map": results in order, and with strict placement worker i mod n has item i. */
#include "check.h"
#include "test_pool.h"

TP_TASK(times_ten, int64_t, (int64_t, x))
{
    return x * 10;
}

TP_TASK(who_runs, int, (int64_t, x))
{
    (void)x;
    return tp_worker_index();
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const int64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    tp_with (tp_pool, pool, test_pool_open(4)) {
        int64_t out[8] = {0};
        CHECK_OK(tp_map(pool, times_ten, in, out, 8));
        for (int i = 0; i < 8; i++)
            CHECK_INT(out[i], (i + 1) * 10);
    }

    tp_with (tp_pool, pool, test_pool_open_with(4, tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT))) {
        int workers[8];
        CHECK_OK(tp_map(pool, who_runs, in, workers, 8));
        const int size = (int)tp_pool_size(pool);
        if (!test_where_is_given())
            CHECK_INT(size, 4);
        for (int i = 0; i < 8; i++)
            CHECK_INT(workers[i], i % size);
    }
    return check_result();
}
