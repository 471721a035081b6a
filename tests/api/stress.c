/* SPDX-License-Identifier: MIT */
/* Random tasks that spawn, await, cancel, time out, raise and talk; then the books are checked: each promise has its
 * value or a reason that was possible, each task that started has ended, each message was received or is still there.
 *
 * stress [SEED [ROUNDS]]: the seed decides what each task does, not how they are scheduled. */
#include "check.h"
#include "test_pool.h"

#include <stdatomic.h>
#include <time.h>

static atomic_llong started;
static atomic_llong ended;
static atomic_llong sent;
static atomic_llong received;
static atomic_llong wrong_values;
static atomic_llong wrong_statuses;
static tp_mutex *mutex;
static tp_semaphore *semaphore;
static int64_t guarded; /* by the mutex */
static atomic_llong guarded_wanted;

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int64_t value_of(uint64_t seed)
{
    uint64_t state = seed;
    return (int64_t)(next_random(&state) >> 1);
}

static void report_wrong(tp_status status, const char *where)
{
    fprintf(stderr, "%s: %s: %s\n", where, tp_status_name(status), tp_last_error()->message);
    atomic_fetch_add(&wrong_statuses, 1);
}

static void count_end(void *argument)
{
    (void)argument;
    atomic_fetch_add(&ended, 1);
}

static void count_message(tp_status status, atomic_llong *counter)
{
    if (status == TP_OK)
        atomic_fetch_add(counter, 1);
    else if (status != TP_E_FULL && status != TP_E_EMPTY && status != TP_E_TIMEOUT && status != TP_E_CANCELLED)
        report_wrong(status, "a message");
}

TP_TASK_DECLARE(random_task, int64_t, (uint64_t, seed), (int, depth), (tp_channel *, a), (tp_channel *, b));

/* Takes over the promise. A task can fail by itself (TP_E_TASK) or, when `may_be_stopped`, be stopped. */
static void await_child(tp_promise *child, uint64_t seed, bool may_be_stopped)
{
    int64_t v = -1;
    const tp_status status = tp_await(child, &v);
    if (tp_cancelled()) {
        tp_promise_release(child);
        tp_try(status);
        return;
    }
    const bool possible = status == TP_OK || status == TP_E_TASK ||
                          (may_be_stopped && (status == TP_E_CANCELLED || status == TP_E_TIMEOUT));
    if (!possible)
        report_wrong(status, "a child");
    if (v != (status == TP_OK ? value_of(seed) : 0))
        atomic_fetch_add(&wrong_values, 1);
    tp_promise_release(child);
}

static void spawn_and_wait(tp_pool *pool, uint64_t *random, int depth, tp_channel *a, tp_channel *b)
{
    const uint64_t seeds[4] = {next_random(random), next_random(random), next_random(random), next_random(random)};
    tp_promise *children[4];
    switch (next_random(random) % 6) {
    case 0:
    case 1:
        await_child(tp_submit(pool, random_task, seeds[0], depth - 1, a, b), seeds[0], false);
        break;
    case 2:
        children[0] = tp_submit(pool, random_task, seeds[0], depth - 1, a, b);
        if (next_random(random) % 2)
            tp_yield();
        tp_cancel(children[0]);
        await_child(children[0], seeds[0], true);
        break;
    case 3:
        await_child(tp_submit_with(pool, tp_task_options(.timeout_ms = 1 + (int64_t)(next_random(random) % 3)),
                                   random_task, seeds[0], depth - 1, a, b),
                    seeds[0], true);
        break;
    case 4:
        tp_promise_release(tp_submit(pool, random_task, seeds[0], depth - 1, a, b));
        break;
    default:
        for (int i = 0; i < 4; i++)
            children[i] = tp_submit(pool, random_task, seeds[i], depth - 1, a, b);
        size_t index = 0;
        const tp_status status = tp_wait_any(children, 4, 5, &index);
        if (status != TP_OK && status != TP_E_TIMEOUT && status != TP_E_CANCELLED)
            report_wrong(status, "tp_wait_any");
        if (next_random(random) % 2)
            tp_cancel(children[3]);
        tp_wait_all(children, 3, 1);
        for (int i = 0; i < 4; i++)
            tp_promise_release(children[i]);
    }
}

