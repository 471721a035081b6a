/* SPDX-License-Identifier: MIT */
/* The seed's "Submitting Closures": captured variables, a closure inside a closure, a recursive function. */
#include "check.h"
#include "test_pool.h"

TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) pool = test_pool_open(2);
    int64_t v = 0;

    int64_t base = 1000;
    tp_auto(tp_closure) add = tp_bind(add_base, .base = base);
    base = 0; /* captured by value: no change from here on reaches the closure */
    tp_promise *p = tp_submit_closure(pool, add, (int64_t)42);
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 1042);
    tp_promise_release(p);
    CHECK_INT(base, 0);

    CHECK_OK(tp_run(pool, add_base, &v, 42, .base = 1000));
    CHECK_INT(v, 1042);

    tp_promise *a = tp_submit(pool, fib, 15);
    tp_promise *b = tp_submit(pool, fib, .n = 16);
    CHECK_OK(tp_await(a, &v));
    CHECK_INT(v, 610);
    CHECK_OK(tp_await(b, &v));
    CHECK_INT(v, 987);
    tp_promise_release(a);
    tp_promise_release(b);
    return check_result();
}
