/* SPDX-License-Identifier: MIT */
/* tp_run: the calling thread does nothing but wait for one task (on a cluster it does the session's work meanwhile),
 * and nobody else notices. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { THREADS = 4, RUNS = CHECK_SCALE(500, 50) };

static tp_pool *pool;

TP_TASK(add, int64_t, (int64_t, a), (int64_t, b))
{
    return a + b;
}

static int count_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

static void *count_in_a_thread(void *argument)
{
    (void)argument;
    return (void *)(intptr_t)count_processors();
}

/* What it starts may run wherever the task may. */
TP_TASK(processors, int64_t)
{
    pthread_t thread;
    void *count = NULL;
    if (pthread_create(&thread, NULL, count_in_a_thread, NULL) != 0 || pthread_join(thread, &count) != 0)
        tp_raise("no thread");
    return (intptr_t)count == count_processors() ? (intptr_t)count : -1;
}

TP_TASK(fail, int64_t, (int64_t, code))
{
    tp_raise("failure %" PRId64, code);
}

TP_TASK(receive, int64_t, (tp_channel *, from))
{
    int64_t message;
    tp_try(tp_recv(from, &message));
    return message;
}

TP_TASK(begin_and_receive, int64_t, (tp_channel *, from), (tp_channel *, began))
{
    int64_t message = 0;
    tp_try(tp_send(began, message));
    tp_try(tp_recv(from, &message));
    return message;
}

static int64_t run_many(int64_t seed)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < RUNS; i++) {
        int64_t sum;
        wrong += tp_run(pool, add, &sum, seed, i) != TP_OK || sum != seed + i;
    }
    return wrong;
}

static void *run_many_in_a_thread(void *seed)
{
    return (void *)(intptr_t)run_many((intptr_t)seed);
}

static void one_after_the_other(void)
{
    CHECK_INT(run_many(7), 0);
}

/* Threads that wait may stay on one processor; nobody's task, and no caller, notices. */
static void everybody_may_use_every_processor(void)
{
    const int own = count_processors();
    for (int64_t i = 0; i < RUNS; i++) {
        int64_t count = 0;
        CHECK_OK(tp_run(pool, processors, &count));
        CHECK_INT(count, own);
        CHECK_INT(count_processors(), own);
    }
}

static volatile sig_atomic_t handled, processors_of_handler;

static void handle(int signal_number)
{
    processors_of_handler = count_processors(); /* what it starts may run on those */
    handled = signal_number;
}

static void *signal_main(void *main_thread)
{
    (void)pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
    return NULL;
}

static void signals_come_through_and_stay_blocked_or_not(void)
{
    sigset_t blocked, before, after;
    pthread_t self = pthread_self(), thread;
    signal(SIGUSR1, handle);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    for (int64_t i = 0; i < RUNS / 5; i++) {
        int64_t sum = 0;
        handled = 0;
        CHECK_INT(pthread_create(&thread, NULL, signal_main, &self), 0);
        CHECK_OK(tp_run(pool, add, &sum, i, 1));
        CHECK_INT(sum, i + 1);
        CHECK_INT(pthread_join(thread, NULL), 0);
        CHECK_INT(handled, SIGUSR1);
        CHECK_INT(processors_of_handler, count_processors());
        CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
        for (int number = 1; number < NSIG; number++)
            CHECK_INT(sigismember(&after, number), sigismember(&before, number));
    }
    CHECK_INT(pthread_sigmask(SIG_UNBLOCK, &blocked, NULL), 0);
    signal(SIGUSR1, SIG_DFL);
}

static void closures_one_after_the_other(void)
{
    const tp_closure with_argument = tp_bind(add, .b = 5), whole = tp_bind(fail, 3);
    for (int64_t i = 0; i < RUNS; i++) {
        int64_t sum = 0;
        CHECK_OK(tp_run_closure(pool, with_argument, &sum, i));
        CHECK_INT(sum, i + 5);
    }
    int64_t none = 1;
    CHECK_STATUS(tp_run_closure(pool, whole, &none), TP_E_TASK);
    CHECK_INT(none, 0);
    CHECK_CONTAINS(tp_last_error()->message, "failure 3");
    none = 1;
    CHECK_STATUS(tp_run_closure(pool, with_argument, &none), TP_E_ARGUMENT); /* it takes one */
    CHECK_INT(none, 0);
    CHECK_STATUS(tp_run_closure(NULL, whole, &none), TP_E_ARGUMENT);
    tp_closure_release(with_argument);
    tp_closure_release(whole);
}

static void from_several_threads_at_once(void)
{
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run_many_in_a_thread, (void *)(i * 1000)), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        CHECK_INT(pthread_join(threads[i], &wrong), 0);
        CHECK_INT((intptr_t)wrong, 0);
    }
}

