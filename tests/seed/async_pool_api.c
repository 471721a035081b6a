/* SPDX-License-Identifier: MIT */
/* The seed's table "AsyncPool API", a row after the other. */
#include "check.h"
#include "test_pool.h"

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(wait_for_go, void, (tp_channel *, go))
{
    int64_t token;
    tp_try(tp_recv(go, &token));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) previous = test_pool_open(1);
    tp_set_async_pool(previous);

    /* AsyncPool(n): made the target */
    tp_async_pool *ap = test_async_pool_open(3);
    CHECK(tp_get_async_pool() == tp_async_pool_pool(ap));

    /* ap->pool */
    tp_pool *pool = tp_async_pool_pool(ap);
    CHECK_OR_EXIT(pool != NULL && pool != previous);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, square, &v, 3));
    CHECK_INT(v, 9);

    /* ap->submit(thunk) */
    tp_promise *p = tp_async_pool_submit(ap, square, 4);
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 16);
    tp_promise_release(p);

    /* ap->run(thunk) */
    CHECK_OK(tp_async_pool_run(ap, square, &v, 5));
    CHECK_INT(v, 25);

    /* ap->map(list, fn) */
    const int64_t in[4] = {1, 2, 3, 4};
    int64_t out[4];
    CHECK_OK(tp_async_pool_map(ap, square, in, out, 4));
    for (int i = 0; i < 4; i++)
        CHECK_INT(out[i], in[i] * in[i]);

    /* ap->size */
    CHECK_INT(tp_async_pool_size(ap), tp_pool_size(pool));
    if (!test_where_is_given())
        CHECK_INT(tp_async_pool_size(ap), 3);

    /* ap->pending_count(), ap->drain() */
    tp_channel *go = tp_pool_channel(pool, "go");
    p = tp_parallel_async(wait_for_go, go);
    CHECK_INT(tp_async_pool_pending(ap), 1);
    CHECK_OK(tp_send(go, (int64_t)1));
    CHECK_OK(tp_async_pool_drain(ap));
    CHECK_INT(tp_async_pool_pending(ap), 0);
    CHECK(tp_promise_ready(p));
    tp_promise_release(p);

    /* ap->close(): drains, restores the previous target, shuts down */
    p = tp_parallel_async(square, 6);
    CHECK_OK(tp_async_pool_close(ap));
    CHECK(tp_promise_ready(p));
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 36);
    tp_promise_release(p);
    CHECK(tp_get_async_pool() == previous);
    tp_set_async_pool(NULL);
    return check_result();
}
