/* SPDX-License-Identifier: MIT */
/* TaskPool: a pool of two workers beside the main thread. A promise for each task. */
#include "bench.h"

#include <stdatomic.h>
#include <taskpool/taskpool.h>

static tp_pool *pool;

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, tp_last_error()->message);
    exit(1);
}

static void check(tp_status status, const char *what)
{
    if (status != TP_OK) {
        fail(what);
    }
}

static void open_pool(const char *where)
{
    pool = tp_pool_open(where);
    if (!pool) {
        fail(where);
    }
}

static tp_channel *channel(const char *name, size_t capacity)
{
    tp_channel *opened = tp_pool_channel_with(pool, name, capacity);
    if (!opened) {
        fail(name);
    }
    return opened;
}

static tp_promise **array_of_promises(size_t count)
{
    tp_promise **promises = malloc(count * sizeof *promises);
    if (!promises) {
        exit(1);
    }
    return promises;
}

/* Awaits and releases each promise, frees the array and returns the sum of the results. */
static int64_t sum_of(tp_promise **promises, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        check(tp_await(promises[i], &value), "await");
        tp_promise_release(promises[i]);
        sum += value;
    }
    free(promises);
    return sum;
}

TP_TASK(empty, int64_t)
{
    bench_nothing();
    return 1;
}

static int64_t empty_tasks(int count)
{
    tp_promise **promises = array_of_promises((size_t)count);
    for (int i = 0; i < count; i++) {
        promises[i] = tp_submit(pool, empty);
    }
    int64_t sum = sum_of(promises, (size_t)count);
    bench_expect(sum, count, "the sum of the results");
    return sum;
}

TP_TASK(parent, int64_t, (int, count))
{
    return empty_tasks(count);
}

static void submit(int divisor)
{
    const int count = BENCH_TASKS / divisor;
    open_pool("local:2");
    empty_tasks(count / 10);
    double start = bench_now();
    empty_tasks(count);
    bench_print("submit", count / (bench_now() - start), "tasks/s");
}

static void spawn(int divisor)
{
    const int count = BENCH_TASKS / divisor;
    open_pool("local:2");
    check(tp_run(pool, parent, NULL, count / 10), "spawn");
    double start = bench_now();
    check(tp_run(pool, parent, NULL, count), "spawn");
    bench_print("spawn", count / (bench_now() - start), "tasks/s");
}

TP_TASK(fib, int64_t, (int, n))
{
    if (n < 2) {
        return n;
    }
    tp_promise *promise = tp_submit(pool, fib, n - 1);
    int64_t b = fib(n - 2), a;
    tp_try(tp_await(promise, &a));
    tp_promise_release(promise);
    return a + b;
}

static void fork_join(int divisor)
{
    (void)divisor;
    int64_t result;
    open_pool("local:2");
    check(tp_run(pool, fib, &result, BENCH_FIB_WARM_UP), "fib");
    double start = bench_now();
    check(tp_run(pool, fib, &result, BENCH_FIB), "fib");
    bench_print("fib", bench_now() - start, "s");
    bench_expect(result, bench_fib(BENCH_FIB), "fib");
}

TP_TASK(serve_ping, void, (tp_channel *, ping), (tp_channel *, pong))
{
    int64_t value;
    while (tp_recv(ping, &value) == TP_OK) {
        tp_try(tp_send(pong, value + 1));
    }
}

TP_TASK(send_ping, double, (tp_channel *, ping), (tp_channel *, pong), (int, rounds))
{
    double start = 0;
    int64_t value = 0;
    for (int i = -rounds / 10; i < rounds; i++) {
        if (i == 0) {
            start = bench_now();
        }
        tp_try(tp_send(ping, value));
        tp_try(tp_recv(pong, &value));
    }
    double took = bench_now() - start;
    bench_expect(value, rounds / 10 + rounds, "the last message");
    tp_channel_close(ping);
    return took * 1e9 / rounds;
}

static double ping_pong(int rounds, int worker_of_server)
{
    tp_channel *ping = channel("ping", 1), *pong = channel("pong", 1);
    tp_task_options server = {.pinned = true, .worker = worker_of_server};
    tp_task_options client = {.pinned = true, .worker = 0};
    tp_promise *served = tp_submit_with(pool, server, serve_ping, ping, pong);
    double took;
    check(tp_run_with(pool, client, send_ping, &took, ping, pong, rounds), "ping-pong");
    check(tp_await(served, NULL), "ping-pong");
    tp_promise_release(served);
    return took;
}

static void ping_pong_one_worker(int divisor)
{
    open_pool("local:1");
    bench_print("pingpong1", ping_pong(BENCH_ROUNDS_ONE_WORKER / divisor, 0), "ns");
}

static void ping_pong_two_workers(int divisor)
{
    open_pool("local:2");
    bench_print("pingpong2", ping_pong(BENCH_ROUNDS_TWO_WORKERS / divisor, 1), "ns");
}

