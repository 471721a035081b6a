/* SPDX-License-Identifier: MIT */
/* Whatever a coordinator sends and a node says, each task of an open session ends at most once, its books agree, and
 * nothing is leaked. The input is a list of steps: a byte what, a byte how long, then so many bytes: bytes for the
 * socket, a frame that gets the number that is due, a record in the stream of a node that is trusted, or something
 * that the program does. */
#include "cluster/session.h"
#include "link/link.h"
#include "trust/authorized.h"
#include "trust/batch.h"
#include "trust/program.h"
#include "trust/stream.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 64, NODES = 2, CHUNK_BYTES = 100 };

struct world {
    struct tp__session *session;
    struct tp__link *link; /* the coordinator's end */
    int64_t now_ms;
    struct tp__id session_id;
    struct tp__offer offer;
    struct tp__hash offer_hash;
    struct node {
        struct tp__key key;
        struct tp__id incarnation;
        struct tp__id life;
        struct tp__stream *stream;
    } nodes[NODES];
    struct tp__buffer to_session; /* u32 size, bytes; again */
    uint64_t sequences[TASKS + 1];
    uint8_t ended[TASKS + 1];
    uintptr_t submitted;
    struct tp__session_operation operation; /* the last one */
    uint64_t children;
};

static struct tp__key driver;
static struct tp__key node_keys[NODES];
static struct tp__authorized *authorized;
static const uint8_t chunk[CHUNK_BYTES];
static struct tp__hash chunk_hash;

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* ---- randomness that comes again ---- */

static uint64_t seed;

static uint32_t next_random(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 32);
}

static void fill_random(void *const bytes, const size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)next_random();
}

static const char *random_name(void)
{
    return "counted";
}

static struct randombytes_implementation counted = {
    .implementation_name = random_name, .random = next_random, .buf = fill_random};

/* ---- the session's actions ---- */

static void ended(struct world *world, const void *tag)
{
    check((uintptr_t)tag >= 1 && (uintptr_t)tag <= world->submitted);
    check(world->ended[(uintptr_t)tag]++ == 0);
}

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = context;
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    check(frame != NULL);
    if (frame->body_case == TASKPOOL__FRAME__BODY_OFFER) {
        const ProtobufCBinaryData *offer = &frame->offer->signed_offer;
        check(tp__offer_verify(&world->offer, offer->data, offer->len));
        world->offer_hash = tp__hash_of(offer->data, offer->len);
        world->session_id = world->offer.session;
    } else if (frame->body_case == TASKPOOL__FRAME__BODY_STREAM) {
        const Taskpool__StreamFrame *stream = frame->stream;
        struct tp__reader records;
        for (size_t i = 0; i < NODES; i++)
            if (memcmp(stream->incarnation.data, &world->nodes[i].incarnation, sizeof(struct tp__id)) == 0)
                check(tp__stream_receive(world->nodes[i].stream, stream->position, stream->acknowledgement,
                                         stream->sealed.data, stream->sealed.len, &records) != TP__STREAM_FORGED);
    }
    tp__frame_free(frame);
}

static void reconnect(void *context)
{
    (void)context;
}

static void result(void *context, void *tag, const uint8_t *value, size_t size)
{
    ended(context, tag);
    (void)tp__hash_of(value, size); /* all of it can be read */
}

static void failure(void *context, void *tag, const struct tp__session_error *error)
{
    ended(context, tag);
    check(error->status != TP_OK);
    (void)strlen(error->message);
    check(strlen(error->task) + strlen(error->node) + strlen(error->backtrace) < SIZE_MAX);
}

static void child_began(void *context, uint64_t sequence)
{
    (void)sequence;
    ((struct world *)context)->children++;
}

static void child_ended(void *context, uint64_t sequence)
{
    (void)sequence;
    check(((struct world *)context)->children-- > 0);
}

static void operation(void *context, const struct tp__session_operation *name, const uint8_t *body, size_t size)
{
    (void)tp__hash_of(body, size);
    ((struct world *)context)->operation = *name;
}

