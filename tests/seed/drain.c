/* SPDX-License-Identifier: MIT */
/* The seed's "Drain": it blocks until all pending tasks have completed. */
#include "check.h"
#include "test_pool.h"

TP_TASK(expensive_work, int64_t, (int, rounds))
{
    int64_t sum = 0;
    for (int i = 0; i < rounds; i++) {
        sum += i;
        if (i % 1000 == 0)
            tp_yield();
    }
    return sum;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) pool = test_pool_open(2);

    tp_promise *works[3];
    for (int i = 0; i < 3; i++)
        works[i] = tp_submit(pool, expensive_work, 50000 * (i + 1));
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(tp_promise_ready(works[i]));
        tp_promise_release(works[i]);
    }
    CHECK_OK(tp_drain(pool));
    return check_result();
}
