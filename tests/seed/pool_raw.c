/* SPDX-License-Identifier: MIT */
/* The seed's raw `Pool`: a chosen worker, long-lived worker loops, and one task at a time per worker. */
#include "check.h"
#include "test_pool.h"

enum { WORKERS = 3, JOBS = 30 };

TP_TASK(who_runs, int)
{
    return tp_worker_index();
}

/* A worker loop: lives as long as there are jobs. Answers job * 1000 + worker. */
TP_TASK(worker_loop, int64_t, (tp_channel *, jobs), (tp_channel *, answers))
{
    int64_t done = 0;
    int64_t job;
    tp_status status;
    while ((status = tp_recv(jobs, &job)) == TP_OK) {
        tp_try(tp_send(answers, job * 1000 + tp_worker_index()));
        done++;
    }
    if (status != TP_E_CLOSED)
        tp_try(status);
    return done;
}

/* Yields many times; tells when it begins (id) and ends (-id). */
TP_TASK(begin_and_end, void, (int64_t, id), (tp_channel *, log))
{
    tp_try(tp_send(log, id));
    for (int i = 0; i < 50; i++)
        tp_try(tp_yield());
    tp_try(tp_send(log, -id));
}

static void a_task_runs_on_the_chosen_worker(void)
{
    tp_auto(tp_pool) pool = test_pool_open(WORKERS);
    const int size = (int)tp_pool_size(pool);
    for (int round = 0; round < 20; round++) {
        for (int worker = 0; worker < size; worker++) {
            tp_promise *p = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), who_runs);
            int got = -1;
            CHECK_OK(tp_await(p, &got));
            CHECK_INT(got, worker);
            tp_promise_release(p);
        }
    }
    CHECK(tp_submit_with(pool, tp_task_options(.pinned = true, .worker = size), who_runs) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK(tp_submit_with(pool, tp_task_options(.pinned = true, .worker = -1), who_runs) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
}

static void worker_loops_live_until_their_channel_closes(void)
{
    tp_auto(tp_pool) pool = test_pool_open(WORKERS);
    const int size = (int)tp_pool_size(pool);
    tp_channel *jobs = tp_pool_channel(pool, "jobs");
    tp_channel *answers = tp_pool_channel(pool, "answers");
    tp_promise **loops = calloc((size_t)size, sizeof *loops);
    CHECK_OR_EXIT(loops != NULL);
    for (int worker = 0; worker < size; worker++)
        loops[worker] =
            tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), worker_loop, jobs, answers);
    for (int64_t job = 0; job < JOBS; job++)
        CHECK_OK(tp_send(jobs, job));
    bool seen[JOBS] = {false};
    for (int i = 0; i < JOBS; i++) {
        int64_t answer = -1;
        CHECK_OK(tp_recv(answers, &answer));
        CHECK_OR_EXIT(answer >= 0 && answer / 1000 < JOBS);
        CHECK(!seen[answer / 1000]);
        seen[answer / 1000] = true;
        CHECK(answer % 1000 < size);
    }
    CHECK_OK(tp_channel_close(jobs));
    int64_t total = 0;
    for (int worker = 0; worker < size; worker++) {
        int64_t done = 0;
        CHECK_OK(tp_await(loops[worker], &done));
        total += done;
        tp_promise_release(loops[worker]);
    }
    CHECK_INT(total, JOBS);
    free(loops);
}

static void a_serial_worker_runs_one_task_at_a_time(void)
{
    if (test_where_is_given()) /* an option of local pools */
        return;
    tp_auto(tp_pool) pool = test_pool_open_with(1, tp_pool_options(.serial_workers = true));
    tp_channel *log = tp_pool_channel(pool, "log");
    for (int64_t id = 1; id <= 10; id++)
        tp_promise_release(tp_submit(pool, begin_and_end, id, log));
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_channel_size(log), 20);
    int64_t line = 0;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(tp_recv(log, &line));
        const int64_t begun = line;
        CHECK(begun > 0);
        CHECK_OK(tp_recv(log, &line));
        CHECK_INT(line, -begun);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_task_runs_on_the_chosen_worker),
        CHECK_TEST(worker_loops_live_until_their_channel_closes),
        CHECK_TEST(a_serial_worker_runs_one_task_at_a_time),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
