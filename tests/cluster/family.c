/* SPDX-License-Identifier: MIT */
/* Tasks that submit tasks, on any node, to any depth: they end, within the limits. */
#include "check.h"
#include "cluster/marks.h"
#include "test_pool.h"

static tp_pool *pool;

static int64_t fib_sequential(int n)
{
    return n < 2 ? n : fib_sequential(n - 1) + fib_sequential(n - 2);
}

TP_TASK(fib, int64_t, (int, n))
{
    if (n < 2)
        return n;
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    tp_auto(tp_promise) a = tp_submit(own, fib, n - 1);
    tp_auto(tp_promise) b = tp_submit(own, fib, n - 2);
    int64_t x;
    int64_t y;
    tp_try(tp_await(a, &x));
    tp_try(tp_await(b, &y));
    return x + y;
}

static void a_fib_with_a_child_per_call_ends(void)
{
    const int n = CHECK_SCALE(18, 11);
    int64_t value = 0;
    CHECK_OK(tp_run(pool, fib, &value, n));
    CHECK_INT(value, fib_sequential(n));
    CHECK_INT(tp_pool_pending(pool), 0);
}

static void many_fibs_at_once_end(void)
{
    enum { FIBS = 20 };
    const int n = CHECK_SCALE(11, 7);
    tp_promise *promises[FIBS];
    for (int i = 0; i < FIBS; i++)
        promises[i] = tp_submit(pool, fib, n);
    CHECK_OK(tp_wait_all(promises, FIBS, TP_FOREVER));
    for (int i = 0; i < FIBS; i++) {
        int64_t value = 0;
        CHECK_OK(tp_await(promises[i], &value));
        CHECK_INT(value, fib_sequential(n));
        tp_promise_release(promises[i]);
    }
}

/* All of them are parked at once. */
TP_TASK(chain, int64_t, (int, depth))
{
    if (depth == 0)
        return 0;
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    int64_t below;
    tp_try(tp_run(own, chain, &below, depth - 1));
    return below + 1;
}

static void a_deep_chain_ends(void)
{
    const int depth = CHECK_SCALE(2000, 200);
    int64_t value = 0;
    CHECK_OK(tp_run(pool, chain, &value, depth));
    CHECK_INT(value, depth);
}

/* ---- drain ---- */

TP_TASK(note, void, (tp_str, path), (int, i))
{
    tp_sleep_ms(i % 7);
    mark(path, "note %d", i);
}

TP_TASK(submit_and_drain, int64_t, (tp_str, path), (int, count))
{
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    for (int i = 0; i < count; i++)
        tp_promise_release(tp_submit(own, note, path, i));
    tp_try(tp_drain(own));
    return (int64_t)marks_of(path.data, "note");
}

static void a_drain_inside_a_task_waits_for_its_children(void)
{
    struct marks marks;
    marks_open(&marks);
    int64_t count = 0;
    CHECK_OK(tp_run(pool, submit_and_drain, &count, marks_path(&marks), 100));
    CHECK_INT(count, 100);
    marks_close(&marks);
}

TP_TASK(submit_and_forget, void, (tp_str, path), (int, count))
{
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    for (int i = 0; i < count; i++)
        tp_promise_release(tp_submit(own, note, path, i));
}

static void a_drain_of_the_driver_waits_for_grandchildren(void)
{
    struct marks marks;
    marks_open(&marks);
    for (int i = 0; i < 10; i++)
        tp_promise_release(tp_submit(pool, submit_and_forget, marks_path(&marks), 20));
    CHECK_OK(tp_drain(pool));
    CHECK_INT(marks_of(marks.path, "note"), 200);
    CHECK_INT(tp_pool_pending(pool), 0);
    marks_close(&marks);
}

TP_TASK(drain_the_whole, int64_t, (int, unused))
{
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    return unused + (tp_drain(own) == TP_OK); /* a handle of its own: nothing was submitted through it */
}

