/* SPDX-License-Identifier: MIT */
/* Channels, select and locks between green threads, of one worker and of two, and OS threads. */
#include "test_pool.h"
#include "unit/channel_game.h"
#include "unit/waiting.h"

#include <pthread.h>

enum { PINGS = CHECK_SCALE(100000, 5000), CROWD = CHECK_SCALE(100000, 2000), ROUNDS = CHECK_SCALE(20000, 2000) };

/* What the tasks of a test share, and where they leave what main is to see. */
static struct {
    tp_channel *a, *b;
    tp_mutex *mutex;
    tp_cond *cond;
    tp_semaphore *ended;
    int64_t counter; /* under the mutex */
    bool may_leave;  /* under the mutex */
    _Atomic tp_status status;
    atomic_int failures;
} shared;

static void set_up(size_t capacity)
{
    memset(&shared, 0, sizeof shared);
    shared.a = tp_channel_open(capacity);
    shared.b = tp_channel_open(capacity);
    shared.mutex = tp_mutex_new();
    shared.cond = tp_cond_new();
    shared.ended = tp_semaphore_new(0);
    CHECK_OR_EXIT(shared.a && shared.b && shared.mutex && shared.cond && shared.ended);
}

static void tear_down(void)
{
    CHECK_INT(atomic_load(&shared.failures), 0);
    tp_channel_release(shared.a);
    tp_channel_release(shared.b);
    tp_mutex_release(shared.mutex);
    tp_cond_release(shared.cond);
    tp_semaphore_release(shared.ended);
}

static void expect(bool condition)
{
    if (!condition)
        atomic_fetch_add(&shared.failures, 1);
}

static int64_t value_of(tp_promise *promise)
{
    int64_t value = -1;
    CHECK_OK(tp_await(promise, &value));
    tp_promise_release(promise);
    return value;
}

TP_TASK(receive_named, int64_t, (tp_channel *, channel))
{
    int64_t got = 0;
    tp_try(tp_recv(channel, &got));
    return got + 100;
}

TP_TASK(send_named, int64_t, (tp_channel *, channel), (int64_t, number))
{
    tp_try(tp_send(channel, number));
    return number;
}

static void two_tasks_of_one_worker_talk(void)
{
    tp_pool *pool = test_pool_open(1);
    tp_channel *channel = tp_pool_channel(pool, "sync");
    tp_promise *receiver = tp_submit(pool, receive_named, channel);
    tp_promise *sender = tp_submit(pool, send_named, channel, 42);
    CHECK_INT(value_of(receiver), 142);
    CHECK_INT(value_of(sender), 42);
    tp_pool_close(pool);
}

TP_TASK(ping, int64_t, (int, rounds))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < rounds; i++) {
        int64_t back;
        tp_try(tp_send(shared.a, i));
        tp_try(tp_recv(shared.b, &back));
        sum += back;
    }
    return sum;
}

TP_TASK(pong, int64_t, (int, rounds))
{
    for (int i = 0; i < rounds; i++) {
        int64_t got;
        tp_try(tp_recv(shared.a, &got));
        tp_try(tp_send(shared.b, got + 1));
    }
    return 0;
}

static void ping_pong(int workers, size_t capacity)
{
    set_up(capacity);
    tp_pool *pool = test_pool_open_with(workers, tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT));
    tp_promise *first = tp_submit(pool, ping, PINGS);
    tp_promise *second = tp_submit(pool, pong, PINGS);
    CHECK_INT(value_of(first), (int64_t)PINGS * (PINGS - 1) / 2 + PINGS);
    CHECK_INT(value_of(second), 0);
    tp_pool_close(pool);
    tear_down();
}

static void ping_and_pong_on_one_worker(void)
{
    ping_pong(1, 0);
    ping_pong(1, 1);
}

static void ping_and_pong_on_two_workers(void)
{
    ping_pong(2, 0);
    ping_pong(2, 1);
}

static void a_crowd_waits_on_one_channel(void)
{
    tp_pool *pool = test_pool_open(2);
    tp_channel *channel = tp_pool_channel(pool, "crowd");
    tp_promise **promises = calloc(CROWD, sizeof *promises);
    CHECK_OR_EXIT(promises != NULL);
    for (size_t i = 0; i < CROWD; i++)
        promises[i] = tp_submit(pool, receive_named, channel);
    for (int64_t i = 0; i < CROWD / 2; i++)
        CHECK_OK(tp_send(channel, i));
    until_receivers(channel, CROWD - CROWD / 2);
    CHECK_OK(tp_channel_close(channel));
    int64_t received = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < CROWD; i++) {
        int64_t value;
        const tp_status status = tp_await(promises[i], &value);
        if (status == TP_OK) {
            received++;
            sum += value - 100;
        } else {
            CHECK_STATUS(status, TP_E_CLOSED);
        }
        tp_promise_release(promises[i]);
    }
    CHECK_INT(received, CROWD / 2);
    CHECK_INT(sum, (int64_t)(CROWD / 2) * (CROWD / 2 - 1) / 2);
    free(promises);
    tp_pool_close(pool);
}

