/* SPDX-License-Identifier: MIT */
/* What the reference implementation gets wrong, as listed at the end of the design's section 5. Idle pools that burn
 * processors are in idle.c, closures that cannot be decoded in the tests of the codec. */
#include "check.h"
#include "test_pool.h"

#include <stdatomic.h>

static atomic_llong ran;

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(count_run, void)
{
    atomic_fetch_add(&ran, 1);
}

/* "its pending count is not atomic, so drain and with hang after a thousand tasks" */
static void drain_after_thousands_of_tasks(void)
{
    const int count = CHECK_SCALE(20000, 2000);
    for (int round = 0; round < 10; round++) {
        atomic_store(&ran, 0);
        tp_with (tp_pool, pool, tp_pool_open("local:4")) {
            for (int i = 0; i < count; i++)
                tp_promise_release(tp_submit(pool, count_run));
            CHECK_OK(tp_drain(pool));
            CHECK_INT(tp_pool_pending(pool), 0);
            CHECK_INT(atomic_load(&ran), count);
            for (int i = 0; i < count; i++)
                tp_promise_release(tp_submit(pool, count_run));
        }
        CHECK_INT(atomic_load(&ran), 2 * count);
    }
}

/* "raising something that is not an error object kills the process" */
TP_TASK(raise_anything, int64_t, (int, what))
{
    switch (what) {
    case 0:
        tp_raise("%s", "");
    case 1:
        tp_raise("%%n %%s %c", 7);
    case 2:
        tp_try((tp_status)123456);
        return 0;
    case 3:
        tp_try(TP_E_NODE_LOST); /* a status that no call here returned */
        return 0;
    default:
        return what;
    }
}

static void anything_can_be_raised(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    for (int what = 0; what < 4; what++) {
        int64_t v = 5;
        const tp_status status = tp_run(pool, raise_anything, &v, what);
        CHECK(status != TP_OK);
        CHECK_INT(v, 0);
        CHECK(tp_last_error()->message != NULL);
    }
    int64_t v = 0;
    CHECK_OK(tp_run(pool, raise_anything, &v, 4));
    CHECK_INT(v, 4);
}

/* "a pool opened inside a task hangs" */
TP_TASK(open_inside, int64_t, (int64_t, x))
{
    int64_t v = 0;
    tp_with (tp_pool, inner, tp_pool_open("local:2")) {
        for (int64_t i = 0; i < 50; i++)
            tp_promise_release(tp_submit(inner, count_run));
        tp_try(tp_run(inner, square, &v, x));
    }
    return v;
}

static void a_pool_inside_a_task(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    const int64_t in[6] = {1, 2, 3, 4, 5, 6};
    int64_t out[6];
    CHECK_OK(tp_map(pool, open_inside, in, out, 6));
    for (int i = 0; i < 6; i++)
        CHECK_INT(out[i], in[i] * in[i]);
}

/* "throughput falls with the number of queued tasks": were the cost of a task to grow with the length of the queue,
 * this many would not be done within the limit of any test. Each arrives once. */
static atomic_bool let_go;

TP_TASK(hold_worker, void)
{
    while (!atomic_load(&let_go))
        tp_yield();
}

TP_TASK(spin, void)
{
    while (!atomic_load(&let_go))
        ;
}

TP_TASK(numbered, void, (int64_t, i), (tp_channel *, arrived))
{
    tp_try(tp_send(arrived, i));
}

static void a_long_queue_costs_no_more_than_a_short_one(void)
{
    const int64_t count = CHECK_SCALE(500000, 10000);
    tp_auto(tp_pool) pool = tp_pool_open_with("local:1", tp_pool_options(.watchdog_ms = -1));
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *arrived = tp_pool_channel(pool, "arrived");
    unsigned char *times = calloc((size_t)count, 1);
    CHECK_OR_EXIT(times != NULL);
    atomic_store(&let_go, false);
    tp_promise *holder = tp_submit(pool, spin);
    for (int64_t i = 0; i < count; i++)
        tp_promise_release(tp_submit(pool, numbered, i, arrived));
    CHECK_INT(tp_pool_pending(pool), count + 1);
    atomic_store(&let_go, true);
    CHECK_OK(tp_await(holder, NULL));
    tp_promise_release(holder);
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t got = -1;
        CHECK_OK(tp_recv(arrived, &got));
        CHECK_OR_EXIT(got >= 0 && got < count);
        wrong += ++times[got] != 1;
    }
    CHECK_INT(wrong, 0);
    free(times);
}

/* "strict round-robin loses on uneven work": with one worker held, the other one does all the rest. */
static void uneven_work_is_shared(void)
{
    tp_auto(tp_pool) pool = tp_pool_open_with("local:2", tp_pool_options(.watchdog_ms = -1));
    CHECK_OR_EXIT(pool != NULL);
    atomic_store(&ran, 0);
    const int count = CHECK_SCALE(10000, 1000);
    atomic_store(&let_go, false);
    tp_promise *holder = tp_submit(pool, hold_worker);
    for (int i = 0; i < count; i++)
        tp_promise_release(tp_submit(pool, count_run));
    while (atomic_load(&ran) < count)
        CHECK_OK(tp_sleep_ms(1));
    CHECK(!tp_promise_ready(holder));
    atomic_store(&let_go, true);
    CHECK_OK(tp_await(holder, NULL));
    tp_promise_release(holder);
}

/* "memory corruption under load": strings of all sizes through tasks and channels, each checked at the end. */
TP_TASK(repeat, tp_str, (tp_str, s), (int, times))
{
    char buffer[4096];
    size_t length = 0;
    for (int i = 0; i < times && length + s.length <= sizeof buffer; i++) {
        memcpy(buffer + length, s.data, s.length);
        length += s.length;
        if (i % 3 == 0)
            tp_yield();
    }
    return tp_str_new_n(buffer, length);
}

static void strings_stay_whole_under_load(void)
{
    enum { TASKS = 500 };
    tp_auto(tp_pool) pool = test_pool_open(3);
    for (int round = 0; round < CHECK_SCALE(10, 2); round++) {
        tp_promise *p[TASKS];
        char text[32];
        for (int i = 0; i < TASKS; i++) {
            snprintf(text, sizeof text, "[%d.%d]", round, i);
            p[i] = tp_submit(pool, repeat, tp_str_view(text, strlen(text)), 1 + i % 60);
        }
        for (int i = 0; i < TASKS; i++) {
            tp_str s;
            CHECK_OK(tp_await(p[i], &s));
            const int length = snprintf(text, sizeof text, "[%d.%d]", round, i);
            bool whole = s.length == (size_t)length * (size_t)(1 + i % 60);
            for (size_t k = 0; whole && k < s.length; k++)
                whole = s.data[k] == text[k % (size_t)length];
            CHECK(whole);
            tp_str_release(s);
            tp_promise_release(p[i]);
        }
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(drain_after_thousands_of_tasks), CHECK_TEST(anything_can_be_raised),
        CHECK_TEST(a_pool_inside_a_task),           CHECK_TEST(a_long_queue_costs_no_more_than_a_short_one),
        CHECK_TEST(uneven_work_is_shared),          CHECK_TEST(strings_stay_whole_under_load),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
