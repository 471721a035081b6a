/* SPDX-License-Identifier: MIT */
/* Many OS threads use one pool at once, each as if it were alone. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8 };

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(fail_if_odd, int64_t, (int64_t, x))
{
    if (x % 2)
        tp_raise("odd: %d", (int)x);
    return x;
}

TP_TASK(echo, void, (int64_t, x), (tp_channel *, to))
{
    tp_try(tp_send(to, x));
}

TP_LOCAL_TASK(green_square, int64_t, (tp_pool *, pool), (int64_t, x))
{
    int64_t v;
    tp_try(tp_run(pool, square, &v, x));
    return v;
}

struct submitter {
    pthread_t thread;
    tp_pool *pool;
    int64_t number;
    int64_t wrong;
};

static void *submit_and_await(void *argument)
{
    struct submitter *me = argument;
    const int rounds = CHECK_SCALE(200, 20);
    for (int round = 0; round < rounds; round++) {
        tp_promise *p[50];
        for (int64_t i = 0; i < 50; i++)
            p[i] =
                i % 5 == 4 ? tp_submit(me->pool, fail_if_odd, i) : tp_submit(me->pool, square, me->number * 1000 + i);
        for (int64_t i = 0; i < 50; i++) {
            int64_t v = -1;
            const int64_t x = me->number * 1000 + i;
            const tp_status status = tp_await(p[i], &v);
            if (i % 5 != 4)
                me->wrong += status != TP_OK || v != x * x;
            else if (i % 2)
                me->wrong += status != TP_E_TASK || v != 0 || strncmp(tp_last_error()->message, "odd: ", 5) != 0;
            else
                me->wrong += status != TP_OK || v != i;
            tp_promise_release(p[i]);
        }
    }
    return NULL;
}

static void *map_and_drain(void *argument)
{
    struct submitter *me = argument;
    for (int round = 0; round < CHECK_SCALE(100, 10); round++) {
        int64_t in[64];
        int64_t out[64];
        for (int64_t i = 0; i < 64; i++)
            in[i] = me->number * 100 + i;
        me->wrong += tp_map(me->pool, square, in, out, 64) != TP_OK;
        for (int64_t i = 0; i < 64; i++)
            me->wrong += out[i] != in[i] * in[i];
        if (round % 10 == 0)
            me->wrong += tp_drain(me->pool) != TP_OK;
    }
    return NULL;
}

static void *use_a_channel(void *argument)
{
    struct submitter *me = argument;
    char name[32];
    snprintf(name, sizeof name, "of thread %d", (int)me->number);
    tp_channel *mine = tp_pool_channel(me->pool, name);
    tp_channel *common = tp_pool_channel(me->pool, "common");
    if (mine == NULL || common == NULL) {
        me->wrong++;
        return NULL;
    }
    for (int64_t i = 0; i < 200; i++) {
        int64_t v = -1;
        tp_promise_release(tp_submit(me->pool, echo, i, mine));
        me->wrong += tp_recv(mine, &v) != TP_OK || v != i;
        me->wrong += tp_send(common, i) != TP_OK;
        me->wrong += tp_recv(common, &v) != TP_OK || v < 0 || v >= 200;
    }
    return NULL;
}

static void *run_green_threads(void *argument)
{
    struct submitter *me = argument;
    for (int round = 0; round < 20; round++) {
        tp_promise *p[10];
        for (int64_t i = 0; i < 10; i++)
            p[i] = tp_async(green_square, me->pool, i);
        for (int64_t i = 0; i < 10; i++) {
            int64_t v = -1;
            me->wrong += tp_await(p[i], &v) != TP_OK || v != i * i;
            tp_promise_release(p[i]);
        }
    }
    return NULL;
}

static void on_threads(void *(*function)(void *), bool mixed)
{
    void *(*const all[4])(void *) = {submit_and_await, map_and_drain, use_a_channel, run_green_threads};
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    struct submitter threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct submitter){.pool = pool, .number = i};
        CHECK_OR_EXIT(pthread_create(&threads[i].thread, NULL, mixed ? all[i % 4] : function, &threads[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        CHECK_INT(threads[i].wrong, 0);
    }
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
}

static void each_thread_gets_its_own_results(void)
{
    on_threads(submit_and_await, false);
}

static void maps_and_drains_do_not_disturb_each_other(void)
{
    on_threads(map_and_drain, false);
}

static void channels_of_plain_threads(void)
{
    on_threads(use_a_channel, false);
}

static void green_threads_of_plain_threads(void)
{
    on_threads(run_green_threads, false);
}

static void all_of_it_at_once(void)
{
    on_threads(NULL, true);
}

/* Threads that open and close pools of their own side by side. */
static void *open_and_close(void *argument)
{
    struct submitter *me = argument;
    for (int i = 0; i < 10; i++) {
        int64_t v = 0;
        tp_pool *pool = tp_pool_open(i % 2 ? "local:2" : "local:1");
        me->wrong += pool == NULL || tp_run(pool, square, &v, me->number) != TP_OK || v != me->number * me->number;
        me->wrong += tp_pool_close(pool) != TP_OK;
    }
    return NULL;
}

static void pools_of_many_threads(void)
{
    on_threads(open_and_close, false);
}

/* Threads that come, wait once and go: what the library keeps for a thread goes with it. */
static void *wait_once(void *argument)
{
    struct submitter *me = argument;
    int64_t v = 0;
    me->wrong += tp_run(me->pool, square, &v, 3) != TP_OK || v != 9 || tp_sleep_ms(0) != TP_OK ||
                 tp_run(me->pool, fail_if_odd, &v, 3) != TP_E_TASK;
    return NULL;
}

static void threads_come_and_go(void)
{
    for (int i = 0; i < CHECK_SCALE(50, 10); i++)
        on_threads(wait_once, false);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(each_thread_gets_its_own_results),
        CHECK_TEST(maps_and_drains_do_not_disturb_each_other),
        CHECK_TEST(channels_of_plain_threads),
        CHECK_TEST(green_threads_of_plain_threads),
        CHECK_TEST(all_of_it_at_once),
        CHECK_TEST(pools_of_many_threads),
        CHECK_TEST(threads_come_and_go),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
