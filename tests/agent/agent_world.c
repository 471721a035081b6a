/* SPDX-License-Identifier: MIT */
#include "agent_world.h"

#include "trust/authorized.h"

bool world_is_in_agent;
const char *const world_task_names[WORLD_TASKS] = {"square", "fib", "explode"};

static void put(struct world_queue *queue, const uint8_t *bytes, size_t size)
{
    struct world_message *message = malloc(sizeof *message + size);
    assert_non_null(message);
    message->next = NULL;
    message->size = size;
    memcpy(message->bytes, bytes, size);
    if (queue->tail)
        queue->tail->next = message;
    else
        queue->head = message;
    queue->tail = message;
    queue->count++;
}

static struct world_message *get(struct world_queue *queue)
{
    struct world_message *message = queue->head;
    if (!message)
        return NULL;
    queue->head = message->next;
    if (!queue->head)
        queue->tail = NULL;
    queue->count--;
    return message;
}

static void empty(struct world_queue *queue)
{
    struct world_message *message;
    while ((message = get(queue)))
        free(message);
}

/* ---- the agent's actions ---- */

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = context;
    world_is_in_agent = false;
    put(&world->to_coordinator, bytes, size);
    world_is_in_agent = true;
}

static void coordinator_received(void *context, const Taskpool__Frame *frame);

static void coordinator_transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = context;
    put(&world->to_agent, bytes, size);
}

static void coordinator_broken(void *context, const char *reason)
{
    struct world *world = context;
    (void)reason;
    world->link_broke = true;
}

static void make_link(struct world *world)
{
    const struct tp__link_events events = {.transmit = coordinator_transmit,
                                           .received = coordinator_received,
                                           .broken = coordinator_broken,
                                           .context = world};
    tp__link_free(world->link);
    world->link = tp__link_new(&events, world->now_ms);
    assert_non_null(world->link);
}

static void reconnect(void *context)
{
    struct world *world = context;
    world->reconnects++;
    empty(&world->to_agent);
    empty(&world->to_coordinator);
    world_is_in_agent = false;
    make_link(world);
    world_is_in_agent = true;
    agent_connected(world->agent, world->now_ms);
}

static bool program_find(void *context, const struct tp__hash *root, uint64_t length)
{
    const struct world *world = context;
    (void)root;
    (void)length;
    return world->has_program;
}

static bool program_begin(void *context, const struct tp__hash *root, uint64_t length, struct tp__problem *problem)
{
    const struct world *world = context;
    (void)root;
    (void)length;
    return !world->refuses_program || tp__problem_set(problem, TP_E_UNTRUSTED, "nothing is shipped here");
}

static bool store_chunk(void *context, const struct tp__hash *root, uint32_t index, const uint8_t *bytes, size_t size,
                        struct tp__problem *problem)
{
    struct world *world = context;
    (void)root;
    (void)problem;
    assert_true((size_t)index * TP__CHUNK_BYTES + size <= world->program_size);
    assert_memory_equal(world->program + (size_t)index * TP__CHUNK_BYTES, bytes, size);
    world->stored++;
    return true;
}

static bool program_complete(void *context, const struct tp__hash *root, struct tp__problem *problem)
{
    struct world *world = context;
    (void)root;
    (void)problem;
    world->completed++;
    world->has_program = true;
    return true;
}

static struct world_process *find_process(struct world *world, uint32_t id)
{
    for (size_t i = 0; i < world->process_count; i++)
        if (world->processes[i].id == id)
            return &world->processes[i];
    fail();
    return NULL;
}

static bool worker_start(void *context, uint32_t worker, const struct agent_worker_options *options,
                         struct tp__problem *problem)
{
    struct world *world = context;
    if (world->processes_fail)
        return tp__problem_set(problem, TP_E_SYSTEM, "no more processes");
    assert_true(world->process_count < WORLD_PROCESSES);
    world->processes[world->process_count++] =
        (struct world_process){.id = worker, .options = *options, .first_worker = options->first_worker};
    return true;
}