TP_TASK_DEFINE(random_task, int64_t, (uint64_t, seed), (int, depth), (tp_channel *, a), (tp_channel *, b))
{
    uint64_t random = seed;
    atomic_fetch_add(&started, 1);
    if (tp_defer(count_end, NULL) != TP_OK)
        report_wrong(tp_last_error()->status, "tp_defer");
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_auto(tp_str) mine = tp_str_format("%d:%d", (int)seed, depth);
    const int steps = 1 + (int)(next_random(&random) % 8);
    for (int step = 0; step < steps; step++) {
        int64_t m = value_of(seed);
        size_t index = 0;
        tp_status status;
        switch (next_random(&random) % 14) {
        case 0:
            tp_yield();
            break;
        case 1:
            tp_sleep_ms((int64_t)(next_random(&random) % 3));
            break;
        case 2:
            count_message(tp_try_send(a, m), &sent);
            break;
        case 3:
            count_message(tp_try_recv(a, &m), &received);
            break;
        case 4:
            count_message(tp_recv_for(b, &m, 1 + (int64_t)(next_random(&random) % 3)), &received);
            break;
        case 5:
            count_message(tp_send_for(b, m, 1 + (int64_t)(next_random(&random) % 3)), &sent);
            break;
        case 6: {
            int64_t got = 0;
            tp_select_case cases[3] = {tp_case_recv(a, &got), tp_case_send(b, m), tp_case_recv(b, &got)};
            status = tp_select(cases, 3, 1, &index);
            count_message(status, status == TP_OK && index == 1 ? &sent : &received);
            break;
        }
        case 7:
            if (tp_mutex_lock(mutex) == TP_OK) {
                const int64_t before = guarded;
                if (next_random(&random) % 2)
                    tp_yield();
                guarded = before + 1;
                tp_mutex_unlock(mutex);
                atomic_fetch_add(&guarded_wanted, 1);
            }
            break;
        case 8:
            if (tp_semaphore_acquire(semaphore, 2) == TP_OK) {
                tp_yield();
                tp_semaphore_post(semaphore);
            }
            break;
        case 9:
            if (next_random(&random) % 8 == 0)
                tp_raise("task %d gives up", (int)seed);
            break;
        default:
            if (depth > 0)
                spawn_and_wait(pool, &random, depth, a, b);
        }
    }
    return mine.length > 0 ? value_of(seed) : 0;
}

static void one_round(uint64_t seed)
{
    uint64_t random = seed;
    char where[16];
    snprintf(where, sizeof where, "local:%d", 1 + (int)(next_random(&random) % 4));
    const tp_pool_options options = {.placement = next_random(&random) % 4 ? TP_ROUND_ROBIN : TP_ROUND_ROBIN_STRICT};
    tp_pool *pool = tp_pool_open_with(where, options);
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *a = tp_pool_channel(pool, "a");
    tp_channel *b = tp_pool_channel_with(pool, "b", 1 + next_random(&random) % 4);
    mutex = tp_mutex_new();
    semaphore = tp_semaphore_new(2);
    CHECK_OR_EXIT(a != NULL && b != NULL && mutex != NULL && semaphore != NULL);
    guarded = 0;
    atomic_store(&guarded_wanted, 0);
    atomic_store(&sent, 0);
    atomic_store(&received, 0);
    atomic_store(&started, 0);
    atomic_store(&ended, 0);

    enum { ROOTS = CHECK_SCALE(60, 12) };
    tp_promise *roots[ROOTS];
    uint64_t seeds[ROOTS];
    bool stopped[ROOTS];
    for (int i = 0; i < ROOTS; i++) {
        seeds[i] = next_random(&random);
        roots[i] = tp_submit(pool, random_task, seeds[i], 3, a, b);
        stopped[i] = false;
        if (next_random(&random) % 8 == 0) {
            const int victim = (int)(next_random(&random) % (uint64_t)(i + 1));
            CHECK_OK(tp_cancel(roots[victim]));
            stopped[victim] = true;
        }
    }
    for (int i = 0; i < ROOTS; i++) {
        int64_t v = -1;
        const tp_status status = tp_await(roots[i], &v);
        CHECK(status == TP_OK || status == TP_E_TASK || (stopped[i] && status == TP_E_CANCELLED));
        CHECK_INT(v, status == TP_OK ? value_of(seeds[i]) : 0);
        tp_promise_release(roots[i]);
    }
    CHECK_OK(tp_pool_shutdown(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_INT(atomic_load(&ended), atomic_load(&started));
    CHECK_INT(atomic_load(&sent),
              atomic_load(&received) + (long long)tp_channel_size(a) + (long long)tp_channel_size(b));
    CHECK_INT(guarded, atomic_load(&guarded_wanted));
    CHECK_OK(tp_mutex_try_lock(mutex));
    CHECK_OK(tp_mutex_unlock(mutex));
    CHECK_OK(tp_semaphore_acquire(semaphore, 0));
    CHECK_OK(tp_semaphore_acquire(semaphore, 0));
    CHECK_STATUS(tp_semaphore_acquire(semaphore, 0), TP_E_BUSY);
    CHECK_OK(tp_pool_close(pool));
    tp_mutex_release(mutex);
    tp_semaphore_release(semaphore);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 20;
    const int rounds = argc > 2 ? atoi(argv[2]) : CHECK_SCALE(40, 8);
    printf("seed %" PRIu64 ", %d rounds\n", seed, rounds);
    fflush(stdout);
    for (int round = 0; round < rounds; round++) {
        one_round(seed + (uint64_t)round);
        CHECK_INT(atomic_load(&wrong_values), 0);
        CHECK_INT(atomic_load(&wrong_statuses), 0);
        if (check_failures > 0) {
            fprintf(stderr, "failed with seed %" PRIu64 ", rounds 1\n", seed + (uint64_t)round);
            break;
        }
    }
    return check_result();
}