TP_TASK(receive_until_cancelled, void)
{
    int64_t got = 5;
    const tp_status status = tp_recv(shared.a, &got);
    expect(got == 0);
    atomic_store(&shared.status, status);
    tp_semaphore_post(shared.ended);
}

TP_TASK(send_until_cancelled, void)
{
    tp_str text = tp_str_new("never sent");
    atomic_store(&shared.status, tp_send(shared.b, text));
    tp_semaphore_post(shared.ended);
}

TP_TASK(select_until_cancelled, void)
{
    int64_t got;
    size_t chosen;
    tp_select_case cases[] = {tp_case_recv(shared.a, &got), tp_case_send(shared.b, tp_str_lit("never sent"))};
    atomic_store(&shared.status, tp_select(cases, 2, TP_FOREVER, &chosen));
    tp_semaphore_post(shared.ended);
}

static void check_cancelled(tp_promise *promise)
{
    CHECK_OK(tp_cancel(promise));
    CHECK_STATUS(tp_await(promise, NULL), TP_E_CANCELLED);
    tp_promise_release(promise);
    CHECK_OK(tp_semaphore_acquire(shared.ended, TP_FOREVER));
    CHECK_INT(atomic_load(&shared.status), TP_E_CANCELLED);
    CHECK_INT(count_receivers(shared.a), 0);
    CHECK_INT(count_senders(shared.b), 0);
    CHECK_INT(tp_channel_size(shared.b), 1);
}

static void a_cancelled_task_leaves_the_channel(void)
{
    set_up(1);
    tp_pool *pool = test_pool_open(1);
    CHECK_OK(tp_send(shared.b, tp_str_lit("fills it")));

    tp_promise *promise = tp_submit(pool, receive_until_cancelled);
    until_receivers(shared.a, 1);
    check_cancelled(promise);
    promise = tp_submit(pool, send_until_cancelled);
    until_senders(shared.b, 1);
    check_cancelled(promise);
    promise = tp_submit(pool, select_until_cancelled);
    until_senders(shared.b, 1);
    until_receivers(shared.a, 1);
    check_cancelled(promise);

    tp_pool_close(pool);
    tear_down();
}

TP_LOCAL_TASK(wait_for_shared, void, (int, what), (bool *, ended))
{
    int64_t got;
    size_t chosen;
    tp_select_case cases[] = {tp_case_recv(shared.a, &got), tp_case_recv(shared.b, &got)};
    tp_status status = TP_OK;
    switch (what) {
    case 0:
        status = tp_recv(shared.a, &got);
        break;
    case 1:
        status = tp_recv_for(shared.a, &got, 1000000);
        break;
    case 2:
        status = tp_select(cases, 2, TP_FOREVER, &chosen);
        break;
    default:
        status = tp_semaphore_acquire(shared.ended, TP_FOREVER);
        break;
    }
    expect(status == (what < 3 ? TP_E_CLOSED : TP_E_CANCELLED));
    *ended = true;
}

/* A cancelled task is resolved before it has left what it waits for. Here on one thread, in a known order. */
static void what_a_cancelled_task_waits_for_may_be_released(void)
{
    for (int what = 0; what < 4; what++) {
        bool ended = false;
        set_up(0);
        tp_promise *promise = tp_async(wait_for_shared, what, &ended);
        CHECK_OK(tp_yield());
        CHECK_OK(tp_cancel(promise));
        tp_promise_release(promise);
        CHECK(!ended);
        tear_down();
        while (!ended)
            CHECK_OK(tp_yield());
        CHECK_INT(atomic_load(&shared.failures), 0);
    }
}

TP_TASK(count, void)
{
    for (int i = 0; i < ROUNDS; i++) {
        expect(tp_mutex_lock(shared.mutex) == TP_OK);
        const int64_t before = shared.counter;
        if (i % 16 == 0)
            expect(tp_yield() == TP_OK); /* others of this worker find it locked */
        shared.counter = before + 1;
        expect(tp_mutex_unlock(shared.mutex) == TP_OK);
    }
}

static void a_mutex_parks_tasks_of_all_workers(void)
{
    enum { COUNTERS = 8 };
    set_up(0);
    tp_pool *pool = test_pool_open(2);
    tp_promise *promises[COUNTERS];
    for (size_t i = 0; i < COUNTERS; i++)
        promises[i] = tp_submit(pool, count);
    CHECK_OK(tp_wait_all(promises, COUNTERS, TP_FOREVER));
    for (size_t i = 0; i < COUNTERS; i++)
        tp_promise_release(promises[i]);
    CHECK_INT(shared.counter, (int64_t)COUNTERS * ROUNDS);
    tp_pool_close(pool);
    tear_down();
}

