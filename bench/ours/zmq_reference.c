/* SPDX-License-Identifier: MIT */
/* The bare ZeroMQ reference: what is left of a cluster when nothing of a runtime is in it.
 *
 * Three kinds of processes, as ours: a driver, a broker, two workers. The broker's ROUTER passes each batch whole to
 * the next worker that has credit, and its results back. A batch is what waits, at most 256 tasks; nobody waits to fill
 * one. The driver signs each batch (Ed25519 over the BLAKE2b hash of its tasks), the worker verifies that before it
 * echoes them. Each task has a number and a size, each result is checked. CURVE is on at each socket. There is no task,
 * no promise, no stream, no list of keys, no recovery: the worker copies bytes.
 *
 * Works: map, latency, payload. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <zmq.h>

enum {
    WORKERS = BENCH_WORKERS,
    BATCH = 256,
    CREDIT_BATCHES = 4,     /* of a worker */
    BATCHES_UNDER_WAY = 16, /* of the driver */
    QUEUE_BATCHES = BATCHES_UNDER_WAY,
    KEY_TEXT_BYTES = 41
};

enum kind { KIND_READY, KIND_TASKS, KIND_RESULTS };

/* In front of each task of a batch, and of each result. */
struct task {
    uint64_t number;
    uint64_t size;
};

struct head {
    uint32_t kind;
    uint32_t count;
    uint8_t signature[crypto_sign_BYTES]; /* of the driver's batches */
};

struct keys {
    char server_public[KEY_TEXT_BYTES], server_secret[KEY_TEXT_BYTES];
    uint8_t sign_public[crypto_sign_PUBLICKEYBYTES], sign_secret[crypto_sign_SECRETKEYBYTES];
    char endpoint[64];
};

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

static void check(bool good, const char *what)
{
    if (!good)
        fail(what);
}

/* What is signed: the head without the signature, and the tasks. */
static void digest(const struct head *head, const uint8_t *tasks, size_t size, uint8_t hash[32])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, 32);
    crypto_generichash_update(&state, (const uint8_t *)head, offsetof(struct head, signature));
    crypto_generichash_update(&state, tasks, size);
    crypto_generichash_final(&state, hash, 32);
}

static void *connect_to_broker(void *context, const struct keys *keys)
{
    char public[KEY_TEXT_BYTES], secret[KEY_TEXT_BYTES];
    const int none = 0;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    check(socket && zmq_curve_keypair(public, secret) == 0, "socket");
    check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->server_public, KEY_TEXT_BYTES) == 0 &&
              zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, KEY_TEXT_BYTES) == 0 &&
              zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, KEY_TEXT_BYTES) == 0 &&
              zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0,
          "CURVE");
    check(zmq_connect(socket, keys->endpoint) == 0, "connect");
    return socket;
}

/* ---- worker ---- */

/* Each task's result is its capture. */
static void run_tasks(uint8_t *to, const uint8_t *from, size_t left, uint32_t count)
{
    for (; count > 0; count--) {
        struct task task;
        check(left >= sizeof task, "a task");
        memcpy(&task, from, sizeof task);
        check(task.size <= left - sizeof task, "the size of a task");
        memcpy(to, &task, sizeof task);
        memcpy(to + sizeof task, from + sizeof task, task.size);
        to += sizeof task + task.size;
        from += sizeof task + task.size;
        left -= sizeof task + task.size;
    }
}

static void work(const struct keys *keys)
{
    void *socket = connect_to_broker(zmq_ctx_new(), keys);
    struct head ready = {.kind = KIND_READY, .count = CREDIT_BATCHES};
    check(zmq_send(socket, &ready, sizeof ready, 0) >= 0, "send");
    for (;;) {
        zmq_msg_t batch, results;
        zmq_msg_init(&batch);
        check(zmq_msg_recv(&batch, socket, 0) >= 0, "receive");
        const size_t size = zmq_msg_size(&batch);
        check(size >= sizeof(struct head), "a batch");
        struct head head;
        memcpy(&head, zmq_msg_data(&batch), sizeof head);
        const uint8_t *tasks = (const uint8_t *)zmq_msg_data(&batch) + sizeof head;
        uint8_t hash[32];
        digest(&head, tasks, size - sizeof head, hash);
        check(crypto_sign_verify_detached(head.signature, hash, sizeof hash, keys->sign_public) == 0, "signature");
        check(zmq_msg_init_size(&results, size) == 0, "memory");
        head.kind = KIND_RESULTS;
        uint8_t *to = zmq_msg_data(&results);
        memcpy(to, &head, sizeof head);
        run_tasks(to + sizeof head, tasks, size - sizeof head, head.count);
        zmq_msg_close(&batch);
        check(zmq_msg_send(&results, socket, 0) >= 0, "send");
    }
}

