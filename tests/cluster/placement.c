/* SPDX-License-Identifier: MIT */
/* placement WHAT: who gets which tasks. Says what it counted; placement.py starts the nodes and judges. */
#include "check.h"
#include "cluster/marks.h"
#include "test_pool.h"

#include <time.h>

static struct marks marks;
static tp_pool *pool;

enum { NODES = 8 };

/* The number of this node. */
static int64_t here(void)
{
    const char *node = getenv("TEST_NODE");
    return node ? atoll(node + 4) : -1;
}

/* Holds its worker, not the processor. */
TP_TASK(hold, int64_t, (int64_t, us))
{
    usleep((useconds_t)us);
    return here();
}

TP_TASK(hold_on_node0, int64_t, (int64_t, us), (int64_t, slow_us))
{
    usleep((useconds_t)(here() == 0 ? slow_us : us));
    return here();
}

TP_TASK(stay_on_node0, int64_t, (tp_str, path))
{
    while (here() == 0 && marks_of(path.data, "release") == 0)
        usleep(2000);
    return here();
}

static void say_counts(const int64_t *nodes, size_t count)
{
    size_t counts[NODES] = {0};
    for (size_t i = 0; i < count; i++)
        if (CHECK(nodes[i] >= 0 && nodes[i] < NODES))
            counts[nodes[i]]++;
    printf("counts");
    for (int i = 0; i < NODES; i++)
        printf(" %zu", counts[i]);
    printf("\n");
    fflush(stdout);
}

static void wait_for_line(void)
{
    char line[16];
    CHECK_OR_EXIT(fgets(line, sizeof line, stdin));
}

static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

static void proportion(void)
{
    enum { COUNT = 600 };
    int64_t in[COUNT];
    int64_t out[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        in[i] = 5000;
    CHECK_OK(tp_map(pool, hold, in, out, COUNT));
    say_counts(out, COUNT);
}

static void slow(void)
{
    enum { COUNT = 400 };
    int64_t in[COUNT];
    int64_t out[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        in[i] = 1000;
    CHECK_OK(tp_map(pool, hold_on_node0, in, out, COUNT, .slow_us = 300000));
    say_counts(out, COUNT);
}

static bool has_joined;

static void on_progress(size_t resolved, size_t total, void *argument)
{
    (void)argument;
    if (has_joined || resolved < total / 10)
        return;
    has_joined = true;
    say("middle");
    wait_for_line();
}

static void join(void)
{
    enum { COUNT = 1500 };
    static int64_t in[COUNT];
    static int64_t out[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        in[i] = 5000;
    CHECK_OK(tp_map_with(pool, tp_map_options(.progress = on_progress), hold, in, out, COUNT));
    say_counts(out, COUNT);
}

/* Those that wait behind the ones that hold node 0 are taken back and run elsewhere. */
static void recall(void)
{
    enum { COUNT = 300, HELD = 2 };
    tp_promise *promises[COUNT];
    int64_t nodes[COUNT] = {0};
    size_t resolved = 0;
    marks_open(&marks);
    for (size_t i = 0; i < COUNT; i++)
        promises[i] = tp_submit(pool, stay_on_node0, marks_path(&marks));
    for (int i = 0; resolved < COUNT - HELD && i < 50 * patience_seconds(); i++) {
        tp_sleep_ms(20);
        resolved = 0;
        for (size_t k = 0; k < COUNT; k++)
            resolved += tp_promise_ready(promises[k]);
    }
    CHECK_INT(resolved, COUNT - HELD);
    mark(marks_path(&marks), "release");
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_OK(tp_await(promises[i], &nodes[i]));
        tp_promise_release(promises[i]);
    }
    say_counts(nodes, COUNT);
    marks_close(&marks);
}

/* Says how many of its own are left when it is told. */
static void long_job(void)
{
    enum { COUNT = 3000 };
    tp_promise *promises[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        promises[i] = tp_submit(pool, hold, 3000);
    for (size_t i = 0; i < COUNT / 20; i++)
        CHECK_OK(tp_await(promises[i], NULL));
    say("under-way");
    wait_for_line();
    printf("left %zu\n", tp_pool_pending(pool));
    fflush(stdout);
    for (size_t i = 0; i < COUNT; i++) {
        tp_cancel(promises[i]);
        tp_promise_release(promises[i]);
    }
}

static void short_job(void)
{
    enum { COUNT = 300 };
    int64_t in[COUNT];
    int64_t out[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        in[i] = 3000;
    CHECK_OK(tp_map(pool, hold, in, out, COUNT));
    say_counts(out, COUNT);
}

/* The size follows the nodes; what is pending is counted. */
static void size(void)
{
    char line[32];
    while (fgets(line, sizeof line, stdin) && atoi(line) > 0) {
        for (int i = 0; tp_pool_size(pool) != (size_t)atoi(line) && i < 20 * patience_seconds(); i++)
            tp_sleep_ms(50);
        printf("size %zu\n", tp_pool_size(pool));
        fflush(stdout);
    }
    CHECK_INT(tp_pool_pending(pool), 0);
    tp_promise *promise = tp_submit(pool, hold, 100000);
    CHECK_INT(tp_pool_pending(pool), 1);
    CHECK_OK(tp_await(promise, NULL));
    tp_promise_release(promise);
    CHECK_INT(tp_pool_pending(pool), 0);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    static const struct check_test parts[] = {
        CHECK_TEST(proportion), CHECK_TEST(slow),      CHECK_TEST(join), CHECK_TEST(recall),
        CHECK_TEST(long_job),   CHECK_TEST(short_job), CHECK_TEST(size),
    };
    CHECK_OR_EXIT(argc == 2);
    pool = test_pool_open(2);
    CHECK_RUN(parts, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
