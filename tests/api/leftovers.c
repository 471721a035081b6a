/* SPDX-License-Identifier: MIT */
/* What tasks leave behind, and what outlives what: green threads, mutexes, handles, waits that could never end. */
#include "check.h"
#include "test_pool.h"

#include <stdatomic.h>

static tp_channel *never;
static tp_mutex *mutex;
static _Atomic(tp_pool *) left_handle;
static _Atomic(tp_promise *) own_promise;
static atomic_int status_of_green_thread;

TP_LOCAL_TASK(wait_for_ever, void, (int, unused))
{
    (void)unused;
    int message;
    atomic_store(&status_of_green_thread, (int)tp_recv(never, &message));
}

TP_TASK(leave_a_green_thread, void)
{
    tp_promise_release(tp_async(wait_for_ever, 0));
}

static void closing_a_pool_cancels_green_threads_that_its_tasks_left(void)
{
    never = tp_channel_open(0);
    tp_pool *pool = test_pool_open(1);
    CHECK_OK(tp_run(pool, leave_a_green_thread, NULL));
    CHECK_OK(tp_pool_close(pool));
    CHECK_INT(atomic_load(&status_of_green_thread), TP_E_CANCELLED);
    tp_channel_release(never);
}

TP_TASK(raise_with_the_mutex, void)
{
    tp_mutex_lock(mutex);
    tp_raise("gone");
}

TP_TASK(unlock_it, int)
{
    return (int)tp_mutex_unlock(mutex);
}

static void a_mutex_of_a_task_that_is_gone_is_not_the_next_task_s(void)
{
    mutex = tp_mutex_new();
    tp_pool *pool = test_pool_open(1);
    CHECK_STATUS(tp_run(pool, raise_with_the_mutex, NULL), TP_E_TASK);
    int status = 0;
    CHECK_OK(tp_run(pool, unlock_it, &status));
    CHECK_INT(status, TP_E_ARGUMENT);
    tp_pool_close(pool); /* the mutex stays locked for ever, and so is not released */
}

TP_TASK(leave_a_handle, void)
{
    atomic_store(&left_handle, tp_pool_open(NULL));
}

static void a_handle_that_outlives_its_pool_refuses(void)
{
    tp_pool *pool = test_pool_open(1);
    CHECK_OK(tp_run(pool, leave_a_handle, NULL));
    CHECK_OK(tp_pool_close(pool));
    tp_pool *handle = atomic_load(&left_handle);
    CHECK(tp_pool_channel(handle, "c") == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_SHUTDOWN);
    CHECK_STATUS(tp_run(handle, unlock_it, NULL), TP_E_SHUTDOWN);
    CHECK_INT(tp_pool_size(handle), 0);
    CHECK_OK(tp_drain(handle));
    CHECK_OK(tp_pool_close(handle));
}

TP_TASK(wait_for_oneself, int, (tp_channel *, go))
{
    int message;
    tp_recv(go, &message);
    tp_promise *self = atomic_load(&own_promise);
    size_t index;
    const tp_status any = tp_wait_any(&self, 1, TP_FOREVER, &index);
    const tp_status all = tp_wait_all(&self, 1, TP_FOREVER);
    return any == TP_E_DEADLOCK && all == TP_E_DEADLOCK;
}

static void waiting_for_oneself_among_others_is_refused(void)
{
    tp_pool *pool = test_pool_open(1);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *promise = tp_submit(pool, wait_for_oneself, go);
    atomic_store(&own_promise, promise);
    CHECK_OK(tp_send(go, 1));
    int refused = 0;
    CHECK_OK(tp_await(promise, &refused));
    CHECK_INT(refused, 1);
    tp_promise_release(promise);
    tp_pool_close(pool);
}

TP_TASK(park_serially, void, (tp_channel *, ch))
{
    int message;
    tp_recv(ch, &message);
}

TP_TASK(square_of_nothing, int)
{
    return 0;
}
TP_TASK(send_one, void, (tp_channel *, ch))
{
    tp_send(ch, 1);
}

