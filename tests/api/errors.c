/* SPDX-License-Identifier: MIT */
/* How tasks fail: tp_raise, tp_try, tp_defer, cleanup variables, and what the error says. */
#include "check.h"
#include "test_pool.h"

#include <stdatomic.h>

static atomic_int order_length;
static atomic_int order[64];

static void note(void *argument)
{
    const int i = atomic_fetch_add(&order_length, 1);
    if (i < 64)
        atomic_store(&order[i], *(const int *)argument);
}

static void cleanup_note(const int *number)
{
    const int copy = *number;
    note((void *)(uintptr_t)&copy);
}

static void check_order(const int *wanted, int count)
{
    CHECK_INT(atomic_load(&order_length), count);
    for (int i = 0; i < count; i++)
        CHECK_INT(atomic_load(&order[i]), wanted[i]);
    atomic_store(&order_length, 0);
}

static const int numbers[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static void *number(int i)
{
    return (void *)(uintptr_t)&numbers[i];
}

TP_TASK(defer_and_return, int64_t)
{
    for (int i = 1; i <= 3; i++)
        tp_try(tp_defer(note, number(i)));
    return 5;
}

TP_TASK(defer_and_raise, int64_t)
{
    for (int i = 1; i <= 3; i++)
        tp_try(tp_defer(note, number(i)));
    tp_raise("after three");
}

static void defer_runs_in_reverse_order_however_the_task_ends(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, defer_and_return, &v));
    check_order((const int[]){3, 2, 1}, 3);
    CHECK_STATUS(tp_run(pool, defer_and_raise, &v), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "after three");
    check_order((const int[]){3, 2, 1}, 3);
    CHECK_STATUS(tp_defer(note, number(1)), TP_E_ARGUMENT); /* outside a task */
}

/* Many: more than any array inside would hold. */
TP_TASK(defer_many, int64_t, (int, count))
{
    for (int i = 0; i < count; i++)
        tp_try(tp_defer(note, number(0)));
    return 0;
}

static void a_task_may_defer_many_functions(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    CHECK_OK(tp_run(pool, defer_many, NULL, 5000));
    CHECK_INT(atomic_load(&order_length), 5000);
    atomic_store(&order_length, 0);
}

static void raise_in_cleanup(void *argument)
{
    note(argument);
    tp_raise("second");
}

TP_TASK(raise_twice, int64_t)
{
    tp_try(tp_defer(note, number(1)));
    tp_try(tp_defer(raise_in_cleanup, number(2)));
    tp_raise("first");
}

static void the_first_error_is_kept(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    int64_t v = 0;
    CHECK_STATUS(tp_run(pool, raise_twice, &v), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "first");
    check_order((const int[]){2, 1}, 2);
    CHECK_OK(tp_run(pool, defer_and_return, &v));
    atomic_store(&order_length, 0);
}

/* Cleanup variables of every frame between the raise and the task. */
__attribute__((noinline)) static int64_t deep(int depth)
{
    __attribute__((cleanup(cleanup_note))) const int mine = depth % 10;
    if (depth == 0)
        tp_raise("from the deep");
    return depth < 0 ? 0 : deep(depth - 1) + mine;
}

TP_TASK(raise_deep, int64_t, (int, depth))
{
    return deep(depth);
}

static void cleanup_variables_run_innermost_first(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    int64_t v = 0;
    CHECK_STATUS(tp_run(pool, raise_deep, &v, 5), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "from the deep");
    check_order((const int[]){0, 1, 2, 3, 4, 5}, 6);
    for (int i = 0; i < 20; i++) {
        CHECK_STATUS(tp_run(pool, raise_deep, &v, 200), TP_E_TASK);
        CHECK_INT(atomic_load(&order_length), 201);
        atomic_store(&order_length, 0);
    }
}

/* tp_with and tp_auto inside a task that raises: their pools close, else the shutdown would never end. */
TP_TASK(answer, int64_t)
{
    return 42;
}

