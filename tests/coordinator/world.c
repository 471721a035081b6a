/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "trust/tree.h"

#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

struct message {
    struct message *next;
    struct end *from; /* NULL: from the coordinator */
    size_t size;
    uint8_t bytes[];
};

static void post(struct message ***tail, struct end *from, const uint8_t *bytes, size_t size)
{
    struct message *message = malloc(sizeof *message + size);
    assert_non_null(message);
    *message = (struct message){.from = from, .size = size};
    if (size > 0)
        memcpy(message->bytes, bytes, size);
    **tail = message;
    *tail = &message->next;
}

static void clear(struct message **head, struct message ***tail)
{
    while (*head) {
        struct message *next = (*head)->next;
        free(*head);
        *head = next;
    }
    *tail = head;
}

/* ---- the world ---- */

static struct end *find_end(const struct world *world, const struct tp__peer *id)
{
    uint32_t index;
    memcpy(&index, id->id + 1, sizeof index);
    return index < world->end_count ? world->ends[index] : NULL;
}

bool world_in_coordinator;

static void on_transmit(void *context, const struct tp__peer *peer, const uint8_t *bytes, size_t size)
{
    const bool was_in_coordinator = world_in_coordinator;
    world_in_coordinator = false;
    struct end *end = find_end(context, peer);
    if (end)
        post(&end->tail, NULL, bytes, size);
    world_in_coordinator = was_in_coordinator;
}

static void on_log(void *context, enum coordinator_level level, const char *event, const char *text)
{
    struct world *world = context;
    const bool was_in_coordinator = world_in_coordinator; /* the stop and the end of the world log, too */
    world_in_coordinator = false;
    world->log_lines++;
    if (getenv("VERBOSE"))
        print_message("%lld %d %s %s\n", (long long)world->now_ms, (int)level, event, text);
    if (strcmp(event, "node-left") == 0 || strcmp(event, "node-lost") == 0)
        (void)snprintf(world->last_end, sizeof world->last_end, "%s %s", event, text);
    if (strstr(event, "refused"))
        (void)snprintf(world->last_refused, sizeof world->last_refused, "%s", text);
    world_in_coordinator = was_in_coordinator;
}

static void write_keys(struct tp__key keys[WORLD_KEYS], const char *path, enum tp__role role)
{
    for (int i = 0; i < WORLD_KEYS; i++) {
        struct tp__problem problem;
        char name[32];
        (void)snprintf(name, sizeof name, "%s%d", tp__role_name(role), i);
        tp__key_generate(&keys[i], name);
        if (!tp__authorized_add(path, role, &keys[i].public_key, name, &problem))
            fail_msg("%s", problem.text);
    }
}

struct world *world_open(const struct coordinator_options *options)
{
    assert_true(tp__trust_start());
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->tail = &world->head;
    world->now_ms = 1000000;
    char path[] = "/tmp/taskpool-world-XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    write_keys(world->drivers, path, TP__ROLE_DRIVER);
    write_keys(world->nodes, path, TP__ROLE_NODE);
    write_keys(world->tools, path, TP__ROLE_ADMIN);
    tp__key_generate(&world->stranger, "stranger");
    struct tp__problem problem;
    world->authorized = tp__authorized_read(path, &problem);
    unlink(path);
    if (!world->authorized)
        fail_msg("%s", problem.text);
    const struct coordinator_actions actions = {.transmit = on_transmit, .log = on_log, .context = world};
    const struct coordinator_options none = {.name = "head"};
    world->coordinator = coordinator_new(options ? options : &none, world->authorized, &actions, world->now_ms);
    assert_non_null(world->coordinator);
    return world;
}

static void free_end(struct end *end)
{
    clear(&end->head, &end->tail);
    for (size_t i = 0; i < end->frame_count; i++)
        tp__frame_free(end->frames[i]);
    free(end->frames);
    tp__link_free(end->link);
    free(end);
}

void world_close(struct world *world)
{
    coordinator_free(world->coordinator);
    for (size_t i = 0; i < world->end_count; i++)
        if (world->ends[i])
            free_end(world->ends[i]);
    clear(&world->head, &world->tail);
    tp__authorized_free(world->authorized);
    free(world);
}

static bool deliver_to_end(struct end *end)
{
    if (!end || end->deaf || !end->head)
        return false;
    struct message *message = end->head;
    end->head = message->next;
    if (!end->head)
        end->tail = &end->head;
    tp__link_receive(end->link, message->bytes, message->size, end->world->now_ms);
    free(message);
    return true;
}

