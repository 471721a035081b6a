/* SPDX-License-Identifier: MIT */
/* The seed's table "Promises": await, the type, ready; submit, async and parallel async return the same type. */
#include "check.h"
#include "test_pool.h"

#define IS_PROMISE(p) _Generic((p), tp_promise * : true, default : false)

TP_TASK(wait_for_go, int64_t, (tp_channel *, go))
{
    int64_t message;
    tp_try(tp_recv(go, &message));
    return message;
}

TP_TASK(fail, int64_t)
{
    tp_raise("no");
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_async_pool) ap = test_async_pool_open(2);
    tp_pool *pool = tp_async_pool_pool(ap);
    tp_channel *go = tp_pool_channel(pool, "go");

    tp_promise *p = tp_submit(pool, wait_for_go, go);
    CHECK(IS_PROMISE(p));
    CHECK(IS_PROMISE(tp_promise_retain(NULL)));
    CHECK(!IS_PROMISE(pool));
    CHECK(!tp_promise_ready(p));
    CHECK_STATUS(tp_promise_error(p)->status, TP_OK);
    CHECK_OK(tp_send(go, (int64_t)17));
    int64_t v = 0;
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 17);
    CHECK(tp_promise_ready(p));
    v = 0;
    CHECK_OK(tp_await(p, &v)); /* a value stays: any number of waiters have it */
    CHECK_INT(v, 17);
    tp_promise_release(p);

    p = tp_submit(pool, fail);
    CHECK_STATUS(tp_await(p, &v), TP_E_TASK);
    CHECK(tp_promise_ready(p));
    CHECK_STATUS(tp_promise_error(p)->status, TP_E_TASK);
    tp_promise_release(p);

    tp_promise *green = tp_async(wait_for_go, go);
    tp_promise *parallel = tp_parallel_async(wait_for_go, go);
    CHECK(IS_PROMISE(green));
    CHECK(IS_PROMISE(parallel));
    CHECK_OK(tp_send(go, (int64_t)1));
    CHECK_OK(tp_send(go, (int64_t)2));
    int64_t w = 0;
    CHECK_OK(tp_await(green, &v));
    CHECK_OK(tp_await(parallel, &w));
    CHECK_INT(v + w, 3);
    tp_promise_release(green);
    tp_promise_release(parallel);
    return check_result();
}