TP_TASK(raise_inside_with, int64_t, (bool, autos))
{
    int64_t v = 0;
    if (autos) {
        tp_auto(tp_pool) inner = tp_pool_open("local:1");
        if (inner == NULL)
            tp_raise("cannot open");
        tp_try(tp_run(inner, answer, &v));
        tp_raise("auto %d", (int)v);
    }
    tp_with (tp_pool, inner, tp_pool_open("local:1")) {
        tp_try(tp_run(inner, answer, &v));
        tp_raise("with %d", (int)v);
    }
    return v;
}

static void raising_closes_tp_with_and_tp_auto(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    int64_t v = 0;
    CHECK_STATUS(tp_run(pool, raise_inside_with, &v, true), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "auto 42");
    CHECK_STATUS(tp_run(pool, raise_inside_with, &v, false), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "with 42");
    CHECK_OK(tp_run(pool, answer, &v));
}

TP_TASK(explode, int64_t, (int, code))
{
    tp_raise("boom %d", code);
}

TP_TASK(try_ok, int64_t)
{
    tp_try(TP_OK);
    return 1;
}

TP_TASK(try_failed_call, int64_t)
{
    tp_try(tp_sleep_ms(-7));
    return 1;
}

TP_TASK(try_child, int64_t)
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_promise *child = tp_submit(pool, explode, 8);
    int64_t v;
    const tp_status status = tp_await(child, &v);
    tp_promise_release(child);
    tp_try(status);
    return 1;
}

static void try_raises_the_last_error_again(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, try_ok, &v));
    CHECK_STATUS(tp_run(pool, try_failed_call, &v), TP_E_ARGUMENT);
    CHECK_INT(v, 0);
    CHECK_CONTAINS(tp_last_error()->message, "tp_sleep_ms");
    CHECK_STATUS(tp_run(pool, try_child, &v), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "boom 8");
    CHECK_STR(tp_last_error()->task, "explode"); /* the origin, not the one that passed it on */
}

static void the_error_says_where(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:3");
    CHECK_OR_EXIT(pool != NULL);
    for (int worker = 0; worker < 3; worker++) {
        tp_promise *p = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = worker), explode, 40 + worker);
        int64_t v = 5;
        CHECK_STATUS(tp_await(p, &v), TP_E_TASK);
        CHECK_INT(v, 0);
        char wanted[32];
        snprintf(wanted, sizeof wanted, "boom %d", 40 + worker);
        const tp_error *error = tp_promise_error(p);
        CHECK_STATUS(error->status, TP_E_TASK);
        CHECK_STR(error->message, wanted);
        CHECK_STR(error->task, "explode");
        CHECK_STR(error->node, "local");
        CHECK_INT(error->worker, worker);
        CHECK_CONTAINS(error->backtrace, "\n");
        CHECK(strlen(error->backtrace) > 20);
        const tp_error *last = tp_last_error();
        CHECK_STATUS(last->status, TP_E_TASK);
        CHECK_STR(last->message, wanted);
        CHECK_INT(last->worker, worker);
        tp_promise_release(p);
        CHECK_STR(tp_last_error()->message, wanted); /* outlives the promise */
    }
    tp_promise *fine = tp_submit(pool, answer);
    CHECK_OK(tp_await(fine, NULL));
    CHECK_STATUS(tp_promise_error(fine)->status, TP_OK);
    CHECK_STR(tp_promise_error(fine)->message, "");
    tp_promise_release(fine);
}

TP_TASK(raise_long, int64_t, (int, length))
{
    char text[8192];
    memset(text, 'a', sizeof text);
    text[length] = '\0';
    tp_raise("%s", text);
}

