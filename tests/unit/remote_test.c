/* SPDX-License-Identifier: MIT */
/* Pools whose workers are elsewhere: from the submit to the close, with a remote in the same process. */
#include "check.h"
#include "unit/fake_remote.h"

#include "base/error.h"
#include "closure/codec.h"
#include "runtime/channel.h"
#include "runtime/pool.h"

#include <sched.h>
#include <sys/wait.h>

enum { RACES = CHECK_SCALE(20000, 2000), MANY = 1000 };

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(greet, tp_str, (tp_str, name), (int, times))
{
    (void)times;
    return name;
}

static atomic_int nothing_ran;

TP_TASK(nothing, void)
{
    nothing_ran++;
}

TP_TASK(same_channel, tp_value, (tp_channel *, channel))
{
    return tp_value_channel(channel);
}

static const tp_pool_options defaults;

static void a_result_goes_through_its_encoding(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    CHECK_OR_EXIT(pool != NULL);
    tp_promise *number = tp_submit(pool, square, 7);
    tp_promise *text =
        tp_submit(pool, greet, .name = tp_str_lit("somebody with a long name, kept in a block"), .times = 2);
    tp_promise *none = tp_submit(pool, nothing);
    CHECK_INT(tp_pool_pending(pool), 3);
    CHECK(!tp_promise_ready(number));
    int64_t value = 1;
    CHECK_STATUS(tp_await_for(number, &value, 0), TP_E_TIMEOUT);
    while (fake_step(fake_opened)) {
    }
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_OK(tp_await(number, &value));
    CHECK_INT(value, 49);
    tp_str got;
    CHECK_OK(tp_await(text, &got));
    CHECK_TP_STR(got, "somebody with a long name, kept in a block");
    tp_str_release(got);
    CHECK_OK(tp_await(none, NULL));
    CHECK_INT(nothing_ran, 1);
    tp_promise_release(number);
    tp_promise_release(text);
    tp_promise_release(none);
    CHECK_OK(tp_pool_close(pool));
}

static void an_error_keeps_where_it_comes_from(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    tp_promise *promise =
        tp_submit(pool, greet, .name = tp_str_lit("a name that is longer than a few bytes"), .times = 1);
    struct fake_task *task = fake_take(fake_opened);
    const struct tp__origin origin = {.task = "greet", .node = "hal", .worker = 5, .backtrace = "here"};
    tp__remote_resolve(task->promise, NULL, 0, tp__error_new(TP_E_NODE_LOST, &origin, "gone"));
    fake_task_free(task);
    tp_str got;
    CHECK_STATUS(tp_await(promise, &got), TP_E_NODE_LOST);
    CHECK_STR(tp_promise_error(promise)->node, "hal");
    CHECK_INT(tp_promise_error(promise)->worker, 5);
    CHECK_STR(tp_last_error()->message, "gone");
    tp_promise_release(promise);
    CHECK_OK(tp_pool_close(pool));
}

static void a_result_that_cannot_be_decoded_is_an_error(void)
{
    static const uint8_t bad[][6] = {{1, 9, 9}, {7}, {0}};
    tp_pool *pool = fake_pool_open(defaults);
    for (size_t i = 0; i < 3; i++) {
        tp_promise *plain = tp_submit(pool, square, 7);
        tp_promise *text =
            tp_submit(pool, greet, .name = tp_str_lit("a name that is longer than a few bytes"), .times = 1);
        for (int each = 0; each < 2; each++) {
            struct fake_task *task = fake_take(fake_opened);
            tp__remote_resolve(task->promise, bad[i], i == 2 ? 0 : 3, NULL);
            fake_task_free(task);
        }
        int64_t number = 1;
        CHECK_STATUS(tp_await(plain, &number), TP_E_DECODE);
        CHECK_INT(number, 0);
        CHECK_STR(tp_last_error()->task, "square");
        CHECK_CONTAINS(tp_last_error()->message, "the result of task 'square' cannot be decoded");
        tp_str got;
        CHECK_STATUS(tp_await(text, &got), TP_E_DECODE);
        tp_promise_release(plain);
        tp_promise_release(text);
    }
    CHECK_OK(tp_pool_close(pool));
}

static void a_result_finds_the_channels_of_its_pool(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    tp_channel *channel = tp_pool_channel(pool, "news");
    tp_promise *promise = tp_submit(pool, same_channel, channel);
    fake_step(fake_opened);
    tp_value value;
    CHECK_OK(tp_await(promise, &value));
    tp_channel *got;
    CHECK_OK(tp_value_to_channel(value, &got));
    CHECK(got == channel);
    tp_promise_release(promise);
    tp_value_release(value);
    CHECK_OK(tp_pool_close(pool));
}