static void worker_send(void *context, uint32_t worker, const uint8_t *records, size_t size)
{
    struct world_process *process = find_process(context, worker);
    assert_false(process->killed || process->ended);
    struct tp__reader reader = tp__reader_of(records, size);
    struct tp__record record;
    while (tp__reader_left(&reader) > 0) {
        const uint8_t *start = reader.at;
        assert_int_equal(tp__record_read(&reader, &record), TP__RECORD_FOUND);
        world_is_in_agent = false;
        if (record.type != TP__RECORD_OPEN)
            assert_true(tp__buffer_append(&process->told, start, (size_t)(reader.at - start)));
        else
            memcpy(&process->first_worker, record.body, sizeof process->first_worker);
        world_is_in_agent = true;
    }
}

static void worker_kill(void *context, uint32_t worker)
{
    struct world_process *process = find_process(context, worker);
    assert_false(process->killed || process->ended);
    process->killed = true;
}

static void worker_pause(void *context, uint32_t worker, bool pause)
{
    struct world_process *process = find_process(context, worker);
    assert_int_not_equal(process->paused, pause);
    process->paused = pause;
}

static void worker_fresh(void *context, uint32_t worker, int64_t until_ms)
{
    find_process(context, worker)->fresh_until_ms = until_ms;
}

static uint64_t worker_started(void *context, uint32_t worker)
{
    return find_process(context, worker)->started;
}

static void log_line(void *context, enum agent_level level, const char *event, const char *text)
{
    struct world *world = context;
    if (level != AGENT_WARNING)
        return;
    world->warnings++;
    (void)snprintf(world->last_warning, sizeof world->last_warning, "%s %s", event, text);
}

/* ---- the coordinator ---- */

static void answer_need(struct world *world, const Taskpool__Need *need)
{
    world->needs++;
    world->needed_list = need->list;
    world->needed_count = need->n_chunks;
    for (size_t i = 0; i < need->n_chunks && i < 16; i++)
        world->needed[i] = need->chunks[i];
    if (!world->answers_needs)
        return;
    const uint32_t count = tp__program_chunk_count(world->program_size);
    struct tp__hash hashes[64];
    assert_true(count <= 64);
    Taskpool__Chunk chunk;
    taskpool__chunk__init(&chunk);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    chunk.root = need->root;
    if (need->list) {
        for (uint32_t i = 0; i < count; i++) {
            const size_t start = (size_t)i * TP__CHUNK_BYTES;
            const size_t left = world->program_size - start;
            hashes[i] =
                tp__program_chunk_hash(i, world->program + start, left < TP__CHUNK_BYTES ? left : TP__CHUNK_BYTES);
        }
        chunk.list = true;
        chunk.data = tp__field(hashes, count * sizeof *hashes);
        world_send(world, &frame);
    }
    for (size_t i = 0; i < need->n_chunks; i++) {
        const size_t start = (size_t)need->chunks[i] * TP__CHUNK_BYTES;
        const size_t left = world->program_size - start;
        chunk.index = need->chunks[i];
        chunk.data = tp__field(world->program + start, left < TP__CHUNK_BYTES ? left : TP__CHUNK_BYTES);
        world_send(world, &frame);
    }
}

static struct world_driver *driver_of(struct world *world, const ProtobufCBinaryData *session)
{
    for (size_t i = 0; i < world->driver_count; i++)
        if (session->len == 16 && memcmp(session->data, &world->drivers[i]->offer.session, 16) == 0)
            return world->drivers[i];
    return NULL;
}

