/* SPDX-License-Identifier: MIT */
/* Where and when tasks run. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <stdatomic.h>

TP_TASK(receiver, int64_t, (tp_channel *, ch))
{
    int64_t m;
    tp_try(tp_recv(ch, &m));
    return m + 100;
}

TP_TASK(sender, int64_t, (tp_channel *, ch), (int64_t, message))
{
    tp_try(tp_send(ch, message));
    return message;
}

TP_TASK(who_runs, int, (int64_t, x))
{
    (void)x;
    return tp_worker_index();
}

static atomic_bool let_go;
static atomic_int holding;

TP_TASK(hold_worker, int)
{
    atomic_fetch_add(&holding, 1);
    while (!atomic_load(&let_go))
        ;
    return tp_worker_index();
}

static void one_worker_runs_two_tasks_that_talk(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    for (int capacity = 0; capacity < 2; capacity++) {
        tp_channel *ch = tp_pool_channel_with(pool, capacity ? "bounded" : "unbounded", (size_t)capacity);
        for (int64_t i = 0; i < 200; i++) {
            tp_promise *a = tp_submit(pool, receiver, ch);
            tp_promise *b = tp_submit(pool, sender, ch, i);
            int64_t va = 0;
            CHECK_OK(tp_await(a, &va));
            CHECK_OK(tp_await(b, NULL));
            CHECK_INT(va, i + 100);
            tp_promise_release(a);
            tp_promise_release(b);
        }
    }
}

TP_TASK(ping, int64_t, (tp_channel *, in), (tp_channel *, out), (int64_t, rounds))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < rounds; i++) {
        int64_t m;
        tp_try(tp_send(out, i));
        tp_try(tp_recv(in, &m));
        sum += m;
    }
    return sum;
}

TP_TASK(pong, int64_t, (tp_channel *, in), (tp_channel *, out), (int64_t, rounds))
{
    for (int64_t i = 0; i < rounds; i++) {
        int64_t m;
        tp_try(tp_recv(in, &m));
        tp_try(tp_send(out, m * 2));
    }
    return rounds;
}

static void tasks_play_ping_pong_on_one_worker_and_on_two(void)
{
    const int64_t rounds = CHECK_SCALE(20000, 1000);
    for (int workers = 1; workers <= 2; workers++) {
        tp_auto(tp_pool) pool = tp_pool_open_with(workers == 1 ? "local:1" : "local:2",
                                                  tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT));
        CHECK_OR_EXIT(pool != NULL);
        tp_channel *there = tp_pool_channel_with(pool, "there", 1);
        tp_channel *back = tp_pool_channel(pool, "back");
        tp_promise *a = tp_submit(pool, ping, back, there, rounds);
        tp_promise *b = tp_submit(pool, pong, there, back, rounds);
        int64_t sum = 0;
        CHECK_OK(tp_await(a, &sum));
        CHECK_OK(tp_await(b, NULL));
        CHECK_INT(sum, rounds * (rounds - 1));
        tp_promise_release(a);
        tp_promise_release(b);
    }
}

/* One of two workers is held for ever: everything else must get done by the other one. */
static void a_hog_does_not_delay_what_another_worker_can_take(void)
{
    tp_auto(tp_pool) pool = tp_pool_open_with("local:2", tp_pool_options(.watchdog_ms = -1));
    CHECK_OR_EXIT(pool != NULL);
    atomic_store(&let_go, false);
    atomic_store(&holding, 0);
    tp_promise *hog = tp_submit(pool, hold_worker);
    tp_promise *tasks[200];
    for (int i = 0; i < 200; i++)
        tasks[i] = tp_submit(pool, who_runs, i);
    while (atomic_load(&holding) == 0)
        ;
    for (int i = 0; i < 200; i++)
        CHECK_OK(tp_await(tasks[i], NULL));
    CHECK(!tp_promise_ready(hog));
    const int64_t in[50] = {0};
    int workers[50];
    CHECK_OK(tp_map(pool, who_runs, in, workers, 50));
    atomic_store(&let_go, true);
    int hog_worker = -1;
    CHECK_OK(tp_await(hog, &hog_worker));
    for (int i = 0; i < 50; i++)
        CHECK_INT(workers[i], 1 - hog_worker);
    for (int i = 0; i < 200; i++)
        tp_promise_release(tasks[i]);
    tp_promise_release(hog);
}

/* The same for tasks that the hog itself made before it began to hold the worker. */
TP_TASK(spawn_then_hold, int64_t, (int64_t, count), (tp_channel *, spawned))
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    for (int64_t i = 0; i < count; i++)
        tp_promise_release(tp_submit(pool, sender, spawned, i));
    atomic_fetch_add(&holding, 1);
    while (!atomic_load(&let_go))
        ;
    return count;
}