static void a_message_is_cut_at_4095_bytes(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    CHECK_STATUS(tp_run(pool, raise_long, NULL, 8000), TP_E_TASK);
    CHECK_INT(strlen(tp_last_error()->message), 4095);
    CHECK_STATUS(tp_run(pool, raise_long, NULL, 4095), TP_E_TASK);
    CHECK_INT(strlen(tp_last_error()->message), 4095);
    CHECK_STATUS(tp_run(pool, raise_long, NULL, 4094), TP_E_TASK);
    CHECK_INT(strlen(tp_last_error()->message), 4094);
    CHECK_STATUS(tp_run(pool, raise_long, NULL, 0), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "");
}

/* The last error belongs to the green thread. */
TP_LOCAL_TASK(fail_quietly, tp_status)
{
    if (tp_last_error()->status != TP_OK)
        tp_raise("starts with the error of another");
    const tp_status status = tp_sleep_ms(-1);
    tp_yield();
    return tp_last_error()->status == status ? status : TP_E_SYSTEM;
}

static void each_green_thread_has_its_own_last_error(void)
{
    CHECK_STATUS(tp_wait_fd(-1, TP_FD_READ, 0), TP_E_ARGUMENT);
    char before[256];
    snprintf(before, sizeof before, "%s", tp_last_error()->message);
    tp_promise *p[3];
    for (int i = 0; i < 3; i++)
        p[i] = tp_async(fail_quietly);
    for (int i = 0; i < 3; i++) {
        tp_status status = TP_OK;
        CHECK_OK(tp_await(p[i], &status));
        CHECK_STATUS(status, TP_E_ARGUMENT);
        tp_promise_release(p[i]);
    }
    CHECK_STR(tp_last_error()->message, before);
}

/* Green threads of main fail as tasks of a pool do. */
TP_LOCAL_TASK(raise_here, int64_t, (int *, defers))
{
    tp_try(tp_defer(note, number(4)));
    ++*defers;
    tp_try(tp_yield());
    tp_raise("raised on main");
}

static void a_green_thread_of_main_raises(void)
{
    int defers = 0;
    tp_promise *p[3];
    for (int i = 0; i < 3; i++)
        p[i] = tp_async(raise_here, &defers);
    for (int i = 0; i < 3; i++) {
        int64_t v = 5;
        CHECK_STATUS(tp_await(p[i], &v), TP_E_TASK);
        CHECK_INT(v, 0);
        CHECK_STR(tp_promise_error(p[i])->message, "raised on main");
        CHECK_STR(tp_promise_error(p[i])->task, "raise_here");
        CHECK_INT(tp_promise_error(p[i])->worker, -1);
        tp_promise_release(p[i]);
    }
    CHECK_INT(defers, 3);
    check_order((const int[]){4, 4, 4}, 3);
}

static void many_failures_leave_the_pool_whole(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    const int count = CHECK_SCALE(5000, 500);
    tp_promise **p = calloc((size_t)count, sizeof *p);
    CHECK_OR_EXIT(p != NULL);
    for (int i = 0; i < count; i++)
        p[i] = i % 3 == 0 ? tp_submit(pool, explode, i) : tp_submit(pool, answer);
    for (int i = 0; i < count; i++) {
        int64_t v = 0;
        CHECK_STATUS(tp_await(p[i], &v), i % 3 == 0 ? TP_E_TASK : TP_OK);
        CHECK_INT(v, i % 3 == 0 ? 0 : 42);
        tp_promise_release(p[i]);
    }
    free(p);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(defer_runs_in_reverse_order_however_the_task_ends),
        CHECK_TEST(a_task_may_defer_many_functions),
        CHECK_TEST(the_first_error_is_kept),
        CHECK_TEST(cleanup_variables_run_innermost_first),
        CHECK_TEST(raising_closes_tp_with_and_tp_auto),
        CHECK_TEST(try_raises_the_last_error_again),
        CHECK_TEST(the_error_says_where),
        CHECK_TEST(a_message_is_cut_at_4095_bytes),
        CHECK_TEST(each_green_thread_has_its_own_last_error),
        CHECK_TEST(a_green_thread_of_main_raises),
        CHECK_TEST(many_failures_leave_the_pool_whole),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