static void take_accept(struct world *world, const Taskpool__Accept *accept)
{
    struct world_driver *driver = driver_of(world, &accept->session);
    if (!driver)
        return;
    if (accept->status != TP_OK) {
        driver->refusals++;
        driver->status = (tp_status)accept->status;
        (void)snprintf(driver->reason, sizeof driver->reason, "%s", accept->reason);
        return;
    }
    driver->accepts++;
    assert_non_null(accept->room);
    world->room = accept->room->total;
    struct tp__accept content;
    assert_true(tp__accept_verify(&content, accept->signed_accept.data, accept->signed_accept.len));
    assert_memory_equal(&content.node, &world->node_key.public_key, sizeof content.node);
    const struct tp__hash offer = tp__hash_of(driver->signed_offer, driver->signed_offer_size);
    assert_memory_equal(&content.offer, &offer, sizeof offer);
    if (tp__id_equal(&content.incarnation, &driver->incarnation))
        return;
    const struct tp__hash hash = tp__hash_of(accept->signed_accept.data, accept->signed_accept.len);
    struct tp__stream_keys keys;
    assert_true(tp__stream_keys_of_driver(&keys, driver->offer.exchange_key, driver->exchange_secret,
                                          content.exchange_key, &hash));
    tp__stream_free(driver->stream);
    driver->incarnation = content.incarnation;
    driver->stream = tp__stream_new(&keys, &driver->offer.session, &driver->incarnation);
    assert_non_null(driver->stream);
}

static void take_stream(struct world *world, const Taskpool__StreamFrame *frame)
{
    struct world_driver *driver = driver_of(world, &frame->session);
    assert_non_null(driver);
    if (driver->deaf || !driver->stream || memcmp(frame->incarnation.data, &driver->incarnation, 16) != 0)
        return;
    struct tp__reader records;
    const enum tp__stream_verdict verdict = tp__stream_receive(driver->stream, frame->position, frame->acknowledgement,
                                                               frame->sealed.data, frame->sealed.len, &records);
    assert_int_not_equal(verdict, TP__STREAM_FORGED);
    if (verdict == TP__STREAM_FRESH)
        assert_true(tp__buffer_append(&driver->heard, records.at, tp__reader_left(&records)));
    driver_pump(driver);
}

static void coordinator_received(void *context, const Taskpool__Frame *frame)
{
    struct world *world = context;
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_HELLO: {
        world->hellos++;
        world->hello_draining = frame->hello->draining;
        assert_true(tp__id_read(&world->life, frame->hello->life.data, frame->hello->life.len));
        assert_int_equal(frame->hello->role, TASKPOOL__ROLE__ROLE_NODE);
        if (world->mute)
            return;
        Taskpool__Welcome welcome;
        taskpool__welcome__init(&welcome);
        Taskpool__Frame answer;
        taskpool__frame__init(&answer);
        answer.body_case = TASKPOOL__FRAME__BODY_WELCOME;
        answer.welcome = &welcome;
        world_send(world, &answer);
        return;
    }
    case TASKPOOL__FRAME__BODY_ACCEPT:
        take_accept(world, frame->accept);
        return;
    case TASKPOOL__FRAME__BODY_STREAM:
        take_stream(world, frame->stream);
        return;
    case TASKPOOL__FRAME__BODY_CREDIT:
        world->credits++;
        world->credit = frame->credit->total;
        world->finished = frame->credit->finished;
        world->queued = frame->credit->queued;
        world->has_room = frame->credit->n_rooms > 0;
        world->room = world->has_room ? frame->credit->rooms[0]->total : 0;
        return;
    case TASKPOOL__FRAME__BODY_NEED:
        answer_need(world, frame->need);
        return;
    case TASKPOOL__FRAME__BODY_BYE:
        world->said_bye = true;
        return;
    default:
        fail_msg("the agent sent a frame %s", tp__frame_name(frame));
    }
}

void world_send(struct world *world, Taskpool__Frame *frame)
{
    assert_true(tp__link_send(world->link, TP__LANE_BULK, frame));
}

static void deliver(struct world *world, const struct world_message *message)
{
    world_is_in_agent = true;
    agent_receive(world->agent, message->bytes, message->size, world->now_ms);
    world_is_in_agent = false;
}

