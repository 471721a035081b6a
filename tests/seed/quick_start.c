/* SPDX-License-Identifier: MIT */
/* The seed's "Quick Start": submit and await, run, map, shutdown. */
#include "check.h"
#include "test_pool.h"

TP_TASK(answer, int64_t)
{
    return 42;
}

TP_TASK(six_times_seven, int64_t)
{
    return 6 * 7;
}

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_pool *pool = test_pool_open(4);

    tp_promise *p = tp_submit(pool, answer);
    int64_t v = 0;
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 42);
    tp_promise_release(p);

    v = 0;
    CHECK_OK(tp_run(pool, six_times_seven, &v));
    CHECK_INT(v, 42);

    const int64_t in[4] = {1, 2, 3, 4};
    int64_t out[4] = {0};
    CHECK_OK(tp_map(pool, square, in, out, 4));
    CHECK_INT(out[0], 1);
    CHECK_INT(out[1], 4);
    CHECK_INT(out[2], 9);
    CHECK_INT(out[3], 16);

    CHECK_OK(tp_pool_shutdown(pool));
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
