/* SPDX-License-Identifier: MIT */
/* TaskPool on a cluster: the driver, and the program that the nodes run. $TASKPOOL names the coordinator.
 *
 * What the driver cannot see itself (the processor time and the memory of all processes, who is killed when) belongs to
 * the harness: with $BENCH_MARKS set, the program prints `mark NAME` at the moments that matter and waits for a line on
 * standard input before it goes on. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <taskpool/taskpool.h>
#include <time.h>

enum {
    SOAK_TASKS = 20000,
    SOAK_TASK_US = 1000,
    POISON_TASKS = 2000,
    PARKED_TASKS = 100000,
    QUEUED_TASKS = 1000000,
    IDLE_SECONDS = 10
};

typedef struct cell {
    uint8_t bytes[BENCH_CELL_BYTES];
} cell;

static tp_pool *pool;

static void check(tp_status status, const char *what)
{
    if (status != TP_OK) {
        fprintf(stderr, "bench: %s: %s: %s\n", what, tp_status_name(status), tp_last_error()->message);
        exit(1);
    }
}

static void open_pool(void)
{
    pool = tp_pool_open(NULL);
    check(pool ? TP_OK : tp_last_error()->status, "open");
}

static void *memory_for(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        exit(1);
    return memory;
}

static cell *random_cells(size_t count)
{
    return (cell *)bench_random_bytes(count * sizeof(cell));
}

/* ---- throughput ---- */

TP_TASK(echo, cell, (cell, value))
{
    return value;
}

static void map_cells(const cell *in, size_t count)
{
    cell *out = memory_for(count, sizeof *out);
    check(tp_map(pool, echo, in, out, count), "map");
    bench_expect(memcmp(in, out, count * sizeof *in), 0, "a result");
    free(out);
}

static void await_cells(const cell *in, size_t count)
{
    tp_promise **promises = memory_for(count, sizeof *promises);
    for (size_t i = 0; i < count; i++)
        promises[i] = tp_submit(pool, echo, in[i]);
    for (size_t i = 0; i < count; i++) {
        cell result;
        check(tp_await(promises[i], &result), "await");
        bench_expect(memcmp(in + i, &result, sizeof result), 0, "a result");
        tp_promise_release(promises[i]);
    }
    free(promises);
}

static void throughput(const char *figure, void (*run)(const cell *, size_t), int divisor)
{
    const size_t count = (size_t)(BENCH_TASKS / divisor);
    cell *cells = random_cells(count);
    open_pool();
    run(cells, count / 10);
    bench_mark("begin");
    const double start = bench_now();
    run(cells, count);
    bench_print(figure, (double)count / (bench_now() - start), "tasks/s");
    bench_mark("end");
    free(cells);
}

static void map(int divisor)
{
    throughput("map", map_cells, divisor);
}

static void await(int divisor)
{
    throughput("await", await_cells, divisor);
}

/* ---- one at a time ---- */

static void run_one(const cell *value)
{
    cell result;
    check(tp_run(pool, echo, &result, *value), "run");
    bench_expect(memcmp(value, &result, sizeof result), 0, "a result");
}

static void latency(int divisor)
{
    const size_t count = (size_t)(BENCH_LATENCY_TASKS / divisor);
    cell *cells = random_cells(count);
    double *times = bench_times(count);
    open_pool();
    for (size_t i = 0; i < count / 10; i++)
        run_one(cells + i);
    bench_mark("begin");
    for (size_t i = 0; i < count; i++) {
        const double start = bench_now();
        run_one(cells + i);
        times[i] = bench_now() - start;
    }
    bench_mark("end");
    bench_print_latency("latency", times, count);
    free(cells);
}

/* ---- large ---- */

TP_TASK(echo_bytes, tp_bytes, (tp_bytes, value))
{
    return value;
}

static void echo_large(const uint8_t *bytes, size_t count)
{
    tp_promise **promises = memory_for(count, sizeof *promises);
    for (size_t i = 0; i < count; i++) {
        promises[i] = tp_submit(pool, echo_bytes, tp_bytes_view(bytes + i * BENCH_PAYLOAD_BYTES, BENCH_PAYLOAD_BYTES));
    }
    for (size_t i = 0; i < count; i++) {
        tp_bytes result;
        check(tp_await(promises[i], &result), "await");
        bench_expect((int64_t)result.size, BENCH_PAYLOAD_BYTES, "the size of a result");
        bench_expect(memcmp(bytes + i * BENCH_PAYLOAD_BYTES, result.data, BENCH_PAYLOAD_BYTES), 0, "a result");
        tp_bytes_release(result);
        tp_promise_release(promises[i]);
    }
    free(promises);
}

static void payload(int divisor)
{
    const size_t count = (size_t)(BENCH_PAYLOAD_TASKS / divisor);
    uint8_t *bytes = bench_random_bytes(count * BENCH_PAYLOAD_BYTES);
    open_pool();
    echo_large(bytes, count / 10);
    bench_mark("begin");
    const double start = bench_now();
    echo_large(bytes, count);
    bench_print("payload", (double)count * BENCH_PAYLOAD_BYTES / 1e6 / (bench_now() - start), "MB/s");
    bench_mark("end");
    free(bytes);
}

/* ---- what is killed meanwhile ---- */

/* One line of the log that all processes append to: a task has started. */
struct started {
    uint32_t index;
    uint32_t process;
    uint64_t time_ns;
};

static tp_str log_path(void)
{
    const char *path = getenv("BENCH_LOG");
    if (!path)
        path = "/dev/null";
    return tp_str_view(path, strlen(path));
}

