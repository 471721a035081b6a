/* SPDX-License-Identifier: MIT */
/* tp_drain waits for exactly what was submitted before the call. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_bool stop;
static atomic_llong done;
static atomic_llong refused;

TP_TASK(count_up, void)
{
    tp_yield();
    atomic_fetch_add(&done, 1);
}

TP_TASK(park_until_told, void, (tp_channel *, go))
{
    int64_t v;
    tp_try(tp_recv(go, &v));
}

static void *submit_without_end(void *argument)
{
    while (!atomic_load(&stop)) {
        tp_promise *window[64];
        for (int i = 0; i < 64; i++)
            window[i] = tp_submit((tp_pool *)argument, count_up);
        for (int i = 0; i < 64; i++) {
            if (window[i] == NULL || tp_await(window[i], NULL) != TP_OK)
                atomic_fetch_add(&refused, 1);
            tp_promise_release(window[i]);
        }
    }
    return NULL;
}

static void drain_ends_while_others_go_on_submitting(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    pthread_t threads[3];
    atomic_store(&stop, false);
    for (int i = 0; i < 3; i++)
        CHECK_OR_EXIT(pthread_create(&threads[i], NULL, submit_without_end, pool) == 0);
    for (int round = 0; round < CHECK_SCALE(300, 30); round++) {
        tp_promise *mine[10];
        for (int i = 0; i < 10; i++)
            mine[i] = tp_submit(pool, count_up);
        CHECK_OK(tp_drain(pool));
        for (int i = 0; i < 10; i++) {
            CHECK(tp_promise_ready(mine[i]));
            tp_promise_release(mine[i]);
        }
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_INT(atomic_load(&refused), 0);
}

static void *drain_it(void *argument)
{
    return tp_drain((tp_pool *)argument) == TP_OK ? argument : NULL;
}

TP_LOCAL_TASK(submit_later, uint64_t, (tp_pool *, pool), (tp_channel *, late), (tp_channel *, early))
{
    tp_promise *later = tp_submit(pool, park_until_told, late);
    tp_try(tp_send(early, (int64_t)1));
    return (uint64_t)(uintptr_t)later;
}

/* While main drains, its own green thread submits the later task and only then lets the
 * earlier one end. */
static void drain_does_not_wait_for_what_a_green_thread_submits_meanwhile(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *early = tp_pool_channel(pool, "early");
    tp_channel *late = tp_pool_channel(pool, "late");
    tp_promise *first = tp_submit(pool, park_until_told, early);
    tp_promise *submitter = tp_async(submit_later, pool, late, early);
    CHECK_OK(tp_drain(pool));
    CHECK(tp_promise_ready(first));
    uint64_t handle = 0;
    CHECK_OK(tp_await(submitter, &handle));
    tp_promise *second = (tp_promise *)(uintptr_t)handle;
    CHECK(!tp_promise_ready(second));
    CHECK_INT(tp_pool_pending(pool), 1);
    CHECK_OK(tp_send(late, (int64_t)1));
    CHECK_OK(tp_drain(pool));
    CHECK(tp_promise_ready(second));
    tp_promise_release(first);
    tp_promise_release(second);
    tp_promise_release(submitter);
}

static void several_threads_drain_at_once(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *parked[8];
    for (int i = 0; i < 8; i++)
        parked[i] = tp_submit(pool, park_until_told, go);
    pthread_t drainers[4];
    for (int i = 0; i < 4; i++)
        CHECK_OR_EXIT(pthread_create(&drainers[i], NULL, drain_it, pool) == 0);
    for (int i = 0; i < 8; i++)
        CHECK_OK(tp_send(go, (int64_t)i));
    CHECK_OK(tp_drain(pool));
    for (int i = 0; i < 4; i++) {
        void *drained = NULL;
        pthread_join(drainers[i], &drained);
        CHECK(drained == pool);
    }
    for (int i = 0; i < 8; i++) {
        CHECK(tp_promise_ready(parked[i]));
        tp_promise_release(parked[i]);
    }
}

static void drain_counts_the_rejected_and_cancelled(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *p[100];
    for (int i = 0; i < 100; i++)
        p[i] = tp_submit(pool, park_until_told, go);
    for (int i = 0; i < 100; i += 2)
        CHECK_OK(tp_cancel(p[i]));
    CHECK_INT(tp_pool_pending(pool), 50);
    CHECK_OK(tp_channel_close(go));
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_STATUS(tp_await(p[i], NULL), i % 2 ? TP_E_CLOSED : TP_E_CANCELLED);
        tp_promise_release(p[i]);
    }
}

static void drain_of_an_empty_pool_returns(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    for (int i = 0; i < 100; i++)
        CHECK_OK(tp_drain(pool));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(drain_ends_while_others_go_on_submitting),
        CHECK_TEST(drain_does_not_wait_for_what_a_green_thread_submits_meanwhile),
        CHECK_TEST(several_threads_drain_at_once),
        CHECK_TEST(drain_counts_the_rejected_and_cancelled),
        CHECK_TEST(drain_of_an_empty_pool_returns),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
