/* SPDX-License-Identifier: MIT */
/* A pool without work does nothing: no thread of it wakes, and none spins. How often threads went to sleep tells the
 * first exactly; the processor time that the process was charged tells the second, and may be a hundred times what was
 * used where others use the processor. */
#include "check.h"
#include "test_pool.h"

#include <sys/resource.h>
#include <time.h>

static int64_t processor_time_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static long switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(wait_for_go, void, (tp_channel *, go))
{
    int64_t v;
    tp_try(tp_recv(go, &v));
}

TP_TASK(sleep_long, tp_status)
{
    return tp_sleep_ms(3600000);
}

/* What two seconds of doing nothing may cost: a sanitizer's own thread wakes, a worker that polls wakes more often. One
 * that spins uses two million. */
static const long allowed_switches = CHECK_SCALE(10, 500);
static const int64_t allowed_us = CHECK_SCALE(50000, 200000);

static void expect_idle(const char *what, int64_t used_us, long switched)
{
    printf("%s: %jd us in 2 s, %ld switches\n", what, (intmax_t)used_us, switched);
    if (!CHECK(used_us <= allowed_us) || !CHECK(switched <= allowed_switches))
        fprintf(stderr, "  %s used %jd us, and went to sleep %ld times\n", what, (intmax_t)used_us, switched);
}

/* Waits outside the library, so that only what the pool does by itself is measured. */
static void measure(const char *what)
{
    const struct timespec settle = {.tv_nsec = 50000000};
    const struct timespec window = {.tv_sec = 2};
    nanosleep(&settle, NULL); /* spinning before the park is allowed for microseconds */
    const int64_t before = processor_time_us();
    const long switched = switches();
    nanosleep(&window, NULL);
    expect_idle(what, processor_time_us() - before, switches() - switched);
}

static void a_new_pool_is_idle(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:4");
    CHECK_OR_EXIT(pool != NULL);
    measure("a new pool");
}

static void a_pool_is_idle_after_work(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:4");
    CHECK_OR_EXIT(pool != NULL);
    int64_t in[1000];
    for (int i = 0; i < 1000; i++)
        in[i] = i;
    CHECK_OK(tp_map(pool, square, in, NULL, 1000));
    measure("after a map");
}

static void a_pool_whose_tasks_are_parked_is_idle(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *sleepers[10];
    for (int i = 0; i < 100; i++)
        tp_promise_release(tp_submit(pool, wait_for_go, go));
    for (int i = 0; i < 10; i++)
        sleepers[i] = tp_submit(pool, sleep_long);
    measure("110 parked tasks");
    for (int i = 0; i < 100; i++)
        CHECK_OK(tp_send(go, (int64_t)i));
    for (int i = 0; i < 10; i++) {
        CHECK_OK(tp_cancel(sleepers[i]));
        tp_promise_release(sleepers[i]);
    }
}

/* While main waits inside the library as well. */
static void waiting_is_idle(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *p = tp_submit(pool, wait_for_go, go);
    CHECK_STATUS(tp_await_for(p, NULL, 50), TP_E_TIMEOUT);
    const int64_t before = processor_time_us();
    const long switched = switches();
    CHECK_STATUS(tp_await_for(p, NULL, 1000), TP_E_TIMEOUT);
    CHECK_OK(tp_sleep_ms(1000));
    expect_idle("waiting", processor_time_us() - before, switches() - switched);
    CHECK_OK(tp_send(go, (int64_t)1));
    CHECK_OK(tp_await(p, NULL));
    tp_promise_release(p);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_new_pool_is_idle),
        CHECK_TEST(a_pool_is_idle_after_work),
        CHECK_TEST(a_pool_whose_tasks_are_parked_is_idle),
        CHECK_TEST(waiting_is_idle),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