static void note_start(tp_str path, uint32_t index)
{
    static int log = -1; /* of this process; threads that race open it twice */
    struct timespec now;
    if (log < 0)
        log = open(path.data, O_WRONLY | O_APPEND | O_CLOEXEC);
    clock_gettime(CLOCK_MONOTONIC, &now);
    const struct started line = {index, (uint32_t)getpid(), (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    if (write(log, &line, sizeof line) != sizeof line)
        tp_raise("cannot write to %s: %s", path.data, strerror(errno));
}

static void compute_for(int us)
{
    const double end = bench_now() + us * 1e-6;
    while (bench_now() < end)
        bench_nothing();
}

TP_TASK(one_millisecond, uint32_t, (uint32_t, index), (tp_str, path))
{
    note_start(path, index);
    compute_for(SOAK_TASK_US);
    return index;
}

TP_TASK(poison, uint32_t, (uint32_t, index), (tp_str, path))
{
    note_start(path, index);
    abort();
}

static tp_promise **submit_soak(size_t count)
{
    const tp_str path = log_path();
    tp_promise **promises = memory_for(count, sizeof *promises);
    for (size_t i = 0; i < count; i++)
        promises[i] = tp_submit(pool, one_millisecond, (uint32_t)i, path);
    return promises;
}

/* Awaits each: prints how many gave their result, an error, and a wrong result. */
static void await_soak(tp_promise **promises, size_t count)
{
    size_t good = 0, failed = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t result;
        if (tp_await(promises[i], &result) == TP_OK && result == i) {
            good++;
        } else {
            if (failed++ == 0)
                fprintf(stderr, "bench: task %zu: %s\n", i, tp_promise_error(promises[i])->message);
        }
        tp_promise_release(promises[i]);
    }
    free(promises);
    bench_print("good", (double)good, "tasks");
    bench_print("failed", (double)failed, "tasks");
}

static void soak(int divisor)
{
    const size_t count = (size_t)(SOAK_TASKS / divisor);
    open_pool();
    bench_mark("begin");
    await_soak(submit_soak(count), count);
    bench_mark("end");
}

static void poison_among(int divisor)
{
    const size_t count = (size_t)(POISON_TASKS / divisor);
    open_pool();
    await_soak(submit_soak(100), 100);
    bench_mark("begin");
    tp_promise *guilty = tp_submit(pool, poison, UINT32_MAX, log_path());
    tp_promise **innocent = submit_soak(count);
    const tp_status status = tp_await(guilty, NULL);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    bench_print("poison_resolved_ms", (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6, "ms");
    bench_expect(status != TP_OK, true, "that a poison task fails");
    fprintf(stderr, "bench: the poison task: %s: %s\n", tp_status_name(status), tp_promise_error(guilty)->message);
    tp_promise_release(guilty);
    await_soak(innocent, count);
    bench_mark("end");
}

/* ---- memory ---- */

TP_TASK(park, int64_t, (tp_channel *, gate), (tp_channel *, all), (int64_t, count))
{
    (void)count;
    int64_t message;
    tp_try(tp_send(all, (int64_t)1));
    tp_try(tp_recv(gate, &message));
    return message;
}

static void parked(int divisor)
{
    const int64_t count = PARKED_TASKS / divisor;
    open_pool();
    tp_channel *gate = tp_pool_channel(pool, "gate"), *all = tp_pool_channel(pool, "all");
    tp_promise **promises = memory_for((size_t)count, sizeof *promises);
    map_cells(random_cells(1000), 1000);
    bench_mark("begin");
    for (int64_t i = 0; i < count; i++)
        promises[i] = tp_submit(pool, park, gate, all, count);
    for (int64_t i = 0, one; i < count; i++)
        check(tp_recv(all, &one), "receive");
    bench_mark("parked");
    for (int64_t i = 0; i < count; i++)
        check(tp_send(gate, i), "send");
    int64_t sum = 0;
    for (int64_t i = 0, value; i < count; i++) {
        check(tp_await(promises[i], &value), "await");
        tp_promise_release(promises[i]);
        sum += value;
    }
    bench_expect(sum, count * (count - 1) / 2, "the sum of the messages");
    free(promises);
    bench_mark("end");
}

/* Holds its worker for as long as the file exists. */
TP_TASK(hold, int64_t, (tp_str, path))
{
    while (access(path.data, F_OK) == 0)
        usleep(10000);
    return 1;
}

static void queued(int divisor)
{
    const size_t count = (size_t)(QUEUED_TASKS / divisor);
    cell *cells = random_cells(count);
    open_pool();
    map_cells(cells, 1000);
    const size_t workers = tp_pool_size(pool);
    tp_promise **promises = memory_for(count + workers, sizeof *promises);
    for (size_t i = 0; i < workers; i++)
        promises[count + i] = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = (int)i), hold, log_path());
    bench_mark("begin");
    for (size_t i = 0; i < count; i++)
        promises[i] = tp_submit(pool, echo, cells[i]);
    bench_mark("queued");
    for (size_t i = 0; i < count + workers; i++) {
        check(tp_await(promises[i], NULL), "await");
        tp_promise_release(promises[i]);
    }
    free(promises);
    free(cells);
    bench_mark("end");
}

static void idle(int divisor)
{
    cell *cells = random_cells(1000);
    open_pool();
    map_cells(cells, 1000);
    free(cells);
    bench_mark("begin");
    bench_sleep_seconds(divisor > 1 ? 2 : IDLE_SECONDS);
    bench_mark("end");
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {
        {"map", map},         {"await", await},   {"latency", latency},
        {"payload", payload}, {"soak", soak},     {"poison", poison_among},
        {"parked", parked},   {"queued", queued}, {"idle", idle},
    };
    tp_init(argc, argv);
    const int result = bench_main(argc, argv, works, sizeof works / sizeof *works);
    tp_pool_close(pool);
    return result;
}
