/* SPDX-License-Identifier: MIT */
/* Pools inside tasks: a handle on the task's own pool, its drain and close, and pools of one's own. */
#include "check.h"
#include "test_pool.h"

#include <stdatomic.h>

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(wait_for_go, int64_t, (tp_channel *, go))
{
    int64_t v;
    tp_try(tp_recv(go, &v));
    return v;
}

TP_TASK(sum_of_squares, int64_t, (int64_t, n))
{
    int64_t sum = 0;
    tp_with (tp_pool, pool, tp_pool_open(NULL)) {
        tp_promise *p[64];
        for (int64_t i = 0; i < n; i++)
            p[i] = tp_submit(pool, square, i);
        for (int64_t i = 0; i < n; i++) {
            int64_t v;
            tp_try(tp_await(p[i], &v));
            sum += v;
            tp_promise_release(p[i]);
        }
    } else {
        tp_try(tp_last_error()->status);
    }
    return sum;
}

static void a_task_submits_to_its_own_pool(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        int64_t v = 0;
        CHECK_OK(tp_run(pool, sum_of_squares, &v, 50));
        CHECK_INT(v, 49 * 50 * 99 / 6);
        int64_t in[20];
        int64_t out[20];
        for (int i = 0; i < 20; i++)
            in[i] = 10 + i;
        CHECK_OK(tp_map(pool, sum_of_squares, in, out, 20));
        for (int i = 0; i < 20; i++)
            CHECK_INT(out[i], (in[i] - 1) * in[i] * (2 * in[i] - 1) / 6);
    }
}

/* The handle counts and drains what was submitted through it, not the rest of the pool. */
TP_TASK(drain_own_handle, int64_t, (int64_t, n), (tp_channel *, go))
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    if (pool == NULL)
        tp_try(tp_last_error()->status);
    tp_promise *p[8];
    for (int64_t i = 0; i < n; i++)
        p[i] = tp_submit(pool, wait_for_go, go);
    if (tp_pool_pending(pool) != (size_t)n)
        tp_raise("%zu pending", tp_pool_pending(pool));
    if (tp_pool_size(pool) != 1)
        tp_raise("size %zu", tp_pool_size(pool));
    for (int64_t i = 0; i < n; i++)
        tp_try(tp_send(go, i));
    tp_try(tp_drain(pool));
    if (tp_pool_pending(pool) != 0)
        tp_raise("%zu pending after the drain", tp_pool_pending(pool));
    int64_t ready = 0;
    for (int64_t i = 0; i < n; i++) {
        ready += tp_promise_ready(p[i]);
        tp_promise_release(p[i]);
    }
    return ready;
}

static void a_handle_inside_a_task_drains_what_came_through_it(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_channel *other = tp_pool_channel(pool, "other");
    tp_promise *unrelated = tp_submit(pool, wait_for_go, other);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, drain_own_handle, &v, 8, go));
    CHECK_INT(v, 8);
    CHECK(!tp_promise_ready(unrelated));
    CHECK_OK(tp_send(other, (int64_t)1));
    CHECK_OK(tp_await(unrelated, NULL));
    tp_promise_release(unrelated);
}

/* Closing the handle leaves the pool itself running, and named channels are the pool's. */
TP_TASK(close_handle, int64_t, (int64_t, n))
{
    tp_pool *pool = tp_pool_open(NULL);
    tp_channel *named = tp_pool_channel(pool, "named");
    tp_promise *p = tp_submit(pool, square, n);
    tp_try(tp_send(named, n));
    tp_try(tp_pool_close(pool));
    if (!tp_promise_ready(p))
        tp_raise("close did not wait");
    int64_t v;
    tp_try(tp_await(p, &v));
    tp_promise_release(p);
    return v;
}

TP_TASK(shut_handle_down, int64_t)
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_try(tp_pool_shutdown(pool));
    tp_try(tp_pool_shutdown(pool));
    tp_promise *p = tp_submit(pool, square, 3);
    if (p != NULL || tp_last_error()->status != TP_E_SHUTDOWN)
        tp_raise("submitting to a handle that was shut down: %s", tp_status_name(tp_last_error()->status));
    tp_auto(tp_pool) second = tp_pool_open(NULL);
    int64_t v = 0;
    tp_try(tp_run(second, square, &v, 3));
    return v;
}

