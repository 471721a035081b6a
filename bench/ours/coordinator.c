/* SPDX-License-Identifier: MIT */
/* The coordinator's state machine alone, fed with real frames of one driver and many nodes, in one thread and without
 * sockets. Only the time inside coordinator_receive counts: unpacking, placing, proofs, packing, relaying. What
 * libzmq's threads add (CURVE and TCP) does not.
 *
 * A node announces credit for CREDIT tasks: what 10 ms of work at 400,000 tasks a second are for one of 1,000 nodes, at
 * least twice its workers. When it has got them it sends one stream frame of results, which the driver acknowledges.
 * The driver keeps as many tasks queued as the work says. */
#include "bench.h"

#include "coordinator.h"
#include "link/link.h"
#include "trust/batch.h"
#include "trust/offer.h"
#include "trust/tree.h"
#include "wire/frame.h"

#include <sodium.h>
#include <unistd.h>

enum {
    NODES = 1000,
    FEW_NODES = 10,
    FEW_QUEUED = 10000,
    MANY_QUEUED = 1000000,
    CREDIT = 8,
    RESULT_BYTES = 30 + BENCH_CELL_BYTES,
    DISPATCHED = 500000
};

struct message {
    struct message *next;
    struct end *to; /* NULL: to the coordinator */
    struct end *from;
    size_t size;
    uint8_t bytes[];
};

struct end {
    struct world *world;
    struct tp__peer peer;
    const struct tp__key *key;
    struct tp__link *link;
    struct tp__id life, incarnation;
    uint64_t received, credit, position;
};

struct world {
    struct coordinator *coordinator;
    struct tp__authorized *authorized;
    struct tp__key driver_key, node_key;
    struct message *head, **tail;
    struct end *ends; /* the driver, then the nodes */
    size_t node_count;
    uint64_t sequence, batches;
    uint8_t signing_public[32], signing_secret[64];
    double seconds; /* inside the coordinator */
};

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static void *or_fail(void *memory)
{
    if (!memory)
        fail("out of memory");
    return memory;
}

static void post(struct world *world, struct end *from, struct end *to, const uint8_t *bytes, size_t size)
{
    struct message *message = or_fail(malloc(sizeof *message + size));
    *message = (struct message){.from = from, .to = to, .size = size};
    memcpy(message->bytes, bytes, size);
    *world->tail = message;
    world->tail = &message->next;
}

static void on_transmit(void *context, const struct tp__peer *peer, const uint8_t *bytes, size_t size)
{
    struct world *world = context;
    uint32_t index;
    memcpy(&index, peer->id + 1, sizeof index);
    post(world, NULL, &world->ends[index], bytes, size);
}

static void on_log(void *context, enum coordinator_level level, const char *event, const char *text)
{
    (void)context;
    if (level == COORDINATOR_WARNING)
        fprintf(stderr, "bench: coordinator: %s %s\n", event, text);
}

static void on_end_transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct end *end = context;
    post(end->world, end, NULL, bytes, size);
}

static void on_end_broken(void *context, const char *reason)
{
    (void)context;
    fail(reason);
}

static void send_frame(struct end *end, enum tp__lane lane, Taskpool__Frame__BodyCase body_case, void *message)
{
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = body_case;
    frame.hello = message; /* any member of the union */
    if (!tp__link_send(end->link, lane, &frame))
        fail("a frame was not sent");
}

static void send_stream(struct end *from, const struct end *node, bool acknowledgement, size_t size)
{
    static uint8_t sealed[CREDIT * RESULT_BYTES + 24];
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    stream.session = tp__field_of_id(&from->world->ends[0].life);
    stream.incarnation = tp__field_of_id(&node->incarnation);
    stream.position = node->position;
    stream.acknowledgement = acknowledgement;
    stream.sealed = tp__field(sealed, size);
    send_frame(from, TP__LANE_BULK, TASKPOOL__FRAME__BODY_STREAM, &stream);
}

static void announce(struct end *node)
{
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    node->credit = node->received + CREDIT;
    credit.total = node->credit;
    send_frame(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_CREDIT, &credit);
}

static void on_end_received(void *context, const Taskpool__Frame *frame)
{
    struct end *end = context;
    struct end *driver = &end->world->ends[0];
    if (frame->body_case == TASKPOOL__FRAME__BODY_REFUSAL)
        fail(frame->refusal->reason);
    if (frame->body_case == TASKPOOL__FRAME__BODY_TASKS) {
        end->received += frame->tasks->run;
    } else if (frame->body_case == TASKPOOL__FRAME__BODY_STREAM && end == driver) {
        for (size_t i = 1; i <= end->world->node_count; i++) {
            struct end *node = &end->world->ends[i];
            if (memcmp(node->incarnation.bytes, frame->stream->incarnation.data, sizeof node->incarnation) == 0) {
                send_stream(driver, node, true, 24);
                break;
            }
        }
    }
}

