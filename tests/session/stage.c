/* SPDX-License-Identifier: MIT */
#include "session/stage.h"

#include "trust/authorized.h"
#include "trust/program.h"
#include "trust/tree.h"

#include <sodium.h>

uint64_t stage_queue_bytes = 1 << 20;
uint32_t stage_nodes_there;
volatile bool stage_in_session;

enum { START_MS = 1000000, CHUNKS = 3 };

static uint8_t program_chunk[TP__CHUNK_BYTES];
static struct tp__hash chunk_hashes[CHUNKS];

/* What the stage takes for itself is not the session's memory: see chaos_test.c. */
static bool leave_session(void)
{
    const bool was = stage_in_session;
    stage_in_session = false;
    return was;
}

static void *grow(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    const bool was = leave_session();
    void *larger = realloc(array, (count ? 2 * count : 1) * size);
    stage_in_session = was;
    if (!larger)
        abort();
    return larger;
}

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

/* ---- what the session does ---- */

static struct stage_event *note(void *context, enum stage_kind kind)
{
    struct stage *stage = context;
    stage->events = grow(stage->events, stage->event_count, sizeof *stage->events);
    struct stage_event *event = &stage->events[stage->event_count++];
    *event = (struct stage_event){.kind = kind};
    return event;
}

static void note_bytes(struct stage_event *event, const uint8_t *bytes, size_t size)
{
    event->size = size;
    memcpy(event->bytes, bytes, size < sizeof event->bytes ? size : sizeof event->bytes);
}

static void post(struct stage *stage, bool to_session, const uint8_t *bytes, size_t size)
{
    const bool was = leave_session();
    struct stage_message *message = malloc(sizeof *message + size);
    stage_in_session = was;
    if (!message)
        abort();
    message->next = NULL;
    message->size = size;
    message->to_session = to_session;
    memcpy(message->bytes, bytes, size);
    *stage->last = message;
    stage->last = &message->next;
}

static void on_transmit(void *context, const uint8_t *bytes, size_t size)
{
    post(context, false, bytes, size);
}

static void open_link(struct stage *stage);

static void on_reconnect(void *context)
{
    struct stage *stage = context;
    note(stage, STAGE_RECONNECT);
    const bool was = leave_session();
    open_link(stage);
    stage_in_session = was;
    tp__session_connected(stage->session, stage->now_ms);
}

static void on_result(void *context, void *tag, const uint8_t *value, size_t size)
{
    struct stage_event *event = note(context, STAGE_RESULT);
    event->tag = (uintptr_t)tag;
    note_bytes(event, value, size);
}

static void on_failure(void *context, void *tag, const struct tp__session_error *error)
{
    struct stage_event *event = note(context, STAGE_FAILURE);
    event->tag = (uintptr_t)tag;
    event->status = error->status;
    event->worker = error->worker;
    copy(event->message, sizeof event->message, error->message);
    copy(event->task, sizeof event->task, error->task);
    copy(event->node, sizeof event->node, error->node);
    copy(event->backtrace, sizeof event->backtrace, error->backtrace);
}

static void on_child_began(void *context, uint64_t sequence)
{
    note(context, STAGE_CHILD_BEGAN)->sequence = sequence;
}

static void on_child_ended(void *context, uint64_t sequence)
{
    note(context, STAGE_CHILD_ENDED)->sequence = sequence;
}

static void on_operation(void *context, const struct tp__session_operation *operation, const uint8_t *body, size_t size)
{
    struct stage *stage = context;
    struct stage_event *event = note(stage, STAGE_OPERATION);
    event->operation = *operation;
    note_bytes(event, body, size);
    if (stage->on_operation)
        stage->on_operation(stage, operation);
}

static void on_withdraw(void *context, const struct tp__session_operation *operation)
{
    note(context, STAGE_WITHDRAW)->operation = *operation;
}

static void on_confirmed(void *context, const struct tp__session_operation *operation)
{
    note(context, STAGE_CONFIRMED)->operation = *operation;
}

static bool on_dropped(void *context, const struct tp__session_operation *operation)
{
    note(context, STAGE_DROPPED)->operation = *operation;
    return ((struct stage *)context)->may_have_sent;
}

static void on_output(void *context, const char *node, const char *task, int descriptor, uint32_t dropped_bytes,
                      const uint8_t *bytes, size_t size)
{
    struct stage_event *event = note(context, STAGE_OUTPUT);
    copy(event->node, sizeof event->node, node);
    copy(event->task, sizeof event->task, task);
    event->worker = descriptor;
    event->number = dropped_bytes;
    note_bytes(event, bytes, size);
}

static const uint8_t *on_chunk(void *context, uint32_t index, size_t *size)
{
    (void)context;
    (void)index;
    *size = sizeof program_chunk;
    return program_chunk;
}

