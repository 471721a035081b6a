/* SPDX-License-Identifier: MIT */
/* Drivers and processes of the agent's tests. */
#include "agent_world.h"

#include <sodium.h>

/* ---- drivers ---- */

struct world_driver *driver_new(struct world *world)
{
    assert_true(world->driver_count < WORLD_DRIVERS);
    struct world_driver *driver = calloc(1, sizeof *driver);
    assert_non_null(driver);
    char name[16];
    (void)snprintf(name, sizeof name, "driver%zu", world->driver_count);
    driver->world = world;
    tp__key_generate(&driver->key, name);
    world->drivers[world->driver_count++] = driver;
    world_authorize(world, world->drivers, world->driver_count);

    struct tp__offer *offer = &driver->offer;
    offer->driver = driver->key.public_key;
    offer->session = tp__id_new();
    crypto_sign_keypair(offer->signing_key, driver->signing_secret);
    crypto_kx_keypair(offer->exchange_key, driver->exchange_secret);
    offer->program_length = 1000;
    offer->protocol = TP__PROTOCOL_VERSION;
    (void)snprintf(offer->machine, sizeof offer->machine, "x86_64");
    (void)snprintf(offer->program_name, sizeof offer->program_name, "demo");
    return driver;
}

void driver_offer(struct world_driver *driver)
{
    driver->signed_offer_size = tp__offer_sign(&driver->offer, &driver->key, driver->signed_offer);
    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    offer.session = tp__field_of_id(&driver->offer.session);
    offer.signed_offer = tp__field(driver->signed_offer, driver->signed_offer_size);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    world_send(driver->world, &frame);
    world_run(driver->world);
}

struct world_process *driver_begin(struct world_driver *driver)
{
    struct world *world = driver->world;
    const size_t index = world->process_count;
    driver_offer(driver);
    struct world_process *process = world_process(world, index);
    process_ready(world, process);
    assert_int_equal(driver->accepts, 1);
    driver_open(driver, 0);
    return process;
}

void driver_open(struct world_driver *driver, uint32_t first_worker)
{
    driver_say(driver, TP__RECORD_OPEN, 0, 0, 0, &first_worker, sizeof first_worker);
}

void driver_pump(struct world_driver *driver)
{
    struct tp__sealed sealed;
    while (tp__stream_next(driver->stream, &sealed)) {
        Taskpool__StreamFrame stream;
        taskpool__stream_frame__init(&stream);
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        stream.session = tp__field_of_id(&driver->offer.session);
        stream.incarnation = tp__field_of_id(&driver->incarnation);
        stream.position = sealed.position;
        stream.acknowledgement = sealed.acknowledgement;
        stream.sealed = tp__field(sealed.bytes, sealed.size);
        frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
        frame.stream = &stream;
        world_send(driver->world, &frame);
    }
}

void driver_say(struct world_driver *driver, enum tp__record_type type, uint64_t task, uint32_t dispatch,
                uint32_t operation, const void *body, size_t size)
{
    assert_true(tp__stream_append(driver->stream, &(struct tp__record){.type = (uint8_t)type,
                                                                       .task = task,
                                                                       .dispatch = dispatch,
                                                                       .operation = operation,
                                                                       .body = body,
                                                                       .size = (uint32_t)size}));
    driver_pump(driver);
    world_run(driver->world);
}

void driver_sign(struct world_driver *driver, struct world_batch *batch, const struct tp__leaf *leaves, uint32_t count)
{
    taskpool__tasks__init(&batch->tasks);
    uint8_t *end = batch->leaves;
    for (uint32_t i = 0; i < count; i++) {
        assert_true((size_t)(end - batch->leaves) + tp__leaf_size(&leaves[i]) <= sizeof batch->leaves);
        end = tp__leaf_write(end, &leaves[i]);
        batch->leaf_ends[i] = (size_t)(end - batch->leaves);
    }
    assert_true(tp__batch_hash(batch->leaves, (size_t)(end - batch->leaves), count, batch->hashes));
    const struct tp__hash root = tp__tree_root(batch->hashes, count);
    tp__batch_sign(driver->signing_secret, &driver->offer.session, ++driver->batch, count, &root, batch->signature);
    batch->tasks.session = tp__field_of_id(&driver->offer.session);
    batch->tasks.batch = driver->batch;
    batch->tasks.count = batch->tasks.run = count;
    batch->tasks.signature = tp__field(batch->signature, sizeof batch->signature);
    batch->tasks.leaves = tp__field(batch->leaves, (size_t)(end - batch->leaves));
}

void batch_narrow(struct world_batch *batch, uint32_t first, uint32_t run)
{
    const size_t start = first > 0 ? batch->leaf_ends[first - 1] : 0;
    struct tp__hash tree[TP__TREE_LIMIT];
    tp__tree_fill(tree, batch->hashes, batch->tasks.count);
    const uint32_t hashes = tp__tree_prove(tree, batch->tasks.count, first, run, batch->proof);
    batch->tasks.first = first;
    batch->tasks.run = run;
    batch->tasks.leaves = tp__field(batch->leaves + start, batch->leaf_ends[first + run - 1] - start);
    batch->tasks.proof = tp__field(batch->proof, hashes * sizeof *batch->proof);
}

