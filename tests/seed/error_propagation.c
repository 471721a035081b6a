/* SPDX-License-Identifier: MIT */
/* The seed's "Error Propagation": what a task raises comes out of the await, and the pool keeps running. */
#include "check.h"
#include "test_pool.h"

TP_TASK(explode, int64_t)
{
    tp_raise("boom");
}

TP_TASK(answer, int64_t)
{
    return 42;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) pool = test_pool_open(2);

    tp_promise *p = tp_submit(pool, explode);
    int64_t v = 5;
    CHECK_STATUS(tp_await(p, &v), TP_E_TASK);
    CHECK_INT(v, 0);
    CHECK_STR(tp_promise_error(p)->message, "boom");
    CHECK_STR(tp_promise_error(p)->task, "explode");
    CHECK_STR(tp_last_error()->message, "boom");
    tp_promise_release(p);

    for (int i = 0; i < 10; i++) {
        v = 0;
        CHECK_OK(tp_run(pool, answer, &v));
        CHECK_INT(v, 42);
    }
    return check_result();
}
