/* SPDX-License-Identifier: MIT */
/* Cancellation and time-outs: of queued, parked and running tasks; resolved at once and for good. */
#include "check.h"
#include "test_pool.h"

#include <stdatomic.h>

static atomic_int runs;
static atomic_bool let_go;
static atomic_bool inside;
static atomic_int seen_status;
static atomic_int later_status;
static atomic_int deferred;

static void reset(void)
{
    atomic_store(&runs, 0);
    atomic_store(&let_go, false);
    atomic_store(&inside, false);
    atomic_store(&seen_status, -1);
    atomic_store(&later_status, -1);
    atomic_store(&deferred, 0);
}

/* Holds its worker without yielding until main lets go or the task is cancelled. */
TP_TASK(hold_worker, int64_t)
{
    atomic_store(&inside, true);
    while (!atomic_load(&let_go) && !tp_cancelled())
        ;
    return tp_cancelled();
}

TP_TASK(count_run, int64_t)
{
    return atomic_fetch_add(&runs, 1);
}

static void count_deferred(void *argument)
{
    (void)argument;
    atomic_fetch_add(&deferred, 1);
}

/* How the task parks: each way must return TP_E_CANCELLED. */
enum parking {
    IN_RECV,
    IN_SLEEP,
    IN_AWAIT,
    IN_SEMAPHORE,
    IN_COND,
    IN_FD,
    IN_SELECT,
    IN_SEND,
    IN_WAIT_ANY,
    IN_WAIT_ALL,
    IN_YIELD,
    IN_DRAIN,
    PARKINGS
};

static const char *const parking_names[PARKINGS] = {"recv",   "sleep", "await",    "semaphore", "cond",  "fd",
                                                    "select", "send",  "wait_any", "wait_all",  "yield", "drain"};

static tp_promise *never;
static tp_semaphore *semaphore;
static tp_mutex *mutex;
static tp_cond *cond;
static tp_pool *other_pool;
static int pipe_fds[2];

static tp_status park(enum parking how, tp_channel *quiet, tp_channel *full)
{
    int64_t v;
    size_t index;
    tp_status status;
    switch (how) {
    case IN_RECV:
        return tp_recv(quiet, &v);
    case IN_SLEEP:
        return tp_sleep_ms(1000000);
    case IN_AWAIT:
        return tp_await(never, &v);
    case IN_SEMAPHORE:
        return tp_semaphore_acquire(semaphore, TP_FOREVER);
    case IN_COND:
        tp_try(tp_mutex_lock(mutex));
        status = tp_cond_wait(cond, mutex, TP_FOREVER);
        tp_try(tp_mutex_unlock(mutex));
        return status;
    case IN_FD:
        return tp_wait_fd(pipe_fds[0], TP_FD_READ, TP_FOREVER);
    case IN_SELECT: {
        tp_select_case cases[2] = {tp_case_recv(quiet, &v), tp_case_recv(quiet, &v)};
        return tp_select(cases, 2, TP_FOREVER, &index);
    }
    case IN_SEND:
        return tp_send(full, (int64_t)2);
    case IN_WAIT_ANY:
        return tp_wait_any(&never, 1, TP_FOREVER, &index);
    case IN_WAIT_ALL:
        return tp_wait_all(&never, 1, TP_FOREVER);
    case IN_YIELD:
        while ((status = tp_yield()) == TP_OK)
            ;
        return status;
    case IN_DRAIN:
        return tp_drain(other_pool);
    case PARKINGS:
        break;
    }
    return TP_E_UNSUPPORTED;
}

TP_TASK(park_somehow, int64_t, (int, how), (tp_channel *, quiet), (tp_channel *, full), (tp_channel *, started))
{
    tp_try(tp_defer(count_deferred, NULL));
    tp_try(tp_send(started, (int64_t)1));
    atomic_store(&seen_status, park((enum parking)how, quiet, full));
    atomic_store(&later_status, tp_sleep_ms(1000000));
    if (!tp_cancelled())
        atomic_store(&later_status, TP_E_UNSUPPORTED);
    return 99;
}