static atomic_int arrived;

TP_TASK(park, int64_t, (tp_channel *, gate), (tp_channel *, all), (int, count))
{
    int64_t message;
    if (atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed) + 1 == count) {
        tp_try(tp_send(all, (int64_t)count));
    }
    tp_try(tp_recv(gate, &message));
    return message;
}

/* Returns the resident memory at the time when all are parked. */
static double park_many(int count)
{
    tp_channel *gate = channel("gate", 0), *all = channel("all", 0);
    tp_promise **promises = array_of_promises((size_t)count);
    int64_t parked;
    atomic_store(&arrived, 0);
    for (int i = 0; i < count; i++) {
        promises[i] = tp_submit(pool, park, gate, all, count);
    }
    check(tp_recv(all, &parked), "receive");
    double resident = bench_resident_kib();
    for (int64_t i = 0; i < count; i++) {
        check(tp_send(gate, i), "send");
    }
    bench_expect(sum_of(promises, (size_t)count), (int64_t)count * (count - 1) / 2, "the sum of the messages");
    return resident;
}

static void parked(int divisor)
{
    const int count = BENCH_TASKS / divisor;
    double before = bench_resident_kib();
    open_pool("local:2");
    park_many(count / 10);
    double start = bench_now();
    double resident = park_many(count);
    bench_print("parked", bench_now() - start, "s");
    bench_print("parked_memory", (resident - before) / count, "KiB");
}

TP_TASK(skewed, int64_t, (int, n))
{
    return bench_fib(n);
}

static void skew(int divisor)
{
    size_t count;
    int64_t expected, found = 0;
    int *elements = bench_skewed(BENCH_SKEW_REPEATS / divisor + 1, &count);
    int64_t *results = malloc(count * sizeof *results);
    if (!results) {
        exit(1);
    }
    open_pool("local:2");
    empty_tasks(1000);
    double alone = bench_skewed_alone(elements, count, &expected);
    double start = bench_now();
    check(tp_map(pool, skewed, elements, results, count), "map");
    double parallel = bench_now() - start;
    for (size_t i = 0; i < count; i++) {
        found += results[i];
    }
    bench_expect(found, expected, "the sum of the map");
    bench_print("skew", bench_over_ideal(parallel, alone), "%");
    free(results);
    free(elements);
}

TP_TASK(source, void, (tp_channel *, out), (int64_t, count))
{
    for (int64_t i = 0; i < count; i++) {
        tp_try(tp_send(out, i));
    }
}

TP_TASK(pass_on, void, (tp_channel *, in), (tp_channel *, out), (int64_t, count))
{
    for (int64_t i = 0; i < count; i++) {
        int64_t message;
        tp_try(tp_recv(in, &message));
        tp_try(tp_send(out, message + 1));
    }
}

TP_TASK(sink, int64_t, (tp_channel *, in), (int64_t, count))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t message;
        tp_try(tp_recv(in, &message));
        sum += message;
    }
    return sum;
}

static void run_pipeline(int64_t count)
{
    tp_channel *a = channel("a", BENCH_PIPELINE_CAPACITY);
    tp_channel *b = channel("b", BENCH_PIPELINE_CAPACITY);
    tp_channel *c = channel("c", BENCH_PIPELINE_CAPACITY);
    tp_promise *stages[] = {
        tp_submit(pool, source, a, count),
        tp_submit(pool, pass_on, a, b, count),
        tp_submit(pool, pass_on, b, c, count),
    };
    int64_t sum;
    check(tp_run(pool, sink, &sum, c, count), "sink");
    check(tp_wait_all(stages, 3, TP_FOREVER), "stages");
    for (int i = 0; i < 3; i++) {
        tp_promise_release(stages[i]);
    }
    bench_expect(sum, count * (count - 1) / 2 + 2 * count, "the sum of the messages");
}

static void pipeline(int divisor)
{
    const int64_t count = BENCH_MESSAGES / divisor;
    open_pool("local:2");
    run_pipeline(count / 10);
    double start = bench_now();
    run_pipeline(count);
    bench_print("pipeline", (double)count / (bench_now() - start), "messages/s");
}

static void idle(int divisor)
{
    (void)divisor;
    open_pool("local:2");
    empty_tasks(1000);
    double before = bench_processor_time();
    bench_sleep_seconds(BENCH_IDLE_SECONDS);
    bench_print("idle", (bench_processor_time() - before) * 1e3, "ms");
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {
        {"submit", submit},
        {"spawn", spawn},
        {"fib", fork_join},
        {"pingpong1", ping_pong_one_worker},
        {"pingpong2", ping_pong_two_workers},
        {"parked", parked},
        {"skew", skew},
        {"pipeline", pipeline},
        {"idle", idle},
    };
    tp_init(argc, argv);
    int result = bench_main(argc, argv, works, sizeof works / sizeof *works);
    tp_pool_close(pool);
    return result;
}
