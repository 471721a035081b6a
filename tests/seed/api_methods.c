/* SPDX-License-Identifier: MIT */
/* The seed's table "Methods", a row after the other. */
#include "check.h"
#include "test_pool.h"

TP_TASK(answer, int64_t)
{
    return 42;
}

TP_TASK(negate, int64_t, (int64_t, x))
{
    return -x;
}

TP_TASK(wait_for_go, void, (tp_channel *, go))
{
    int64_t token;
    tp_try(tp_recv(go, &token));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_pool *pool = test_pool_open(2);
    int64_t v = 0;

    /* submit(thunk): a zero-argument closure, returns a promise */
    tp_closure thunk = tp_bind(answer);
    tp_promise *p = tp_submit_closure(pool, thunk);
    CHECK_OR_EXIT(p != NULL);
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 42);
    tp_promise_release(p);
    tp_closure_release(thunk);

    /* run(thunk) */
    v = 0;
    CHECK_OK(tp_run(pool, answer, &v));
    CHECK_INT(v, 42);

    /* map(list, fn) */
    const int64_t in[3] = {5, -6, 7};
    int64_t out[3];
    CHECK_OK(tp_map(pool, negate, in, out, 3));
    CHECK_INT(out[0], -5);
    CHECK_INT(out[1], 6);
    CHECK_INT(out[2], -7);

    /* channel(name): get or create */
    tp_channel *go = tp_pool_channel(pool, "go");
    CHECK_OR_EXIT(go != NULL);
    CHECK(go == tp_pool_channel(pool, "go"));
    CHECK(go != tp_pool_channel(pool, "stop"));

    /* size, pending_count() */
    if (!test_where_is_given())
        CHECK_INT(tp_pool_size(pool), 2);
    CHECK_INT(tp_pool_pending(pool), 0);
    tp_promise *waiting[3];
    for (int i = 0; i < 3; i++)
        waiting[i] = tp_submit(pool, wait_for_go, go);
    CHECK_INT(tp_pool_pending(pool), 3);
    CHECK_OK(tp_send(go, (int64_t)1));
    size_t first = 9;
    CHECK_OK(tp_wait_any(waiting, 3, TP_FOREVER, &first));
    CHECK(first < 3);
    CHECK_INT(tp_pool_pending(pool), 2);
    CHECK_OK(tp_send(go, (int64_t)2));
    CHECK_OK(tp_send(go, (int64_t)3));

    /* drain() */
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(tp_promise_ready(waiting[i]));
        CHECK_OK(tp_await(waiting[i], NULL));
        tp_promise_release(waiting[i]);
    }

    /* shutdown(): drains, then stops the workers */
    p = tp_submit(pool, negate, 3);
    CHECK_OK(tp_pool_shutdown(pool));
    CHECK(tp_promise_ready(p));
    v = 0;
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, -3);
    tp_promise_release(p);
    CHECK(tp_submit(pool, answer) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_SHUTDOWN);

    /* close() */
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
