/* SPDX-License-Identifier: MIT */
/* An MPI master and two workers, `mpirun -n 3 mpi WORK [DIVISOR]`: the master keeps some tasks at each worker, a
 * message each. No promise, no queue, no recovery: one process that dies ends all; who waits for a message spins. */
#include "bench.h"

#include <mpi.h>

enum { UNDER_WAY = 64, TAG_TASK = 1, TAG_END = 2 };

static int workers;

static void serve(void)
{
    uint8_t *buffer = malloc(BENCH_PAYLOAD_BYTES);
    for (;;) {
        MPI_Status status;
        int size;
        MPI_Recv(buffer, BENCH_PAYLOAD_BYTES, MPI_BYTE, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
        if (status.MPI_TAG == TAG_END)
            break;
        MPI_Get_count(&status, MPI_BYTE, &size);
        MPI_Send(buffer, size, MPI_BYTE, 0, TAG_TASK, MPI_COMM_WORLD);
    }
    free(buffer);
}

/* Each worker answers in order: its results belong to its oldest tasks. */
static void run_all(const uint8_t *tasks, size_t count, int size, size_t under_way)
{
    size_t sent = 0, received = 0, first[64][UNDER_WAY] = {{0}}, head[64] = {0}, tail[64] = {0};
    uint8_t *result = malloc((size_t)size);
    while (received < count) {
        for (int worker = 1; worker <= workers; worker++)
            while (sent < count && tail[worker] - head[worker] < under_way) {
                MPI_Send(tasks + sent * (size_t)size, size, MPI_BYTE, worker, TAG_TASK, MPI_COMM_WORLD);
                first[worker][tail[worker]++ % UNDER_WAY] = sent++;
            }
        MPI_Status status;
        MPI_Recv(result, size, MPI_BYTE, MPI_ANY_SOURCE, TAG_TASK, MPI_COMM_WORLD, &status);
        const size_t task = first[status.MPI_SOURCE][head[status.MPI_SOURCE]++ % UNDER_WAY];
        bench_expect(memcmp(result, tasks + task * (size_t)size, (size_t)size), 0, "a result");
        received++;
    }
    free(result);
}

static void map(int divisor)
{
    const size_t count = (size_t)(BENCH_TASKS / divisor);
    uint8_t *cells = bench_random_bytes(count * BENCH_CELL_BYTES);
    run_all(cells, count / 10, BENCH_CELL_BYTES, UNDER_WAY);
    bench_mark("begin");
    const double start = bench_now();
    run_all(cells, count, BENCH_CELL_BYTES, UNDER_WAY);
    bench_print("map", (double)count / (bench_now() - start), "tasks/s");
    bench_print("map_tasks", (double)count, "tasks");
    bench_mark("end");
    free(cells);
}

static void latency(int divisor)
{
    const size_t count = (size_t)(BENCH_LATENCY_TASKS / divisor);
    uint8_t *cells = bench_random_bytes(count * BENCH_CELL_BYTES);
    double *times = bench_times(count);
    run_all(cells, count / 10, BENCH_CELL_BYTES, 1);
    for (size_t i = 0; i < count; i++) {
        const double start = bench_now();
        run_all(cells + i * BENCH_CELL_BYTES, 1, BENCH_CELL_BYTES, 1);
        times[i] = bench_now() - start;
    }
    bench_print_latency("latency", times, count);
    free(cells);
}

static void payload(int divisor)
{
    const size_t count = (size_t)(BENCH_PAYLOAD_TASKS / divisor);
    uint8_t *tasks = bench_random_bytes(count * BENCH_PAYLOAD_BYTES);
    run_all(tasks, count / 10, BENCH_PAYLOAD_BYTES, 1);
    const double start = bench_now();
    run_all(tasks, count, BENCH_PAYLOAD_BYTES, 1);
    bench_print("payload", (double)count * BENCH_PAYLOAD_BYTES / 1e6 / (bench_now() - start), "MB/s");
    free(tasks);
}

static void idle(int divisor)
{
    bench_mark("begin");
    bench_sleep_seconds(divisor > 1 ? BENCH_IDLE_SECONDS : 10);
    bench_mark("end");
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {
        {"map", map},
        {"latency", latency},
        {"payload", payload},
        {"idle", idle},
    };
    int rank, size, result = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    workers = size - 1;
    if (rank > 0) {
        serve();
    } else {
        result = bench_main(argc, argv, works, sizeof works / sizeof *works);
        for (int worker = 1; worker <= workers; worker++)
            MPI_Send(NULL, 0, MPI_BYTE, worker, TAG_END, MPI_COMM_WORLD);
    }
    MPI_Finalize();
    return result;
}
