/* SPDX-License-Identifier: MIT */
/* Fork-join: a promise per call, nested awaits, on one worker and on several; deep chains and wide fans. */
#include "check.h"
#include "test_pool.h"

static int64_t fib_sequential(int n)
{
    return n < 2 ? n : fib_sequential(n - 1) + fib_sequential(n - 2);
}

TP_TASK(fib, int64_t, (int, n))
{
    if (n < 2)
        return n;
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_auto(tp_promise) a = tp_submit(pool, fib, n - 1);
    tp_auto(tp_promise) b = tp_submit(pool, fib, n - 2);
    int64_t va;
    int64_t vb;
    tp_try(tp_await(a, &va));
    tp_try(tp_await(b, &vb));
    return va + vb;
}

/* The second is awaited before the first. */
TP_TASK(fib_reversed, int64_t, (int, n))
{
    if (n < 2)
        return n;
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_auto(tp_promise) a = tp_submit(pool, fib_reversed, n - 1);
    tp_auto(tp_promise) b = tp_submit(pool, fib_reversed, n - 2);
    int64_t va;
    int64_t vb;
    tp_try(tp_await(b, &vb));
    tp_try(tp_await(a, &va));
    return va + vb;
}

static void fib_with_a_promise_per_call(void)
{
    const int n = CHECK_SCALE(22, 14);
    for (int workers = 1; workers <= 3; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        int64_t v = 0;
        CHECK_OK(tp_run(pool, fib, &v, n));
        CHECK_INT(v, fib_sequential(n));
        CHECK_OK(tp_run(pool, fib_reversed, &v, n - 4));
        CHECK_INT(v, fib_sequential(n - 4));
        CHECK_INT(tp_pool_pending(pool), 0);
    }
}

/* Each awaits the next: all of them are alive at once. */
TP_TASK(chain, int64_t, (int64_t, depth))
{
    if (depth == 0)
        return 0;
    int64_t v;
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_try(tp_run(pool, chain, &v, depth - 1));
    return v + 1;
}

static void a_deep_chain_of_awaits(void)
{
    const int64_t depth = CHECK_SCALE(20000, 1000);
    for (int workers = 1; workers <= 2; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        int64_t v = 0;
        CHECK_OK(tp_run(pool, chain, &v, depth));
        CHECK_INT(v, depth);
    }
}

/* An error from the bottom ends every task of the chain. */
TP_TASK(failing_chain, int64_t, (int64_t, depth))
{
    if (depth == 0)
        tp_raise("the bottom");
    int64_t v;
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_try(tp_run(pool, failing_chain, &v, depth - 1));
    return v;
}

static void an_error_rises_through_a_chain(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    for (int64_t depth = 0; depth < 50; depth += 7) {
        int64_t v = 1;
        CHECK_STATUS(tp_run(pool, failing_chain, &v, depth), TP_E_TASK);
        CHECK_STR(tp_last_error()->message, "the bottom");
        CHECK_STR(tp_last_error()->task, "failing_chain");
        CHECK_INT(v, 0);
    }
}

TP_TASK(one, int64_t)
{
    return 1;
}

TP_TASK(fan, int64_t, (int64_t, width))
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_promise **children = calloc((size_t)width, sizeof *children);
    if (children == NULL)
        tp_raise("no memory");
    tp_try(tp_defer(free, children));
    for (int64_t i = 0; i < width; i++)
        children[i] = tp_submit(pool, one);
    int64_t sum = 0;
    for (int64_t i = 0; i < width; i++) {
        int64_t v;
        tp_try(tp_await(children[i], &v));
        sum += v;
        tp_promise_release(children[i]);
    }
    return sum;
}

static void one_task_spawns_and_awaits_many(void)
{
    const int64_t width = CHECK_SCALE(100000, 3000);
    for (int workers = 1; workers <= 2; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        int64_t v = 0;
        CHECK_OK(tp_run(pool, fan, &v, width));
        CHECK_INT(v, width);
    }
}

/* A child that parks while its parent waits with a deadline: the parent goes on, the child ends later. */
TP_TASK(park, int64_t, (tp_channel *, go))
{
    int64_t v;
    tp_try(tp_recv(go, &v));
    return v;
}

TP_TASK(impatient_parent, int64_t, (tp_channel *, go), (int64_t, limit_ms))
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_auto(tp_promise) child = tp_submit(pool, park, go);
    int64_t v = 0;
    const tp_status status = tp_await_for(child, &v, limit_ms);
    if (status != TP_E_TIMEOUT)
        tp_raise("%s instead of a time-out", tp_status_name(status));
    tp_try(tp_send(go, (int64_t)8));
    tp_try(tp_await(child, &v));
    return v;
}

static void a_waiter_s_deadline_ends_while_its_child_is_parked(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        tp_channel *go = tp_pool_channel(pool, "go");
        for (int64_t limit = 1; limit < 8; limit += 3) {
            int64_t v = 0;
            CHECK_OK(tp_run(pool, impatient_parent, &v, go, limit));
            CHECK_INT(v, 8);
        }
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(fib_with_a_promise_per_call),
        CHECK_TEST(a_deep_chain_of_awaits),
        CHECK_TEST(an_error_rises_through_a_chain),
        CHECK_TEST(one_task_spawns_and_awaits_many),
        CHECK_TEST(a_waiter_s_deadline_ends_while_its_child_is_parked),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