void driver_send_batch(struct world_driver *driver, struct world_batch *batch)
{
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_TASKS;
    frame.tasks = &batch->tasks;
    world_send(driver->world, &frame);
    world_run(driver->world);
}

uint64_t driver_submit(struct world_driver *driver, const struct tp__leaf *leaves, uint32_t count)
{
    struct world_batch *batch = malloc(sizeof *batch);
    assert_non_null(batch);
    driver_sign(driver, batch, leaves, count);
    driver_send_batch(driver, batch);
    free(batch);
    return driver->batch;
}

void driver_submit_plain(struct world_driver *driver, uint64_t sequence)
{
    const struct tp__leaf leaf = plain_leaf(sequence);
    (void)driver_submit(driver, &leaf, 1);
}

void driver_send_payload(struct world_driver *driver, const struct tp__leaf *leaf, uint32_t offset,
                         const uint8_t *bytes, size_t size)
{
    Taskpool__Payload payload;
    taskpool__payload__init(&payload);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    payload.session = tp__field_of_id(&driver->offer.session);
    payload.sequence = leaf->sequence;
    payload.dispatch = leaf->dispatch;
    payload.offset = offset;
    payload.part = tp__field(bytes, size);
    frame.body_case = TASKPOOL__FRAME__BODY_PAYLOAD;
    frame.payload = &payload;
    world_send(driver->world, &frame);
    world_run(driver->world);
}

static size_t count_records(const struct tp__buffer *buffer, enum tp__record_type type, uint64_t task,
                            struct tp__record *last)
{
    struct tp__reader reader = tp__reader_of(buffer->bytes, buffer->size);
    struct tp__record record;
    size_t count = 0;
    while (tp__reader_left(&reader) > 0) {
        assert_int_equal(tp__record_read(&reader, &record), TP__RECORD_FOUND);
        if (record.type != type || (task != 0 && record.task != task))
            continue;
        count++;
        if (last)
            *last = record;
    }
    return count;
}

size_t driver_heard(const struct world_driver *driver, enum tp__record_type type, uint64_t task,
                    struct tp__record *last)
{
    return count_records(&driver->heard, type, task, last);
}

enum tp__returned driver_returned(const struct world_driver *driver, uint64_t task)
{
    struct tp__record record;
    return driver_heard(driver, TP__RECORD_RETURNED, task, &record) > 0 ? (enum tp__returned)record.body[0]
                                                                        : (enum tp__returned)0;
}

/* ---- processes ---- */

struct world_process *world_process(struct world *world, size_t index)
{
    assert_true(index < world->process_count);
    return &world->processes[index];
}

void process_ready(struct world *world, struct world_process *process)
{
    struct tp__buffer body = {NULL, 0, 0};
    assert_true(tp__buffer_reserve(&body, 8));
    uint8_t *end = tp__put_u32(body.bytes, TP__PROTOCOL_VERSION);
    tp__put_u32(end, WORLD_TASKS);
    body.size = 8;
    for (size_t i = 0; i < WORLD_TASKS; i++)
        assert_true(tp__put_text(&body, world_task_names[i], strlen(world_task_names[i])));
    process_say(world, process, TP__RECORD_READY, 0, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

void process_say(struct world *world, struct world_process *process, enum tp__record_type type, uint64_t task,
                 uint32_t dispatch, const void *body, size_t size)
{
    struct tp__buffer bytes = {NULL, 0, 0};
    assert_true(tp__record_append(
        &bytes, &(struct tp__record){
                    .type = (uint8_t)type, .task = task, .dispatch = dispatch, .body = body, .size = (uint32_t)size}));
    world_is_in_agent = true;
    agent_worker_received(world->agent, process->id, bytes.bytes, bytes.size, world->now_ms);
    world_is_in_agent = false;
    tp__buffer_free(&bytes);
    world_run(world);
}

void process_finish(struct world *world, struct world_process *process, uint64_t task)
{
    struct tp__record record = {0};
    assert_true(process_told(process, TP__RECORD_TASK, task, &record) > 0);
    process_say(world, process, TP__RECORD_RESULT, task, record.dispatch, "value", 5);
}

size_t process_told(const struct world_process *process, enum tp__record_type type, uint64_t task,
                    struct tp__record *last)
{
    return count_records(&process->told, type, task, last);
}

void process_end(struct world *world, struct world_process *process, const struct agent_crash *crash)
{
    process->ended = true;
    world_is_in_agent = true;
    agent_worker_ended(world->agent, process->id, crash, world->now_ms);
    world_is_in_agent = false;
    world_run(world);
}