static const char *on_task_name(void *context, uint32_t index)
{
    static const char *const names[] = {"fib", "pay", "walk"};
    (void)context;
    return index < sizeof names / sizeof names[0] ? names[index] : "";
}

static void on_workers(void *context, size_t count)
{
    ((struct stage *)context)->workers = count;
}

/* ---- what the coordinator receives ---- */

static void take_offer(struct stage *stage, const Taskpool__Offer *offer)
{
    stage->offers++;
    assert_true(tp__offer_verify(&stage->offer, offer->signed_offer.data, offer->signed_offer.len));
    assert_memory_equal(&stage->offer.driver, &stage->driver.public_key, sizeof stage->offer.driver);
    assert_memory_equal(&stage->offer.session, &stage->session_id, sizeof stage->session_id);
    stage->offer_hash = tp__hash_of(offer->signed_offer.data, offer->signed_offer.len);
}

/* Every batch that leaves the session is signed by the key of its offer. */
static void take_tasks(struct stage *stage, const Taskpool__Tasks *tasks)
{
    struct tp__hash hashes[TP__BATCH_LIMIT];
    assert_true(tp__batch_hash(tasks->leaves.data, tasks->leaves.len, tasks->count, hashes));
    assert_int_equal(tasks->run, tasks->count);
    const struct tp__hash root = tp__tree_root(hashes, tasks->count);
    assert_int_equal(tasks->signature.len, TP__SIGNATURE_BYTES);
    assert_true(tp__batch_verify(stage->offer.signing_key, &stage->session_id, tasks->batch, tasks->count, &root,
                                 tasks->signature.data));
    struct tp__reader reader = tp__reader_of(tasks->leaves.data, tasks->leaves.len);
    for (uint32_t i = 0; i < tasks->count; i++) {
        stage->leaves = grow(stage->leaves, stage->leaf_count, sizeof *stage->leaves);
        struct stage_leaf *leaf = &stage->leaves[stage->leaf_count++];
        memset(leaf, 0, sizeof *leaf);
        leaf->batch = tasks->batch;
        leaf->index = i;
        leaf->count = tasks->count;
        leaf->depth = tasks->depth;
        (void)tp__id_read(&leaf->incarnation, tasks->incarnation.data, tasks->incarnation.len);
        assert_true(tp__leaf_read(&reader, &leaf->leaf));
        assert_int_equal(leaf->leaf.depth, tasks->depth);
        if (leaf->leaf.payload && leaf->leaf.length <= sizeof leaf->payload)
            memcpy(leaf->payload, leaf->leaf.payload, leaf->leaf.length);
        leaf->leaf.payload = NULL;
    }
}

static struct stage_node *find_node(struct stage *stage, const ProtobufCBinaryData *incarnation)
{
    for (size_t i = 0; i < stage->node_count; i++)
        if (incarnation->len == 16 && memcmp(incarnation->data, &stage->nodes[i].incarnation, 16) == 0)
            return &stage->nodes[i];
    return NULL;
}

void stage_pump(struct stage_node *node)
{
    struct tp__sealed sealed;
    while (tp__stream_next(node->stream, &sealed)) {
        if (node->cut)
            continue;
        Taskpool__StreamFrame stream;
        taskpool__stream_frame__init(&stream);
        stream.session = tp__field_of_id(&node->stage->session_id);
        stream.incarnation = tp__field_of_id(&node->incarnation);
        stream.position = sealed.position;
        stream.acknowledgement = sealed.acknowledgement;
        stream.sealed = tp__field(sealed.bytes, sealed.size);
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
        frame.stream = &stream;
        stage_send(node->stage, &frame);
    }
}

static void take_stream(struct stage *stage, const Taskpool__StreamFrame *frame)
{
    struct stage_node *node = find_node(stage, &frame->incarnation);
    if (!node || node->cut)
        return;
    assert_true(node->used); /* Use goes ahead of the stream */
    struct tp__reader records;
    const enum tp__stream_verdict verdict = tp__stream_receive(node->stream, frame->position, frame->acknowledgement,
                                                               frame->sealed.data, frame->sealed.len, &records);
    assert_int_not_equal(verdict, TP__STREAM_FORGED);
    struct tp__record record;
    while (verdict == TP__STREAM_FRESH && tp__reader_left(&records) > 0) {
        assert_int_equal(tp__record_read(&records, &record), TP__RECORD_FOUND);
        node->records = grow(node->records, node->record_count, sizeof *node->records);
        struct stage_record *kept = &node->records[node->record_count++];
        kept->record = record;
        if (record.size > 0)
            memcpy(kept->bytes, record.body, record.size < sizeof kept->bytes ? record.size : sizeof kept->bytes);
    }
    stage_pump(node);
}