static bool deliver_to_coordinator(struct world *world)
{
    struct message *message = world->head;
    if (!message)
        return false;
    world->head = message->next;
    if (!world->head)
        world->tail = &world->head;
    world_in_coordinator = true;
    coordinator_receive(world->coordinator, &message->from->id, &message->from->key->public_key, message->bytes,
                        message->size, world->now_ms);
    world_in_coordinator = false;
    free(message);
    return true;
}

void world_run(struct world *world)
{
    for (bool moved = true; moved;) {
        moved = false;
        while (deliver_to_coordinator(world))
            moved = true;
        for (size_t i = 0; i < world->end_count; i++)
            while (deliver_to_end(world->ends[i]))
                moved = true;
    }
}

void world_pass(struct world *world, int64_t ms)
{
    world_run(world);
    const int64_t end_ms = world->now_ms + ms;
    while (world->now_ms < end_ms) {
        world->now_ms = world->now_ms + 50 < end_ms ? world->now_ms + 50 : end_ms;
        for (size_t i = 0; i < world->end_count; i++)
            if (world->ends[i] && !world->ends[i]->deaf)
                (void)tp__link_tick(world->ends[i]->link, world->now_ms);
        world_in_coordinator = true;
        (void)coordinator_tick(world->coordinator, world->now_ms);
        world_in_coordinator = false;
        world_run(world);
    }
}

struct coordinator_counts world_counts(const struct world *world)
{
    return coordinator_count(world->coordinator);
}

/* ---- an end ---- */

static void on_end_transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct end *end = context;
    post(&end->world->tail, end, bytes, size);
}

static void on_end_received(void *context, const Taskpool__Frame *frame)
{
    struct end *end = context;
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    assert_non_null(bytes);
    if (end->frame_count == end->frame_capacity) {
        end->frame_capacity = end->frame_capacity > 0 ? 2 * end->frame_capacity : 16;
        end->frames = realloc(end->frames, end->frame_capacity * sizeof *end->frames);
        assert_non_null(end->frames);
    }
    Taskpool__Frame *copy = tp__frame_unpack(bytes, size);
    free(bytes);
    assert_non_null(copy);
    end->frames[end->frame_count++] = copy;
}

static void on_end_broken(void *context, const char *reason)
{
    struct end *end = context;
    (void)snprintf(end->broken, sizeof end->broken, "%s", reason);
}

struct end *world_connect(struct world *world, const struct tp__key *key)
{
    assert_true(world->end_count < WORLD_ENDS);
    struct end *end = calloc(1, sizeof *end);
    assert_non_null(end);
    end->world = world;
    end->key = key;
    end->tail = &end->head;
    const uint32_t index = (uint32_t)world->end_count;
    end->id.size = 5;
    memcpy(end->id.id + 1, &index, sizeof index);
    world->ends[world->end_count++] = end;
    const struct tp__link_events events = {
        .transmit = on_end_transmit, .received = on_end_received, .broken = on_end_broken, .context = end};
    end->link = tp__link_new(&events, world->now_ms);
    assert_non_null(end->link);
    return end;
}

void end_cut(struct end *end)
{
    struct world *world = end->world;
    world_run(world);
    for (size_t i = 0; i < world->end_count; i++)
        if (world->ends[i] == end)
            world->ends[i] = NULL;
    free_end(end);
}

void end_send(struct end *end, enum tp__lane lane, Taskpool__Frame__BodyCase body_case, void *message)
{
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = body_case;
    frame.hello = message;
    assert_true(tp__link_send(end->link, lane, &frame));
}

void end_send_raw(struct end *end, const uint8_t *bytes, size_t size)
{
    post(&end->world->tail, end, bytes, size);
}

void end_send_frame_raw(struct end *end, Taskpool__Frame *frame)
{
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    assert_non_null(bytes);
    end_send_raw(end, bytes, size);
    free(bytes);
}

Taskpool__Frame *end_take(struct end *end, Taskpool__Frame__BodyCase body_case)
{
    world_run(end->world);
    for (size_t i = 0; i < end->frame_count; i++) {
        Taskpool__Frame *frame = end->frames[i];
        if (frame->body_case != body_case)
            continue;
        memmove(end->frames + i, end->frames + i + 1, (--end->frame_count - i) * sizeof(Taskpool__Frame *));
        return frame;
    }
    return NULL;
}

size_t end_drop(struct end *end, Taskpool__Frame__BodyCase body_case)
{
    world_run(end->world);
    size_t kept = 0;
    const size_t count = end->frame_count;
    for (size_t i = 0; i < count; i++) {
        if (end->frames[i]->body_case == body_case)
            tp__frame_free(end->frames[i]);
        else
            end->frames[kept++] = end->frames[i];
    }
    end->frame_count = kept;
    return count - kept;
}