static void run(struct world *world)
{
    while (world->head) {
        struct message *message = world->head;
        world->head = message->next;
        if (!world->head)
            world->tail = &world->head;
        if (message->to) {
            tp__link_receive(message->to->link, message->bytes, message->size, 1000);
        } else {
            const double start = bench_now();
            coordinator_receive(world->coordinator, &message->from->peer, &message->from->key->public_key,
                                message->bytes, message->size, 1000);
            world->seconds += bench_now() - start;
        }
        free(message);
    }
}

static void hello(struct end *end, Taskpool__Role role, const char *name, uint32_t workers)
{
    char version[] = "0";
    Taskpool__Hello message;
    taskpool__hello__init(&message);
    message.protocol = TP__PROTOCOL_VERSION;
    message.role = role;
    message.life = tp__field_of_id(&end->life);
    message.name = (char *)(uintptr_t)name;
    message.workers = workers;
    message.version = version;
    send_frame(end, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_HELLO, &message);
    run(end->world);
}

static void offer(struct end *driver)
{
    struct world *world = driver->world;
    uint8_t bytes[TP__OFFER_LIMIT_BYTES];
    struct tp__offer content = {.driver = driver->key->public_key,
                                .session = driver->life,
                                .exchange_key = {9},
                                .program = {{1, 2, 3}},
                                .program_length = 3000000,
                                .protocol = TP__PROTOCOL_VERSION,
                                .machine = "x86_64",
                                .program_name = "program"};
    memcpy(content.signing_key, world->signing_public, sizeof content.signing_key);
    Taskpool__Offer message;
    taskpool__offer__init(&message);
    message.signed_offer = tp__field(bytes, tp__offer_sign(&content, driver->key, bytes));
    message.session = tp__field_of_id(&driver->life);
    send_frame(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_OFFER, &message);
    run(world);
}

static void join(struct end *node, struct end *driver)
{
    uint8_t signed_accept[100] = {1};
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = tp__field_of_id(&driver->life);
    accept.signed_accept = tp__field(signed_accept, sizeof signed_accept);
    accept.incarnation = tp__field_of_id(&node->incarnation);
    accept.workers = CREDIT / 2;
    send_frame(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_ACCEPT, &accept);
    run(node->world);
    Taskpool__Use use;
    taskpool__use__init(&use);
    use.incarnation = tp__field_of_id(&node->incarnation);
    send_frame(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_USE, &use);
    run(node->world);
}

static void send_tasks(struct world *world, uint32_t count)
{
    static const uint8_t capture[BENCH_CELL_BYTES];
    static uint8_t leaves[TP__BATCH_LIMIT * (TP__LEAF_HEADER_LIMIT_BYTES + BENCH_CELL_BYTES)];
    struct end *driver = &world->ends[0];
    struct tp__hash hashes[TP__BATCH_LIMIT];
    uint8_t signature[TP__SIGNATURE_BYTES];
    uint8_t *to = leaves;
    for (uint32_t i = 0; i < count; i++) {
        const struct tp__leaf leaf = {
            .sequence = ++world->sequence, .dispatch = 1, .length = BENCH_CELL_BYTES, .payload = capture};
        to = tp__leaf_write(to, &leaf);
    }
    if (!tp__batch_hash(leaves, (size_t)(to - leaves), count, hashes))
        fail("a batch");
    const struct tp__hash root = tp__tree_root(hashes, count);
    tp__batch_sign(world->signing_secret, &driver->life, ++world->batches, count, &root, signature);
    Taskpool__Tasks tasks;
    taskpool__tasks__init(&tasks);
    tasks.session = tp__field_of_id(&driver->life);
    tasks.batch = world->batches;
    tasks.count = tasks.run = count;
    tasks.signature = tp__field(signature, sizeof signature);
    tasks.leaves = tp__field(leaves, (size_t)(to - leaves));
    send_frame(driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_TASKS, &tasks);
    run(world);
}

static void open_end(struct world *world, uint32_t index, const struct tp__key *key)
{
    struct end *end = &world->ends[index];
    const struct tp__link_events events = {
        .transmit = on_end_transmit, .received = on_end_received, .broken = on_end_broken, .context = end};
    *end = (struct end){.world = world, .key = key, .life = tp__id_new(), .incarnation = tp__id_new()};
    end->peer.size = 5;
    memcpy(end->peer.id + 1, &index, sizeof index);
    end->link = or_fail(tp__link_new(&events, 1000));
}

