/* SPDX-License-Identifier: MIT */
/* The listings of the design, to the letter: what a newcomer copies must compile without a warning. */
/* clang-format off */
#include <taskpool/taskpool.h>
#include <stdio.h>

TP_TASK(square, int64_t, (int64_t, x)) { return x * x; }
TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base)) { return x + base; }
TP_TASK(fib, int64_t, (int, n)) { return n <= 1 ? n : fib(n - 1) + fib(n - 2); }   /* an ordinary C function too */
TP_TASK(explode, int64_t, (int, code)) { tp_raise("boom %d", code); }

int main(int argc, char **argv)
{
    tp_init(argc, argv);                       /* first line of main: nodes run this same program as workers */

    tp_with (tp_pool, pool, tp_pool_open(NULL)) {   /* NULL: $TASKPOOL, else "local"; or "local:4", "tcp://head:7077" */
        int64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8];
        tp_map(pool, square, in, out, 8);                  /* 1 4 9 16 25 36 49 64, in order */
        tp_map(pool, add_base, in, out, 8, .base = 1000);  /* first parameter: the element; the rest: captured */

        tp_promise *p = tp_submit(pool, fib, .n = 30);     /* named captures; tp_submit(pool, fib, 30) works as well */
        int64_t v;
        if (tp_await(p, &v) == TP_OK) printf("%ld\n", (long)v);
        tp_promise_release(p);

        tp_run(pool, fib, &v, .n = 20);                    /* submit + await + release */

        p = tp_submit(pool, explode, 7);
        if (tp_await(p, &v) != TP_OK)                      /* TP_E_TASK */
            printf("%s\n", tp_promise_error(p)->message);  /* "boom 7"; ->task, ->node, ->worker, ->backtrace say where */
        tp_promise_release(p);

        tp_drain(pool);                                    /* tp_pool_pending(pool) == 0 */
    }                                                      /* drained, stopped, freed: also on break, return or goto out */
}

TP_TASK(receiver, int64_t, (tp_channel *, ch)) { int64_t m; tp_recv(ch, &m); return m + 100; }  /* parks its green thread */
TP_TASK(sender, tp_str, (tp_channel *, ch)) { tp_send(ch, (int64_t)42); return tp_str_lit("done"); }
TP_LOCAL_TASK(light_io, int, (int, fd)) { return fd; }

static void channels(tp_pool *pool, int fd)
{
tp_channel *sync = tp_pool_channel(pool, "sync");          /* named: the same channel on every worker of every node */
tp_promise *a = tp_submit(pool, receiver, sync);           /* with one worker, a blocks, b runs on the same OS thread */
tp_promise *b = tp_submit(pool, sender, sync);

tp_with (tp_async_pool, ap, tp_async_pool_open("local:4")) {   /* target of tp_parallel_async until closed; nests and restores */
    tp_promise *light = tp_async(light_io, .fd = fd);          /* green thread here: may capture raw pointers, shares memory */
    tp_promise *heavy = tp_parallel_async(fib, .n = 30);       /* OS thread, or another machine */
    tp_promise_release(light);
    tp_promise_release(heavy);
}
tp_promise_release(a);
tp_promise_release(b);
}

typedef struct point { int x, y, z; } point;
TP_TASK(norm, int, (point, p)) { return p.x + p.y + p.z; }
TP_TASK(log_it, void, (tp_str, text)) { printf("%s\n", text.data); }

int the_rest(tp_pool *pool);
int the_rest(tp_pool *pool)
{
    channels(pool, 0);
    tp_promise *p = tp_submit_with(pool, tp_task_options(.timeout_ms = 500, .max_attempts = 3), fib, 30);
    tp_task_options options = {.timeout_ms = 500};
    tp_run_with(pool, options, fib, NULL, 30);
    tp_run(pool, norm, NULL, .p = ((point){1, 2, 3}));
    tp_run(pool, log_it, NULL, tp_str_lit("hello"));
    tp_auto(tp_closure) c = tp_bind(add_base, .base = 1000);
    tp_promise *q = tp_submit_closure(pool, c, (int64_t)42);
    tp_auto(tp_pool) other = tp_pool_open(NULL);
    tp_with (tp_pool, third, tp_pool_open("local:0")) {
        return (int)tp_pool_size(third);
    } else {
        printf("%s\n", tp_last_error()->message);
    }
    tp_promise_release(p);
    tp_promise_release(q);
    return other == NULL;
}