tp_status end_refusal(struct end *end)
{
    Taskpool__Frame *frame = end_take(end, TASKPOOL__FRAME__BODY_REFUSAL);
    if (!frame)
        fail_msg("there was no refusal; the link is %s", end->broken[0] ? end->broken : "whole");
    const tp_status status = frame->refusal->status;
    tp__frame_free(frame);
    return status;
}

void end_hello(struct end *end, Taskpool__Role role, const struct tp__id *life, const char *name, uint32_t workers)
{
    static char version[] = "0.1.0";
    end->life = *life;
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = role;
    hello.life = tp__field_of_id(&end->life);
    hello.name = (char *)(uintptr_t)name;
    hello.workers = workers;
    hello.version = version;
    end_send(end, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_HELLO, &hello);
    world_run(end->world);
}

/* ---- drivers and nodes ---- */

struct tp__id world_id(uint64_t number)
{
    struct tp__id id = {{0}};
    memcpy(id.bytes + 1, &number, sizeof number);
    id.bytes[0] = 1;
    return id;
}

static void expect_welcome(struct end *end)
{
    Taskpool__Frame *frame = end_take(end, TASKPOOL__FRAME__BODY_WELCOME);
    if (!frame)
        fail_msg("no welcome: %s", end->world->last_refused);
    tp__frame_free(frame);
}

void driver_offer(struct end *driver)
{
    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    offer.signed_offer = tp__field(driver->offer, driver->offer_size);
    offer.session = tp__field_of_id(&driver->life);
    end_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_OFFER, &offer);
    world_run(driver->world);
}

struct end *world_driver(struct world *world, size_t key, uint64_t session)
{
    struct end *driver = world_connect(world, &world->drivers[key]);
    const struct tp__id id = world_id(session);
    end_hello(driver, TASKPOOL__ROLE__ROLE_DRIVER, &id, "program", 0);
    expect_welcome(driver);
    crypto_sign_keypair(driver->signing_public, driver->signing_secret);
    struct tp__offer offer = {.driver = driver->key->public_key,
                              .session = id,
                              .exchange_key = {9},
                              .program = {{1, 2, 3}},
                              .program_length = 3000000,
                              .protocol = TP__PROTOCOL_VERSION,
                              .machine = "x86_64",
                              .program_name = "program"};
    memcpy(offer.signing_key, driver->signing_public, sizeof offer.signing_key);
    driver->offer_size = tp__offer_sign(&offer, driver->key, driver->offer);
    driver_offer(driver);
    return driver;
}

struct end *world_node(struct world *world, size_t key, uint64_t life, uint32_t workers)
{
    struct end *node = world_connect(world, &world->nodes[key]);
    const struct tp__id id = world_id(life);
    char name[32];
    (void)snprintf(name, sizeof name, "n%llu", (unsigned long long)life);
    end_hello(node, TASKPOOL__ROLE__ROLE_NODE, &id, name, workers);
    expect_welcome(node);
    return node;
}

struct end *world_tool(struct world *world, size_t key)
{
    struct end *tool = world_connect(world, &world->tools[key]);
    const struct tp__id id = world_id(7);
    end_hello(tool, TASKPOOL__ROLE__ROLE_ADMIN, &id, "tool", 0);
    expect_welcome(tool);
    return tool;
}

struct tp__id node_accept(struct end *node, const struct end *driver, uint64_t incarnation)
{
    const struct tp__id id = world_id(incarnation);
    uint8_t signed_accept[100] = {1};
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = tp__field_of_id(&driver->life);
    accept.signed_accept = tp__field(signed_accept, sizeof signed_accept);
    accept.incarnation = tp__field_of_id(&id);
    accept.workers = 4;
    Taskpool__Room room;
    taskpool__room__init(&room);
    room.total = node->task_limit;
    accept.room = node->task_limit > 0 ? &room : NULL;
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_ACCEPT, &accept);
    world_run(node->world);
    return id;
}

void driver_use(struct end *driver, const struct tp__id *incarnation)
{
    Taskpool__Use use;
    taskpool__use__init(&use);
    use.incarnation = tp__field_of_id(incarnation);
    end_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_USE, &use);
    world_run(driver->world);
}

struct tp__id world_join(struct end *node, struct end *driver)
{
    uint64_t a;
    uint64_t b;
    memcpy(&a, node->life.bytes + 1, sizeof a);
    memcpy(&b, driver->life.bytes + 1, sizeof b);
    const struct tp__id incarnation = node_accept(node, driver, a * 1000003 + b);
    end_drop(driver, TASKPOOL__FRAME__BODY_ACCEPT);
    driver_use(driver, &incarnation);
    return incarnation;
}