/* ---- broker ---- */

struct peer {
    uint8_t id[16];
    size_t size;
    uint32_t credit;
};

struct broker {
    void *socket;
    struct peer driver, workers[WORKERS];
    int worker_count, next;
    zmq_msg_t queue[QUEUE_BATCHES];
    size_t head, tail;
};

static void pass_to(struct broker *broker, const struct peer *peer, zmq_msg_t *message)
{
    check(zmq_send(broker->socket, peer->id, peer->size, ZMQ_SNDMORE) >= 0 &&
              zmq_msg_send(message, broker->socket, 0) >= 0,
          "send");
}

static void dispatch(struct broker *broker)
{
    for (int looked = 0; broker->head != broker->tail && looked < broker->worker_count;) {
        struct peer *worker = &broker->workers[broker->next];
        broker->next = (broker->next + 1) % broker->worker_count;
        if (worker->credit == 0) {
            looked++;
            continue;
        }
        looked = 0;
        worker->credit--;
        pass_to(broker, worker, &broker->queue[broker->head++ % QUEUE_BATCHES]);
    }
}

static struct peer *worker_of(struct broker *broker, const struct peer *peer)
{
    for (int i = 0; i < broker->worker_count; i++)
        if (memcmp(broker->workers[i].id, peer->id, peer->size) == 0)
            return &broker->workers[i];
    check(broker->worker_count < WORKERS, "a worker too many");
    broker->workers[broker->worker_count] = *peer;
    return &broker->workers[broker->worker_count++];
}

static void relay(const struct keys *keys, int tell)
{
    struct broker broker = {.socket = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER)};
    const int on = 1;
    check(broker.socket && zmq_setsockopt(broker.socket, ZMQ_CURVE_SERVER, &on, sizeof on) == 0 &&
              zmq_setsockopt(broker.socket, ZMQ_CURVE_SECRETKEY, keys->server_secret, KEY_TEXT_BYTES) == 0 &&
              zmq_bind(broker.socket, "tcp://127.0.0.1:*") == 0,
          "bind");
    char endpoint[sizeof keys->endpoint] = "";
    size_t size = sizeof endpoint;
    check(zmq_getsockopt(broker.socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0 &&
              write(tell, endpoint, sizeof endpoint) == sizeof endpoint,
          "endpoint");
    for (;;) {
        struct peer peer = {.credit = 0};
        const int id = zmq_recv(broker.socket, peer.id, sizeof peer.id, 0);
        check(id > 0 && id <= (int)sizeof peer.id, "receive");
        peer.size = (size_t)id;
        zmq_msg_t message;
        zmq_msg_init(&message);
        check(zmq_msg_recv(&message, broker.socket, 0) >= (int)sizeof(struct head), "receive");
        struct head head;
        memcpy(&head, zmq_msg_data(&message), sizeof head);
        switch ((enum kind)head.kind) {
        case KIND_READY:
            worker_of(&broker, &peer)->credit = head.count;
            zmq_msg_close(&message);
            break;
        case KIND_TASKS:
            broker.driver = peer;
            check(broker.tail - broker.head < QUEUE_BATCHES, "a batch too many");
            broker.queue[broker.tail++ % QUEUE_BATCHES] = message;
            break;
        case KIND_RESULTS:
            worker_of(&broker, &peer)->credit++;
            pass_to(&broker, &broker.driver, &message);
            break;
        }
        dispatch(&broker);
    }
}

/* ---- driver ---- */

static struct keys keys;
static void *driver;
static pid_t children[WORKERS + 1];

static void send_batch(uint64_t first, uint32_t count, uint32_t task_bytes, const uint8_t *tasks)
{
    zmq_msg_t message;
    const size_t size = count * (sizeof(struct task) + task_bytes);
    check(zmq_msg_init_size(&message, sizeof(struct head) + size) == 0, "memory");
    uint8_t *const start = (uint8_t *)zmq_msg_data(&message) + sizeof(struct head);
    uint8_t *to = start;
    for (uint32_t i = 0; i < count; i++) {
        const struct task task = {.number = first + i, .size = task_bytes};
        memcpy(to, &task, sizeof task);
        memcpy(to + sizeof task, tasks + task.number * task_bytes, task_bytes);
        to += sizeof task + task_bytes;
    }
    struct head head = {.kind = KIND_TASKS, .count = count};
    uint8_t hash[32];
    digest(&head, start, size, hash);
    crypto_sign_detached(head.signature, NULL, hash, sizeof hash, keys.sign_secret);
    memcpy(zmq_msg_data(&message), &head, sizeof head);
    check(zmq_msg_send(&message, driver, 0) >= 0, "send");
}

