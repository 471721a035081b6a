/* SPDX-License-Identifier: MIT */
/** @file
 * What every measuring program in C and C++ shares: sizes, clocks, the skewed work and the line it prints.
 *
 * A program is called `PROGRAM WORK [DIVISOR]`, does that work once after a warm-up of a tenth, prints one line per
 * figure (`figure value unit`), and returns 0; 3 if it does not offer the work. DIVISOR makes counts smaller.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    BENCH_WORKERS = 2,
    BENCH_TASKS = 1000000,
    BENCH_FIB = 32,
    BENCH_FIB_WARM_UP = 22,
    BENCH_ROUNDS_ONE_WORKER = 1000000,
    BENCH_ROUNDS_TWO_WORKERS = 50000,
    BENCH_MESSAGES = 2000000,
    BENCH_PIPELINE_CAPACITY = 64,
    BENCH_SKEW_LOWEST = 20,
    BENCH_SKEW_HIGHEST = 32,
    BENCH_SKEW_REPEATS = 32,
    BENCH_IDLE_SECONDS = 2,
    BENCH_CELL_BYTES = 64,
    BENCH_LATENCY_TASKS = 5000,
    BENCH_PAYLOAD_BYTES = 1 << 20,
    BENCH_PAYLOAD_TASKS = 400,
    BENCH_NOT_OFFERED = 3
};

static inline double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/** Seconds of processor time that this process has used. */
static inline double bench_processor_time(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/** KiB of resident memory of this process. */
static inline double bench_resident_kib(void)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2) {
        fprintf(stderr, "bench: cannot read /proc/self/statm\n");
        exit(1);
    }
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024.0;
}

static inline void bench_print(const char *figure, double value, const char *unit)
{
    printf("%s %.6g %s\n", figure, value, unit);
}

/** Ends the program when a result is wrong: a figure of a wrong result is worth nothing. */
static inline void bench_expect(int64_t found, int64_t expected, const char *what)
{
    if (found != expected) {
        fprintf(stderr, "bench: %s is %lld, expected %lld\n", what, (long long)found, (long long)expected);
        exit(1);
    }
}

/** The body of an empty task: nothing, which the compiler must not notice (it would leave the task out). */
static inline void bench_nothing(void)
{
    __asm__ volatile("" ::: "memory");
}

/** The plain sequential function that the skewed work calls. */
__attribute__((noinline, unused)) static int64_t bench_fib(int n)
{
    return n < 2 ? n : bench_fib(n - 1) + bench_fib(n - 2);
}

/** The elements of the skewed map: fib(20) to fib(32), each `repeats` times, shuffled with a fixed seed. The caller
 *  frees them. */
static inline int *bench_skewed(int repeats, size_t *count)
{
    const int kinds = BENCH_SKEW_HIGHEST - BENCH_SKEW_LOWEST + 1;
    *count = (size_t)(repeats * kinds);
    int *elements = (int *)malloc(*count * sizeof *elements);
    if (!elements) {
        exit(1);
    }
    for (size_t i = 0; i < *count; i++) {
        elements[i] = BENCH_SKEW_LOWEST + (int)(i % (size_t)kinds);
    }
    uint64_t state = 42;
    for (size_t i = *count - 1; i > 0; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t j = (size_t)((state >> 33) % (i + 1));
        int swap = elements[i];
        elements[i] = elements[j];
        elements[j] = swap;
    }
    return elements;
}

/** Does the skewed work on this thread alone; returns the seconds it took, and the sum of the results. */
static inline double bench_skewed_alone(const int *elements, size_t count, int64_t *sum)
{
    double start = bench_now();
    *sum = 0;
    for (size_t i = 0; i < count; i++) {
        *sum += bench_fib(elements[i]);
    }
    return bench_now() - start;
}

/** Percent that `parallel` seconds lie over the ideal: `alone` seconds divided by the workers. */
static inline double bench_over_ideal(double parallel, double alone)
{
    return (parallel / (alone / BENCH_WORKERS) - 1.0) * 100.0;
}

static inline void bench_sleep_seconds(int seconds)
{
    struct timespec time = {seconds, 0};
    nanosleep(&time, NULL);
}

/** With $BENCH_MARKS set: tells the harness that a moment has come, and waits until it has looked at the processes. */
static inline void bench_mark(const char *name)
{
    char line[64];
    if (!getenv("BENCH_MARKS")) {
        return;
    }
    printf("mark %s\n", name);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) {
        exit(1);
    }
}

/** The 64-byte captures of the cluster's works: random, always the same. The caller frees them. */
static inline uint8_t *bench_random_bytes(size_t size)
{
    uint8_t *bytes = (uint8_t *)malloc(size + 8);
    uint64_t state = 42;
    if (!bytes) {
        exit(1);
    }
    for (size_t i = 0; i < size; i += 8) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        memcpy(bytes + i, &state, 8);
    }
    return bytes;
}

/** Room for so many times. The caller frees them. */
static inline double *bench_times(size_t count)
{
    double *times = (double *)malloc(count * sizeof *times);
    if (!times) {
        exit(1);
    }
    return times;
}

static inline int bench_compare_times(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/** Prints the median and the 99th percentile of times in seconds, as `figure_p50` and `figure_p99`; frees them. */
static inline void bench_print_latency(const char *figure, double *times, size_t count)
{
    char name[64];
    qsort(times, count, sizeof *times, bench_compare_times);
    snprintf(name, sizeof name, "%s_p50", figure);
    bench_print(name, times[count / 2] * 1e6, "us");
    snprintf(name, sizeof name, "%s_p99", figure);
    bench_print(name, times[count * 99 / 100] * 1e6, "us");
    free(times);
}

struct bench_work {
    const char *name;
    void (*run)(int divisor);
};

/** Runs the work that the command line names. */
static inline int bench_main(int argc, char **argv, const struct bench_work *works, size_t count)
{
    int divisor = argc > 2 ? atoi(argv[2]) : 1;
    for (size_t i = 0; argc > 1 && divisor > 0 && i < count; i++) {
        if (strcmp(works[i].name, argv[1]) == 0) {
            works[i].run(divisor);
            return 0;
        }
    }
    fprintf(stderr, "usage: %s WORK [DIVISOR], WORK one of:", argv[0]);
    for (size_t i = 0; i < count; i++) {
        fprintf(stderr, " %s", works[i].name);
    }
    fputc('\n', stderr);
    return BENCH_NOT_OFFERED;
}

#endif
