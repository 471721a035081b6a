/* SPDX-License-Identifier: MIT */
/* tp_mutex, tp_cond and tp_semaphore between tasks and plain OS threads: they park green threads, not workers. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <stdatomic.h>

static tp_mutex *mutex;
static tp_cond *cond;
static tp_semaphore *semaphore;
static int64_t counter;
static atomic_int inside;
static atomic_int most_inside;
static atomic_int failures;

static void count_up(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        if (tp_mutex_lock(mutex) != TP_OK)
            atomic_fetch_add(&failures, 1);
        const int64_t before = counter;
        if (i % 4 == 0)
            tp_yield(); /* the lock is held across a switch */
        counter = before + 1;
        if (tp_mutex_unlock(mutex) != TP_OK)
            atomic_fetch_add(&failures, 1);
    }
}

TP_TASK(count_in_task, void, (int, rounds))
{
    count_up(rounds);
}

static void *count_in_thread(void *argument)
{
    count_up(*(const int *)argument);
    return NULL;
}

static void one_at_a_time_holds_a_mutex(void)
{
    const int rounds = CHECK_SCALE(2000, 100);
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    mutex = tp_mutex_new();
    counter = 0;
    pthread_t threads[3];
    for (int i = 0; i < 10; i++)
        tp_promise_release(tp_submit(pool, count_in_task, rounds));
    for (int i = 0; i < 3; i++)
        CHECK_OR_EXIT(pthread_create(&threads[i], NULL, count_in_thread, (void *)(uintptr_t)&rounds) == 0);
    count_up(rounds);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(tp_drain(pool));
    CHECK_INT(counter, 14 * rounds);
    CHECK_INT(atomic_load(&failures), 0);
    tp_mutex_release(mutex);
}

TP_TASK(try_lock, tp_status)
{
    return tp_mutex_try_lock(mutex);
}

TP_TASK(unlock, tp_status)
{
    return tp_mutex_unlock(mutex);
}

static void a_mutex_knows_its_owner(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    mutex = tp_mutex_new();
    tp_status status = TP_E_SYSTEM;
    CHECK_OK(tp_mutex_lock(mutex));
    CHECK_STATUS(tp_mutex_lock(mutex), TP_E_DEADLOCK);
    CHECK_STATUS(tp_mutex_try_lock(mutex), TP_E_BUSY);
    CHECK_OK(tp_run(pool, try_lock, &status));
    CHECK_STATUS(status, TP_E_BUSY);
    CHECK_OK(tp_run(pool, unlock, &status));
    CHECK_STATUS(status, TP_E_ARGUMENT);
    CHECK_OK(tp_mutex_unlock(mutex));
    CHECK_STATUS(tp_mutex_unlock(mutex), TP_E_ARGUMENT);
    tp_mutex_release(mutex);
}

TP_LOCAL_TASK(lock_and_log, int64_t, (int64_t, number), (int64_t *, log), (int *, length), (int *, started))
{
    ++*started;
    tp_try(tp_mutex_lock(mutex));
    log[(*length)++] = number;
    (void)tp_yield(); /* TP_E_CANCELLED in the one that is */
    tp_try(tp_mutex_unlock(mutex));
    return number;
}

static void a_mutex_is_handed_over_first_come_first_served(void)
{
    mutex = tp_mutex_new();
    int64_t log[8];
    int length = 0;
    int started = 0;
    tp_promise *p[8];
    CHECK_OK(tp_mutex_lock(mutex));
    for (int i = 0; i < 8; i++) {
        p[i] = tp_async(lock_and_log, i, log, &length, &started);
        while (started <= i)
            CHECK_OK(tp_yield());
    }
    CHECK_INT(length, 0);
    CHECK_OK(tp_cancel(p[3])); /* waiting for a mutex is not ended by a cancellation */
    CHECK_OK(tp_mutex_unlock(mutex));
    for (int i = 0; i < 8; i++) {
        CHECK_STATUS(tp_await(p[i], NULL), i == 3 ? TP_E_CANCELLED : TP_OK);
        tp_promise_release(p[i]);
    }
    while (tp_mutex_try_lock(mutex) != TP_OK) /* the cancelled one still has to end */
        CHECK_OK(tp_yield());
    CHECK_OK(tp_mutex_unlock(mutex));
    CHECK_INT(length, 8);
    for (int i = 0; i < length; i++)
        CHECK_INT(log[i], i);
    tp_mutex_release(mutex);
}

/* A queue of one place by mutex and condition. */
static int64_t place;
static bool occupied;

