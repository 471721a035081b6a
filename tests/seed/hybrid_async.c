/* SPDX-License-Identifier: MIT */
/* The seed's "Hybrid Async": tp_async is a green thread here that shares state, tp_parallel_async runs in the pool; all
 * return the same type of promise. Without a pool, tp_parallel_async is an error. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <unistd.h>

struct shared_state {
    pthread_t thread;
    int reads;
};

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}

TP_LOCAL_TASK(light_io, int64_t, (int, fd), (struct shared_state *, state))
{
    char byte = 0;
    tp_try(tp_wait_fd(fd, TP_FD_READ, TP_FOREVER));
    if (read(fd, &byte, 1) != 1)
        tp_raise("the pipe is empty");
    state->reads++;
    state->thread = pthread_self();
    return byte;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    int fds[2];
    CHECK_OR_EXIT(pipe(fds) == 0);

    CHECK(tp_parallel_async(fib, 3) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_NO_POOL);

    tp_with (tp_async_pool, ap, test_async_pool_open(4)) {
        struct shared_state state = {.reads = 0};
        tp_promise *a = tp_async(light_io, .fd = fds[0], .state = &state);
        tp_promise *b = tp_parallel_async(fib, 30);
        tp_promise *c = tp_parallel_async(fib, .n = 31);
        CHECK(write(fds[1], "!", 1) == 1);
        int64_t va = 0;
        int64_t vb = 0;
        int64_t vc = 0;
        CHECK_OK(tp_await(a, &va));
        CHECK_OK(tp_await(b, &vb));
        CHECK_OK(tp_await(c, &vc));
        CHECK_INT(va, '!');
        CHECK_INT(vb, 832040);
        CHECK_INT(vc, 1346269);
        CHECK_INT(state.reads, 1);
        CHECK(pthread_equal(state.thread, pthread_self()));
        tp_promise_release(a);
        tp_promise_release(b);
        tp_promise_release(c);
    }

    CHECK(tp_parallel_async(fib, 3) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_NO_POOL);
    close(fds[0]);
    close(fds[1]);
    return check_result();
}
