/* SPDX-License-Identifier: MIT */
/* The seed's table "Dispatch helpers": setting, getting and clearing the target of tp_parallel_async. */
#include "check.h"
#include "test_pool.h"

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHECK(tp_get_async_pool() == NULL);
    CHECK(tp_parallel_async(square, 2) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_NO_POOL);

    tp_auto(tp_pool) pool = test_pool_open(2);
    CHECK(tp_get_async_pool() == NULL);
    tp_set_async_pool(pool);
    CHECK(tp_get_async_pool() == pool);

    tp_promise *p = tp_parallel_async(square, 9);
    int64_t v = 0;
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 81);
    tp_promise_release(p);

    tp_set_async_pool(NULL);
    CHECK(tp_get_async_pool() == NULL);
    CHECK(tp_parallel_async(square, 2) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_NO_POOL);
    return check_result();
}
