/* SPDX-License-Identifier: MIT */
/* Promises: many waiters of every kind at once, any and all, deadlines, references from anywhere. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 6, GREEN = 20, TASKS = 50 };

TP_TASK(wait_for_go, int64_t, (tp_channel *, go))
{
    int64_t v;
    tp_try(tp_recv(go, &v));
    return v;
}

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(explode, int64_t, (int, code))
{
    tp_raise("boom %d", code);
}

/* Awaited by tasks of the pool through this: a promise is not a value that closures carry. */
static tp_promise *shared;

TP_TASK(await_shared, int64_t)
{
    int64_t v = -1;
    tp_try(tp_await(shared, &v));
    return v;
}

TP_LOCAL_TASK(await_here, int64_t, (tp_promise *, p))
{
    int64_t v = -1;
    tp_try(tp_await(p, &v));
    return v;
}

struct waiter {
    pthread_t thread;
    tp_status status;
    int64_t value;
    char message[64];
};

static void *await_on_os_thread(void *argument)
{
    struct waiter *waiter = argument;
    waiter->status = tp_await(shared, &waiter->value);
    snprintf(waiter->message, sizeof waiter->message, "%s", tp_last_error()->message);
    tp_promise_release(shared);
    return NULL;
}

static void waiters_of_all_kinds(bool fails)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:3");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    struct waiter threads[THREADS];
    tp_promise *tasks[TASKS];
    tp_promise *green[GREEN];

    shared = tp_submit(pool, wait_for_go, go);
    for (int i = 0; i < THREADS; i++) {
        CHECK(tp_promise_retain(shared) == shared);
        threads[i].status = TP_E_SYSTEM;
        CHECK_OR_EXIT(pthread_create(&threads[i].thread, NULL, await_on_os_thread, &threads[i]) == 0);
    }
    for (int i = 0; i < TASKS; i++)
        tasks[i] = tp_submit(pool, await_shared);
    for (int i = 0; i < GREEN; i++)
        green[i] = tp_async(await_here, shared);
    CHECK(!tp_promise_ready(shared));
    if (fails)
        CHECK_OK(tp_channel_close(go));
    else
        CHECK_OK(tp_send(go, (int64_t)77));

    const tp_status wanted = fails ? TP_E_CLOSED : TP_OK;
    int64_t v = 0;
    CHECK_STATUS(tp_await(shared, &v), wanted);
    CHECK_INT(v, fails ? 0 : 77);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        CHECK_STATUS(threads[i].status, wanted);
        CHECK_INT(threads[i].value, fails ? 0 : 77);
        if (fails)
            CHECK_STR(threads[i].message, tp_promise_error(shared)->message);
    }
    for (int i = 0; i < TASKS; i++) {
        CHECK_STATUS(tp_await(tasks[i], &v), wanted);
        CHECK_INT(v, fails ? 0 : 77);
        tp_promise_release(tasks[i]);
    }
    for (int i = 0; i < GREEN; i++) {
        CHECK_STATUS(tp_await(green[i], &v), wanted);
        CHECK_INT(v, fails ? 0 : 77);
        tp_promise_release(green[i]);
    }
    tp_promise_release(shared);
}

static void a_value_reaches_waiters_of_all_kinds(void)
{
    waiters_of_all_kinds(false);
}

static void an_error_reaches_waiters_of_all_kinds(void)
{
    waiters_of_all_kinds(true);
}