static void authorize(struct world *world)
{
    struct tp__problem problem = {.text = ""};
    char path[] = "/tmp/taskpool-bench-XXXXXX";
    const int descriptor = mkstemp(path);
    if (descriptor < 0)
        fail(path);
    close(descriptor);
    tp__key_generate(&world->driver_key, "driver");
    tp__key_generate(&world->node_key, "node");
    if (tp__authorized_add(path, TP__ROLE_DRIVER, &world->driver_key.public_key, "driver", &problem) &&
        tp__authorized_add(path, TP__ROLE_NODE, &world->node_key.public_key, "node", &problem))
        world->authorized = tp__authorized_read(path, &problem);
    unlink(path);
    if (!world->authorized)
        fail(problem.text);
}

static struct world *open_world(size_t nodes)
{
    struct world *world = or_fail(calloc(1, sizeof *world));
    world->tail = &world->head;
    world->node_count = nodes;
    world->ends = or_fail(calloc(nodes + 1, sizeof *world->ends));
    if (!tp__trust_start())
        fail("libsodium");
    authorize(world);
    crypto_sign_keypair(world->signing_public, world->signing_secret);
    const struct coordinator_actions actions = {.transmit = on_transmit, .log = on_log, .context = world};
    const struct coordinator_options options = {.name = "head", .queue_limit_bytes = UINT64_C(1) << 30};
    world->coordinator = or_fail(coordinator_new(&options, world->authorized, &actions, 1000));
    open_end(world, 0, &world->driver_key);
    hello(&world->ends[0], TASKPOOL__ROLE__ROLE_DRIVER, "program", 0);
    offer(&world->ends[0]);
    for (uint32_t i = 1; i <= nodes; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u", i);
        open_end(world, i, &world->node_key);
        hello(&world->ends[i], TASKPOOL__ROLE__ROLE_NODE, name, CREDIT / 2);
        join(&world->ends[i], &world->ends[0]);
    }
    return world;
}

static void close_world(struct world *world)
{
    coordinator_free(world->coordinator);
    for (size_t i = 0; i <= world->node_count; i++)
        tp__link_free(world->ends[i].link);
    tp__authorized_free(world->authorized);
    free(world->ends);
    free(world);
}

static void queue_up(struct world *world, uint64_t queued)
{
    while (coordinator_count(world->coordinator).queued_tasks < queued)
        send_tasks(world, TP__BATCH_LIMIT);
}

/* Every node in turn: it has done what it got, says so, and gets the next. */
static void work(struct world *world, uint64_t tasks, uint64_t queued)
{
    const uint64_t end = coordinator_count(world->coordinator).placed_tasks + tasks;
    for (size_t i = 0; coordinator_count(world->coordinator).placed_tasks < end; i = (i + 1) % world->node_count) {
        struct end *node = &world->ends[i + 1];
        if (node->received > 0) {
            node->position++;
            send_stream(node, node, false, CREDIT * RESULT_BYTES + 24);
            run(world);
        }
        announce(node);
        run(world);
        bench_expect((int64_t)node->received, (int64_t)node->credit, "the number of tasks that a node has got");
        if (coordinator_count(world->coordinator).queued_tasks < queued)
            send_tasks(world, TP__BATCH_LIMIT);
    }
}

/* Seconds of the coordinator for a task. */
static double cost(size_t nodes, uint64_t queued, uint64_t tasks, double *bytes_a_task)
{
    struct world *world = open_world(nodes);
    const uint64_t before = coordinator_count(world->coordinator).memory_bytes;
    queue_up(world, queued);
    const struct coordinator_counts counts = coordinator_count(world->coordinator);
    if (bytes_a_task)
        *bytes_a_task = (double)(counts.memory_bytes - before) / (double)counts.queued_tasks - BENCH_CELL_BYTES;
    work(world, tasks / 10, queued);
    world->seconds = 0;
    work(world, tasks, queued);
    const double seconds = world->seconds / (double)tasks;
    close_world(world);
    return seconds;
}

static void dispatch(int divisor)
{
    double bytes;
    const uint64_t tasks = (uint64_t)(DISPATCHED / divisor);
    const double base = cost(NODES, FEW_QUEUED, tasks, NULL);
    bench_print("dispatch", 1 / base, "tasks/s");
    bench_print("dispatch_nodes", base / cost(FEW_NODES, FEW_QUEUED, tasks, NULL), "times");
    bench_print("dispatch_queued", cost(NODES, (uint64_t)(MANY_QUEUED / divisor), tasks, &bytes) / base, "times");
    bench_print("dispatch_memory", bytes, "B");
}

int main(int argc, char **argv)
{
    static const struct bench_work works[] = {{"dispatch", dispatch}};
    return bench_main(argc, argv, works, sizeof works / sizeof *works);
}
