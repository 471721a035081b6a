/* SPDX-License-Identifier: MIT */
/* Shutdown, close, drain from the wrong place, waiting for oneself, releasing too often. */
#include "check.h"
#include "child.h"
#include "test_pool.h"

TP_TASK(answer, int64_t)
{
    return 42;
}

TP_TASK(negate, int64_t, (int64_t, x))
{
    return -x;
}

static void after_the_shutdown_submitting_is_an_error(void)
{
    tp_pool *pool = test_pool_open(2);
    tp_channel *channel = tp_pool_channel(pool, "kept");
    CHECK_OK(tp_pool_shutdown(pool));
    CHECK_OK(tp_pool_shutdown(pool));
    CHECK_INT(tp_pool_size(pool), 0);
    CHECK_INT(tp_pool_pending(pool), 0);

    int64_t v = 5;
    CHECK(tp_submit(pool, answer) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_SHUTDOWN);
    CHECK(tp_submit(pool, negate, 1) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_SHUTDOWN);
    CHECK_STATUS(tp_run(pool, answer, &v), TP_E_SHUTDOWN);
    CHECK_INT(v, 0);
    const int64_t in[2] = {1, 2};
    int64_t out[2] = {5, 5};
    CHECK_STATUS(tp_map(pool, negate, in, out, 2), TP_E_SHUTDOWN);
    CHECK_INT(out[0], 0);
    CHECK_INT(out[1], 0);
    CHECK(tp_pool_channel(pool, "new") == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_SHUTDOWN);
    CHECK_OK(tp_drain(pool));

    CHECK_OK(tp_send(channel, (int64_t)3)); /* the pool's channels live until it is closed */
    CHECK_OK(tp_recv(channel, &v));
    CHECK_INT(v, 3);
    CHECK_OK(tp_pool_close(pool));
}

static void promises_outlive_their_pool(void)
{
    tp_pool *pool = test_pool_open(2);
    tp_promise *p = tp_submit(pool, negate, 5);
    CHECK_OK(tp_pool_close(pool));
    CHECK(tp_promise_ready(p));
    int64_t v = 0;
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, -5);
    CHECK_OK(tp_cancel(p));
    CHECK_OK(tp_await(p, &v));
    tp_promise_release(p);
}

static void opening_and_closing_many_times_leaves_nothing(void)
{
    for (int i = 0; i < CHECK_SCALE(200, 20); i++) {
        tp_pool *pool = test_pool_open(1 + i % 4);
        if (i % 2)
            tp_promise_release(tp_submit(pool, answer));
        CHECK_OK(tp_pool_close(pool));
    }
}

TP_LOCAL_TASK(close_pool, tp_status, (tp_pool *, pool))
{
    return tp_pool_close(pool);
}

TP_LOCAL_TASK(shut_down, tp_status, (tp_pool *, pool))
{
    return tp_pool_shutdown(pool);
}

static void a_green_thread_of_main_may_close_a_pool(void)
{
    tp_pool *pool = test_pool_open(2);
    tp_promise *twice[2] = {tp_async(shut_down, pool), tp_async(shut_down, pool)};
    for (int i = 0; i < 2; i++) {
        tp_status status = TP_E_SYSTEM;
        CHECK_OK(tp_await(twice[i], &status));
        CHECK_STATUS(status, TP_OK);
        tp_promise_release(twice[i]);
    }
    tp_promise *closing = tp_async(close_pool, pool);
    tp_status status = TP_E_SYSTEM;
    CHECK_OK(tp_await(closing, &status));
    CHECK_STATUS(status, TP_OK);
    tp_promise_release(closing);
}

/* The address of the pool, for tasks that misuse the handle of main. */
static tp_pool *handle_of_main;

TP_TASK(drain_own_pool, tp_status)
{
    return tp_drain(handle_of_main);
}

TP_TASK(shut_own_pool_down, tp_status)
{
    return tp_pool_shutdown(handle_of_main);
}

TP_TASK(close_own_pool, tp_status)
{
    return tp_pool_close(handle_of_main);
}

