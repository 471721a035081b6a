/* SPDX-License-Identifier: MIT */
/* OpenMP tasks in a team of two threads, the main thread being one; built once with gcc (libgomp) and once with clang
 * (libomp). `taskwait` counts children down; there is no promise for each. libgomp runs a task at once instead of
 * deferring it when more than 64 tasks per thread wait, and libomp when 256 do, unless KMP_ENABLE_TASK_THROTTLING=0. */
#include "bench.h"

#include <omp.h>

static void empty_tasks(int count)
{
    for (int i = 0; i < count; i++) {
#pragma omp task
        bench_nothing();
    }
#pragma omp taskwait
}

static void submit(int divisor)
{
    const int count = BENCH_TASKS / divisor;
#pragma omp parallel num_threads(BENCH_WORKERS)
#pragma omp single
    {
        empty_tasks(count / 10);
        double start = bench_now();
        empty_tasks(count);
        bench_print("submit", count / (bench_now() - start), "tasks/s");
    }
}

static void spawn(int divisor)
{
    const int count = BENCH_TASKS / divisor;
#pragma omp parallel num_threads(BENCH_WORKERS)
#pragma omp single
    {
#pragma omp task
        empty_tasks(count / 10);
#pragma omp taskwait
        double start = bench_now();
#pragma omp task
        empty_tasks(count);
#pragma omp taskwait
        bench_print("spawn", count / (bench_now() - start), "tasks/s");
    }
}

static int64_t fib(int n)
{
    if (n < 2) {
        return n;
    }
    int64_t a, b;
#pragma omp task shared(a) firstprivate(n)
    a = fib(n - 1);
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

static void fork_join(int divisor)
{
    (void)divisor;
    int64_t result = 0;
#pragma omp parallel num_threads(BENCH_WORKERS)
#pragma omp single
    {
        fib(BENCH_FIB_WARM_UP);
        double start = bench_now();
        result = fib(BENCH_FIB);
        bench_print("fib", bench_now() - start, "s");
    }
    bench_expect(result, bench_fib(BENCH_FIB), "fib");
}

static void skew(int divisor)
{
    size_t count;
    int64_t expected, found = 0;
    int *elements = bench_skewed(BENCH_SKEW_REPEATS / divisor + 1, &count);
#pragma omp parallel num_threads(BENCH_WORKERS)
#pragma omp single
    empty_tasks(1000);
    double alone = bench_skewed_alone(elements, count, &expected);
    double start = bench_now();
#pragma omp parallel num_threads(BENCH_WORKERS)
#pragma omp single
#pragma omp taskloop grainsize(1) reduction(+ : found)
    for (size_t i = 0; i < count; i++) {
        found += bench_fib(elements[i]);
    }
    double parallel = bench_now() - start;
    bench_expect(found, expected, "the sum of the map");
    bench_print("skew", bench_over_ideal(parallel, alone), "%");
    free(elements);
}

static void idle(int divisor)
{
    (void)divisor;
#pragma omp parallel num_threads(BENCH_WORKERS)
#pragma omp single
    empty_tasks(1000);
    double before = bench_processor_time();
    bench_sleep_seconds(BENCH_IDLE_SECONDS);
    bench_print("idle", (bench_processor_time() - before) * 1e3, "ms");
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {
        {"submit", submit}, {"spawn", spawn}, {"fib", fork_join}, {"skew", skew}, {"idle", idle},
    };
    return bench_main(argc, argv, works, sizeof works / sizeof *works);
}