static void a_promise_that_nobody_keeps_resolves_all_the_same(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    tp_promise_release(tp_submit(pool, square, 7));
    tp_promise_release(
        tp_submit(pool, greet, .name = tp_str_lit("a name that is longer than a few bytes"), .times = 1));
    tp_promise_release(tp_submit(pool, square, 7));
    CHECK_INT(tp_pool_pending(pool), 3);
    fake_step(fake_opened);
    fake_step(fake_opened);
    struct fake_task *task = fake_take(fake_opened);
    tp__remote_resolve(task->promise, NULL, 0, tp__error_new(TP_E_TASK, NULL, "no"));
    fake_task_free(task);
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_OK(tp_pool_close(pool));
}

static void the_remote_is_told_of_a_cancelled_task(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    tp_promise *queued =
        tp_submit(pool, greet, .name = tp_str_lit("a name that is longer than a few bytes"), .times = 1);
    CHECK_OK(tp_cancel(queued));
    CHECK_OK(tp_cancel(queued));
    CHECK_INT(fake_count_stopped(fake_opened), 1);
    CHECK_INT(fake_count_queued(fake_opened), 0);
    CHECK_INT(tp_pool_pending(pool), 0);
    tp_str got;
    CHECK_STATUS(tp_await(queued, &got), TP_E_CANCELLED);
    CHECK_INT(got.length, 0);
    /* One that is on its way back already. */
    tp_promise *taken =
        tp_submit(pool, greet, .name = tp_str_lit("a name that is longer than a few bytes"), .times = 1);
    struct fake_task *task = fake_take(fake_opened);
    CHECK_OK(tp_cancel(taken));
    CHECK_INT(fake_count_stopped(fake_opened), 2);
    fake_run(fake_opened, task);
    CHECK_STATUS(tp_await(taken, &got), TP_E_CANCELLED);
    /* One that has resolved. */
    tp_promise *resolved = tp_submit(pool, square, 3);
    fake_step(fake_opened);
    CHECK_OK(tp_cancel(resolved));
    CHECK_INT(fake_count_stopped(fake_opened), 2);
    int64_t value;
    CHECK_OK(tp_await(resolved, &value));
    tp_promise_release(queued);
    tp_promise_release(taken);
    tp_promise_release(resolved);
    CHECK_OK(tp_pool_close(pool));
}

static void a_time_limit_is_kept_here(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    tp_promise *late = tp_submit_with(pool, tp_task_options(.timeout_ms = 1), square, 7);
    tp_promise *in_time = tp_submit_with(pool, tp_task_options(.timeout_ms = 1000000), square, 8);
    int64_t value;
    CHECK_STATUS(tp_await(late, &value), TP_E_TIMEOUT);
    CHECK_CONTAINS(tp_last_error()->message, "'square' did not end within 1 ms");
    while (fake_count_stopped(fake_opened) == 0)
        sched_yield();
    CHECK_INT(fake_count_queued(fake_opened), 1);
    fake_step(fake_opened);
    CHECK_OK(tp_await(in_time, &value));
    CHECK_INT(value, 64);
    tp_promise_release(late);
    tp_promise_release(in_time);
    CHECK_OK(tp_pool_close(pool));
}

struct race {
    struct fake *fake;
    tp_promise *promise;
    atomic_int turn;
    atomic_bool is_over;
};

static void *cancel_each(void *argument)
{
    struct race *race = argument;
    int turn = 0;
    while (!race->is_over) {
        if (race->turn == turn) {
            sched_yield();
            continue;
        }
        turn = race->turn;
        (void)tp_cancel(race->promise);
        race->turn = ++turn;
    }
    return NULL;
}

static void a_result_and_a_cancellation_resolve_exactly_once(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    struct race race = {.fake = fake_opened};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, cancel_each, &race), 0);
    int values = 0;
    int cancelled = 0;
    for (int i = 0; i < RACES; i++) {
        race.promise = tp_submit(pool, greet, .name = tp_str_lit("a name that is longer than a few bytes"), .times = 1);
        const int turn = race.turn;
        race.turn = turn + 1;
        for (int pause = 0; pause < i % 64; pause++)
            tp__cpu_relax();
        fake_step(race.fake);
        while (race.turn == turn + 1)
            sched_yield();
        tp_str got;
        const tp_status status = tp_await(race.promise, &got);
        if (status == TP_OK)
            tp_str_release(got);
        values += status == TP_OK;
        cancelled += status == TP_E_CANCELLED;
        tp_promise_release(race.promise);
    }
    race.is_over = true;
    pthread_join(thread, NULL);
    CHECK_INT(values + cancelled, RACES);
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_INT(fake_count_queued(race.fake), 0);
    CHECK_OK(tp_pool_close(pool));
}