/* The parked task waits for one that was placed on its own worker. */
static void a_serial_worker_that_waits_leaves_its_tasks_to_the_others(void)
{
    for (int i = 0; i < CHECK_SCALE(200, 20); i++) {
        tp_pool *pool = test_pool_open_with(2, (tp_pool_options){.serial_workers = true});
        tp_channel *ch = tp_pool_channel(pool, "ch");
        tp_promise *parked = tp_submit(pool, park_serially, ch);
        tp_promise *other = tp_submit(pool, square_of_nothing);
        tp_promise *sender = tp_submit(pool, send_one, ch);
        CHECK_OK(tp_await(sender, NULL));
        CHECK_OK(tp_await(parked, NULL));
        CHECK_OK(tp_await(other, NULL));
        tp_promise_release(parked);
        tp_promise_release(other);
        tp_promise_release(sender);
        tp_pool_close(pool);
    }
}

TP_TASK(drain_own_handle, int)
{
    tp_pool *own = tp_pool_open(NULL);
    tp_promise_release(tp_submit(own, square_of_nothing));
    const tp_status drained = tp_drain(own);
    const tp_status closed = tp_pool_close(own);
    return drained == TP_OK && closed == TP_OK;
}

static void a_serial_worker_runs_what_its_task_drains(void)
{
    tp_pool *pool = test_pool_open_with(1, (tp_pool_options){.serial_workers = true});
    int ok = 0;
    CHECK_OK(tp_run(pool, drain_own_handle, &ok));
    CHECK_INT(ok, 1);
    tp_pool_close(pool);
}

static atomic_bool quick_has_run;

TP_TASK(be_quick, void)
{
    atomic_store(&quick_has_run, true);
}

TP_TASK(hold_until_quick_has_run, void, (tp_channel *, ch))
{
    int message;
    tp_recv(ch, &message);
    while (!atomic_load(&quick_has_run))
        ; /* never yields: if the other task is queued here, only another worker can run it */
}

/* The task's turn is the worker that is woken at the same moment by a message, and held from then on. */
static void a_task_does_not_wait_behind_one_that_wakes_and_holds_its_worker(void)
{
    for (int i = 0; i < CHECK_SCALE(200, 20); i++) {
        atomic_store(&quick_has_run, false);
        tp_pool *pool = test_pool_open_with(2, (tp_pool_options){.watchdog_ms = -1});
        tp_channel *ch = tp_pool_channel(pool, "ch");
        tp_promise *holder = tp_submit(pool, hold_until_quick_has_run, ch);
        CHECK_OK(tp_run(pool, square_of_nothing, NULL)); /* the other worker's turn */
        tp_promise *quick = tp_submit(pool, be_quick);
        CHECK_OK(tp_send(ch, 1));
        CHECK_OK(tp_await(quick, NULL));
        CHECK_OK(tp_await(holder, NULL));
        tp_promise_release(quick);
        tp_promise_release(holder);
        tp_pool_close(pool);
    }
}

TP_TASK(wait_for_message, void, (tp_channel *, ch))
{
    int message;
    tp_recv(ch, &message);
}

/* The time limit of a cancelled task that never ran goes with it: the sanitizers look for what is left. */
static void a_cancelled_task_leaves_no_time_limit(void)
{
    tp_pool *pool = test_pool_open_with(1, (tp_pool_options){.serial_workers = true});
    tp_channel *ch = tp_pool_channel(pool, "ch");
    tp_promise *first = tp_submit(pool, wait_for_message, ch);
    tp_promise *queued = tp_submit_with(pool, tp_task_options(.timeout_ms = 1000000), square_of_nothing);
    CHECK_OK(tp_cancel(queued));
    CHECK_STATUS(tp_await(queued, NULL), TP_E_CANCELLED);
    tp_promise_release(queued);
    CHECK_OK(tp_send(ch, 1));
    CHECK_OK(tp_await(first, NULL));
    tp_promise_release(first);
    tp_pool_close(pool);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    static const struct check_test tests[] = {
        CHECK_TEST(closing_a_pool_cancels_green_threads_that_its_tasks_left),
        CHECK_TEST(a_mutex_of_a_task_that_is_gone_is_not_the_next_task_s),
        CHECK_TEST(a_handle_that_outlives_its_pool_refuses),
        CHECK_TEST(waiting_for_oneself_among_others_is_refused),
        CHECK_TEST(a_serial_worker_that_waits_leaves_its_tasks_to_the_others),
        CHECK_TEST(a_serial_worker_runs_what_its_task_drains),
        CHECK_TEST(a_task_does_not_wait_behind_one_that_wakes_and_holds_its_worker),
        CHECK_TEST(a_cancelled_task_leaves_no_time_limit),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
