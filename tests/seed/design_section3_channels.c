/* SPDX-License-Identifier: MIT */
/* The second listing of the design's section 3 as written, with what it leaves to the reader around it. */
#include "check.h"
#include "test_pool.h"

/* clang-format off */
TP_TASK(receiver, int64_t, (tp_channel *, ch)) { int64_t m; tp_recv(ch, &m); return m + 100; }  /* parks its green thread */
TP_TASK(sender, tp_str, (tp_channel *, ch)) { tp_send(ch, (int64_t)42); return tp_str_lit("done"); }
/* clang-format on */

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}

TP_LOCAL_TASK(light_io, int64_t, (int, fd))
{
    char byte = 0;
    tp_try(tp_wait_fd(fd, TP_FD_READ, TP_FOREVER));
    if (read(fd, &byte, 1) != 1)
        tp_raise("nothing to read");
    return byte;
}

static void channels_and_async(tp_pool *pool, int fd)
{
    /* clang-format off */
    tp_channel *sync = tp_pool_channel(pool, "sync");          /* named: the same channel on every worker of every node */
    tp_promise *a = tp_submit(pool, receiver, sync);           /* with one worker, a blocks, b runs on the same OS thread */
    tp_promise *b = tp_submit(pool, sender, sync);
    /* clang-format on */
    int64_t v = 0;
    tp_str done;
    CHECK_OK(tp_await(b, &done));
    CHECK_TP_STR(done, "done");
    tp_str_release(done);
    CHECK_OK(tp_await(a, &v));
    CHECK_INT(v, 142);
    tp_promise_release(a);
    tp_promise_release(b);

    /* clang-format off */
    tp_with (tp_async_pool, ap, tp_async_pool_open("local:4")) {   /* target of tp_parallel_async until closed; nests and restores */
        tp_promise *light = tp_async(light_io, .fd = fd);          /* green thread here: may capture raw pointers, shares memory */
        tp_promise *heavy = tp_parallel_async(fib, .n = 30);       /* OS thread, or another machine */
        /* clang-format on */
        CHECK_OK(tp_await(light, &v));
        CHECK_INT(v, 'x');
        CHECK_OK(tp_await(heavy, &v));
        CHECK_INT(v, 832040);
        tp_promise_release(light);
        tp_promise_release(heavy);
    }

    tp_promise *p = tp_submit_with(pool, tp_task_options(.timeout_ms = 60000, .max_attempts = 3), fib, 20);
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 6765);
    tp_promise_release(p);

    const tp_task_options options = {.timeout_ms = 60000};
    p = tp_submit_with(pool, options, fib, .n = 10);
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 55);
    tp_promise_release(p);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    int fds[2];
    CHECK_OR_EXIT(pipe(fds) == 0);
    CHECK_INT(write(fds[1], "xx", 2), 2);
    for (int workers = 1; workers <= 2; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        channels_and_async(pool, fds[0]);
    }
    close(fds[0]);
    close(fds[1]);
    return check_result();
}
