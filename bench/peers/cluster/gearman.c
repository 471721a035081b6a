/* SPDX-License-Identifier: MIT */
/* Gearman with its C library. `gearman worker PORT` serves; `gearman WORK [DIVISOR]` submits, $BENCH_PORT says where.
 * The library's way to have many tasks under way: added to a client, then run together. */
#include "bench.h"

#include <libgearman/gearman.h>

enum { TASKS = 100000, AT_ONCE = 1000 };

static void check(gearman_return_t status, const char *what)
{
    if (status != GEARMAN_SUCCESS) {
        fprintf(stderr, "bench: %s: %s\n", what, gearman_strerror(status));
        exit(1);
    }
}

static gearman_return_t echo(gearman_job_st *job, void *context)
{
    (void)context;
    return gearman_job_send_complete(job, gearman_job_workload(job), gearman_job_workload_size(job));
}

static _Noreturn void serve(in_port_t port)
{
    gearman_worker_st *worker = gearman_worker_create(NULL);
    check(gearman_worker_add_server(worker, "127.0.0.1", port), "server");
    check(gearman_worker_define_function(worker, "echo", 4, gearman_function_create(echo), 0, NULL), "function");
    for (;;)
        (void)gearman_worker_work(worker);
}

static gearman_client_st *client;
static size_t received;

static gearman_return_t complete(gearman_task_st *task)
{
    const uint8_t *sent = gearman_task_context(task);
    bench_expect((int64_t)gearman_task_data_size(task), BENCH_CELL_BYTES, "the size of a result");
    bench_expect(memcmp(gearman_task_data(task), sent, BENCH_CELL_BYTES), 0, "a result");
    received++;
    return GEARMAN_SUCCESS;
}

static void run_all(const uint8_t *cells, size_t count)
{
    received = 0;
    for (size_t i = 0; i < count;) {
        for (size_t j = 0; j < AT_ONCE && i < count; j++, i++) {
            gearman_return_t status;
            const uint8_t *cell = cells + i * BENCH_CELL_BYTES;
            gearman_client_add_task(client, NULL, (void *)cell, "echo", NULL, cell, BENCH_CELL_BYTES, &status);
            check(status, "add a task");
        }
        check(gearman_client_run_tasks(client), "run");
    }
    bench_expect((int64_t)received, (int64_t)count, "the number of results");
}

static void map(int divisor)
{
    const size_t count = (size_t)(TASKS / divisor);
    uint8_t *cells = bench_random_bytes(count * BENCH_CELL_BYTES);
    gearman_client_set_complete_fn(client, complete);
    gearman_client_add_options(client, GEARMAN_CLIENT_FREE_TASKS);
    run_all(cells, count / 10);
    bench_mark("begin");
    const double start = bench_now();
    run_all(cells, count);
    bench_print("map", (double)count / (bench_now() - start), "tasks/s");
    bench_print("map_tasks", (double)count, "tasks");
    bench_mark("end");
    free(cells);
}

static void run_one(const uint8_t *bytes, size_t size)
{
    size_t result_size;
    gearman_return_t status;
    void *result = gearman_client_do(client, "echo", NULL, bytes, size, &result_size, &status);
    check(status, "do");
    bench_expect((int64_t)result_size, (int64_t)size, "the size of a result");
    bench_expect(memcmp(result, bytes, size), 0, "a result");
    free(result);
}

static void latency(int divisor)
{
    const size_t count = (size_t)(BENCH_LATENCY_TASKS / divisor);
    uint8_t *cells = bench_random_bytes(count * BENCH_CELL_BYTES);
    double *times = bench_times(count);
    for (size_t i = 0; i < count / 10; i++)
        run_one(cells, BENCH_CELL_BYTES);
    for (size_t i = 0; i < count; i++) {
        const double start = bench_now();
        run_one(cells + i * BENCH_CELL_BYTES, BENCH_CELL_BYTES);
        times[i] = bench_now() - start;
    }
    bench_print_latency("latency", times, count);
    free(cells);
}

static void payload(int divisor)
{
    const size_t count = (size_t)(BENCH_PAYLOAD_TASKS / 4 / divisor);
    uint8_t *bytes = bench_random_bytes(BENCH_PAYLOAD_BYTES);
    run_one(bytes, BENCH_PAYLOAD_BYTES);
    const double start = bench_now();
    for (size_t i = 0; i < count; i++)
        run_one(bytes, BENCH_PAYLOAD_BYTES);
    bench_print("payload", (double)count * BENCH_PAYLOAD_BYTES / 1e6 / (bench_now() - start), "MB/s");
    free(bytes);
}

static void idle(int divisor)
{
    uint8_t *cells = bench_random_bytes(1000 * BENCH_CELL_BYTES);
    for (int i = 0; i < 1000; i++)
        run_one(cells, BENCH_CELL_BYTES);
    bench_mark("begin");
    bench_sleep_seconds(divisor > 1 ? BENCH_IDLE_SECONDS : 10);
    bench_mark("end");
    free(cells);
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {
        {"map", map},
        {"latency", latency},
        {"payload", payload},
        {"idle", idle},
    };
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        serve((in_port_t)atoi(argv[2]));
    const char *port = getenv("BENCH_PORT");
    client = gearman_client_create(NULL);
    check(gearman_client_add_server(client, "127.0.0.1", (in_port_t)(port ? atoi(port) : 4730)), "server");
    const int result = bench_main(argc, argv, works, sizeof works / sizeof *works);
    gearman_client_free(client);
    return result;
}