static void wait_any_finds_the_lowest_that_resolved(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_channel *go[3] = {tp_pool_channel(pool, "a"), tp_pool_channel(pool, "b"), tp_pool_channel(pool, "c")};
    tp_promise *p[3];
    for (int i = 0; i < 3; i++)
        p[i] = tp_submit(pool, wait_for_go, go[i]);
    size_t index = 9;
    CHECK_STATUS(tp_wait_any(p, 3, 0, &index), TP_E_TIMEOUT);
    CHECK_STATUS(tp_wait_any(p, 3, 5, &index), TP_E_TIMEOUT);
    CHECK_OK(tp_send(go[1], (int64_t)5));
    CHECK_OK(tp_wait_any(p, 3, TP_FOREVER, &index));
    CHECK_INT(index, 1);
    CHECK_OK(tp_send(go[2], (int64_t)6));
    CHECK_OK(tp_await(p[2], NULL));
    CHECK_OK(tp_wait_any(p, 3, TP_FOREVER, &index));
    CHECK_INT(index, 1);
    CHECK_STATUS(tp_wait_all(p, 3, 0), TP_E_TIMEOUT);
    CHECK_STATUS(tp_wait_all(p, 3, 5), TP_E_TIMEOUT);
    CHECK_OK(tp_send(go[0], (int64_t)4));
    CHECK_OK(tp_wait_all(p, 3, TP_FOREVER));
    CHECK_OK(tp_wait_any(p, 3, 0, &index));
    CHECK_INT(index, 0);

    /* one promise twice */
    tp_promise *twice[4] = {p[0], p[0], p[1], p[1]};
    CHECK_OK(tp_wait_all(twice, 4, TP_FOREVER));
    CHECK_OK(tp_wait_any(twice, 4, TP_FOREVER, &index));
    CHECK_INT(index, 0);
    for (int i = 0; i < 3; i++)
        tp_promise_release(p[i]);
}

static void wait_any_on_one_unresolved_promise_twice(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *p = tp_submit(pool, wait_for_go, go);
    tp_promise *sender = tp_submit(pool, square, 3);
    tp_promise *const twice[2] = {p, p};
    size_t index = 9;
    CHECK_STATUS(tp_wait_any(twice, 2, 5, &index), TP_E_TIMEOUT);
    CHECK_OK(tp_send(go, (int64_t)1));
    CHECK_OK(tp_wait_any(twice, 2, TP_FOREVER, &index));
    CHECK_INT(index, 0);
    tp_promise_release(p);
    tp_promise_release(sender);
}

static void wait_all_returns_the_first_rejection_by_index(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_channel *never = tp_pool_channel(pool, "never");
    tp_promise *p[4] = {tp_submit(pool, wait_for_go, go), tp_submit(pool, wait_for_go, never),
                        tp_submit(pool, explode, 3), tp_submit(pool, square, 3)};
    CHECK_STATUS(tp_await(p[2], NULL), TP_E_TASK);
    CHECK_OK(tp_cancel(p[1]));
    CHECK_OK(tp_send(go, (int64_t)1));
    CHECK_STATUS(tp_wait_all(p, 4, TP_FOREVER), TP_E_CANCELLED);
    CHECK_STATUS(tp_wait_all(p + 2, 2, TP_FOREVER), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "boom 3");
    CHECK_OK(tp_await(p[0], NULL));
    for (int i = 0; i < 4; i++)
        tp_promise_release(p[i]);
}

static void an_await_with_a_deadline_ends_and_can_be_repeated(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *p = tp_submit(pool, wait_for_go, go);
    int64_t v = 5;
    CHECK_STATUS(tp_await_for(p, &v, 0), TP_E_TIMEOUT);
    CHECK_INT(v, 0);
    v = 5;
    CHECK_STATUS(tp_await_for(p, &v, 3), TP_E_TIMEOUT);
    CHECK_INT(v, 0);
    CHECK(!tp_promise_ready(p));
    CHECK_OK(tp_send(go, (int64_t)9));
    CHECK_OK(tp_await_for(p, &v, INT64_MAX)); /* no overflow on the way to a deadline */
    CHECK_INT(v, 9);
    CHECK_OK(tp_await_for(p, &v, 0));
    CHECK_OK(tp_await_for(p, &v, INT64_MIN)); /* any negative limit is for ever */
    CHECK_INT(v, 9);
    tp_promise_release(p);
}

