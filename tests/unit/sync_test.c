/* SPDX-License-Identifier: MIT */
/* Mutex, condition and semaphore, from one thread and between OS threads. */
#include "base/alloc.h"
#include "check.h"
#include "child.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <taskpool/sync.h>

enum { THREADS = 6, ROUNDS = CHECK_SCALE(20000, 2000) };

static struct {
    tp_mutex *mutex;
    tp_cond *cond;
    tp_semaphore *semaphore;
    int64_t counter; /* under the mutex */
    int waiting;     /* under the mutex */
    int released;    /* under the mutex: how many may leave the wait */
    bool order_is_kept;
    int64_t left[THREADS];
    atomic_int inside;
    atomic_int most_inside;
    atomic_int failures;
} shared;

static void expect(bool condition)
{
    if (!condition)
        atomic_fetch_add(&shared.failures, 1);
}

static void set_up(size_t permits)
{
    memset(&shared, 0, sizeof shared);
    shared.mutex = tp_mutex_new();
    shared.cond = tp_cond_new();
    shared.semaphore = tp_semaphore_new(permits);
    CHECK_OR_EXIT(shared.mutex && shared.cond && shared.semaphore);
}

static void tear_down(void)
{
    CHECK_INT(atomic_load(&shared.failures), 0);
    tp_mutex_release(shared.mutex);
    tp_cond_release(shared.cond);
    tp_semaphore_release(shared.semaphore);
}

static void run_threads(void *(*body)(void *), pthread_t threads[THREADS])
{
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, body, (void *)i), 0);
}

static void join_threads(const pthread_t threads[THREADS])
{
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void a_mutex_is_not_recursive_and_has_an_owner(void)
{
    set_up(0);
    CHECK_OK(tp_mutex_lock(shared.mutex));
    CHECK_STATUS(tp_mutex_lock(shared.mutex), TP_E_DEADLOCK);
    CHECK_STATUS(tp_mutex_try_lock(shared.mutex), TP_E_BUSY);
    CHECK_OK(tp_mutex_unlock(shared.mutex));
    CHECK_STATUS(tp_mutex_unlock(shared.mutex), TP_E_ARGUMENT);
    CHECK_OK(tp_mutex_try_lock(shared.mutex));
    CHECK_OK(tp_mutex_unlock(shared.mutex));
    CHECK_STATUS(tp_cond_wait(shared.cond, shared.mutex, 0), TP_E_ARGUMENT);
    tear_down();
}

static void *unlock_of_another(void *unused)
{
    (void)unused;
    expect(tp_mutex_unlock(shared.mutex) == TP_E_ARGUMENT);
    expect(tp_mutex_try_lock(shared.mutex) == TP_E_BUSY);
    return NULL;
}

static void only_the_owner_unlocks(void)
{
    set_up(0);
    CHECK_OK(tp_mutex_lock(shared.mutex));
    pthread_t threads[THREADS];
    run_threads(unlock_of_another, threads);
    join_threads(threads);
    CHECK_OK(tp_mutex_unlock(shared.mutex));
    tear_down();
}

static void *count_under_the_mutex(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        expect(tp_mutex_lock(shared.mutex) == TP_OK);
        shared.counter++;
        expect(tp_mutex_unlock(shared.mutex) == TP_OK);
    }
    return NULL;
}

static void one_at_a_time_holds_a_mutex(void)
{
    set_up(0);
    pthread_t threads[THREADS];
    run_threads(count_under_the_mutex, threads);
    join_threads(threads);
    CHECK_INT(shared.counter, (int64_t)THREADS * ROUNDS);
    tear_down();
}

static void *wait_to_be_released(void *argument)
{
    expect(tp_mutex_lock(shared.mutex) == TP_OK);
    shared.waiting++;
    while (shared.released == 0)
        expect(tp_cond_wait(shared.cond, shared.mutex, TP_FOREVER) == TP_OK);
    shared.released--;
    shared.left[(size_t)argument] = 1;
    expect(tp_mutex_unlock(shared.mutex) == TP_OK);
    return NULL;
}

