/* SPDX-License-Identifier: MIT */
/* Async pools nest, restore what was set before, in order and out of order, and belong to the task that set them. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>

TP_TASK(who_runs, int)
{
    return tp_worker_index();
}

TP_TASK(target_is_set, bool)
{
    return tp_get_async_pool() != NULL;
}

static void nested_ones_restore_in_order(void)
{
    CHECK(tp_get_async_pool() == NULL);
    tp_with (tp_async_pool, outer, test_async_pool_open(1)) {
        CHECK(tp_get_async_pool() == tp_async_pool_pool(outer));
        tp_with (tp_async_pool, middle, test_async_pool_open(2)) {
            CHECK(tp_get_async_pool() == tp_async_pool_pool(middle));
            tp_with (tp_async_pool, inner, test_async_pool_open(1))
                CHECK(tp_get_async_pool() == tp_async_pool_pool(inner));
            CHECK(tp_get_async_pool() == tp_async_pool_pool(middle));
        }
        CHECK(tp_get_async_pool() == tp_async_pool_pool(outer));
    }
    CHECK(tp_get_async_pool() == NULL);
}

static void out_of_order_the_newest_open_one_stays(void)
{
    tp_async_pool *a = test_async_pool_open(1);
    tp_async_pool *b = test_async_pool_open(1);
    tp_async_pool *c = test_async_pool_open(1);
    CHECK_OK(tp_async_pool_close(b));
    CHECK(tp_get_async_pool() == tp_async_pool_pool(c));
    CHECK_OK(tp_async_pool_close(c));
    CHECK(tp_get_async_pool() == tp_async_pool_pool(a));
    b = test_async_pool_open(1);
    CHECK_OK(tp_async_pool_close(a));
    CHECK(tp_get_async_pool() == tp_async_pool_pool(b));
    CHECK_OK(tp_async_pool_close(b));
    CHECK(tp_get_async_pool() == NULL);
    CHECK(tp_parallel_async(who_runs) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_NO_POOL);
}

static void set_and_open_mix(void)
{
    tp_auto(tp_pool) plain = test_pool_open(1);
    tp_set_async_pool(plain);
    tp_async_pool *a = test_async_pool_open(1);
    CHECK(tp_get_async_pool() == tp_async_pool_pool(a));
    CHECK_OK(tp_async_pool_close(a));
    CHECK(tp_get_async_pool() == plain);
    tp_set_async_pool(NULL);
    CHECK(tp_get_async_pool() == NULL);
}

static void the_close_drains(void)
{
    tp_promise *p[200];
    tp_with (tp_async_pool, ap, test_async_pool_open(2))
        for (int i = 0; i < 200; i++)
            p[i] = tp_parallel_async(who_runs);
    for (int i = 0; i < 200; i++) {
        CHECK(tp_promise_ready(p[i]));
        CHECK_OK(tp_await(p[i], NULL));
        tp_promise_release(p[i]);
    }
}

static void a_failed_open_changes_nothing(void)
{
    tp_auto(tp_async_pool) a = test_async_pool_open(1);
    CHECK(tp_async_pool_open("local:0") == NULL);
    CHECK(tp_get_async_pool() == tp_async_pool_pool(a));
}

static void a_task_of_a_pool_starts_without_a_target(void)
{
    tp_auto(tp_async_pool) ap = test_async_pool_open(2);
    bool set = true;
    CHECK_OK(tp_async_pool_run(ap, target_is_set, &set));
    CHECK(!set);
}

/* A green thread of main starts with the target of main, and what it sets is its own. */
TP_LOCAL_TASK(inherit_and_change, int64_t, (tp_pool *, wanted), (tp_pool *, other))
{
    if (tp_get_async_pool() != wanted)
        tp_raise("the target was not inherited");
    tp_set_async_pool(other);
    tp_try(tp_yield());
    if (tp_get_async_pool() != other)
        tp_raise("the target was lost in a switch");
    tp_async_pool *mine = tp_async_pool_open("local:1");
    tp_try(tp_yield());
    if (tp_get_async_pool() != tp_async_pool_pool(mine))
        tp_raise("the opened one is not the target");
    tp_try(tp_async_pool_close(mine));
    if (tp_get_async_pool() != other)
        tp_raise("the target was not restored");
    return 1;
}

static void a_green_thread_inherits_and_keeps_its_own(void)
{
    tp_auto(tp_pool) other = test_pool_open(1);
    tp_auto(tp_async_pool) ap = test_async_pool_open(1);
    tp_pool *target = tp_async_pool_pool(ap);
    tp_promise *p[3];
    for (int i = 0; i < 3; i++)
        p[i] = tp_async(inherit_and_change, target, other);
    for (int i = 0; i < 3; i++) {
        CHECK(tp_get_async_pool() == target);
        CHECK_OK(tp_await(p[i], NULL));
        if (tp_promise_error(p[i])->status != TP_OK)
            fprintf(stderr, "  %s\n", tp_promise_error(p[i])->message);
        tp_promise_release(p[i]);
    }
    CHECK(tp_get_async_pool() == target);
}

static void *target_of_a_new_thread(void *argument)
{
    (void)argument;
    return tp_get_async_pool();
}

static void each_os_thread_has_its_own_target(void)
{
    tp_auto(tp_async_pool) ap = test_async_pool_open(1);
    pthread_t thread;
    void *target = ap;
    CHECK_OR_EXIT(pthread_create(&thread, NULL, target_of_a_new_thread, NULL) == 0);
    pthread_join(thread, &target);
    CHECK(target == NULL);
}

/* Inside a task of a pool. */
TP_TASK(parallel_inside, int64_t, (int64_t, n))
{
    tp_auto(tp_async_pool) ap = tp_async_pool_open(n % 2 ? "local:2" : NULL);
    if (ap == NULL)
        tp_try(tp_last_error()->status);
    tp_promise *p[10];
    for (int i = 0; i < 10; i++)
        p[i] = tp_parallel_async(who_runs);
    int64_t sum = 0;
    for (int i = 0; i < 10; i++) {
        int worker = -1;
        tp_try(tp_await(p[i], &worker));
        sum += worker >= 0;
        tp_promise_release(p[i]);
    }
    return sum;
}

static void a_task_opens_async_pools(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, parallel_inside, &v, 1));
    CHECK_INT(v, 10);
    CHECK_OK(tp_run(pool, parallel_inside, &v, 2));
    CHECK_INT(v, 10);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(nested_ones_restore_in_order),
        CHECK_TEST(out_of_order_the_newest_open_one_stays),
        CHECK_TEST(set_and_open_mix),
        CHECK_TEST(the_close_drains),
        CHECK_TEST(a_failed_open_changes_nothing),
        CHECK_TEST(a_task_of_a_pool_starts_without_a_target),
        CHECK_TEST(a_green_thread_inherits_and_keeps_its_own),
        CHECK_TEST(each_os_thread_has_its_own_target),
        CHECK_TEST(a_task_opens_async_pools),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
