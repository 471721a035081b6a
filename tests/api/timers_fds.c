/* SPDX-License-Identifier: MIT */
/* Timers and descriptors park green threads, not workers. */
#include "check.h"
#include "test_pool.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns how much too early the sleep ended: 0 if it did not. */
TP_TASK(sleep_then_tell, int64_t, (int64_t, ms), (tp_channel *, order))
{
    struct timespec start;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    tp_try(tp_sleep_ms(ms));
    clock_gettime(CLOCK_MONOTONIC, &end);
    tp_try(tp_send(order, ms));
    const int64_t slept = (end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec - start.tv_nsec;
    return slept >= ms * 1000000 ? 0 : ms * 1000000 - slept;
}

static void sleepers_of_one_worker_wake_in_the_order_of_their_deadlines(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *order = tp_pool_channel(pool, "order");
    const int64_t sleeps[6] = {250, 50, 150, 300, 100, 200};
    tp_promise *p[6];
    for (int i = 0; i < 6; i++)
        p[i] = tp_submit(pool, sleep_then_tell, sleeps[i], order);
    for (int i = 0; i < 6; i++) {
        int64_t early = -1;
        CHECK_OK(tp_await(p[i], &early));
        CHECK_INT(early, 0);
        tp_promise_release(p[i]);
    }
    for (int i = 1; i <= 6; i++) {
        int64_t woke = 0;
        CHECK_OK(tp_recv(order, &woke));
        CHECK_INT(woke, i * 50);
    }
}

/* One worker: were it blocked, this would take a day. */
static void a_thousand_sleepers_share_a_worker(void)
{
    enum { SLEEPERS = 1000 };
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *order = tp_pool_channel(pool, "order");
    for (int i = 0; i < SLEEPERS; i++)
        tp_promise_release(tp_submit(pool, sleep_then_tell, 1 + i % 97, order));
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_channel_size(order), SLEEPERS);
}

TP_LOCAL_TASK(count_yields, int64_t, (bool *, stop))
{
    int64_t count = 0;
    while (!*stop) {
        tp_try(tp_yield());
        count++;
    }
    return count;
}

static void sleeping_on_the_main_thread_runs_its_green_threads(void)
{
    bool stop = false;
    tp_promise *p = tp_async(count_yields, &stop);
    CHECK_OK(tp_sleep_ms(0));
    const int64_t start = now_ms();
    CHECK_OK(tp_sleep_ms(20));
    CHECK(now_ms() - start >= 19);
    stop = true;
    int64_t count = 0;
    CHECK_OK(tp_await(p, &count));
    CHECK(count > 10);
    tp_promise_release(p);
}

struct transfer {
    int fd;
    size_t count;
    uint64_t checksum;
};

