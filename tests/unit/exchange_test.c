/* SPDX-License-Identifier: MIT */
/* What a worker exchanges with somebody elsewhere: tasks that come while it has something to do, and a forked child. */
#include "check.h"

#include "runtime/pool.h"

#include <sched.h>
#include <sys/wait.h>
#include <time.h>

static tp_pool *pool;
static struct tp_promise *given; /* by the exchange */
static atomic_bool is_wanted, is_given, has_run;
static pid_t process;
static bool was_the_child; /* that attended */

TP_TASK(note_run, void)
{
    has_run = true;
}

/* It is called between two tasks, or green threads, of the worker that wants it. */
static void give_one(struct tp__exchange *exchange)
{
    (void)exchange;
    if (getpid() != process)
        was_the_child = true;
    if (!atomic_exchange(&is_wanted, false))
        return;
    given = tp_submit(pool, note_run);
    is_given = true;
}

static bool never_watch(struct tp__exchange *exchange, int worker)
{
    (void)exchange, (void)worker;
    return false;
}

static void end_no_watch(struct tp__exchange *exchange, int worker)
{
    (void)exchange, (void)worker;
}

static void open_pool(void)
{
    static struct tp__exchange exchange = {
        .descriptor = -1, .attend = give_one, .begin_watch = never_watch, .end_watch = end_no_watch};
    process = getpid();
    pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp__executor_set_exchange(pool->executor, &exchange);
}

/* Keeps its thread when it goes on after that: true if the other worker has run it nevertheless. */
TP_TASK(let_one_come, bool)
{
    while (atomic_load(&pool->executor->sleeping) == 0)
        tp_try(tp_yield());
    is_wanted = true;
    while (!is_given)
        tp_try(tp_yield());
    const time_t end = time(NULL) + 20;
    while (!has_run && time(NULL) < end)
        sched_yield();
    return has_run;
}

/* The status of a child that yields and sleeps. */
TP_TASK(end_of_a_child, int)
{
    enum { YIELDS = 200 };
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        bool good = true;
        for (int i = 0; i < YIELDS; i++)
            good = tp_yield() == TP_OK && good;
        good = tp_sleep_ms(1) == TP_OK && good;
        _exit(good && !was_the_child ? 0 : 1);
    }
    int status = -1;
    (void)waitpid(child, &status, 0);
    return status;
}

static void what_comes_to_a_busy_worker_wakes_one_that_sleeps(void)
{
    open_pool();
    bool was_run = false;
    CHECK_OK(tp_run(pool, let_one_come, &was_run));
    CHECK(was_run);
    CHECK_OK(tp_await(given, NULL));
    tp_promise_release(given);
    CHECK_OK(tp_pool_close(pool));
}

static void a_forked_child_leaves_it_to_its_parent(void)
{
    if (CHECK_TSAN)
        return; /* it does not follow the fibers of a forked child */
    open_pool();
    int status = -1;
    CHECK_OK(tp_run(pool, end_of_a_child, &status));
    CHECK_INT(status, 0);
    CHECK_OK(tp_pool_close(pool));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {CHECK_TEST(what_comes_to_a_busy_worker_wakes_one_that_sleeps),
                                       CHECK_TEST(a_forked_child_leaves_it_to_its_parent)};
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