static void until_all_wait(void)
{
    int waiting;
    do {
        CHECK_OK(tp_mutex_lock(shared.mutex));
        waiting = shared.waiting;
        CHECK_OK(tp_mutex_unlock(shared.mutex));
        sched_yield();
    } while (waiting < THREADS);
}

static void a_signal_wakes_one_and_a_broadcast_all(void)
{
    set_up(0);
    pthread_t threads[THREADS];
    run_threads(wait_to_be_released, threads);
    until_all_wait();
    for (int left = 1; left <= 2; left++) {
        CHECK_OK(tp_mutex_lock(shared.mutex));
        shared.released = 1;
        CHECK_OK(tp_cond_signal(shared.cond));
        CHECK_OK(tp_mutex_unlock(shared.mutex));
        int released;
        do {
            CHECK_OK(tp_mutex_lock(shared.mutex));
            released = shared.released;
            CHECK_OK(tp_mutex_unlock(shared.mutex));
            sched_yield();
        } while (released > 0);
    }
    int64_t left = 0;
    CHECK_OK(tp_mutex_lock(shared.mutex));
    for (size_t i = 0; i < THREADS; i++)
        left += shared.left[i];
    CHECK_INT(left, 2);
    shared.released = THREADS - 2;
    CHECK_OK(tp_mutex_unlock(shared.mutex));
    CHECK_OK(tp_cond_broadcast(shared.cond)); /* also without the mutex */
    join_threads(threads);
    CHECK_INT(shared.released, 0);
    tear_down();
}

static void a_signal_to_nobody_is_lost(void)
{
    set_up(0);
    CHECK_OK(tp_cond_signal(shared.cond));
    CHECK_OK(tp_cond_broadcast(shared.cond));
    CHECK_OK(tp_mutex_lock(shared.mutex));
    CHECK_STATUS(tp_cond_wait(shared.cond, shared.mutex, 0), TP_E_TIMEOUT);
    CHECK_STATUS(tp_cond_wait(shared.cond, shared.mutex, 1), TP_E_TIMEOUT);
    CHECK_OK(tp_mutex_unlock(shared.mutex)); /* it is the caller's again */
    tear_down();
}

/* Waits with limits that often end while a signal is on its way; each signal that was meant for someone counts once. */
static void *wait_impatiently(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS / 20; i++) {
        expect(tp_mutex_lock(shared.mutex) == TP_OK);
        const tp_status status = tp_cond_wait(shared.cond, shared.mutex, i % 2);
        expect(status == TP_OK || status == TP_E_TIMEOUT);
        shared.counter++;
        expect(tp_mutex_unlock(shared.mutex) == TP_OK);
        tp_cond_signal(shared.cond);
        if (i % 7 == 0)
            tp_cond_broadcast(shared.cond);
    }
    return NULL;
}

static void signals_and_deadlines_may_meet(void)
{
    set_up(0);
    pthread_t threads[THREADS];
    run_threads(wait_impatiently, threads);
    join_threads(threads);
    CHECK_INT(shared.counter, (int64_t)THREADS * (ROUNDS / 20));
    tear_down();
}

static void a_semaphore_counts(void)
{
    set_up(2);
    CHECK_OK(tp_semaphore_acquire(shared.semaphore, TP_FOREVER));
    CHECK_OK(tp_semaphore_acquire(shared.semaphore, 0));
    CHECK_STATUS(tp_semaphore_acquire(shared.semaphore, 0), TP_E_BUSY);
    CHECK_STATUS(tp_semaphore_acquire(shared.semaphore, 1), TP_E_TIMEOUT);
    CHECK_OK(tp_semaphore_post(shared.semaphore));
    CHECK_OK(tp_semaphore_acquire(shared.semaphore, 0));
    tear_down();
    tp_semaphore *most = tp_semaphore_new(SIZE_MAX);
    CHECK_STATUS(tp_semaphore_post(most), TP_E_OVERFLOW);
    tp_semaphore_release(most);
}