void world_run(struct world *world)
{
    struct world_message *message;
    for (;;) {
        if ((message = get(&world->to_coordinator)))
            tp__link_receive(world->link, message->bytes, message->size, world->now_ms);
        else if ((message = get(&world->to_agent)))
            deliver(world, message);
        else
            return;
        free(message);
    }
}

void world_pass(struct world *world, int64_t ms)
{
    const int64_t end_ms = world->now_ms + ms;
    world_run(world);
    world_is_in_agent = true;
    int64_t next = agent_tick(world->agent, world->now_ms);
    world_is_in_agent = false;
    world_run(world);
    while (world->now_ms < end_ms) {
        if (next <= world->now_ms)
            next = world->now_ms + 1;
        world->now_ms = next < world->now_ms + 100 ? next : world->now_ms + 100;
        if (world->now_ms > end_ms)
            world->now_ms = end_ms;
        if (!tp__link_is_broken(world->link) && !world->mute)
            (void)tp__link_tick(world->link, world->now_ms);
        world_run(world);
        world_is_in_agent = true;
        next = agent_tick(world->agent, world->now_ms);
        world_is_in_agent = false;
        world_run(world);
    }
}

void world_cut(struct world *world)
{
    empty(&world->to_agent);
    empty(&world->to_coordinator);
    make_link(world);
    world_is_in_agent = true;
    agent_connected(world->agent, world->now_ms);
    world_is_in_agent = false;
    world_run(world);
}

void world_authorize(struct world *world, struct world_driver **drivers, size_t count)
{
    struct tp__problem problem;
    struct tp__authorized *before = world->authorized;
    char text[WORLD_DRIVERS * 128];
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char key[45];
        tp__public_key_text(&drivers[i]->key.public_key, key);
        length += (size_t)snprintf(text + length, sizeof text - length, "driver %s %s\n", key, drivers[i]->key.name);
    }
    world->authorized = tp__authorized_parse(text, length, "the test's keys", &problem);
    assert_non_null(world->authorized);
    if (world->agent)
        agent_authorize(world->agent, world->authorized, world->now_ms);
    tp__authorized_free(before);
}

struct world *world_new(void)
{
    return world_new_with_limit(0);
}

struct world *world_new_with_limit(uint32_t task_limit)
{
    assert_true(tp__trust_start());
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->now_ms = 1000;
    world->has_program = true;
    tp__key_generate(&world->node_key, "n1");
    world_authorize(world, NULL, 0);

    const struct agent_options options = {.name = "n1",
                                          .machine = "x86_64",
                                          .workers = 2,
                                          .program_limit_bytes = WORLD_PROGRAM_LIMIT_BYTES,
                                          .task_limit = task_limit};
    const struct agent_actions actions = {
        .transmit = transmit,
        .reconnect = reconnect,
        .program_find = program_find,
        .program_begin = program_begin,
        .program_chunk = store_chunk,
        .program_complete = program_complete,
        .worker_start = worker_start,
        .worker_send = worker_send,
        .worker_kill = worker_kill,
        .worker_pause = worker_pause,
        .worker_fresh = worker_fresh,
        .worker_started = worker_started,
        .log = log_line,
        .context = world,
    };
    world->agent = agent_new(&options, &world->node_key, world->authorized, &actions, world->now_ms);
    assert_non_null(world->agent);
    world_cut(world);
    return world;
}

void world_free(struct world *world)
{
    agent_free(world->agent);
    tp__link_free(world->link);
    empty(&world->to_agent);
    empty(&world->to_coordinator);
    for (size_t i = 0; i < world->process_count; i++)
        tp__buffer_free(&world->processes[i].told);
    for (size_t i = 0; i < world->driver_count; i++) {
        tp__stream_free(world->drivers[i]->stream);
        tp__buffer_free(&world->drivers[i]->heard);
        free(world->drivers[i]);
    }
    tp__authorized_free(world->authorized);
    free(world->program);
    free(world);
}

struct agent_counts world_counts(const struct world *world)
{
    return agent_count(world->agent);
}