static void touch(void *context, const struct tp__session_operation *name)
{
    (void)context;
    check(name->task != 0);
}

static bool dropped(void *context, const struct tp__session_operation *name)
{
    touch(context, name);
    return name->operation % 2 == 1;
}

static void output(void *context, const char *node, const char *task, int descriptor, uint32_t dropped_bytes,
                   const uint8_t *bytes, size_t size)
{
    (void)context;
    (void)dropped_bytes;
    check(node[0] && task && (descriptor == 1 || descriptor == 2));
    (void)tp__hash_of(bytes, size);
}

static const uint8_t *read_chunk(void *context, uint32_t index, size_t *size)
{
    (void)context;
    check(index == 0);
    *size = sizeof chunk;
    return chunk;
}

static const char *task_name(void *context, uint32_t index)
{
    (void)context;
    return index < 4 ? "name" : "";
}

static void workers(void *context, size_t count)
{
    (void)context;
    (void)count;
}

/* ---- the coordinator and the nodes ---- */

static void keep(void *context, const uint8_t *bytes, size_t size)
{
    struct world *world = context;
    const uint32_t length = (uint32_t)size;
    check(tp__buffer_append(&world->to_session, &length, sizeof length) &&
          tp__buffer_append(&world->to_session, bytes, size));
}

static void received(void *context, const Taskpool__Frame *frame)
{
    (void)context;
    (void)frame;
}

static void broken(void *context, const char *reason)
{
    (void)context;
    (void)reason;
}

static void deliver(struct world *world)
{
    for (size_t at = 0; at < world->to_session.size;) {
        uint32_t size;
        memcpy(&size, world->to_session.bytes + at, sizeof size);
        tp__session_receive(world->session, world->to_session.bytes + at + sizeof size, size, world->now_ms);
        at += sizeof size + size;
    }
    world->to_session.size = 0;
}

static void open_link(struct world *world)
{
    tp__link_free(world->link);
    const struct tp__link_events events = {.transmit = keep, .received = received, .broken = broken, .context = world};
    world->link = tp__link_new(&events, world->now_ms);
    check(world->link != NULL);
    tp__session_connected(world->session, world->now_ms);
}

/* The link acknowledges nothing: what it sent counts as received. */
static void send_frame(struct world *world, Taskpool__Frame *frame)
{
    (void)tp__link_send(world->link, TP__LANE_CONTROL, frame);
    deliver(world);
}

static void welcome(struct world *world)
{
    static char name[] = "head";
    Taskpool__Welcome message;
    taskpool__welcome__init(&message);
    message.name = name;
    message.queue_limit_bytes = 1 << 20;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_WELCOME;
    frame.welcome = &message;
    send_frame(world, &frame);
}

static void accept_session(struct world *world, struct node *node)
{
    uint8_t secret[32];
    uint8_t bytes[TP__ACCEPT_LIMIT_BYTES];
    static char name[] = "a";
    struct tp__accept accept = {.offer = world->offer_hash, .node = node->key.public_key, .incarnation = tp__id_new()};
    crypto_kx_keypair(accept.exchange_key, secret);
    const size_t size = tp__accept_sign(&accept, &node->key, bytes);
    const struct tp__hash hash = tp__hash_of(bytes, size);
    struct tp__stream_keys keys;
    check(tp__stream_keys_of_node(&keys, accept.exchange_key, secret, world->offer.exchange_key, &hash));
    tp__stream_free(node->stream);
    node->stream = tp__stream_new(&keys, &world->session_id, &accept.incarnation);
    check(node->stream != NULL);
    node->incarnation = accept.incarnation;
    Taskpool__Accept message;
    taskpool__accept__init(&message);
    message.session = tp__field_of_id(&world->session_id);
    message.signed_accept = tp__field(bytes, size);
    message.incarnation = tp__field_of_id(&accept.incarnation);
    message.node_life = tp__field_of_id(&node->life);
    message.node_name = name;
    message.workers = 2;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &message;
    send_frame(world, &frame);
}