static void a_parked_task_is_woken_with_cancelled(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    tp_auto(tp_pool) other = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL && other != NULL && pipe(pipe_fds) == 0);
    other_pool = other;
    tp_channel *quiet = tp_pool_channel(pool, "quiet");
    tp_channel *full = tp_pool_channel_with(pool, "full", 1);
    tp_channel *started = tp_pool_channel(pool, "started");
    tp_channel *no_message = tp_pool_channel(other, "no message");
    CHECK_OK(tp_send(full, (int64_t)1));
    never = tp_submit(other, park_somehow, IN_RECV, no_message, no_message, tp_pool_channel(other, "started"));
    semaphore = tp_semaphore_new(0);
    mutex = tp_mutex_new();
    cond = tp_cond_new();

    for (int how = 0; how < PARKINGS; how++) {
        reset();
        tp_promise *p = tp_submit(pool, park_somehow, how, quiet, full, started);
        int64_t v = 5;
        CHECK_OK(tp_recv(started, &v));
        CHECK_OK(tp_cancel(p));
        CHECK(tp_promise_ready(p));
        CHECK_STATUS(tp_await(p, &v), TP_E_CANCELLED);
        CHECK_INT(v, 0);
        CHECK_OK(tp_drain(pool));
        CHECK_INT(tp_pool_pending(pool), 0);
        /* the promise is resolved before the task has ended: a task of the only worker sees its end */
        while (atomic_load(&deferred) == 0)
            CHECK_OK(tp_run(pool, count_run, &v));
        bool as_promised = CHECK_STATUS((tp_status)atomic_load(&seen_status), TP_E_CANCELLED);
        as_promised &= CHECK_STATUS((tp_status)atomic_load(&later_status), TP_E_CANCELLED);
        as_promised &= CHECK_INT(atomic_load(&deferred), 1);
        if (!as_promised)
            fprintf(stderr, "  parked in %s\n", parking_names[how]);
        CHECK_OK(tp_cancel(p));
        tp_promise_release(p);
    }

    /* what was cancelled took nothing with it */
    int64_t v = 0;
    CHECK_INT(tp_channel_size(full), 1);
    CHECK_OK(tp_send(quiet, (int64_t)8));
    CHECK_OK(tp_recv(quiet, &v));
    CHECK_INT(v, 8);
    CHECK_OK(tp_semaphore_post(semaphore));
    CHECK_OK(tp_semaphore_acquire(semaphore, 0));
    CHECK_OK(tp_mutex_try_lock(mutex));
    CHECK_OK(tp_mutex_unlock(mutex));

    CHECK_OK(tp_cancel(never));
    tp_promise_release(never);
    CHECK_OK(tp_pool_shutdown(other));
    CHECK_OK(tp_pool_shutdown(pool));
    tp_semaphore_release(semaphore);
    tp_cond_release(cond);
    tp_mutex_release(mutex);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void a_queued_task_never_runs(void)
{
    reset();
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_promise *holder = tp_submit(pool, hold_worker);
    while (!atomic_load(&inside))
        ;
    tp_promise *queued[20];
    for (int i = 0; i < 20; i++)
        queued[i] = tp_submit(pool, count_run);
    for (int i = 0; i < 20; i += 2) {
        CHECK_OK(tp_cancel(queued[i]));
        CHECK(tp_promise_ready(queued[i]));
        CHECK_STATUS(tp_await(queued[i], NULL), TP_E_CANCELLED);
    }
    CHECK_INT(tp_pool_pending(pool), 11);
    atomic_store(&let_go, true);
    CHECK_OK(tp_drain(pool));
    CHECK_INT(atomic_load(&runs), 10);
    for (int i = 0; i < 20; i++) {
        CHECK_STATUS(tp_await(queued[i], NULL), i % 2 ? TP_OK : TP_E_CANCELLED);
        CHECK_OK(tp_cancel(queued[i])); /* resolved: nothing changes */
        CHECK_STATUS(tp_await(queued[i], NULL), i % 2 ? TP_OK : TP_E_CANCELLED);
        tp_promise_release(queued[i]);
    }
    tp_promise_release(holder);
}

