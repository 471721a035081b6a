/* SPDX-License-Identifier: MIT */
/* oneTBB: task_group in an arena of two slots, the main thread's being one of them. A task_group counts its tasks down;
 * there is no promise for each. */
#include "bench.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

static tbb::task_arena arena(BENCH_WORKERS);

static void empty_tasks(int count)
{
    tbb::task_group group;
    for (int i = 0; i < count; i++) {
        group.run([] { bench_nothing(); });
    }
    group.wait();
}

static void submit(int divisor)
{
    const int count = BENCH_TASKS / divisor;
    arena.execute([=] {
        empty_tasks(count / 10);
        double start = bench_now();
        empty_tasks(count);
        bench_print("submit", count / (bench_now() - start), "tasks/s");
    });
}

static void spawn(int divisor)
{
    const int count = BENCH_TASKS / divisor;
    arena.execute([=] {
        tbb::task_group group;
        group.run_and_wait([=] { empty_tasks(count / 10); });
        double start = bench_now();
        group.run([=] { empty_tasks(count); });
        group.wait();
        bench_print("spawn", count / (bench_now() - start), "tasks/s");
    });
}

static int64_t fib(int n)
{
    if (n < 2) {
        return n;
    }
    int64_t a;
    tbb::task_group group;
    group.run([&a, n] { a = fib(n - 1); });
    int64_t b = fib(n - 2);
    group.wait();
    return a + b;
}

static void fork_join(int)
{
    arena.execute([] {
        fib(BENCH_FIB_WARM_UP);
        double start = bench_now();
        int64_t result = fib(BENCH_FIB);
        bench_print("fib", bench_now() - start, "s");
        bench_expect(result, bench_fib(BENCH_FIB), "fib");
    });
}

static void skew(int divisor)
{
    size_t count;
    int64_t expected, found = 0;
    int *elements = bench_skewed(BENCH_SKEW_REPEATS / divisor + 1, &count);
    int64_t *results = new int64_t[count];
    arena.execute([] { empty_tasks(1000); });
    double alone = bench_skewed_alone(elements, count, &expected);
    double start = bench_now();
    arena.execute([=] {
        tbb::parallel_for(
            tbb::blocked_range<size_t>(0, count, 1),
            [=](const tbb::blocked_range<size_t> &range) {
                for (size_t i = range.begin(); i < range.end(); i++) {
                    results[i] = bench_fib(elements[i]);
                }
            },
            tbb::simple_partitioner());
    });
    double parallel = bench_now() - start;
    for (size_t i = 0; i < count; i++) {
        found += results[i];
    }
    bench_expect(found, expected, "the sum of the map");
    bench_print("skew", bench_over_ideal(parallel, alone), "%");
    delete[] results;
    free(elements);
}

static void idle(int)
{
    arena.execute([] { empty_tasks(1000); });
    double before = bench_processor_time();
    bench_sleep_seconds(BENCH_IDLE_SECONDS);
    bench_print("idle", (bench_processor_time() - before) * 1e3, "ms");
}

int main(int argc, char **argv)
{
    const bench_work works[] = {
        {"submit", submit}, {"spawn", spawn}, {"fib", fork_join}, {"skew", skew}, {"idle", idle},
    };
    return bench_main(argc, argv, works, sizeof works / sizeof *works);
}