void node_credit(struct end *node, uint64_t total, uint32_t running, uint32_t queued)
{
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    credit.total = total;
    credit.running = running;
    credit.queued = queued;
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_CREDIT, &credit);
    world_run(node->world);
}

void node_credit_with_room(struct end *node, uint64_t total, const struct end *driver, int64_t room)
{
    Taskpool__Room one;
    Taskpool__Room *rooms[] = {&one};
    taskpool__room__init(&one);
    one.session = tp__field_of_id(&driver->life);
    one.total = room;
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    credit.total = total;
    credit.n_rooms = 1;
    credit.rooms = rooms;
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_CREDIT, &credit);
    world_run(node->world);
}

uint64_t driver_tasks(struct end *driver, uint32_t count, const struct batch_options *options)
{
    static const uint8_t zeros[TP__LEAF_INLINE_LIMIT_BYTES];
    const struct batch_options none = {0};
    if (!options)
        options = &none;
    const size_t payload_bytes = options->payload_bytes > 0 ? options->payload_bytes : 64;
    struct tp__leaf leaf = {.dispatch = options->dispatch > 0 ? options->dispatch : 1,
                            .depth = options->depth,
                            .length = (uint32_t)payload_bytes};
    leaf.payload = zeros;
    if (payload_bytes > TP__LEAF_INLINE_LIMIT_BYTES) {
        leaf.flags = TP__LEAF_LARGE;
        leaf.payload = NULL;
    }
    uint8_t *leaves = malloc(count * (TP__LEAF_HEADER_LIMIT_BYTES + payload_bytes));
    assert_non_null(leaves);
    uint8_t *to = leaves;
    for (uint32_t i = 0; i < count; i++) {
        leaf.sequence = ++driver->sequence;
        to = tp__leaf_write(to, &leaf);
    }
    const size_t size = (size_t)(to - leaves);
    struct tp__hash hashes[TP__BATCH_LIMIT];
    assert_true(tp__batch_hash(leaves, size, count, hashes));
    const struct tp__hash root = tp__tree_root(hashes, count);
    uint8_t signature[TP__SIGNATURE_BYTES];
    const uint64_t number = ++driver->batches;
    tp__batch_sign(driver->signing_secret, &driver->life, number, count, &root, signature);
    Taskpool__Tasks tasks;
    taskpool__tasks__init(&tasks);
    tasks.session = tp__field_of_id(&driver->life);
    tasks.batch = number;
    tasks.count = tasks.run = count;
    tasks.signature = tp__field(signature, sizeof signature);
    tasks.leaves = tp__field(leaves, size);
    tasks.depth = options->depth;
    if (options->incarnation)
        tasks.incarnation = tp__field_of_id(options->incarnation);
    end_send(driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_TASKS, &tasks);
    world_run(driver->world);
    free(leaves);
    return number;
}

static Taskpool__Frame *take_run_of(struct end *node, const struct end *driver)
{
    for (size_t i = 0; i < node->frame_count; i++) {
        Taskpool__Frame *frame = node->frames[i];
        if (frame->body_case != TASKPOOL__FRAME__BODY_TASKS || frame->tasks->session.len != sizeof driver->life ||
            memcmp(frame->tasks->session.data, &driver->life, sizeof driver->life) != 0)
            continue;
        memmove(node->frames + i, node->frames + i + 1, (--node->frame_count - i) * sizeof(Taskpool__Frame *));
        return frame;
    }
    return NULL;
}

uint64_t node_take_tasks_in_runs(struct end *node, const struct end *driver, uint32_t *runs)
{
    uint64_t count = 0;
    *runs = 0;
    world_run(node->world);
    Taskpool__Frame *frame;
    while ((frame = take_run_of(node, driver)) != NULL) {
        const Taskpool__Tasks *tasks = frame->tasks;
        struct tp__hash hashes[TP__BATCH_LIMIT];
        struct tp__hash root;
        assert_true(tp__batch_hash_run(tasks->leaves.data, tasks->leaves.len, tasks->first, tasks->run, hashes));
        assert_int_equal(tasks->proof.len % sizeof root, 0);
        assert_true(tp__tree_root_of_run(hashes, tasks->count, tasks->first, tasks->run,
                                         (const struct tp__hash *)tasks->proof.data,
                                         (uint32_t)(tasks->proof.len / sizeof root), &root));
        assert_true(tp__batch_verify(driver->signing_public, &driver->life, tasks->batch, tasks->count, &root,
                                     tasks->signature.data));
        count += tasks->run;
        ++*runs;
        tp__frame_free(frame);
    }
    node->tasks_received += count;
    return count;
}

uint64_t node_take_tasks(struct end *node, const struct end *driver)
{
    uint32_t runs;
    return node_take_tasks_in_runs(node, driver, &runs);
}