TP_LOCAL_TASK(write_all, int64_t, (struct transfer *, t))
{
    size_t done = 0;
    unsigned char block[1000];
    while (done < t->count) {
        size_t n = t->count - done < sizeof block ? t->count - done : sizeof block;
        for (size_t i = 0; i < n; i++)
            block[i] = (unsigned char)((done + i) * 31);
        const ssize_t wrote = write(t->fd, block, n);
        if (wrote < 0)
            tp_try(tp_wait_fd(t->fd, TP_FD_WRITE, TP_FOREVER));
        for (ssize_t i = 0; i < wrote; i++)
            t->checksum = t->checksum * 33 + block[i];
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    close(t->fd);
    return (int64_t)done;
}

TP_LOCAL_TASK(read_all, int64_t, (struct transfer *, t))
{
    unsigned char block[777];
    for (;;) {
        const ssize_t got = read(t->fd, block, sizeof block);
        if (got < 0) {
            tp_try(tp_wait_fd(t->fd, TP_FD_READ, TP_FOREVER));
            continue;
        }
        if (got == 0)
            break;
        t->count += (size_t)got;
        for (ssize_t i = 0; i < got; i++)
            t->checksum = t->checksum * 33 + block[i];
    }
    close(t->fd);
    return (int64_t)t->count;
}

static void non_blocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void green_threads_of_main_read_and_write_pipes(void)
{
    enum { PIPES = 10, BYTES = 300000 };
    struct transfer in[PIPES];
    struct transfer out[PIPES];
    tp_promise *p[2 * PIPES];
    for (int i = 0; i < PIPES; i++) {
        int fds[2];
        CHECK_OR_EXIT((i % 2 ? pipe(fds) : socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) == 0);
        non_blocking(fds[0]);
        non_blocking(fds[1]);
        in[i] = (struct transfer){.fd = fds[0]};
        out[i] = (struct transfer){.fd = fds[1], .count = BYTES};
        p[2 * i] = tp_async(read_all, &in[i]);
        p[2 * i + 1] = tp_async(write_all, &out[i]);
    }
    CHECK_OK(tp_wait_all(p, 2 * PIPES, TP_FOREVER));
    for (int i = 0; i < PIPES; i++) {
        CHECK_INT(in[i].count, BYTES);
        CHECK(in[i].checksum == out[i].checksum);
        tp_promise_release(p[2 * i]);
        tp_promise_release(p[2 * i + 1]);
    }
}

/* In a pool: descriptors are just ints. */
TP_TASK(read_byte, int, (int, fd), (int64_t, timeout_ms))
{
    const tp_status status = tp_wait_fd(fd, TP_FD_READ, timeout_ms);
    tp_try(status);
    unsigned char byte = 0;
    if (read(fd, &byte, 1) != 1)
        tp_raise("nothing to read");
    return byte;
}

static void tasks_of_a_pool_wait_for_descriptors(void)
{
    enum { PIPES = 50 };
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    int fds[PIPES][2];
    tp_promise *p[PIPES];
    for (int i = 0; i < PIPES; i++) {
        CHECK_OR_EXIT(pipe(fds[i]) == 0);
        p[i] = tp_submit(pool, read_byte, fds[i][0], TP_FOREVER);
    }
    for (int i = PIPES - 1; i >= 0; i--) {
        const unsigned char byte = (unsigned char)(i + 1);
        CHECK_INT(write(fds[i][1], &byte, 1), 1);
        int v = -1;
        CHECK_OK(tp_await(p[i], &v));
        CHECK_INT(v, i + 1);
        tp_promise_release(p[i]);
    }
    /* the same descriptors again, after a close and a new pipe under the same number */
    for (int i = 0; i < PIPES; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    for (int i = 0; i < PIPES; i++) {
        CHECK_OR_EXIT(pipe(fds[i]) == 0);
        p[i] = tp_submit(pool, read_byte, fds[i][0], TP_FOREVER);
    }
    for (int i = 0; i < PIPES; i++) {
        const unsigned char byte = (unsigned char)(i + 3);
        CHECK_INT(write(fds[i][1], &byte, 1), 1);
        int v = -1;
        CHECK_OK(tp_await(p[i], &v));
        CHECK_INT(v, i + 3);
        tp_promise_release(p[i]);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

static void waiting_for_a_descriptor_times_out_and_hangs_up(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    int fds[2];
    CHECK_OR_EXIT(pipe(fds) == 0);
    CHECK_STATUS(tp_run(pool, read_byte, NULL, fds[0], 5), TP_E_TIMEOUT);
    CHECK_STATUS(tp_run(pool, read_byte, NULL, fds[0], 0), TP_E_TIMEOUT);
    CHECK_STATUS(tp_wait_fd(fds[0], TP_FD_READ, 5), TP_E_TIMEOUT);
    CHECK_STATUS(tp_wait_fd(fds[0], TP_FD_READ, 0), TP_E_TIMEOUT);
    CHECK_OK(tp_wait_fd(fds[1], TP_FD_WRITE, TP_FOREVER));
    CHECK_OK(tp_wait_fd(fds[1], TP_FD_WRITE | TP_FD_READ, TP_FOREVER));

    tp_promise *p = tp_submit(pool, read_byte, fds[0], TP_FOREVER);
    close(fds[1]);
    CHECK_STATUS(tp_await(p, NULL), TP_E_TASK); /* hung up: ready, and nothing to read */
    CHECK_STR(tp_last_error()->message, "nothing to read");
    tp_promise_release(p);
    CHECK_OK(tp_wait_fd(fds[0], TP_FD_READ, TP_FOREVER));
    close(fds[0]);
}

TP_LOCAL_TASK(wait_here, tp_status, (int, fd), (int64_t, timeout_ms))
{
    return tp_wait_fd(fd, TP_FD_READ, timeout_ms);
}

static void a_descriptor_has_one_waiter(void)
{
    int fds[2];
    CHECK_OR_EXIT(pipe(fds) == 0);
    tp_promise *first = tp_async(wait_here, fds[0], TP_FOREVER);
    CHECK_OK(tp_yield());
    tp_promise *second = tp_async(wait_here, fds[0], TP_FOREVER);
    tp_status status = TP_OK;
    CHECK_OK(tp_await(second, &status));
    CHECK_STATUS(status, TP_E_BUSY);
    CHECK_INT(write(fds[1], "x", 1), 1);
    CHECK_OK(tp_await(first, &status));
    CHECK_OK(status);
    tp_promise_release(first);
    tp_promise_release(second);

    /* after a cancellation and after a time-out the descriptor is free again */
    char byte;
    CHECK_INT(read(fds[0], &byte, 1), 1);
    first = tp_async(wait_here, fds[0], TP_FOREVER);
    CHECK_OK(tp_yield());
    CHECK_OK(tp_cancel(first));
    CHECK_OK(tp_yield());
    CHECK_STATUS(tp_wait_fd(fds[0], TP_FD_READ, 1), TP_E_TIMEOUT);
    CHECK_INT(write(fds[1], "x", 1), 1);
    CHECK_OK(tp_wait_fd(fds[0], TP_FD_READ, TP_FOREVER));
    tp_promise_release(first);
    close(fds[0]);
    close(fds[1]);
}

static void regular_files_are_always_ready(void)
{
    const int fd = open("/proc/self/exe", O_RDONLY);
    CHECK_OR_EXIT(fd >= 0);
    CHECK_OK(tp_wait_fd(fd, TP_FD_READ, TP_FOREVER));
    close(fd);
    CHECK_STATUS(tp_wait_fd(fd, TP_FD_READ, 0), TP_E_ARGUMENT); /* closed */
    CHECK(strlen(tp_last_error()->message) > 10);
}

static void *wait_on_plain_thread(void *argument)
{
    const int fd = *(int *)argument;
    static const char message[] = "ok";
    if (tp_sleep_ms(3) != TP_OK || tp_wait_fd(fd, TP_FD_READ, TP_FOREVER) != TP_OK)
        return NULL;
    return (void *)(uintptr_t)message;
}

static void plain_os_threads_may_wait_too(void)
{
    int fds[2];
    CHECK_OR_EXIT(pipe(fds) == 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_OR_EXIT(pthread_create(&threads[i], NULL, wait_on_plain_thread, &fds[0]) == 0);
    CHECK_INT(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        CHECK(result != NULL);
    }
    close(fds[0]);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(sleepers_of_one_worker_wake_in_the_order_of_their_deadlines),
        CHECK_TEST(a_thousand_sleepers_share_a_worker),
        CHECK_TEST(sleeping_on_the_main_thread_runs_its_green_threads),
        CHECK_TEST(green_threads_of_main_read_and_write_pipes),
        CHECK_TEST(tasks_of_a_pool_wait_for_descriptors),
        CHECK_TEST(waiting_for_a_descriptor_times_out_and_hangs_up),
        CHECK_TEST(a_descriptor_has_one_waiter),
        CHECK_TEST(regular_files_are_always_ready),
        CHECK_TEST(plain_os_threads_may_wait_too),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
