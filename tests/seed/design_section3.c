/* SPDX-License-Identifier: MIT */
/* clang-format off: as written in the design */
#include <stdio.h>
#include <taskpool/taskpool.h>

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}
TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}
TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
} /* an ordinary C function too */
TP_TASK(explode, int64_t, (int, code))
{
    tp_raise("boom %d", code);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv); /* first line of main: nodes run this same program as workers */

    tp_with (tp_pool, pool, tp_pool_open(NULL)) { /* NULL: $TASKPOOL, else "local"; or "local:4", "tcp://head:7077" */
        int64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8];
        tp_map(pool, square, in, out, 8);                 /* 1 4 9 16 25 36 49 64, in order */
        tp_map(pool, add_base, in, out, 8, .base = 1000); /* first parameter: the element; the rest: captured */

        tp_promise *p = tp_submit(pool, fib, .n = 30); /* named captures; tp_submit(pool, fib, 30) works as well */
        int64_t v;
        if (tp_await(p, &v) == TP_OK)
            printf("%ld\n", (long)v);
        tp_promise_release(p);

        tp_run(pool, fib, &v, .n = 20); /* submit + await + release */

        p = tp_submit(pool, explode, 7);
        if (tp_await(p, &v) != TP_OK) /* TP_E_TASK */
            printf("%s\n",
                   tp_promise_error(p)->message); /* "boom 7"; ->task, ->node, ->worker, ->backtrace say where */
        tp_promise_release(p);

        tp_drain(pool); /* tp_pool_pending(pool) == 0 */
    }                   /* drained, stopped, freed: also on break, return or goto out */
}