static void what_a_hog_spawned_is_taken_by_others(void)
{
    tp_auto(tp_pool) pool = tp_pool_open_with("local:2", tp_pool_options(.watchdog_ms = -1));
    CHECK_OR_EXIT(pool != NULL);
    atomic_store(&let_go, false);
    tp_channel *spawned = tp_pool_channel(pool, "spawned");
    tp_promise *hog = tp_submit(pool, spawn_then_hold, 300, spawned);
    int64_t sum = 0;
    for (int i = 0; i < 300; i++) {
        int64_t m = 0;
        CHECK_OK(tp_recv(spawned, &m));
        sum += m;
    }
    CHECK_INT(sum, 300 * 299 / 2);
    CHECK(!tp_promise_ready(hog));
    atomic_store(&let_go, true);
    CHECK_OK(tp_await(hog, NULL));
    tp_promise_release(hog);
}

struct hogs {
    atomic_int calls;
    atomic_int worker;
    atomic_llong held_ms;
    char task[64];
};

static void on_hog(const char *task, int worker, int64_t held_ms, void *argument)
{
    struct hogs *hogs = argument;
    snprintf(hogs->task, sizeof hogs->task, "%s", task);
    atomic_store(&hogs->worker, worker);
    atomic_store(&hogs->held_ms, held_ms);
    atomic_fetch_add(&hogs->calls, 1);
}

static struct hogs hogs;

/* Holds the worker until the watchdog has called, and then for several more of its periods. */
TP_TASK(known_hog, int)
{
    while (atomic_load(&hogs.calls) == 0)
        ;
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < 100000000);
    return tp_worker_index();
}

TP_TASK(polite, int64_t, (int, rounds))
{
    for (int i = 0; i < rounds; i++)
        tp_try(tp_yield());
    tp_try(tp_sleep_ms(900));
    return rounds;
}

static void the_watchdog_names_a_hog_once(void)
{
    atomic_store(&hogs.calls, 0);
    tp_pool *pool =
        tp_pool_open_with("local:2", tp_pool_options(.watchdog_ms = 20, .on_hog = on_hog, .on_hog_argument = &hogs));
    CHECK_OR_EXIT(pool != NULL);
    int worker = -1;
    CHECK_OK(tp_run(pool, known_hog, &worker));
    CHECK_OK(tp_pool_close(pool));
    CHECK_INT(atomic_load(&hogs.calls), 1);
    CHECK_INT(atomic_load(&hogs.worker), worker);
    CHECK_STR(hogs.task, "known_hog");
    CHECK(atomic_load(&hogs.held_ms) >= 20);
}

static void the_watchdog_leaves_parked_tasks_alone(void)
{
    atomic_store(&hogs.calls, 0);
    tp_pool *pool =
        tp_pool_open_with("local:1", tp_pool_options(.watchdog_ms = 400, .on_hog = on_hog, .on_hog_argument = &hogs));
    CHECK_OR_EXIT(pool != NULL);
    CHECK_OK(tp_run(pool, polite, NULL, 10));
    CHECK_OK(tp_pool_close(pool));
    CHECK_INT(atomic_load(&hogs.calls), 0);
}

static void strict_placement_is_in_turn_and_final(void)
{
    for (int n = 1; n <= 4; n++) {
        char where[16];
        snprintf(where, sizeof where, "local:%d", n);
        tp_auto(tp_pool) pool = tp_pool_open_with(where, tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT));
        CHECK_OR_EXIT(pool != NULL);
        const int64_t in[101] = {0};
        int workers[101];
        for (int round = 0; round < 5; round++) {
            CHECK_OK(tp_map(pool, who_runs, in, workers, 101));
            for (int i = 0; i < 101; i++)
                CHECK_INT(workers[i], i % n);
        }
    }
}

static void a_pinned_task_waits_for_its_worker(void)
{
    tp_auto(tp_pool) pool = tp_pool_open_with("local:2", tp_pool_options(.watchdog_ms = -1));
    CHECK_OR_EXIT(pool != NULL);
    atomic_store(&let_go, false);
    atomic_store(&holding, 0);
    tp_promise *hog = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = 1), hold_worker);
    while (atomic_load(&holding) == 0)
        ;
    tp_promise *behind = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = 1), who_runs, 0);
    for (int i = 0; i < 100; i++) {
        int worker = -1;
        CHECK_OK(tp_run(pool, who_runs, &worker, 0));
        CHECK_INT(worker, 0);
    }
    CHECK(!tp_promise_ready(behind));
    atomic_store(&let_go, true);
    int worker = -1;
    CHECK_OK(tp_await(behind, &worker));
    CHECK_INT(worker, 1);
    CHECK_OK(tp_await(hog, &worker));
    CHECK_INT(worker, 1);
    tp_promise_release(hog);
    tp_promise_release(behind);
}

/* Also when a task of another worker awaits it: it is not started there. */
TP_TASK(await_pinned, int, (int, worker))
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_promise *p = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), who_runs, 0);
    int ran_on = -1;
    tp_try(tp_await(p, &ran_on));
    tp_promise_release(p);
    return ran_on * 10 + tp_worker_index();
}

