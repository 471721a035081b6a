/* SPDX-License-Identifier: MIT */
/* Closures as values: bound, nested, returned, sent, and called later by another task. */
#include "check.h"
#include "test_pool.h"

TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}

TP_TASK(constant, int64_t)
{
    return 42;
}

TP_TASK(explode, int64_t, (int, code))
{
    tp_raise("boom %d", code);
}

static void a_closure_of_all_captures_takes_no_argument(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_auto(tp_closure) full = tp_bind(add_base, 1, .base = 2);
    tp_auto(tp_closure) none = tp_bind(constant);
    CHECK_OR_EXIT(full.closure != NULL && none.closure != NULL);
    int64_t v = 0;
    CHECK_OK(tp_run_closure(pool, full, &v));
    CHECK_INT(v, 3);
    CHECK_OK(tp_run_closure(pool, none, &v));
    CHECK_INT(v, 42);
    CHECK_OK(tp_call(full, &v)); /* in the current green thread */
    CHECK_INT(v, 3);
    CHECK_STATUS(tp_run_closure(pool, full, &v, (int64_t)5), TP_E_ARGUMENT);
    CHECK_INT(v, 0);
    CHECK(tp_submit_closure(pool, full, (int64_t)5) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
}

static void a_closure_of_all_but_the_first_takes_one_argument(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_auto(tp_closure) add = tp_bind(add_base, .base = 1000);
    tp_auto(tp_closure) fails = tp_bind(explode);
    int64_t v = 0;
    for (int64_t i = 0; i < 20; i++) { /* as often as one likes */
        CHECK_OK(tp_run_closure(pool, add, &v, i));
        CHECK_INT(v, 1000 + i);
        CHECK_OK(tp_call(add, &v, i));
        CHECK_INT(v, 1000 + i);
    }
    CHECK_STATUS(tp_run_closure(pool, add, &v), TP_E_ARGUMENT);
    CHECK_INT(v, 0);
    CHECK_STATUS(tp_run_closure(pool, add, &v, tp_str_lit("not a number")), TP_E_TYPE);
    double d = 1;
    CHECK_STATUS(tp_run_closure(pool, add, &d, (int64_t)1), TP_E_TYPE);
    CHECK(d >= 0 && d <= 0);
    CHECK_STATUS(tp_run_closure(pool, fails, &v, 9), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "boom 9");
}

static void no_closure_is_refused(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    const tp_closure none = {NULL};
    int64_t v = 5;
    CHECK(tp_submit_closure(pool, none) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK_STATUS(tp_run_closure(pool, none, &v), TP_E_ARGUMENT);
    CHECK_STATUS(tp_call(none, &v), TP_E_ARGUMENT);
    CHECK_INT(v, 0);
    tp_closure_release(none);
    CHECK(tp_closure_retain(none).closure == NULL);
    tp_auto(tp_closure) some = tp_bind(constant);
    CHECK(tp_submit_closure(NULL, some) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
}

/* A closure that captures a closure that captures a closure. */
TP_TASK(apply, int64_t, (int64_t, x), (tp_closure, f))
{
    int64_t v;
    tp_try(tp_call(f, &v, x));
    return v;
}

TP_TASK(compose, int64_t, (int64_t, x), (tp_closure, f), (tp_closure, g))
{
    int64_t v;
    tp_try(tp_call(f, &v, x));
    tp_try(tp_call(g, &v, v));
    return v;
}

static void closures_capture_closures(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_auto(tp_closure) add1 = tp_bind(add_base, .base = 1);
    tp_auto(tp_closure) add10 = tp_bind(add_base, .base = 10);
    tp_auto(tp_closure) both = tp_bind(compose, .f = add1, .g = add10);
    tp_auto(tp_closure) four = tp_bind(compose, both, both);
    tp_auto(tp_closure) applied = tp_bind(apply, .f = four);
    int64_t v = 0;
    CHECK_OK(tp_run_closure(pool, applied, &v, (int64_t)100));
    CHECK_INT(v, 122);
    CHECK_OK(tp_run(pool, apply, &v, 5, add1));
    CHECK_INT(v, 6);
    const int64_t in[3] = {1, 2, 3};
    int64_t out[3];
    CHECK_OK(tp_map(pool, apply, in, out, 3, .f = both));
    for (int i = 0; i < 3; i++)
        CHECK_INT(out[i], in[i] + 11);
}

/* Made in a task, returned, called by another task: its captures outlive the task that made it. */
TP_TASK(make_adder, tp_closure, (int64_t, base))
{
    return tp_bind(add_base, .base = base);
}

TP_TASK(prefix, tp_str, (tp_str, text), (tp_str, with))
{
    return tp_str_format("%.*s%.*s", (int)with.length, with.data, (int)text.length, text.data);
}

TP_TASK(make_prefixer, tp_closure, (int64_t, number))
{
    const tp_str with = tp_str_format("<%d> ", (int)number); /* belongs to this task */
    return tp_bind(prefix, .with = with);
}

static void a_returned_closure_is_called_by_another_task(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_closure add = {NULL};
    CHECK_OK(tp_run(pool, make_adder, &add, 500));
    int64_t v = 0;
    CHECK_OK(tp_run_closure(pool, add, &v, (int64_t)5));
    CHECK_INT(v, 505);
    CHECK_OK(tp_run(pool, apply, &v, 6, .f = add));
    CHECK_INT(v, 506);
    tp_closure_release(add);

    tp_closure prefixer = {NULL};
    CHECK_OK(tp_run(pool, make_prefixer, &prefixer, 7));
    tp_str s;
    CHECK_OK(tp_run_closure(pool, prefixer, &s, tp_str_lit("text")));
    CHECK_TP_STR(s, "<7> text");
    tp_str_release(s);
    tp_closure_release(prefixer);
}

TP_TASK(work_on_closures, int64_t, (tp_channel *, work), (tp_channel *, results))
{
    int64_t done = 0;
    tp_closure job;
    while (tp_recv(work, &job) == TP_OK) {
        int64_t v;
        tp_try(tp_call(job, &v, done));
        tp_try(tp_send(results, v));
        done++;
    }
    return done;
}

TP_TASK(send_closures, int64_t, (tp_channel *, work), (int, count))
{
    for (int i = 0; i < count; i++) {
        const tp_closure job = tp_bind(add_base, .base = i * 1000);
        tp_try(tp_send(work, job));
        tp_closure_release(job);
    }
    tp_try(tp_channel_close(work));
    return count;
}

static void a_sent_closure_is_called_by_the_receiver(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_channel *work = tp_pool_channel_with(pool, "work", 4);
    tp_channel *results = tp_pool_channel(pool, "results");
    tp_promise *worker = tp_submit(pool, work_on_closures, work, results);
    tp_promise *sender = tp_submit(pool, send_closures, work, 50);
    int64_t done = 0;
    CHECK_OK(tp_await(sender, NULL));
    CHECK_OK(tp_await(worker, &done));
    CHECK_INT(done, 50);
    for (int64_t i = 0; i < 50; i++) {
        int64_t v = -1;
        CHECK_OK(tp_recv(results, &v));
        CHECK_INT(v, i * 1000 + i);
    }
    tp_promise_release(worker);
    tp_promise_release(sender);
}

/* What the maker frees or changes after the submit does not matter. */
TP_TASK(check_captures, bool, (tp_str, s), (tp_bytes, b), (tp_value, v))
{
    int64_t integer = 0;
    tp_value item;
    return s.length == 5 && memcmp(s.data, "hello", 5) == 0 && b.size == 3 && b.data[0] == 1 && b.data[2] == 3 &&
           tp_value_list_get(v, 0, &item) == TP_OK && tp_value_to_int(item, &integer) == TP_OK && integer == 77;
}

static void captures_are_copied_at_the_submit(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    char text[] = "hello";
    uint8_t numbers[] = {1, 2, 3};
    tp_value list = tp_value_list();
    CHECK_OK(tp_value_list_append(list, tp_value_int(77)));
    tp_promise *p = tp_submit(pool, check_captures, tp_str_view(text, 5), tp_bytes_view(numbers, 3), list);
    tp_closure c = tp_bind(check_captures, tp_str_view(text, 5), tp_bytes_view(numbers, 3), list);
    memset(text, 'x', 5);
    memset(numbers, 9, 3);
    CHECK_OK(tp_value_list_set(list, 0, tp_value_int(0)));
    tp_value_release(list);
    bool same = false;
    CHECK_OK(tp_await(p, &same));
    CHECK(same);
    same = false;
    CHECK_OK(tp_run_closure(pool, c, &same));
    CHECK(same);
    tp_promise_release(p);
    tp_closure_release(c);
}

/* An error of a closure that is called ends the caller's task. */
TP_TASK(call_failing, int64_t, (tp_closure, f))
{
    int64_t v = 0;
    tp_try(tp_call(f, &v, 5));
    return 1;
}

static void an_error_in_a_called_closure_ends_the_task(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_auto(tp_closure) fails = tp_bind(explode);
    int64_t v = 0;
    CHECK_STATUS(tp_run(pool, call_failing, &v, fails), TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "boom 5");
}

static void options_hold_for_closures(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_auto(tp_closure) add = tp_bind(add_base, .base = 3);
    tp_promise *p = tp_submit_closure_with(pool, tp_task_options(.pinned = true, .worker = 0), add, (int64_t)4);
    int64_t v = 0;
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 7);
    tp_promise_release(p);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_closure_of_all_captures_takes_no_argument),
        CHECK_TEST(a_closure_of_all_but_the_first_takes_one_argument),
        CHECK_TEST(no_closure_is_refused),
        CHECK_TEST(closures_capture_closures),
        CHECK_TEST(a_returned_closure_is_called_by_another_task),
        CHECK_TEST(a_sent_closure_is_called_by_the_receiver),
        CHECK_TEST(captures_are_copied_at_the_submit),
        CHECK_TEST(an_error_in_a_called_closure_ends_the_task),
        CHECK_TEST(options_hold_for_closures),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