static void a_drain_of_nothing_inside_a_task_returns(void)
{
    int64_t value = 0;
    CHECK_OK(tp_run(pool, drain_the_whole, &value, 0));
    CHECK_INT(value, 1);
}

/* ---- errors, deadlines, cancellation ---- */

TP_TASK(fail_at_depth, int64_t, (int, depth))
{
    if (depth == 0)
        tp_raise("the bottom fell out");
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    int64_t below;
    tp_try(tp_run(own, fail_at_depth, &below, depth - 1));
    return below;
}

static void an_error_comes_up_through_all_generations(void)
{
    int64_t value;
    CHECK_STATUS(tp_run(pool, fail_at_depth, &value, 6), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "the bottom fell out");
    CHECK_STR(tp_last_error()->task, "fail_at_depth");
    CHECK(strncmp(tp_last_error()->node, "node", 4) == 0);
}

TP_TASK(wait_in_a_tree, int64_t, (int, depth), (tp_channel *, gate), (tp_str, path))
{
    if (depth > 0) {
        tp_auto(tp_pool) own = tp_pool_open(NULL);
        tp_auto(tp_promise) a = tp_submit(own, wait_in_a_tree, depth - 1, gate, path);
        tp_auto(tp_promise) b = tp_submit(own, wait_in_a_tree, depth - 1, gate, path);
        tp_status status = tp_await(a, NULL);
        if (status == TP_OK)
            status = tp_await(b, NULL);
        if (tp_cancelled() || status == TP_E_CANCELLED)
            tp_cancel(a), tp_cancel(b);
        mark(path, "inner");
        return status;
    }
    mark(path, "leaf");
    int64_t nothing;
    const tp_status status = tp_recv(gate, &nothing);
    mark(path, "over %s", tp_status_name(status));
    return status;
}

static void a_cancelled_tree_ends(void)
{
    struct marks marks;
    marks_open(&marks);
    tp_channel *gate = tp_pool_channel(pool, "tree gate");
    tp_auto(tp_promise) root = tp_submit(pool, wait_in_a_tree, 4, gate, marks_path(&marks));
    CHECK(marks_wait(marks.path, "leaf", 16));
    CHECK_INT(tp_pool_pending(pool), 31);
    tp_cancel(root);
    CHECK_STATUS(tp_await(root, NULL), TP_E_CANCELLED);
    CHECK(marks_wait(marks.path, "over TP_E_CANCELLED", 16)); /* those that waited were woken */
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    marks_close(&marks);
}

TP_TASK(wait_at, int64_t, (tp_channel *, gate))
{
    int64_t nothing;
    tp_try(tp_recv(gate, &nothing));
    return nothing;
}

TP_TASK(child_with_a_deadline, int64_t, (tp_channel *, gate))
{
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    tp_auto(tp_promise) child = tp_submit_with(own, tp_task_options(.timeout_ms = 50), wait_at, gate);
    int64_t unused;
    return tp_await(child, &unused);
}

static void deadlines_end_what_waits(void)
{
    tp_channel *gate = tp_pool_channel(pool, "deadline gate");
    tp_auto(tp_promise) slow = tp_submit_with(pool, tp_task_options(.timeout_ms = 50), wait_at, gate);
    CHECK_STATUS(tp_await(slow, NULL), TP_E_TIMEOUT);
    CHECK_STR(tp_promise_error(slow)->task, "wait_at");
    int64_t status = 0;
    CHECK_OK(tp_run(pool, child_with_a_deadline, &status, gate));
    CHECK_STATUS((tp_status)status, TP_E_TIMEOUT);
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_channel_size(gate), 0);
    CHECK_OK(tp_send(gate, (int64_t)7)); /* nobody waits there any more: it stays */
    CHECK_INT(tp_channel_size(gate), 1);
}