static void between_tasks_that_are_awaited(void)
{
    for (int64_t i = 0; i < RUNS; i++) {
        int64_t sum;
        tp_promise *before = tp_submit(pool, add, i, 1);
        CHECK_OK(tp_run(pool, add, &sum, i, 2));
        CHECK_INT(sum, i + 2);
        CHECK_OK(tp_await(before, &sum));
        CHECK_INT(sum, i + 1);
        tp_promise_release(before);
    }
}

/* What the thread does while main waits for the task that waits for its message. */
struct meanwhile {
    void (*act)(struct meanwhile *meanwhile);
    tp_channel *began, *to;
    int64_t wrong;
};

static void use_the_pool(struct meanwhile *meanwhile)
{
    meanwhile->wrong = run_many(20);
    for (int64_t i = 0; i < RUNS; i++) {
        int64_t sum;
        tp_promise *promise = tp_submit(pool, add, i, 3);
        meanwhile->wrong += tp_await(promise, &sum) != TP_OK || sum != i + 3;
        tp_promise_release(promise);
    }
    meanwhile->wrong += tp_send(meanwhile->to, (int64_t)1) != TP_OK;
}

static void shut_the_pool_down(struct meanwhile *meanwhile)
{
    meanwhile->wrong = tp_send(meanwhile->to, (int64_t)1) != TP_OK;
    meanwhile->wrong += tp_pool_shutdown(pool) != TP_OK;
}

static void *do_meanwhile(void *argument)
{
    struct meanwhile *meanwhile = argument;
    int64_t message;
    if (tp_recv(meanwhile->began, &message) == TP_OK)
        meanwhile->act(meanwhile);
    return NULL;
}

static void run_while_a_thread(void (*act)(struct meanwhile *meanwhile))
{
    struct meanwhile meanwhile = {
        .act = act, .began = tp_pool_channel(pool, "began"), .to = tp_pool_channel(pool, "let go"), .wrong = 1};
    CHECK(meanwhile.began != NULL && meanwhile.to != NULL);
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, do_meanwhile, &meanwhile), 0);
    int64_t received = 0;
    CHECK_OK(tp_run(pool, begin_and_receive, &received, meanwhile.to, meanwhile.began));
    CHECK_INT(received, 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(meanwhile.wrong, 0);
}

static void others_are_served_while_one_waits(void)
{
    run_while_a_thread(use_the_pool);
}

/* The green thread is main's own, so main must not be lost to it. */
TP_LOCAL_TASK(send_later, int64_t, (tp_channel *, to), (int64_t, message))
{
    tp_sleep_ms(5);
    tp_try(tp_send(to, message));
    return 0;
}

static void green_threads_of_the_caller_go_on(void)
{
    tp_channel *channel = tp_pool_channel(pool, "from a green thread");
    tp_promise *sender = tp_async(send_later, channel, 12);
    int64_t received = 0;
    CHECK_OK(tp_run(pool, receive, &received, channel));
    CHECK_INT(received, 12);
    CHECK_OK(tp_await(sender, NULL));
    tp_promise_release(sender);
}

static void a_time_limit_ends_it(void)
{
    int64_t received = 1;
    tp_channel *channel = tp_pool_channel(pool, "silent");
    CHECK_STATUS(tp_run_with(pool, tp_task_options(.timeout_ms = 20), receive, &received, channel), TP_E_TIMEOUT);
    CHECK_INT(received, 0);
    CHECK_OK(tp_run(pool, add, &received, 1, 2));
    CHECK_INT(received, 3);
}

static void the_last_error_stays_the_callers(void)
{
    int64_t sum = 1;
    CHECK_STATUS(tp_run(pool, fail, &sum, 5), TP_E_TASK);
    CHECK_INT(sum, 0);
    const tp_error *error = tp_last_error();
    CHECK_STR(error->message, "failure 5");
    CHECK_OK(tp_run(pool, add, &sum, 1, 2));
    CHECK(tp_last_error() == error); /* valid until the next failure */
    CHECK_STR(error->message, "failure 5");
}

static void a_shutdown_waits_for_it(void)
{
    run_while_a_thread(shut_the_pool_down);
    int64_t sum;
    CHECK_STATUS(tp_run(pool, add, &sum, 1, 2), TP_E_SHUTDOWN);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(one_after_the_other),
        CHECK_TEST(everybody_may_use_every_processor),
        CHECK_TEST(signals_come_through_and_stay_blocked_or_not),
        CHECK_TEST(closures_one_after_the_other),
        CHECK_TEST(from_several_threads_at_once),
        CHECK_TEST(between_tasks_that_are_awaited),
        CHECK_TEST(others_are_served_while_one_waits),
        CHECK_TEST(green_threads_of_the_caller_go_on),
        CHECK_TEST(a_time_limit_ends_it),
        CHECK_TEST(the_last_error_stays_the_callers),
        CHECK_TEST(a_shutdown_waits_for_it),
    };
    pool = test_pool_open(2);
    CHECK_RUN(tests, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