/* Receives the results of one batch and checks each; returns their number. */
static uint32_t receive_batch(const uint8_t *tasks, size_t total, uint32_t task_bytes)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    check(zmq_msg_recv(&message, driver, 0) >= (int)sizeof(struct head), "receive");
    struct head head;
    memcpy(&head, zmq_msg_data(&message), sizeof head);
    const uint8_t *from = (const uint8_t *)zmq_msg_data(&message) + sizeof head;
    check(zmq_msg_size(&message) == sizeof head + head.count * (sizeof(struct task) + task_bytes), "results");
    for (uint32_t i = 0; i < head.count; i++) {
        struct task task;
        memcpy(&task, from, sizeof task);
        check(task.number < total && task.size == task_bytes, "a result's number");
        bench_expect(memcmp(from + sizeof task, tasks + task.number * task_bytes, task_bytes), 0, "a result");
        from += sizeof task + task_bytes;
    }
    zmq_msg_close(&message);
    return head.count;
}

static void run_batches(const uint8_t *tasks, size_t total, uint32_t task_bytes, size_t batch, size_t most_under_way)
{
    size_t sent = 0, received = 0, under_way = 0;
    while (received < total) {
        if (sent < total && under_way < most_under_way) {
            const size_t count = total - sent < batch ? total - sent : batch;
            send_batch(sent, (uint32_t)count, task_bytes, tasks);
            sent += count;
            under_way++;
        } else {
            received += receive_batch(tasks, total, task_bytes);
            under_way--;
        }
    }
}

static void run_small(const uint8_t *tasks, size_t total)
{
    run_batches(tasks, total, BENCH_CELL_BYTES, BATCH, BATCHES_UNDER_WAY);
}

static void run_large(const uint8_t *tasks, size_t total)
{
    run_batches(tasks, total, BENCH_PAYLOAD_BYTES, 1, 4);
}

static void throughput(int divisor)
{
    const size_t total = (size_t)(BENCH_TASKS / divisor);
    uint8_t *tasks = bench_random_bytes(total * BENCH_CELL_BYTES);
    run_small(tasks, total / 10);
    bench_mark("begin");
    const double start = bench_now();
    run_small(tasks, total);
    bench_print("map", (double)total / (bench_now() - start), "tasks/s");
    bench_mark("end");
    free(tasks);
}

static void latency(int divisor)
{
    const size_t total = (size_t)(BENCH_LATENCY_TASKS / divisor);
    uint8_t *tasks = bench_random_bytes(total * BENCH_CELL_BYTES);
    double *times = bench_times(total);
    run_batches(tasks, total / 10, BENCH_CELL_BYTES, 1, 1);
    for (size_t i = 0; i < total; i++) {
        const double start = bench_now();
        run_batches(tasks + i * BENCH_CELL_BYTES, 1, BENCH_CELL_BYTES, 1, 1);
        times[i] = bench_now() - start;
    }
    bench_print_latency("latency", times, total);
    free(tasks);
}

static void payload(int divisor)
{
    const size_t total = (size_t)(BENCH_PAYLOAD_TASKS / divisor);
    uint8_t *tasks = bench_random_bytes(total * BENCH_PAYLOAD_BYTES);
    run_large(tasks, total / 10);
    const double start = bench_now();
    run_large(tasks, total);
    bench_print("payload", (double)total * BENCH_PAYLOAD_BYTES / 1e6 / (bench_now() - start), "MB/s");
    free(tasks);
}

/* ---- processes ---- */

static pid_t child(void (*run)(const struct keys *, int), int argument)
{
    const pid_t pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0) {
        run(&keys, argument);
        _exit(1);
    }
    return pid;
}

static void work_in_child(const struct keys *its_keys, int argument)
{
    (void)argument;
    work(its_keys);
}

static void start_children(void)
{
    int pipes[2];
    check(sodium_init() >= 0 && zmq_curve_keypair(keys.server_public, keys.server_secret) == 0, "keys");
    crypto_sign_keypair(keys.sign_public, keys.sign_secret);
    check(pipe(pipes) == 0, "pipe");
    children[0] = child(relay, pipes[1]);
    check(read(pipes[0], keys.endpoint, sizeof keys.endpoint) == sizeof keys.endpoint, "endpoint");
    for (int i = 1; i <= WORKERS; i++)
        children[i] = child(work_in_child, 0);
    driver = connect_to_broker(zmq_ctx_new(), &keys);
}

static void end_children(void)
{
    for (int i = 0; i <= WORKERS; i++) {
        if (children[i] <= 0)
            continue;
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
        children[i] = 0;
    }
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {
        {"map", throughput},
        {"latency", latency},
        {"payload", payload},
    };
    start_children();
    const int result = bench_main(argc, argv, works, sizeof works / sizeof *works);
    end_children();
    return result;
}