TP_TASK(lock_although_cancelled, void)
{
    const tp_status status = tp_mutex_lock(shared.mutex);
    atomic_store(&shared.status, status);
    if (status == TP_OK)
        expect(tp_mutex_unlock(shared.mutex) == TP_OK);
    tp_semaphore_post(shared.ended);
}

TP_TASK(wait_until_cancelled, void)
{
    expect(tp_mutex_lock(shared.mutex) == TP_OK);
    shared.counter++;
    while (!shared.may_leave) {
        const tp_status status = tp_cond_wait(shared.cond, shared.mutex, TP_FOREVER);
        atomic_store(&shared.status, status);
        if (status != TP_OK)
            break;
    }
    expect(tp_mutex_unlock(shared.mutex) == TP_OK); /* it is locked again whatever the wait returned */
    expect(tp_semaphore_post(shared.ended) == TP_OK);
}

static void a_cancellation_ends_a_wait_for_a_condition_but_not_for_a_mutex(void)
{
    set_up(0);
    tp_pool *pool = test_pool_open(1);
    CHECK_OK(tp_mutex_lock(shared.mutex));
    tp_promise *promise = tp_submit(pool, lock_although_cancelled);
    CHECK_OK(tp_run(pool, pong, NULL, 0)); /* on the only worker: the other one has run until it had to wait */
    CHECK_OK(tp_cancel(promise));
    tp_promise_release(promise);
    CHECK_STATUS(tp_semaphore_acquire(shared.ended, 1), TP_E_TIMEOUT);
    CHECK_OK(tp_mutex_unlock(shared.mutex));
    CHECK_OK(tp_semaphore_acquire(shared.ended, TP_FOREVER));
    CHECK_INT(atomic_load(&shared.status), TP_OK);

    promise = tp_submit(pool, wait_until_cancelled);
    int64_t waiting;
    do {
        CHECK_OK(tp_mutex_lock(shared.mutex));
        waiting = shared.counter;
        CHECK_OK(tp_mutex_unlock(shared.mutex));
        sched_yield();
    } while (waiting == 0);
    CHECK_OK(tp_cancel(promise));
    tp_promise_release(promise);
    CHECK_OK(tp_semaphore_acquire(shared.ended, TP_FOREVER));
    CHECK_INT(atomic_load(&shared.status), TP_E_CANCELLED);
    tp_pool_close(pool);
    tear_down();
}

TP_TASK(play_sender, void, (int, player))
{
    game_play_sender(player);
}

TP_TASK(play_receiver, void, (int, player))
{
    game_play_receiver(player);
}

static void *thread_receiver(void *player)
{
    game_play_receiver((int)(intptr_t)player);
    return NULL;
}

static void *thread_sender(void *player)
{
    game_play_sender((int)(intptr_t)player);
    return NULL;
}

/* Every third player is an OS thread. */
static void play(tp_pool *pool, uint64_t seed)
{
    game_set_up(seed);
    tp_promise *promises[2 * GAME_PLAYERS];
    pthread_t threads[2 * GAME_PLAYERS];
    size_t promised = 0;
    size_t started = 0;
    for (int i = 0; i < game.receivers; i++) {
        if (i % 3 == 2)
            CHECK_INT(pthread_create(&threads[started++], NULL, thread_receiver, (void *)(intptr_t)i), 0);
        else
            promises[promised++] = tp_submit(pool, play_receiver, i);
    }
    for (int i = 0; i < game.senders; i++) {
        if (i % 3 == 2)
            CHECK_INT(pthread_create(&threads[started++], NULL, thread_sender, (void *)(intptr_t)i), 0);
        else
            promises[promised++] = tp_submit(pool, play_sender, i);
    }
    for (size_t i = 0; i < promised; i++) {
        CHECK_OK(tp_await(promises[i], NULL));
        tp_promise_release(promises[i]);
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    game_end();
}

static void whatever_tasks_and_threads_do_each_message_arrives_once(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        tp_pool *pool = test_pool_open(workers);
        for (uint64_t seed = 1; seed <= CHECK_SCALE(20, 5); seed++)
            play(pool, seed * 2 + (uint64_t)workers);
        tp_pool_close(pool);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(two_tasks_of_one_worker_talk),
        CHECK_TEST(ping_and_pong_on_one_worker),
        CHECK_TEST(ping_and_pong_on_two_workers),
        CHECK_TEST(a_crowd_waits_on_one_channel),
        CHECK_TEST(a_cancelled_task_leaves_the_channel),
        CHECK_TEST(what_a_cancelled_task_waits_for_may_be_released),
        CHECK_TEST(a_mutex_parks_tasks_of_all_workers),
        CHECK_TEST(a_cancellation_ends_a_wait_for_a_condition_but_not_for_a_mutex),
        CHECK_TEST(whatever_tasks_and_threads_do_each_message_arrives_once),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