static void *pass_through_the_semaphore(void *argument)
{
    for (int i = 0; i < ROUNDS / 4; i++) {
        const int64_t limit = (i + (int)(size_t)argument) % 3 == 0 ? 1 : TP_FOREVER;
        const tp_status status = tp_semaphore_acquire(shared.semaphore, limit);
        if (status == TP_E_TIMEOUT)
            continue;
        expect(status == TP_OK);
        const int inside = atomic_fetch_add(&shared.inside, 1) + 1;
        expect(inside <= 2);
        atomic_fetch_sub(&shared.inside, 1);
        expect(tp_semaphore_post(shared.semaphore) == TP_OK);
    }
    return NULL;
}

static void no_more_than_its_permits_pass_a_semaphore(void)
{
    set_up(2);
    pthread_t threads[THREADS];
    run_threads(pass_through_the_semaphore, threads);
    join_threads(threads);
    CHECK_OK(tp_semaphore_acquire(shared.semaphore, 0));
    CHECK_OK(tp_semaphore_acquire(shared.semaphore, 0));
    CHECK_STATUS(tp_semaphore_acquire(shared.semaphore, 0), TP_E_BUSY);
    tear_down();
}

static void null_is_refused(void)
{
    set_up(0);
    CHECK_STATUS(tp_mutex_lock(NULL), TP_E_ARGUMENT);
    CHECK_STATUS(tp_mutex_try_lock(NULL), TP_E_ARGUMENT);
    CHECK_STATUS(tp_mutex_unlock(NULL), TP_E_ARGUMENT);
    CHECK_STATUS(tp_cond_wait(NULL, shared.mutex, 0), TP_E_ARGUMENT);
    CHECK_STATUS(tp_cond_wait(shared.cond, NULL, 0), TP_E_ARGUMENT);
    CHECK_STATUS(tp_cond_signal(NULL), TP_E_ARGUMENT);
    CHECK_STATUS(tp_cond_broadcast(NULL), TP_E_ARGUMENT);
    CHECK_STATUS(tp_semaphore_acquire(NULL, 0), TP_E_ARGUMENT);
    CHECK_STATUS(tp_semaphore_post(NULL), TP_E_ARGUMENT);
    tp_mutex_release(NULL);
    tp_cond_release(NULL);
    tp_semaphore_release(NULL);
    tear_down();
}

static void release_a_locked_mutex(void)
{
    tp_mutex *mutex = tp_mutex_new();
    if (mutex && tp_mutex_lock(mutex) == TP_OK)
        tp_mutex_release(mutex);
}

static void releasing_a_locked_mutex_is_reported(void)
{
    const struct child_end end = child_run("locked");
    CHECK_INT(end.signal, SIGABRT);
    CHECK_CONTAINS(end.output, "the mutex is locked");
}

static bool refuse(size_t size)
{
    (void)size;
    return true;
}

static void without_memory_none_is_made(void)
{
    tp__alloc_set_refuse(refuse);
    const bool made = tp_mutex_new() || tp_cond_new() || tp_semaphore_new(1);
    tp__alloc_set_refuse(NULL);
    CHECK(!made);
    CHECK_INT(tp_last_error()->status, TP_E_NOMEM);
}

int main(int argc, char **argv)
{
    CHILD_MAIN(argc, argv, {"locked", release_a_locked_mutex});
    const struct check_test tests[] = {
        CHECK_TEST(a_mutex_is_not_recursive_and_has_an_owner),
        CHECK_TEST(only_the_owner_unlocks),
        CHECK_TEST(one_at_a_time_holds_a_mutex),
        CHECK_TEST(a_signal_wakes_one_and_a_broadcast_all),
        CHECK_TEST(a_signal_to_nobody_is_lost),
        CHECK_TEST(signals_and_deadlines_may_meet),
        CHECK_TEST(a_semaphore_counts),
        CHECK_TEST(no_more_than_its_permits_pass_a_semaphore),
        CHECK_TEST(null_is_refused),
        CHECK_TEST(releasing_a_locked_mutex_is_reported),
        CHECK_TEST(without_memory_none_is_made),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