static void a_drain_waits_for_what_was_submitted(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    for (int i = 0; i < MANY; i++)
        tp_promise_release(tp_submit(pool, square, i));
    CHECK_INT(tp_pool_pending(pool), MANY);
    fake_run_always(fake_opened);
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_INT(fake_count_queued(fake_opened), 0);
    int64_t value;
    CHECK_OK(tp_run(pool, square, &value, 9));
    CHECK_INT(value, 81);
    CHECK_OK(tp_pool_close(pool));
}

static void the_remote_is_closed_once_and_freed_last(void)
{
    const size_t freed = fake_freed;
    tp_pool *pool = fake_pool_open(defaults);
    struct fake *fake = fake_opened;
    tp_promise *promise = tp_submit(pool, square, 7);
    fake_run_always(fake);
    CHECK_INT(tp_pool_size(pool), 2);
    CHECK_OK(tp_pool_shutdown(pool));
    CHECK(tp_promise_ready(promise));
    CHECK_INT(fake->closed, 1);
    CHECK_OK(tp_pool_shutdown(pool));
    CHECK_INT(fake->closed, 1);
    CHECK_INT(tp_pool_size(pool), 0);
    CHECK(tp_submit(pool, square, 7) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_SHUTDOWN);
    CHECK(tp_pool_channel(pool, "late") == NULL);
    CHECK_INT(fake_freed, freed);
    CHECK_OK(tp_pool_close(pool));
    CHECK_INT(fake_freed, freed + 1);
    int64_t value;
    CHECK_OK(tp_await(promise, &value));
    tp_promise_release(promise);
}

static void the_size_is_live(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    CHECK_INT(tp_pool_size(pool), 2);
    fake_set_workers(fake_opened, 40);
    CHECK_INT(tp_pool_size(pool), 40);
    fake_set_workers(fake_opened, 0);
    CHECK_INT(tp_pool_size(pool), 0);
    CHECK_OK(tp_pool_close(pool));
}

static void a_pinned_task_names_a_worker_that_is_there(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    CHECK(tp_submit_with(pool, tp_task_options(.pinned = true, .worker = 2), square, 7) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    fake_set_workers(fake_opened, 3);
    tp_promise *promise = tp_submit_with(
        pool, tp_task_options(.pinned = true, .worker = 2, .at_most_once = true, .max_attempts = 9), square, 7);
    struct fake_task *task = fake_take(fake_opened);
    CHECK_INT(task->worker, 2);
    CHECK(task->options.at_most_once);
    CHECK_INT(task->options.max_attempts, 9);
    fake_run(fake_opened, task);
    tp_promise_release(promise);
    CHECK_OK(tp_pool_close(pool));
}

static void a_submit_that_is_refused_leaves_nothing(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    fake_opened->refuses = true;
    CHECK(tp_submit(pool, greet, .name = tp_str_lit("a name that is longer than a few bytes"), .times = 1) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_FULL);
    CHECK(tp_submit_with(pool, tp_task_options(.timeout_ms = 1), square, 7) == NULL);
    int64_t in[3] = {1, 2, 3};
    int64_t out[3] = {7, 7, 7};
    CHECK_STATUS(tp_map(pool, square, in, out, 3), TP_E_FULL);
    CHECK_INT(out[1], 0);
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_OK(tp_drain(pool));
    CHECK_OK(tp_pool_close(pool));
}

static void *submit_many(void *argument)
{
    for (int i = 0; i < MANY; i++)
        tp_promise_release(tp_submit((tp_pool *)argument, square, i));
    return NULL;
}

static void a_submit_may_wait_for_room(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    struct fake *fake = fake_opened;
    fake->limit = 10;
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, submit_many, pool), 0);
    while (fake_count_queued(fake) < 10)
        sched_yield();
    fake_until_parked(fake, 1);
    CHECK_INT(tp_pool_pending(pool), 11); /* it is counted before it has room */
    fake_run_always(fake);
    int64_t in[MANY];
    int64_t out[MANY];
    for (int i = 0; i < MANY; i++)
        in[i] = i;
    CHECK_OK(tp_map(pool, square, in, out, MANY));
    CHECK_INT(out[MANY - 1], (int64_t)(MANY - 1) * (MANY - 1));
    pthread_join(thread, NULL);
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_OK(tp_pool_close(pool));
}