static void say(struct world *world, struct node *node, const uint8_t *bytes, size_t size)
{
    static const uint8_t types[] = {
        TP__RECORD_RESULT,  TP__RECORD_FAILURE, TP__RECORD_RETURNED, TP__RECORD_OPERATION,    TP__RECORD_WITHDRAW,
        TP__RECORD_CONFIRM, TP__RECORD_CHILD,   TP__RECORD_CHILD,    TP__RECORD_CHILD_CANCEL, TP__RECORD_OUTPUT,
        TP__RECORD_CLAIM,   TP__RECORD_CRASHED, TP__RECORD_HELD};
    struct tp__reader reader = tp__reader_of(bytes, size);
    uint8_t type = tp__get_u8(&reader);
    if (type < 240) /* else whatever it is */
        type = types[type % sizeof types];
    const uint8_t more = tp__get_u8(&reader) >= 250;
    const uint8_t task = tp__get_u8(&reader) % (TASKS / 2);
    const uint8_t dispatch = tp__get_u8(&reader) % 4;
    const uint8_t number = tp__get_u8(&reader) % 8;
    if (!reader.ok)
        return;
    uint8_t record[TP__RECORD_HEADER_LIMIT_BYTES + 256];
    const size_t left = tp__reader_left(&reader);
    uint8_t *to = tp__put_u8(record, type);
    to = tp__put_u8(to, (more ? TP__RECORD_MORE : 0) | (number ? TP__RECORD_NUMBERED : 0));
    to = tp__put_u32(to, (uint32_t)left);
    to = tp__put_number(to, task);
    to = tp__put_number(to, dispatch);
    if (number)
        to = tp__put_number(to, number);
    to = tp__put_bytes(to, reader.at, left);
    check(tp__stream_append_raw(node->stream, record, (size_t)(to - record)));
    struct tp__sealed sealed;
    while (tp__stream_next(node->stream, &sealed)) {
        Taskpool__StreamFrame stream;
        taskpool__stream_frame__init(&stream);
        stream.session = tp__field_of_id(&world->session_id);
        stream.incarnation = tp__field_of_id(&node->incarnation);
        stream.position = sealed.position;
        stream.acknowledgement = sealed.acknowledgement;
        stream.sealed = tp__field(sealed.bytes, sealed.size);
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
        frame.stream = &stream;
        send_frame(world, &frame);
    }
}

/* ---- the program ---- */

static void act(struct world *world, const uint8_t *bytes, size_t size)
{
    static const uint8_t reply[13];
    const uint8_t what = size > 0 ? bytes[0] : 0;
    const uint8_t which = size > 1 ? bytes[1] : 0;
    tp_status status;
    switch (what % 7) {
    case 0:
        if (world->submitted == TASKS)
            return;
        world->submitted++;
        const struct tp__session_task task = {.tag = (void *)world->submitted,
                                              .task = which % 4,
                                              .flags = which / 4 % 4,
                                              .worker = which / 16 % 4 - 1,
                                              .payload = bytes,
                                              .length = size};
        world->sequences[world->submitted] = tp__session_submit(world->session, &task, &status);
        if (world->sequences[world->submitted] == 0)
            world->ended[world->submitted] = 1;
        return;
    case 1: {
        const uintptr_t tag = which % TASKS + 1;
        if (tag > world->submitted || world->ended[tag])
            return;
        tp__session_cancel(world->session, world->sequences[tag]);
        world->ended[tag] = 1;
        return;
    }
    case 2:
        world->now_ms += which * 50;
        return;
    case 3:
        tp__session_reply(world->session, &world->operation, reply, sizeof reply, which & 1, which & 2);
        return;
    case 4:
        open_link(world);
        welcome(world);
        return;
    case 5:
        accept_session(world, &world->nodes[which % NODES]);
        return;
    default:
        tp__session_flush(world->session, world->now_ms);
    }
}