static void a_pinned_task_is_never_started_by_its_waiter(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:3");
    CHECK_OR_EXIT(pool != NULL);
    for (int round = 0; round < 30; round++)
        for (int from = 0; from < 3; from++)
            for (int to = 0; to < 3; to++) {
                tp_promise *p = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = from), await_pinned, to);
                int v = -1;
                CHECK_OK(tp_await(p, &v));
                CHECK_INT(v, to * 10 + from);
                tp_promise_release(p);
            }
}

/* A started green thread stays on its OS thread, whatever it waits for. */
TP_TASK(stay, int64_t, (tp_channel *, a), (tp_channel *, b), (int, rounds))
{
    const pthread_t thread = pthread_self();
    const int worker = tp_worker_index();
    int64_t moved = 0;
    for (int i = 0; i < rounds; i++) {
        int64_t m;
        tp_try(tp_send(a, (int64_t)i));
        tp_try(tp_recv(b, &m));
        tp_try(tp_send(b, m));
        tp_try(tp_recv(a, &m));
        if (i % 16 == 0)
            tp_try(tp_sleep_ms(0));
        tp_try(tp_yield());
        moved += !pthread_equal(thread, pthread_self()) || worker != tp_worker_index();
    }
    return moved;
}

static void a_started_task_stays_on_its_thread(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:3");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *a = tp_pool_channel(pool, "a");
    tp_channel *b = tp_pool_channel(pool, "b");
    CHECK_OK(tp_send(b, (int64_t)0));
    tp_promise *p[20];
    for (int i = 0; i < 20; i++)
        p[i] = tp_submit(pool, stay, a, b, 100);
    for (int i = 0; i < 20; i++) {
        int64_t moved = -1;
        CHECK_OK(tp_await(p[i], &moved));
        CHECK_INT(moved, 0);
        tp_promise_release(p[i]);
    }
}

/* A worker that yields lets tasks start that were submitted meanwhile; nobody starves. */
static atomic_bool stop_yielding;

TP_TASK(yield_for_ever, int64_t)
{
    int64_t rounds = 0;
    while (!atomic_load(&stop_yielding)) {
        tp_try(tp_yield());
        rounds++;
    }
    return rounds;
}

TP_TASK(sleep_a_little, int64_t)
{
    tp_try(tp_sleep_ms(1));
    return 1;
}

static void tasks_that_only_yield_do_not_starve_timers_and_new_tasks(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    atomic_store(&stop_yielding, false);
    tp_promise *spinners[2] = {tp_submit(pool, yield_for_ever), tp_submit(pool, yield_for_ever)};
    for (int i = 0; i < 10; i++) {
        CHECK_OK(tp_run(pool, who_runs, NULL, 1));
        CHECK_OK(tp_run(pool, sleep_a_little, NULL));
    }
    atomic_store(&stop_yielding, true);
    for (int i = 0; i < 2; i++) {
        int64_t rounds = 0;
        CHECK_OK(tp_await(spinners[i], &rounds));
        CHECK(rounds > 0);
        tp_promise_release(spinners[i]);
    }
}

/* Two tasks that wake each other without end leave the worker to others as well. */
static void ping_pong_does_not_starve_new_tasks(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *there = tp_pool_channel(pool, "there");
    tp_channel *back = tp_pool_channel(pool, "back");
    tp_promise *a = tp_submit(pool, ping, back, there, INT64_MAX);
    tp_promise *b = tp_submit(pool, pong, there, back, INT64_MAX);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(tp_run(pool, who_runs, NULL, 1));
        CHECK_OK(tp_run(pool, sleep_a_little, NULL));
    }
    CHECK_OK(tp_channel_close(there));
    CHECK_STATUS(tp_await(a, NULL), TP_E_CLOSED);
    CHECK_STATUS(tp_await(b, NULL), TP_E_CLOSED);
    tp_promise_release(a);
    tp_promise_release(b);
}

TP_LOCAL_TASK(note_start, void, (int *, started))
{
    ++*started;
}

static void a_yield_lets_new_green_threads_start(void)
{
    int started = 0;
    tp_promise *p[3];
    for (int i = 0; i < 3; i++)
        p[i] = tp_async(note_start, &started);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(tp_yield());
        CHECK(started > i);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_OK(tp_await(p[i], NULL));
        tp_promise_release(p[i]);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(one_worker_runs_two_tasks_that_talk),
        CHECK_TEST(tasks_play_ping_pong_on_one_worker_and_on_two),
        CHECK_TEST(a_hog_does_not_delay_what_another_worker_can_take),
        CHECK_TEST(what_a_hog_spawned_is_taken_by_others),
        CHECK_TEST(the_watchdog_names_a_hog_once),
        CHECK_TEST(the_watchdog_leaves_parked_tasks_alone),
        CHECK_TEST(strict_placement_is_in_turn_and_final),
        CHECK_TEST(a_pinned_task_waits_for_its_worker),
        CHECK_TEST(a_pinned_task_is_never_started_by_its_waiter),
        CHECK_TEST(a_started_task_stays_on_its_thread),
        CHECK_TEST(tasks_that_only_yield_do_not_starve_timers_and_new_tasks),
        CHECK_TEST(ping_pong_does_not_starve_new_tasks),
        CHECK_TEST(a_yield_lets_new_green_threads_start),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