static void welcome(struct stage *stage)
{
    Taskpool__Welcome message;
    taskpool__welcome__init(&message);
    static char name[] = "head";
    message.name = name;
    message.life = tp__field_of_id(&stage->session_id);
    message.queue_limit_bytes = stage_queue_bytes;
    message.nodes = stage_nodes_there;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_WELCOME;
    frame.welcome = &message;
    stage_send(stage, &frame);
}

static void received(void *context, const Taskpool__Frame *frame)
{
    struct stage *stage = context;
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_HELLO:
        stage->hellos++;
        stage->leaf_read = stage->leaf_count; /* what was queued is dropped */
        for (size_t i = 0; i < stage->node_count; i++)
            stage->nodes[i].used = false;
        assert_int_equal(frame->hello->role, TASKPOOL__ROLE__ROLE_DRIVER);
        assert_true(tp__id_read(&stage->session_id, frame->hello->life.data, frame->hello->life.len));
        if (!stage->mute)
            welcome(stage);
        break;
    case TASKPOOL__FRAME__BODY_OFFER:
        take_offer(stage, frame->offer);
        break;
    case TASKPOOL__FRAME__BODY_USE: {
        struct stage_node *node = find_node(stage, &frame->use->incarnation);
        if (node)
            node->used = true;
        break;
    }
    case TASKPOOL__FRAME__BODY_FORGET: {
        struct stage_node *node = find_node(stage, &frame->forget->incarnation);
        assert_non_null(node);
        node->forgotten = true;
        break;
    }
    case TASKPOOL__FRAME__BODY_TASKS:
        take_tasks(stage, frame->tasks);
        break;
    case TASKPOOL__FRAME__BODY_PAYLOAD:
        if (frame->payload->offset == 0)
            stage->payload_end = 0;
        assert_int_equal(frame->payload->offset, stage->payload_end);
        stage->payload_bytes += frame->payload->part.len;
        stage->payload_end += (uint32_t)frame->payload->part.len;
        break;
    case TASKPOOL__FRAME__BODY_STREAM:
        take_stream(stage, frame->stream);
        break;
    case TASKPOOL__FRAME__BODY_CHUNK:
        if (frame->chunk->list) {
            stage->lists++;
            assert_int_equal(frame->chunk->data.len, sizeof chunk_hashes);
        } else {
            stage->chunks++;
            stage->chunk_indices = stage->chunk_indices * 10 + frame->chunk->index;
            assert_int_equal(frame->chunk->data.len, sizeof program_chunk);
        }
        break;
    case TASKPOOL__FRAME__BODY_ANSWER: {
        size_t size;
        uint8_t *bytes = tp__frame_pack(frame, &size);
        tp__frame_free(stage->answer);
        stage->answer = tp__frame_unpack(bytes, size);
        free(bytes);
        break;
    }
    case TASKPOOL__FRAME__BODY_BYE:
        stage->byes++;
        break;
    default:
        fail_msg("the session sent a frame %s", tp__frame_name(frame));
    }
}

static void on_link_transmit(void *context, const uint8_t *bytes, size_t size)
{
    post(context, true, bytes, size);
}

static void on_link_broken(void *context, const char *reason)
{
    (void)reason;
    ((struct stage *)context)->link_broken = true;
}

static void drop_messages(struct stage *stage)
{
    while (stage->first) {
        struct stage_message *message = stage->first;
        stage->first = message->next;
        free(message);
    }
    stage->last = &stage->first;
}

static void open_link(struct stage *stage)
{
    drop_messages(stage);
    tp__link_free(stage->link);
    const struct tp__link_events events = {
        .transmit = on_link_transmit, .received = received, .broken = on_link_broken, .context = stage};
    stage->link = tp__link_new(&events, stage->now_ms);
    assert_non_null(stage->link);
    stage->link_broken = false;
}

/* ---- the stage ---- */

static void make_nodes(struct stage *stage)
{
    char text[STAGE_NODES * 80];
    size_t length = 0;
    for (size_t i = 0; i < STAGE_NODES; i++) {
        char key[45];
        tp__key_generate(&stage->nodes[i].key, "node");
        tp__public_key_text(&stage->nodes[i].key.public_key, key);
        length += (size_t)snprintf(text + length, sizeof text - length, "node %s n%zu\n", key, i);
    }
    struct tp__problem problem;
    stage->authorized = tp__authorized_parse(text, length, "authorized_keys", &problem);
    assert_non_null(stage->authorized);
}