static void a_running_task_is_told(void)
{
    reset();
    tp_pool *pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_promise *p = tp_submit(pool, hold_worker);
    while (!atomic_load(&inside))
        ;
    CHECK_OK(tp_cancel(p));
    CHECK(tp_promise_ready(p));
    int64_t v = 5;
    CHECK_STATUS(tp_await(p, &v), TP_E_CANCELLED); /* what it returns later changes nothing */
    CHECK_INT(v, 0);
    CHECK_STR(tp_promise_error(p)->task, "hold_worker");
    CHECK(strlen(tp_promise_error(p)->message) > 0);
    CHECK_OK(tp_pool_close(pool)); /* ends: tp_cancelled() told the task */
    CHECK_STATUS(tp_await(p, &v), TP_E_CANCELLED);
    tp_promise_release(p);
}

static void a_task_that_times_out_is_rejected_and_told(void)
{
    reset();
    tp_pool *pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    /* The one that is queued runs out of time first: the worker is held until then. */
    tp_promise *running = tp_submit_with(pool, tp_task_options(.timeout_ms = 50), hold_worker);
    tp_promise *queued = tp_submit_with(pool, tp_task_options(.timeout_ms = 5), count_run);
    int64_t v = 5;
    CHECK_STATUS(tp_await(running, &v), TP_E_TIMEOUT);
    CHECK_INT(v, 0);
    CHECK_STATUS(tp_promise_error(running)->status, TP_E_TIMEOUT);
    CHECK_STR(tp_promise_error(running)->task, "hold_worker");
    CHECK_STATUS(tp_await(queued, NULL), TP_E_TIMEOUT);
    CHECK_INT(atomic_load(&runs), 0);

    tp_channel *quiet = tp_pool_channel(pool, "quiet");
    tp_channel *started = tp_pool_channel(pool, "started");
    tp_promise *parked =
        tp_submit_with(pool, tp_task_options(.timeout_ms = 5), park_somehow, IN_RECV, quiet, quiet, started);
    CHECK_STATUS(tp_await(parked, &v), TP_E_TIMEOUT);
    tp_promise *in_time = tp_submit_with(pool, tp_task_options(.timeout_ms = 100000), count_run);
    CHECK_OK(tp_await(in_time, NULL));
    CHECK_OK(tp_pool_close(pool));
    tp_promise_release(running);
    tp_promise_release(queued);
    tp_promise_release(parked);
    tp_promise_release(in_time);
}

/* A parked task whose time ran out finds TP_E_CANCELLED in its blocking calls, its promise says TP_E_TIMEOUT. */
static void a_time_out_cancels_the_parked_task(void)
{
    reset();
    tp_pool *pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *quiet = tp_pool_channel(pool, "quiet");
    tp_channel *started = tp_pool_channel(pool, "started");
    tp_promise *p =
        tp_submit_with(pool, tp_task_options(.timeout_ms = 20), park_somehow, IN_RECV, quiet, quiet, started);
    CHECK_STATUS(tp_await(p, NULL), TP_E_TIMEOUT);
    int64_t v = 0;
    if (tp_try_recv(started, &v) == TP_OK) { /* it did start within its time */
        while (atomic_load(&deferred) == 0)
            CHECK_OK(tp_run(pool, count_run, NULL));
        CHECK_STATUS((tp_status)atomic_load(&seen_status), TP_E_CANCELLED);
        CHECK_STATUS((tp_status)atomic_load(&later_status), TP_E_CANCELLED);
    }
    CHECK_OK(tp_pool_close(pool));
    tp_promise_release(p);
}