static void any_and_all_can_be_waited_for(void)
{
    enum { COUNT = 8 };
    tp_channel *gate = tp_pool_channel(pool, "any gate");
    tp_promise *promises[COUNT];
    for (int i = 0; i < COUNT; i++)
        promises[i] = tp_submit(pool, wait_at, gate);
    size_t which = COUNT;
    CHECK_STATUS(tp_wait_any(promises, COUNT, 0, &which), TP_E_TIMEOUT);
    CHECK_OK(tp_send(gate, (int64_t)1));
    CHECK_OK(tp_wait_any(promises, COUNT, TP_FOREVER, &which));
    CHECK(which < COUNT && tp_promise_ready(promises[which]));
    CHECK_STATUS(tp_wait_all(promises, COUNT, 0), TP_E_TIMEOUT);
    for (int i = 1; i < COUNT; i++)
        CHECK_OK(tp_send(gate, (int64_t)1));
    CHECK_OK(tp_wait_all(promises, COUNT, TP_FOREVER));
    for (int i = 0; i < COUNT; i++) {
        CHECK(tp_promise_ready(promises[i]));
        tp_promise_release(promises[i]);
    }
}

/* ---- a crash among children ---- */

TP_TASK(crash_once, int64_t, (tp_str, path))
{
    mark(path, "crash");
    if (marks_of(path.data, "crash") == 1)
        abort();
    return 5;
}

TP_TASK(parent_of_a_crash, int64_t, (tp_str, path))
{
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    int64_t value = 0;
    tp_try(tp_run_with(own, tp_task_options(.pinned = true, .worker = 1), crash_once, &value, path));
    return value + 1;
}

/* Parent and child are in one process, which dies with both: each is run again, apart from the other. */
static void a_family_outlives_a_crash_in_it(void)
{
    struct marks marks;
    marks_open(&marks);
    int64_t value = 0;
    CHECK_OK(
        tp_run_with(pool, tp_task_options(.pinned = true, .worker = 0), parent_of_a_crash, &value, marks_path(&marks)));
    CHECK_INT(value, 6);
    CHECK_OK(tp_drain(pool));
    marks_close(&marks);
}

/* More than a green thread has by default. */
TP_TASK(needs_a_stack, int64_t, (int, generations))
{
    volatile char frame[200000];
    for (size_t i = 0; i < sizeof frame; i += 1000)
        frame[i] = 1;
    int64_t below = 0;
    if (generations > 0) {
        tp_auto(tp_pool) own = tp_pool_open(NULL);
        tp_try(tp_run(own, needs_a_stack, &below, generations - 1));
    }
    return below + frame[1000 * generations];
}

static void all_generations_have_the_stacks_of_the_pool(void)
{
    tp_auto(tp_pool) roomy = test_pool_open_with(2, tp_pool_options(.stack_bytes = 1 << 20));
    int64_t value = 0;
    CHECK_OK(tp_run(roomy, needs_a_stack, &value, 2));
    CHECK_INT(value, 3);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    static const struct check_test tests[] = {
        CHECK_TEST(a_fib_with_a_child_per_call_ends),
        CHECK_TEST(many_fibs_at_once_end),
        CHECK_TEST(a_deep_chain_ends),
        CHECK_TEST(a_drain_inside_a_task_waits_for_its_children),
        CHECK_TEST(a_drain_of_the_driver_waits_for_grandchildren),
        CHECK_TEST(a_drain_of_nothing_inside_a_task_returns),
        CHECK_TEST(an_error_comes_up_through_all_generations),
        CHECK_TEST(a_cancelled_tree_ends),
        CHECK_TEST(deadlines_end_what_waits),
        CHECK_TEST(any_and_all_can_be_waited_for),
        CHECK_TEST(a_family_outlives_a_crash_in_it),
        CHECK_TEST(all_generations_have_the_stacks_of_the_pool),
    };
    pool = test_pool_open(2);
    CHECK_RUN(tests, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
