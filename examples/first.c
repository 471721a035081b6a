/* SPDX-License-Identifier: MIT */
/* The first program of the README. */
/* clang-format off: short tasks on one line, as the README shows them */
#include <stdio.h>
#include <taskpool/taskpool.h>

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}
TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}
TP_TASK(explode, int64_t, (int, code))
{
    tp_raise("boom %d", code);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);

    tp_with (tp_pool, pool, tp_pool_open(NULL)) {      /* $TASKPOOL, or a worker a processor */
        tp_promise *p = tp_submit(pool, fib, .n = 30); /* a closure: the function and its captured values */

        int64_t in[4] = {1, 2, 3, 4}, out[4];
        tp_map(pool, add_base, in, out, 4, .base = 1000);
        printf("map: %ld %ld %ld %ld\n", (long)out[0], (long)out[1], (long)out[2], (long)out[3]);

        int64_t v;
        if (tp_await(p, &v) == TP_OK)
            printf("fib(30) = %ld\n", (long)v);
        tp_promise_release(p);

        if (tp_run(pool, explode, &v, 7) != TP_OK) /* an error is a result like any other; the pool goes on */
            printf("task %s: %s\n", tp_last_error()->task, tp_last_error()->message);
    } /* drained, stopped, freed: also on break, return or goto out */
    else {
        fprintf(stderr, "no pool: %s\n", tp_last_error()->message);
        return 1;
    }
}
