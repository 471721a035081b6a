/* SPDX-License-Identifier: MIT */
/* NATS with its C client: the server and two workers of one queue group. `nats worker PORT` serves; `nats WORK
 * [DIVISOR]` asks, $BENCH_PORT says where. Many under way: messages with one inbox for all answers, which is what the
 * fastest clients do; the server neither signs nor encrypts, keeps nothing, and tells nobody when a worker dies with a
 * request. */
#include "bench.h"

#include <nats/nats.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { UNDER_WAY = 20000 };

static natsConnection *connection;

static void check(natsStatus status, const char *what)
{
    if (status != NATS_OK) {
        fprintf(stderr, "bench: %s: %s\n", what, natsStatus_GetText(status));
        exit(1);
    }
}

static void open_connection(const char *port)
{
    char url[64];
    natsOptions *options;
    snprintf(url, sizeof url, "nats://127.0.0.1:%s", port ? port : "4222");
    check(natsOptions_Create(&options), "options");
    check(natsOptions_SetURL(options, url), "address");
    check(natsOptions_SetMaxPendingMsgs(options, 10000000), "limit");
    check(natsConnection_Connect(&connection, options), "connect");
    natsOptions_Destroy(options);
}

static void answer(natsConnection *from, natsSubscription *subscription, natsMsg *request, void *context)
{
    (void)subscription, (void)context;
    check(natsConnection_Publish(from, natsMsg_GetReply(request), natsMsg_GetData(request),
                                 natsMsg_GetDataLength(request)),
          "answer");
    natsMsg_Destroy(request);
}

static _Noreturn void serve(const char *port)
{
    natsSubscription *subscription;
    open_connection(port);
    check(natsConnection_QueueSubscribe(&subscription, connection, "echo", "workers", answer, NULL), "subscribe");
    check(natsConnection_Flush(connection), "flush");
    for (;;)
        bench_sleep_seconds(3600);
}

/* Who is served by two workers gets answers out of order: each carries the number of its task in front. */
static struct {
    const uint8_t *cells;
    atomic_size_t received, wrong;
    sem_t room, done;
    size_t total;
} all;

static void take(natsConnection *from, natsSubscription *subscription, natsMsg *message, void *context)
{
    (void)from, (void)subscription, (void)context;
    const char *data = natsMsg_GetData(message);
    uint64_t number;
    memcpy(&number, data, sizeof number);
    if (natsMsg_GetDataLength(message) != (int)sizeof number + BENCH_CELL_BYTES || number >= all.total ||
        memcmp(data + sizeof number, all.cells + number * BENCH_CELL_BYTES, BENCH_CELL_BYTES) != 0)
        all.wrong++;
    natsMsg_Destroy(message);
    sem_post(&all.room);
    if (atomic_fetch_add(&all.received, 1) + 1 == all.total)
        sem_post(&all.done);
}

static void run_all(const uint8_t *cells, size_t count)
{
    uint8_t message[sizeof(uint64_t) + BENCH_CELL_BYTES];
    all.cells = cells;
    all.total = count;
    all.received = 0;
    for (uint64_t i = 0; i < count; i++) {
        sem_wait(&all.room);
        memcpy(message, &i, sizeof i);
        memcpy(message + sizeof i, cells + i * BENCH_CELL_BYTES, BENCH_CELL_BYTES);
        check(natsConnection_PublishRequest(connection, "echo", "results", message, sizeof message), "request");
    }
    sem_wait(&all.done);
    bench_expect((int64_t)all.wrong, 0, "the number of wrong results");
}

static void map(int divisor)
{
    const size_t count = (size_t)(BENCH_TASKS / divisor);
    natsSubscription *subscription;
    uint8_t *cells = bench_random_bytes(count * BENCH_CELL_BYTES);
    sem_init(&all.room, 0, UNDER_WAY);
    sem_init(&all.done, 0, 0);
    check(natsConnection_Subscribe(&subscription, connection, "results", take, NULL), "subscribe");
    run_all(cells, count / 10);
    bench_mark("begin");
    const double start = bench_now();
    run_all(cells, count);
    bench_print("map", (double)count / (bench_now() - start), "tasks/s");
    bench_print("map_tasks", (double)count, "tasks");
    bench_mark("end");
    natsSubscription_Destroy(subscription);
    free(cells);
}

static void run_one(const uint8_t *bytes, int size)
{
    natsMsg *reply;
    check(natsConnection_Request(&reply, connection, "echo", bytes, size, 10000), "request");
    bench_expect(natsMsg_GetDataLength(reply), size, "the size of a result");
    bench_expect(memcmp(natsMsg_GetData(reply), bytes, (size_t)size), 0, "a result");
    natsMsg_Destroy(reply);
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
    const size_t count = (size_t)(BENCH_PAYLOAD_TASKS / divisor);
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
    uint8_t *cells = bench_random_bytes(BENCH_CELL_BYTES);
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
        serve(argv[2]);
    open_connection(getenv("BENCH_PORT"));
    return bench_main(argc, argv, works, sizeof works / sizeof *works);
}