static void *map_strictly(void *argument)
{
    int64_t in[10] = {0};
    int64_t out[10];
    return tp_map((tp_pool *)argument, square, in, out, 10) == TP_OK ? argument : NULL;
}

static void a_strict_map_keeps_the_workers_that_it_began_with(void)
{
    tp_pool *pool = fake_pool_open(tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT));
    struct fake *fake = fake_opened;
    fake_set_workers(fake, 3);
    fake->limit = 4;
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, map_strictly, pool), 0);
    while (fake_count_queued(fake) < 4)
        sched_yield();
    fake_set_workers(fake, 1);
    for (int i = 0; i < 10; i++) {
        struct fake_task *task;
        while (!(task = fake_take(fake)))
            sched_yield();
        CHECK_INT(task->worker, i % 3);
        fake_run(fake, task);
    }
    void *done;
    pthread_join(thread, &done);
    CHECK(done == pool);
    fake_set_workers(fake, 0);
    int64_t in = 1;
    int64_t out = 1;
    CHECK_STATUS(tp_map(pool, square, &in, &out, 1), TP_E_NODE_LOST);
    CHECK_OK(tp_pool_close(pool));
}

/* ---- inside green threads ---- */

static struct {
    tp_pool *remote;
    tp_promise *promise;
    atomic_int arrived;
    atomic_bool others_run;
    tp_status status;
    int64_t value;
} inside;

TP_TASK(await_remote, void)
{
    inside.arrived = 1;
    inside.status = tp_await(inside.promise, &inside.value);
}

TP_TASK(run_meanwhile, void)
{
    inside.others_run = true;
}

static void awaiting_a_remote_task_parks_a_green_thread(void)
{
    inside.remote = fake_pool_open(defaults);
    inside.promise = tp_submit(inside.remote, square, 12);
    inside.arrived = 0;
    tp_pool *local = tp_pool_open("local:1");
    tp_promise *waiting = tp_submit(local, await_remote);
    while (!inside.arrived)
        sched_yield();
    CHECK_OK(tp_run(local, run_meanwhile, NULL));
    CHECK(inside.others_run);
    CHECK_INT(fake_count_queued(fake_opened), 1);
    fake_step(fake_opened);
    CHECK_OK(tp_await(waiting, NULL));
    CHECK_STATUS(inside.status, TP_OK);
    CHECK_INT(inside.value, 144);
    tp_promise_release(waiting);
    tp_promise_release(inside.promise);
    CHECK_OK(tp_pool_close(local));
    CHECK_OK(tp_pool_close(inside.remote));
}

static struct {
    tp_status drained, closed;
    size_t size, pending, own_pending;
    bool same_channel, same_handle_channel;
    int64_t value;
    tp_status cluster;
    char cluster_error[256];
    int worker;
    size_t local_size;
    int64_t local_value;
    atomic_bool submitted;
} child;

TP_TASK(parent, void)
{
    child.worker = tp_worker_index();
    tp_pool *pool = tp_pool_open(NULL);
    child.size = tp_pool_size(pool);
    tp_promise *promise = tp_submit(pool, square, 5);
    tp_promise_release(tp_submit(pool, square, 6));
    child.pending = tp_pool_pending(pool);
    tp_pool *second = tp_pool_open(NULL);
    child.own_pending = tp_pool_pending(second);
    child.same_handle_channel = tp_pool_channel(second, "c") == tp_pool_channel(pool, "c");
    tp_pool *cluster = tp_pool_open("tcp://fake:2");
    child.cluster = cluster ? TP_OK : tp_last_error()->status;
    snprintf(child.cluster_error, sizeof child.cluster_error, "%s", tp_last_error()->message);
    tp_pool *local = tp_pool_open("local:1");
    child.local_size = tp_pool_size(local);
    (void)tp_run(local, square, &child.local_value, 4);
    (void)tp_pool_close(local);
    (void)tp_pool_close(second);
    child.submitted = true;
    child.drained = tp_drain(pool);
    (void)tp_await(promise, &child.value);
    tp_promise_release(promise);
    child.closed = tp_pool_close(pool);
}