static void a_task_cannot_wait_for_the_end_of_all_tasks(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    handle_of_main = pool;
    tp_status status = TP_E_SYSTEM;
    CHECK_OK(tp_run(pool, drain_own_pool, &status));
    CHECK_STATUS(status, TP_E_DEADLOCK);
    CHECK_OK(tp_run(pool, shut_own_pool_down, &status));
    CHECK_STATUS(status, TP_E_DEADLOCK);
    CHECK_OK(tp_run(pool, close_own_pool, &status));
    CHECK_STATUS(status, TP_E_DEADLOCK);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, answer, &v)); /* the pool runs on */
    CHECK_INT(v, 42);
}

/* Its own promise, stored before the task is let go. */
static tp_promise *promise_of_the_task;

TP_TASK(await_oneself, tp_status, (tp_channel *, go))
{
    int64_t token;
    tp_try(tp_recv(go, &token));
    const tp_status status = tp_await(promise_of_the_task, NULL);
    if (strlen(tp_last_error()->message) < 10)
        tp_raise("no message");
    return status;
}

TP_TASK(wait_any_oneself, tp_status, (tp_channel *, go), (bool, all))
{
    int64_t token;
    tp_try(tp_recv(go, &token));
    size_t index;
    return all ? tp_wait_all(&promise_of_the_task, 1, 100) : tp_wait_any(&promise_of_the_task, 1, 100, &index);
}

static void a_task_cannot_await_itself(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_status status = TP_E_SYSTEM;
    promise_of_the_task = tp_submit(pool, await_oneself, go);
    CHECK_OK(tp_send(go, (int64_t)1));
    CHECK_OK(tp_await(promise_of_the_task, &status));
    CHECK_STATUS(status, TP_E_DEADLOCK);
    tp_promise_release(promise_of_the_task);
    for (int all = 0; all < 2; all++) {
        tp_status waited = TP_OK;
        promise_of_the_task = tp_submit(pool, wait_any_oneself, go, all);
        CHECK_OK(tp_send(go, (int64_t)1));
        CHECK_OK(tp_await(promise_of_the_task, &waited));
        CHECK(waited == TP_E_DEADLOCK || waited == TP_E_TIMEOUT);
        tp_promise_release(promise_of_the_task);
    }
}

static void child_releases_twice(void)
{
    tp_pool *pool = tp_pool_open("local:1");
    tp_promise *p = tp_submit(pool, answer);
    tp_drain(pool);
    tp_promise_release(p);
    tp_promise_release(p);
}

static void child_raises_outside(void)
{
    tp_raise("nobody catches %d", 7);
}

static void child_tries_outside(void)
{
    tp_try(TP_OK);
    tp_try(tp_sleep_ms(-5));
}

static void debug_builds_catch_a_release_too_many(void)
{
#ifdef NDEBUG
    printf("skipped: not a debug build\n");
#else
    const struct child_end end = child_run("releases_twice");
    CHECK(end.signal == SIGABRT || (CHECK_ASAN && end.exit_code > 0));
    CHECK_CONTAINS(end.output, "release");
#endif
}

static void raising_outside_a_task_prints_and_aborts(void)
{
    struct child_end end = child_run("raises_outside");
    CHECK_INT(end.signal, SIGABRT);
    CHECK_CONTAINS(end.output, "nobody catches 7");
    end = child_run("tries_outside");
    CHECK_INT(end.signal, SIGABRT);
    CHECK_CONTAINS(end.output, "tp_sleep_ms");
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHILD_MAIN(argc, argv, {"releases_twice", child_releases_twice}, {"raises_outside", child_raises_outside},
               {"tries_outside", child_tries_outside});
    const struct check_test tests[] = {
        CHECK_TEST(after_the_shutdown_submitting_is_an_error),     CHECK_TEST(promises_outlive_their_pool),
        CHECK_TEST(opening_and_closing_many_times_leaves_nothing), CHECK_TEST(a_green_thread_of_main_may_close_a_pool),
        CHECK_TEST(a_task_cannot_wait_for_the_end_of_all_tasks),   CHECK_TEST(a_task_cannot_await_itself),
        CHECK_TEST(debug_builds_catch_a_release_too_many),         CHECK_TEST(raising_outside_a_task_prints_and_aborts),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