static void negative_time_limits_of_tasks_are_refused(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    CHECK(tp_submit_with(pool, tp_task_options(.timeout_ms = -1), count_run) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK(tp_submit_with(pool, tp_task_options(.stack_bytes = 3), count_run) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
}

/* The waiter's own cancellation leaves the promise that it waits for alone. */
static void cancelling_a_waiter_leaves_what_it_awaits(void)
{
    reset();
    tp_pool *pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *quiet = tp_pool_channel(pool, "quiet");
    tp_channel *started = tp_pool_channel(pool, "started");
    int64_t v = 0;
    never = tp_submit(pool, park_somehow, IN_RECV, quiet, quiet, started);
    CHECK_OK(tp_recv(started, &v));
    tp_promise *waiter = tp_submit(pool, park_somehow, IN_AWAIT, quiet, quiet, started);
    CHECK_OK(tp_recv(started, &v));
    CHECK_OK(tp_cancel(waiter));
    CHECK_STATUS(tp_await(waiter, &v), TP_E_CANCELLED);
    CHECK(!tp_promise_ready(never));
    CHECK_OK(tp_cancel(never));
    CHECK_STATUS(tp_await(never, &v), TP_E_CANCELLED);
    tp_promise_release(waiter);
    tp_pool_close(pool); /* the cancelled waiter runs on for a while, and looks at what it awaits */
    tp_promise_release(never);
}

TP_TASK(receive_one, int64_t, (tp_channel *, from), (tp_channel *, started))
{
    int64_t v;
    tp_try(tp_send(started, (int64_t)1));
    tp_try(tp_recv(from, &v));
    return v;
}

/* Once tp_cancel has returned, nothing that is sent reaches the task: it would be lost with it. */
static void a_cancelled_receiver_takes_no_message(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *from = tp_pool_channel(pool, "from");
    tp_channel *started = tp_pool_channel(pool, "started");
    for (int round = 0; round < 200; round++) {
        int64_t v = 0;
        tp_promise *cancelled = tp_submit(pool, receive_one, from, started);
        CHECK_OK(tp_recv(started, &v));
        CHECK_OK(tp_cancel(cancelled));
        CHECK_OK(tp_send(from, (int64_t)round));
        CHECK_STATUS(tp_await(cancelled, &v), TP_E_CANCELLED);
        tp_promise_release(cancelled);
        if (!CHECK_OK(tp_recv_for(from, &v, 10000)))
            break;
        CHECK_INT(v, round);
    }
}

static void set_flag(void *argument)
{
    *(bool *)argument = true;
}

TP_LOCAL_TASK(sleep_here, tp_status, (int64_t, ms), (bool *, started), (bool *, ended))
{
    *started = true;
    tp_try(tp_defer(set_flag, ended));
    return tp_sleep_ms(ms);
}

static void a_green_thread_of_main_can_be_cancelled(void)
{
    bool started = false;
    bool ended = false;
    tp_status status;
    tp_promise *parked = tp_async(sleep_here, 1000000, &started, &ended);
    while (!started)
        CHECK_OK(tp_yield());
    CHECK_OK(tp_cancel(parked));
    CHECK_STATUS(tp_await(parked, &status), TP_E_CANCELLED);
    tp_promise_release(parked);
    while (!ended) /* its promise was resolved at once, the task itself ends in its turn */
        CHECK_OK(tp_yield());

    started = false;
    tp_promise *queued = tp_async(sleep_here, 1000000, &started, &ended);
    CHECK_OK(tp_cancel(queued));
    CHECK_STATUS(tp_await(queued, &status), TP_E_CANCELLED);
    tp_promise_release(queued);
    for (int i = 0; i < 1000; i++)
        CHECK_OK(tp_yield());
    CHECK(!started);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_parked_task_is_woken_with_cancelled),
        CHECK_TEST(a_queued_task_never_runs),
        CHECK_TEST(a_running_task_is_told),
        CHECK_TEST(a_task_that_times_out_is_rejected_and_told),
        CHECK_TEST(a_time_out_cancels_the_parked_task),
        CHECK_TEST(negative_time_limits_of_tasks_are_refused),
        CHECK_TEST(cancelling_a_waiter_leaves_what_it_awaits),
        CHECK_TEST(a_cancelled_receiver_takes_no_message),
        CHECK_TEST(a_green_thread_of_main_can_be_cancelled),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