static void a_task_of_a_worker_process_has_its_children_elsewhere(void)
{
    struct fake *fake = fake_new(&defaults, NULL);
    fake_set_workers(fake, 17);
    struct tp__executor *children = fake->executor;
    tp_pool *pool = tp_pool_open("local:1");
    tp__executor_set_children(pool->executor, children);
    tp__executor_set_first_worker(pool->executor, 30);
    tp_promise *promise = tp_submit(pool, parent);
    while (!child.submitted)
        sched_yield();
    CHECK_INT(fake_count_queued(fake), 2);
    CHECK(!tp_promise_ready(promise));
    fake_step(fake);
    fake_step(fake);
    CHECK_OK(tp_await(promise, NULL));
    tp_promise_release(promise);
    CHECK_INT(child.worker, 30);
    CHECK_INT(child.size, 17);
    CHECK_INT(child.pending, 2);
    CHECK_INT(child.own_pending, 0);
    CHECK(child.same_handle_channel);
    CHECK_STATUS(child.drained, TP_OK);
    CHECK_STATUS(child.closed, TP_OK);
    CHECK_INT(child.value, 25);
    CHECK_STATUS(child.cluster, TP_E_UNSUPPORTED);
    CHECK_CONTAINS(child.cluster_error, "a task on a cluster cannot open another one");
    CHECK_INT(child.local_size, 1);
    CHECK_INT(child.local_value, 16);
    tp__executor_set_children(pool->executor, NULL);
    CHECK_OK(tp_pool_close(pool));
    CHECK_INT(fake->closed, 0);
    tp__executor_stop(children);
    tp__executor_release(children);
}

static void a_forked_child_cannot_use_the_pool(void)
{
    tp_pool *pool = fake_pool_open(defaults);
    tp_promise *promise = tp_submit(pool, square, 7);
    const pid_t pid = fork();
    if (pid == 0) {
        int64_t value;
        const bool right = !tp_submit(pool, square, 7) && tp_last_error()->status == TP_E_FORKED &&
                           tp_drain(pool) == TP_E_FORKED && tp_await(promise, &value) == TP_E_FORKED;
        _exit(right ? 0 : 1);
    }
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    fake_step(fake_opened);
    tp_promise_release(promise);
    CHECK_OK(tp_pool_close(pool));
}

static void the_address_says_where_it_opens(void)
{
    tp_pool *pool = fake_pool_open(tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT, .stack_bytes = 1 << 20));
    CHECK_STR(fake_opened->address, "fake:1");
    CHECK_INT(fake_opened->options.stack_bytes, 1 << 20);
    CHECK_OK(tp_pool_close(pool));
    CHECK(tp_pool_open("tcp://nobody:1") == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_SYSTEM);
    CHECK(tp_pool_open("tcp://nobody") == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ADDRESS);
    setenv("TASKPOOL", "tcp://fake:3", 1);
    pool = tp_pool_open(NULL);
    unsetenv("TASKPOOL");
    CHECK_STR(fake_opened->address, "fake:3");
    CHECK_OK(tp_pool_close(pool));
    tp__remote_opener *opener = tp__remote_open;
    tp__remote_open = NULL;
    CHECK(tp_pool_open("tcp://fake:1") == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_UNSUPPORTED);
    tp__remote_open = opener;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_result_goes_through_its_encoding),
        CHECK_TEST(an_error_keeps_where_it_comes_from),
        CHECK_TEST(a_result_that_cannot_be_decoded_is_an_error),
        CHECK_TEST(a_result_finds_the_channels_of_its_pool),
        CHECK_TEST(a_promise_that_nobody_keeps_resolves_all_the_same),
        CHECK_TEST(the_remote_is_told_of_a_cancelled_task),
        CHECK_TEST(a_time_limit_is_kept_here),
        CHECK_TEST(a_result_and_a_cancellation_resolve_exactly_once),
        CHECK_TEST(a_drain_waits_for_what_was_submitted),
        CHECK_TEST(the_remote_is_closed_once_and_freed_last),
        CHECK_TEST(the_size_is_live),
        CHECK_TEST(a_pinned_task_names_a_worker_that_is_there),
        CHECK_TEST(a_submit_that_is_refused_leaves_nothing),
        CHECK_TEST(a_submit_may_wait_for_room),
        CHECK_TEST(a_strict_map_keeps_the_workers_that_it_began_with),
        CHECK_TEST(awaiting_a_remote_task_parks_a_green_thread),
        CHECK_TEST(a_task_of_a_worker_process_has_its_children_elsewhere),
        CHECK_TEST(a_forked_child_cannot_use_the_pool),
        CHECK_TEST(the_address_says_where_it_opens),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