TP_TASK(put, void, (int64_t, count))
{
    for (int64_t i = 0; i < count; i++) {
        tp_try(tp_mutex_lock(mutex));
        while (occupied)
            tp_try(tp_cond_wait(cond, mutex, TP_FOREVER));
        place = i;
        occupied = true;
        tp_try(tp_cond_broadcast(cond));
        tp_try(tp_mutex_unlock(mutex));
    }
}

TP_TASK(take, int64_t, (int64_t, count))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        tp_try(tp_mutex_lock(mutex));
        while (!occupied)
            tp_try(tp_cond_wait(cond, mutex, TP_FOREVER));
        sum += place;
        occupied = false;
        tp_try(tp_cond_broadcast(cond));
        tp_try(tp_mutex_unlock(mutex));
    }
    return sum;
}

static void conditions_pass_work_between_tasks(void)
{
    const int64_t count = CHECK_SCALE(500, 50);
    for (int workers = 1; workers <= 2; workers++) {
        char where[16];
        snprintf(where, sizeof where, "local:%d", workers);
        tp_auto(tp_pool) pool = tp_pool_open(where);
        CHECK_OR_EXIT(pool != NULL);
        mutex = tp_mutex_new();
        cond = tp_cond_new();
        occupied = false;
        tp_promise *takers[4];
        tp_promise *putters[4];
        for (int i = 0; i < 4; i++) {
            takers[i] = tp_submit(pool, take, count);
            putters[i] = tp_submit(pool, put, count);
        }
        int64_t total = 0;
        for (int i = 0; i < 4; i++) {
            int64_t v = 0;
            CHECK_OK(tp_await(takers[i], &v));
            CHECK_OK(tp_await(putters[i], NULL));
            total += v;
            tp_promise_release(takers[i]);
            tp_promise_release(putters[i]);
        }
        CHECK_INT(total, 4 * (count * (count - 1) / 2));
        CHECK_OK(tp_drain(pool));
        tp_mutex_release(mutex);
        tp_cond_release(cond);
    }
}

static void a_condition_times_out_with_the_mutex_locked(void)
{
    mutex = tp_mutex_new();
    cond = tp_cond_new();
    CHECK_OK(tp_mutex_lock(mutex));
    CHECK_STATUS(tp_cond_wait(cond, mutex, 3), TP_E_TIMEOUT);
    CHECK_STATUS(tp_mutex_try_lock(mutex), TP_E_BUSY);
    CHECK_OK(tp_cond_signal(cond)); /* nobody waits: no effect on those who come later */
    CHECK_STATUS(tp_cond_wait(cond, mutex, 3), TP_E_TIMEOUT);
    CHECK_OK(tp_mutex_unlock(mutex));
    tp_mutex_release(mutex);
    tp_cond_release(cond);
}

TP_TASK(enter, void, (int, rounds))
{
    for (int i = 0; i < rounds; i++) {
        tp_try(tp_semaphore_acquire(semaphore, TP_FOREVER));
        const int now = atomic_fetch_add(&inside, 1) + 1;
        int most = atomic_load(&most_inside);
        while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now))
            ;
        tp_try(tp_yield());
        atomic_fetch_sub(&inside, 1);
        tp_try(tp_semaphore_post(semaphore));
    }
}

static void a_semaphore_lets_in_as_many_as_it_has_permits(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    semaphore = tp_semaphore_new(3);
    for (int i = 0; i < 20; i++)
        tp_promise_release(tp_submit(pool, enter, CHECK_SCALE(200, 20)));
    CHECK_OK(tp_drain(pool));
    CHECK_INT(atomic_load(&inside), 0);
    CHECK(atomic_load(&most_inside) <= 3);
    CHECK(atomic_load(&most_inside) >= 1);
    for (int i = 0; i < 3; i++)
        CHECK_OK(tp_semaphore_acquire(semaphore, 0));
    CHECK_STATUS(tp_semaphore_acquire(semaphore, 0), TP_E_BUSY);
    CHECK_STATUS(tp_semaphore_acquire(semaphore, 3), TP_E_TIMEOUT);
    CHECK_OK(tp_semaphore_post(semaphore));
    CHECK_OK(tp_semaphore_acquire(semaphore, TP_FOREVER));
    tp_semaphore_release(semaphore);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(one_at_a_time_holds_a_mutex),
        CHECK_TEST(a_mutex_knows_its_owner),
        CHECK_TEST(a_mutex_is_handed_over_first_come_first_served),
        CHECK_TEST(conditions_pass_work_between_tasks),
        CHECK_TEST(a_condition_times_out_with_the_mutex_locked),
        CHECK_TEST(a_semaphore_lets_in_as_many_as_it_has_permits),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
