/* SPDX-License-Identifier: MIT */
/* After fork the pool belongs to the parent: the child gets TP_E_FORKED, the parent goes on, and the child may open
 * pools of its own. */
#include "check.h"
#include "test_pool.h"

#include <sys/wait.h>

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(wait_for_go, int64_t, (tp_channel *, go))
{
    int64_t v;
    tp_try(tp_recv(go, &v));
    return v;
}

TP_LOCAL_TASK(green_square, int64_t, (int64_t, x))
{
    tp_try(tp_yield());
    return x * x;
}

TP_LOCAL_TASK(wait_until_readable, tp_status, (int, fd))
{
    return tp_wait_fd(fd, TP_FD_READ, TP_FOREVER);
}

/* Exit codes of the child: 0, or the line that went wrong, 1 to 250. */
#define CHILD_CHECK(condition)                                                                         \
    do {                                                                                               \
        if (!(condition)) {                                                                            \
            fprintf(stderr, "%s:%d: in the child: %s is false (%s)\n", __FILE__, __LINE__, #condition, \
                    tp_status_name(tp_last_error()->status));                                          \
            _exit(__LINE__ % 250 + 1);                                                                 \
        }                                                                                              \
    } while (0)

static void wait_for_child(pid_t child)
{
    int status = -1;
    CHECK_OR_EXIT(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static void the_child_gets_a_clear_error(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise *p = tp_submit(pool, wait_for_go, go);
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        int64_t v = 5;
        CHILD_CHECK(tp_submit(pool, square, 3) == NULL);
        CHILD_CHECK(tp_last_error()->status == TP_E_FORKED);
        CHILD_CHECK(strlen(tp_last_error()->message) > 10);
        CHILD_CHECK(tp_run(pool, square, &v, 3) == TP_E_FORKED);
        CHILD_CHECK(v == 0);
        CHILD_CHECK(tp_drain(pool) == TP_E_FORKED);
        CHILD_CHECK(tp_pool_shutdown(pool) == TP_E_FORKED);
        CHILD_CHECK(tp_await(p, &v) == TP_E_FORKED);
        size_t index;
        CHILD_CHECK(tp_wait_any(&p, 1, TP_FOREVER, &index) == TP_E_FORKED);
        CHILD_CHECK(tp_wait_all(&p, 1, TP_FOREVER) == TP_E_FORKED);
        const int64_t in[2] = {1, 2};
        int64_t out[2];
        CHILD_CHECK(tp_map(pool, square, in, out, 2) == TP_E_FORKED);
        CHILD_CHECK(tp_pool_close(pool) == TP_E_FORKED);
        _exit(0);
    }
    wait_for_child(child);
    int64_t v = 0;
    CHECK_OK(tp_send(go, (int64_t)4));
    CHECK_OK(tp_await(p, &v));
    CHECK_INT(v, 4);
    CHECK_OK(tp_run(pool, square, &v, 9));
    CHECK_INT(v, 81);
    tp_promise_release(p);
}

static void the_child_opens_a_pool_of_its_own(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, square, &v, 3));
    CHECK_STATUS(tp_sleep_ms(0), TP_OK); /* the main thread has an event loop before the fork */
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        tp_pool *mine = tp_pool_open("local:2");
        CHILD_CHECK(mine != NULL);
        for (int64_t i = 0; i < 100; i++) {
            CHILD_CHECK(tp_run(mine, square, &v, i) == TP_OK);
            CHILD_CHECK(v == i * i);
        }
        CHILD_CHECK(tp_sleep_ms(1) == TP_OK);
        tp_promise *green = tp_async(green_square, 7);
        CHILD_CHECK(tp_await(green, &v) == TP_OK && v == 49);
        tp_promise_release(green);
        CHILD_CHECK(tp_pool_close(mine) == TP_OK);
        CHILD_CHECK(tp_submit(pool, square, 3) == NULL && tp_last_error()->status == TP_E_FORKED);
        _exit(0);
    }
    for (int64_t i = 0; i < 100; i++) {
        CHECK_OK(tp_run(pool, square, &v, i));
        CHECK_INT(v, i * i);
    }
    CHECK_OK(tp_sleep_ms(1));
    wait_for_child(child);
}

/* The ordinary exit of a child, with the handlers of the library in it. */
static void the_child_may_exit(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(0);
    }
    wait_for_child(child);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, square, &v, 3));
    CHECK_INT(v, 9);
}

/* The child has a copy of the thread that waits, and the descriptor. */
static void the_child_takes_no_event_away(void)
{
    int ends[2];
    CHECK_OR_EXIT(pipe(ends) == 0);
    tp_promise *waiter = tp_async(wait_until_readable, ends[0]);
    CHECK_OK(tp_yield());
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        CHILD_CHECK(write(ends[1], "x", 1) == 1);
        CHILD_CHECK(tp_sleep_ms(20) == TP_OK);
        CHILD_CHECK(tp_wait_fd(ends[1], TP_FD_WRITE, 20000) == TP_OK);
        _exit(0);
    }
    wait_for_child(child);
    tp_status status = TP_E_TIMEOUT;
    if (CHECK_OK(tp_wait_all(&waiter, 1, 20000)))
        CHECK_OK(tp_await(waiter, &status));
    CHECK_OK(status);
    (void)tp_cancel(waiter);
    tp_promise_release(waiter);
    close(ends[0]);
    close(ends[1]);
}

static void forking_under_load_harms_nobody(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    for (int round = 0; round < CHECK_SCALE(20, 5); round++) {
        tp_promise *p[200];
        for (int i = 0; i < 200; i++)
            p[i] = tp_submit(pool, square, i);
        const pid_t child = fork();
        if (child == 0) {
            alarm(30);
            int64_t v;
            tp_pool *mine = tp_pool_open("local:1");
            CHILD_CHECK(mine != NULL);
            CHILD_CHECK(tp_run(mine, square, &v, 12) == TP_OK && v == 144);
            CHILD_CHECK(tp_pool_close(mine) == TP_OK);
            _exit(0);
        }
        for (int64_t i = 0; i < 200; i++) {
            int64_t v = 0;
            CHECK_OK(tp_await(p[i], &v));
            CHECK_INT(v, i * i);
            tp_promise_release(p[i]);
        }
        wait_for_child(child);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(the_child_gets_a_clear_error),
        CHECK_TEST(the_child_opens_a_pool_of_its_own),
        CHECK_TEST(the_child_may_exit),
        CHECK_TEST(the_child_takes_no_event_away),
        CHECK_TEST(forking_under_load_harms_nobody),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