static void the_wrong_type_leaves_the_value(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_promise *p = tp_submit(pool, square, 7);
    double d = 5;
    CHECK_STATUS(tp_await(p, &d), TP_E_TYPE);
    CHECK(d >= 0 && d <= 0);
    int32_t small = 5;
    CHECK_STATUS(tp_await(p, &small), TP_E_TYPE);
    CHECK_INT(small, 0);
    tp_str s = tp_str_lit("x");
    CHECK_STATUS(tp_await(p, &s), TP_E_TYPE);
    CHECK_INT(s.length, 0);
    int64_t v = 0;
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 49);
    tp_promise_release(p);
}

static atomic_int released_ran;

TP_TASK(count_run, void)
{
    atomic_fetch_add(&released_ran, 1);
}

static void a_released_promise_does_not_stop_its_task(void)
{
    tp_pool *pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    atomic_store(&released_ran, 0);
    for (int i = 0; i < 1000; i++)
        tp_promise_release(tp_submit(pool, count_run));
    CHECK_OK(tp_pool_close(pool));
    CHECK_INT(atomic_load(&released_ran), 1000);
}

static tp_promise *handed_over[CHECK_SCALE(2000, 300)];

TP_TASK(release_range, void, (int, from), (int, to))
{
    for (int i = from; i < to; i++) {
        tp_promise_release(tp_promise_retain(handed_over[i]));
        tp_promise_release(handed_over[i]);
    }
}

static void *release_from_os_thread(void *argument)
{
    const int count = sizeof handed_over / sizeof handed_over[0];
    for (int i = *(int *)argument; i < count; i += 4)
        tp_promise_release(handed_over[i]);
    return NULL;
}

/* Retained by main, released by tasks and OS threads while the tasks behind them still run. */
static void references_may_be_given_back_from_anywhere(void)
{
    const int count = sizeof handed_over / sizeof handed_over[0];
    tp_auto(tp_pool) pool = tp_pool_open("local:3");
    CHECK_OR_EXIT(pool != NULL);
    for (int i = 0; i < count; i++)
        handed_over[i] = tp_promise_retain(tp_submit(pool, square, i));
    for (int i = 0; i < count; i += 100)
        tp_promise_release(tp_submit(pool, release_range, i, i + 100));
    pthread_t threads[4];
    int starts[4] = {0, 1, 2, 3};
    for (int i = 0; i < 4; i++)
        CHECK_OR_EXIT(pthread_create(&threads[i], NULL, release_from_os_thread, &starts[i]) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(tp_drain(pool));
}

/* Counted values: each waiter of a string owns what it gets. */
TP_TASK(greeting, tp_str, (tp_str, name))
{
    return tp_str_format("hello, %.*s", (int)name.length, name.data);
}

static void every_waiter_owns_its_string(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_promise *p = tp_submit(pool, greeting, tp_str_lit("world"));
    tp_str a;
    tp_str b;
    CHECK_OK(tp_await(p, &a));
    CHECK_OK(tp_await(p, &b));
    tp_promise_release(p);
    CHECK_TP_STR(a, "hello, world");
    tp_str_release(a);
    CHECK_TP_STR(b, "hello, world");
    tp_str_release(b);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_value_reaches_waiters_of_all_kinds),
        CHECK_TEST(an_error_reaches_waiters_of_all_kinds),
        CHECK_TEST(wait_any_finds_the_lowest_that_resolved),
        CHECK_TEST(wait_any_on_one_unresolved_promise_twice),
        CHECK_TEST(wait_all_returns_the_first_rejection_by_index),
        CHECK_TEST(an_await_with_a_deadline_ends_and_can_be_repeated),
        CHECK_TEST(the_wrong_type_leaves_the_value),
        CHECK_TEST(a_released_promise_does_not_stop_its_task),
        CHECK_TEST(references_may_be_given_back_from_anywhere),
        CHECK_TEST(every_waiter_owns_its_string),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
