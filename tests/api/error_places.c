/* SPDX-License-Identifier: MIT */
/* What an error says about its place: node, worker and task. On a cluster, a node's name is $TEST_NODE there. */
#include "check.h"
#include "test_pool.h"

enum { WORKERS = 6 }; /* of three nodes with two each */

static tp_pool *pool;

TP_TASK(where, tp_str)
{
    const char *node = getenv("TEST_NODE");
    return tp_str_view(node ? node : "local", strlen(node ? node : "local"));
}

TP_TASK(explode, int64_t)
{
    tp_raise("boom");
}

TP_TASK(give_much, tp_bytes, (int, bytes))
{
    static const char memory[17 << 20];
    return tp_bytes_view(memory, (size_t)bytes);
}

TP_TASK(wait_for, int64_t, (tp_channel *, begun), (tp_channel *, gate))
{
    int64_t nothing = 0;
    tp_try(tp_send(begun, nothing));
    tp_try(tp_recv(gate, &nothing));
    return 0;
}

TP_TASK(explode_here, int64_t)
{
    const char *node = getenv("TEST_NODE");
    tp_raise("on %s, worker %d", node ? node : "local", tp_worker_index());
}

/* Passes on the errors of children, the last of which may be anywhere. */
TP_TASK(pass_on, int64_t)
{
    enum { CHILDREN = 20 };
    tp_auto(tp_pool) job = tp_pool_open(NULL);
    tp_promise *children[CHILDREN];
    tp_status status = TP_OK;
    for (int i = 0; i < CHILDREN; i++)
        children[i] = tp_submit(job, explode_here);
    for (int i = 0; i < CHILDREN; i++) {
        status = tp_await(children[i], NULL);
        tp_promise_release(children[i]);
    }
    tp_try(status);
    return 0;
}

static void check_node(const char *node, int worker)
{
    tp_promise *promise = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), where);
    tp_str name;
    CHECK_OK(tp_await(promise, &name));
    CHECK_STR(node, name.data);
    tp_str_release(name);
    tp_promise_release(promise);
}

static void a_raised_error_is_of_the_worker_that_ran_the_task(void)
{
    for (int worker = 0; worker < WORKERS; worker++) {
        tp_promise *promise = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), explode);
        CHECK_STATUS(tp_await(promise, NULL), TP_E_TASK);
        const tp_error *error = tp_promise_error(promise);
        CHECK_STR(error->task, "explode");
        CHECK_INT(error->worker, worker);
        check_node(error->node, worker);
        tp_promise_release(promise);
    }
}

static void an_error_that_is_passed_on_stays_where_it_arose(void)
{
    for (int worker = 0; worker < WORKERS; worker++) {
        tp_promise *promise = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), pass_on);
        CHECK_STATUS(tp_await(promise, NULL), TP_E_TASK);
        const tp_error *error = tp_promise_error(promise);
        char place[64];
        snprintf(place, sizeof place, "on %s, worker %d", error->node, error->worker);
        CHECK_STR(error->message, place);
        CHECK_STR(error->task, "explode_here");
        tp_promise_release(promise);
    }
}

static void a_result_that_is_too_large_is_named(void)
{
    for (int worker = 0; worker < WORKERS; worker += 3) {
        tp_promise *promise =
            tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), give_much, (16 << 20) + 100);
        CHECK_STATUS(tp_await(promise, NULL), TP_E_LIMIT);
        const tp_error *error = tp_promise_error(promise);
        CHECK_CONTAINS(error->message, "the result of task 'give_much'");
        CHECK_CONTAINS(error->message, "16777320 bytes");
        CHECK_CONTAINS(error->message, "the limit is 16777216");
        CHECK_STR(error->task, "give_much");
        CHECK_INT(error->worker, worker);
        check_node(error->node, worker);
        tp_promise_release(promise);
    }
}

/* Where the task is, if it has begun at all, nobody waits to find out. */
static void check_stopped(tp_promise *promise, tp_status status)
{
    CHECK_STATUS(tp_await(promise, NULL), status);
    const tp_error *error = tp_promise_error(promise);
    CHECK_CONTAINS(error->message, "wait_for");
    CHECK_STR(error->task, "wait_for");
    CHECK_STR(error->node, test_where_is_given() ? "" : "local");
    CHECK_INT(error->worker, -1);
    tp_promise_release(promise);
}

static void what_was_stopped_is_of_no_worker(void)
{
    tp_channel *begun = tp_pool_channel(pool, "begun");
    tp_channel *gate = tp_pool_channel(pool, "gate");
    int64_t nothing = 0;
    tp_promise *promise = tp_submit(pool, wait_for, begun, gate);
    CHECK_OK(tp_recv(begun, &nothing));
    CHECK_OK(tp_cancel(promise));
    check_stopped(promise, TP_E_CANCELLED);
    check_stopped(tp_submit_with(pool, tp_task_options(.timeout_ms = 1), wait_for, begun, gate), TP_E_TIMEOUT);
    CHECK_OK(tp_channel_close(gate));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    pool = test_pool_open(WORKERS);
    const struct check_test tests[] = {
        CHECK_TEST(a_raised_error_is_of_the_worker_that_ran_the_task),
        CHECK_TEST(an_error_that_is_passed_on_stays_where_it_arose),
        CHECK_TEST(a_result_that_is_too_large_is_named),
        CHECK_TEST(what_was_stopped_is_of_no_worker),
    };
    CHECK_RUN(tests, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