static void closing_a_handle_leaves_the_pool(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    for (int64_t i = 0; i < 20; i++) {
        int64_t v = 0;
        CHECK_OK(tp_run(pool, close_handle, &v, i));
        CHECK_INT(v, i * i);
        CHECK_OK(tp_recv(tp_pool_channel(pool, "named"), &v));
        CHECK_INT(v, i);
        CHECK_OK(tp_run(pool, shut_handle_down, &v));
        CHECK_INT(v, 9);
    }
}

/* A task submitted through a handle of its parent cannot drain that handle; its own it can. */
static _Atomic(tp_pool *) handle_of_parent;

TP_TASK(drain_handle_of_parent, tp_status)
{
    return tp_drain(atomic_load(&handle_of_parent));
}

TP_TASK(child_drains_parent, tp_status)
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    atomic_store(&handle_of_parent, pool);
    tp_status status;
    tp_try(tp_run(pool, drain_handle_of_parent, &status));
    return status;
}

static void a_child_cannot_drain_the_handle_it_came_through(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_status status = TP_OK;
    CHECK_OK(tp_run(pool, child_drains_parent, &status));
    CHECK_STATUS(status, TP_E_DEADLOCK);
}

/* A pool of the task's own, as large as it likes. */
TP_TASK(open_own_pool, int64_t, (int, workers), (int, depth))
{
    char where[16];
    snprintf(where, sizeof where, "local:%d", workers);
    int64_t v = 0;
    tp_with (tp_pool, pool, tp_pool_open(where)) {
        if (tp_pool_size(pool) != (size_t)workers)
            tp_raise("size %zu", tp_pool_size(pool));
        if (depth > 0)
            tp_try(tp_run(pool, open_own_pool, &v, workers, depth - 1));
        else
            tp_try(tp_run(pool, square, &v, 12));
        tp_try(tp_drain(pool));
    } else {
        tp_try(tp_last_error()->status);
    }
    return v;
}

static void a_task_opens_a_pool_of_its_own(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, open_own_pool, &v, 2, 0));
    CHECK_INT(v, 144);
    CHECK_OK(tp_run(pool, open_own_pool, &v, 1, 3));
    CHECK_INT(v, 144);
}

TP_TASK(run_in_own_pool, int64_t, (int64_t, x), (tp_channel *, opened), (tp_channel *, go))
{
    int64_t v = 0;
    tp_auto(tp_pool) own = tp_pool_open("local:1");
    tp_try(tp_send(opened, x));
    tp_try(tp_recv(go, &v));
    tp_try(tp_run(own, square, &v, x));
    return v;
}

/* All of them hold a pool of their own at the same time, on one worker. */
static void many_tasks_hold_pools_of_their_own(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *opened = tp_pool_channel(pool, "opened");
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *p[10];
    int64_t v = 0;
    for (int i = 0; i < 10; i++)
        p[i] = tp_submit(pool, run_in_own_pool, i, opened, go);
    for (int i = 0; i < 10; i++)
        CHECK_OK(tp_recv(opened, &v));
    for (int i = 0; i < 10; i++)
        CHECK_OK(tp_send(go, (int64_t)1));
    for (int i = 0; i < 10; i++) {
        CHECK_OK(tp_await(p[i], &v));
        CHECK_INT(v, i * i);
        tp_promise_release(p[i]);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_task_submits_to_its_own_pool),   CHECK_TEST(a_handle_inside_a_task_drains_what_came_through_it),
        CHECK_TEST(closing_a_handle_leaves_the_pool), CHECK_TEST(a_child_cannot_drain_the_handle_it_came_through),
        CHECK_TEST(a_task_opens_a_pool_of_its_own),   CHECK_TEST(many_tasks_hold_pools_of_their_own),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