struct stage *stage_new(void (*adjust)(struct tp__session_options *options))
{
    assert_true(tp__trust_start());
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->last = &stage->first;
    stage->now_ms = START_MS;
    tp__key_generate(&stage->driver, "driver");
    make_nodes(stage);
    for (uint32_t i = 0; i < CHUNKS; i++)
        chunk_hashes[i] = tp__program_chunk_hash(i, program_chunk, sizeof program_chunk);
    stage->options =
        (struct tp__session_options){.key = &stage->driver,
                                     .authorized = stage->authorized,
                                     .program = tp__program_root(chunk_hashes, CHUNKS * sizeof program_chunk),
                                     .program_length = CHUNKS * sizeof program_chunk,
                                     .chunk_hashes = chunk_hashes,
                                     .machine = "x86_64",
                                     .program_name = "test"};
    if (adjust)
        adjust(&stage->options);
    const struct tp__session_actions actions = {.transmit = on_transmit,
                                                .reconnect = on_reconnect,
                                                .result = on_result,
                                                .failure = on_failure,
                                                .child_began = on_child_began,
                                                .child_ended = on_child_ended,
                                                .operation = on_operation,
                                                .withdraw = on_withdraw,
                                                .confirmed = on_confirmed,
                                                .dropped = on_dropped,
                                                .output = on_output,
                                                .chunk = on_chunk,
                                                .task_name = on_task_name,
                                                .workers = on_workers,
                                                .context = stage};
    stage->session = tp__session_new(&stage->options, &actions, stage->now_ms);
    assert_non_null(stage->session);
    open_link(stage);
    tp__session_connected(stage->session, stage->now_ms);
    stage_run(stage);
    assert_int_equal(stage->hellos, 1);
    return stage;
}

void stage_free(struct stage *stage)
{
    tp__session_free(stage->session);
    drop_messages(stage);
    tp__link_free(stage->link);
    for (size_t i = 0; i < stage->node_count; i++) {
        tp__stream_free(stage->nodes[i].stream);
        free(stage->nodes[i].records);
    }
    tp__authorized_free(stage->authorized);
    tp__frame_free(stage->answer);
    free(stage->leaves);
    free(stage->events);
    free(stage);
}

void stage_run(struct stage *stage)
{
    stage_in_session = true;
    tp__session_flush(stage->session, stage->now_ms);
    stage_in_session = false;
    while (stage->first) {
        struct stage_message *message = stage->first;
        stage->first = message->next;
        if (!stage->first)
            stage->last = &stage->first;
        stage_in_session = message->to_session;
        if (message->to_session)
            tp__session_receive(stage->session, message->bytes, message->size, stage->now_ms);
        else if (!stage->deaf)
            tp__link_receive(stage->link, message->bytes, message->size, stage->now_ms);
        stage_in_session = false;
        free(message);
    }
}

void stage_pass(struct stage *stage, int64_t ms)
{
    stage_run(stage);
    const int64_t end = stage->now_ms + ms;
    do {
        stage->now_ms = end - stage->now_ms > 100 ? stage->now_ms + 100 : end;
        if (!stage->deaf)
            (void)tp__link_tick(stage->link, stage->now_ms);
        stage_in_session = true;
        (void)tp__session_tick(stage->session, stage->now_ms);
        stage_in_session = false;
        stage_run(stage);
    } while (stage->now_ms < end);
}

/* ---- the coordinator ---- */

void stage_send(struct stage *stage, Taskpool__Frame *frame)
{
    if (!stage->link_broken)
        assert_true(tp__link_send(stage->link, TP__LANE_CONTROL, frame));
}

void stage_place_run(struct stage *stage, uint64_t batch, uint32_t first, uint32_t length,
                     const struct tp__id *incarnation)
{
    Taskpool__Run run;
    taskpool__run__init(&run);
    run.batch = batch;
    run.first = first;
    run.run = length;
    run.incarnation = tp__field_of_id(incarnation);
    Taskpool__Run *runs[] = {&run};
    Taskpool__Placed placed;
    taskpool__placed__init(&placed);
    placed.n_runs = 1;
    placed.runs = runs;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    stage_send(stage, &frame);
    stage_run(stage);
}

void stage_place(struct stage *stage, const struct stage_leaf *leaf, const struct stage_node *node)
{
    stage_place_run(stage, leaf->batch, leaf->index, 1, &node->incarnation);
}

void stage_condition(struct stage_node *node, Taskpool__NodeCondition condition, const char *reason)
{
    char text[128];
    copy(text, sizeof text, reason);
    Taskpool__NodeState state;
    taskpool__node_state__init(&state);
    state.incarnation = tp__field_of_id(&node->incarnation);
    state.condition = condition;
    state.reason = text;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_NODE_STATE;
    frame.node_state = &state;
    stage_send(node->stage, &frame);
    stage_run(node->stage);
}

void stage_break(struct stage *stage)
{
    static const uint8_t garbage[] = {0xff, 0xff, 0xff};
    drop_messages(stage);
    tp__session_receive(stage->session, garbage, sizeof garbage, stage->now_ms);
    stage_pass(stage, 100); /* the session does not make a new one at once */
}