static void step(struct world *world, uint8_t what, const uint8_t *bytes, size_t size)
{
    switch (what % 6) {
    case 0:
        tp__session_receive(world->session, bytes, size, world->now_ms);
        return;
    case 1: {
        Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
        if (frame)
            send_frame(world, frame);
        tp__frame_free(frame);
        return;
    }
    case 2:
    case 3:
        say(world, &world->nodes[what % 2], bytes, size);
        return;
    case 4: { /* all of a batch is placed */
        Taskpool__Run run;
        taskpool__run__init(&run);
        run.batch = size > 0 ? bytes[0] : 0;
        run.run = size > 1 ? bytes[1] : 1;
        run.incarnation = tp__field_of_id(&world->nodes[size % NODES].incarnation);
        Taskpool__Run *runs[] = {&run};
        Taskpool__Placed placed;
        taskpool__placed__init(&placed);
        placed.n_runs = 1;
        placed.runs = runs;
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
        frame.placed = &placed;
        send_frame(world, &frame);
        return;
    }
    default:
        act(world, bytes, size);
    }
}

static void check_books(struct world *world)
{
    const struct tp__session_counts counts = tp__session_count(world->session);
    check(counts.unresolved == counts.waiting + counts.queued + counts.placed);
    uint64_t open = world->children;
    for (uintptr_t tag = 1; tag <= world->submitted; tag++)
        open += world->ended[tag] == 0;
    check(counts.unresolved == open);
}

static void start(void)
{
    check(randombytes_set_implementation(&counted) == 0 && tp__trust_start());
    char text[512];
    size_t length = 0;
    tp__key_generate(&driver, "driver");
    for (size_t i = 0; i < NODES; i++) {
        char key[45];
        tp__key_generate(&node_keys[i], "node");
        tp__public_key_text(&node_keys[i].public_key, key);
        length += (size_t)snprintf(text + length, sizeof text - length, "node %s n%zu\n", key, i);
    }
    authorized = tp__authorized_parse(text, length, "keys", NULL);
    check(authorized != NULL);
    chunk_hash = tp__program_chunk_hash(0, chunk, sizeof chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!authorized)
        start();
    seed = 1;
    struct world *world = calloc(1, sizeof *world);
    check(world != NULL);
    const struct tp__session_options options = {.key = &driver,
                                                .authorized = authorized,
                                                .program = tp__program_root(&chunk_hash, sizeof chunk),
                                                .program_length = sizeof chunk,
                                                .chunk_hashes = &chunk_hash,
                                                .machine = "x86_64",
                                                .program_name = "fuzz",
                                                .strict = size % 2 == 1,
                                                .limit_tasks = TASKS};
    const struct tp__session_actions actions = {.transmit = transmit,
                                                .reconnect = reconnect,
                                                .result = result,
                                                .failure = failure,
                                                .child_began = child_began,
                                                .child_ended = child_ended,
                                                .operation = operation,
                                                .withdraw = touch,
                                                .confirmed = touch,
                                                .dropped = dropped,
                                                .output = output,
                                                .chunk = read_chunk,
                                                .task_name = task_name,
                                                .workers = workers,
                                                .context = world};
    world->session = tp__session_new(&options, &actions, 0);
    check(world->session != NULL);
    open_link(world);
    welcome(world);
    for (size_t i = 0; i < NODES; i++) {
        world->nodes[i].key = node_keys[i];
        world->nodes[i].life = tp__id_new();
        accept_session(world, &world->nodes[i]);
    }
    struct tp__reader input = tp__reader_of(data, size);
    while (tp__reader_left(&input) > 2) {
        const uint8_t what = tp__get_u8(&input);
        const size_t length = tp__get_u8(&input);
        const size_t left = tp__reader_left(&input);
        const size_t taken = length < left ? length : left;
        step(world, what, tp__get_bytes(&input, taken), taken);
        (void)tp__session_tick(world->session, world->now_ms);
        check_books(world);
    }
    tp__session_close(world->session, world->now_ms);
    tp__session_free(world->session);
    tp__link_free(world->link);
    for (size_t i = 0; i < NODES; i++)
        tp__stream_free(world->nodes[i].stream);
    tp__buffer_free(&world->to_session);
    free(world);
    return 0;
}
