/* SPDX-License-Identifier: MIT */
/* Each allocation of the coordinator fails once, in a life with everything in it: whoever is concerned loses a link,
 * the counts stay right, and those who come afterwards are served. */
#include "trust/program.h"
#include "world.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool armed;
static uint64_t until_failure;
static bool has_failed;

static bool fails(void)
{
    if (!armed || !world_in_coordinator || has_failed || until_failure-- > 0)
        return false;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static const uint8_t program[1000]; /* of one chunk */

static struct tp__hash program_root(void)
{
    const struct tp__hash chunk = tp__program_chunk_hash(0, program, sizeof program);
    return tp__program_root(&chunk, sizeof program);
}

/* The same as the world's helpers, but a broken link is no failure of the test. */

static void try_send(struct end *end, enum tp__lane lane, Taskpool__Frame__BodyCase body_case, void *message)
{
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = body_case;
    frame.hello = message;
    (void)tp__link_send(end->link, lane, &frame);
    world_run(end->world);
}

static void try_hello(struct end *end, Taskpool__Role role, uint64_t life)
{
    const struct tp__id id = world_id(life);
    end_hello(end, role, &id, "peer", 4);
}

static void try_offer(struct end *driver)
{
    const struct tp__offer offer = {.driver = driver->key->public_key,
                                    .session = driver->life,
                                    .exchange_key = {9},
                                    .program = program_root(),
                                    .program_length = 1000,
                                    .protocol = TP__PROTOCOL_VERSION,
                                    .machine = "x86_64",
                                    .program_name = "program"};
    driver->offer_size = tp__offer_sign(&offer, driver->key, driver->offer);
    Taskpool__Offer message;
    taskpool__offer__init(&message);
    message.signed_offer = tp__field(driver->offer, driver->offer_size);
    message.session = tp__field_of_id(&driver->life);
    try_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_OFFER, &message);
}

static void try_join(struct end *node, struct end *driver, uint64_t incarnation)
{
    const struct tp__id id = world_id(incarnation);
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = tp__field_of_id(&driver->life);
    accept.signed_accept = tp__field("accept", 6);
    accept.incarnation = tp__field_of_id(&id);
    try_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_ACCEPT, &accept);
    Taskpool__Use use;
    taskpool__use__init(&use);
    use.incarnation = tp__field_of_id(&id);
    try_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_USE, &use);
}

static void try_tasks(struct end *driver, uint32_t count, uint32_t length, const struct tp__id *incarnation)
{
    static const uint8_t payload[64];
    static uint8_t leaves[TP__BATCH_LIMIT * (TP__LEAF_HEADER_LIMIT_BYTES + 64)];
    uint8_t *to = leaves;
    for (uint32_t i = 0; i < count; i++)
        to = tp__leaf_write(to, &(struct tp__leaf){.sequence = i + 1,
                                                   .dispatch = 1,
                                                   .flags = length > TP__LEAF_INLINE_LIMIT_BYTES ? TP__LEAF_LARGE : 0,
                                                   .length = length,
                                                   .payload = payload});
    static const uint8_t signature[TP__SIGNATURE_BYTES];
    Taskpool__Tasks tasks;
    taskpool__tasks__init(&tasks);
    tasks.session = tp__field_of_id(&driver->life);
    tasks.count = tasks.run = count;
    tasks.signature = tp__field(signature, sizeof signature);
    tasks.leaves = tp__field(leaves, (size_t)(to - leaves));
    if (incarnation)
        tasks.incarnation = tp__field_of_id(incarnation);
    try_send(driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_TASKS, &tasks);
}

static void try_credit(struct end *node, uint64_t total)
{
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    credit.total = total;
    try_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_CREDIT, &credit);
}

static void try_stream(struct end *end, const struct end *driver, uint64_t incarnation)
{
    const struct tp__id id = world_id(incarnation);
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    stream.session = tp__field_of_id(&driver->life);
    stream.incarnation = tp__field_of_id(&id);
    stream.sealed = tp__field("sealed", 6);
    try_send(end, TP__LANE_BULK, TASKPOOL__FRAME__BODY_STREAM, &stream);
}

static void try_program(struct end *driver, struct end *node)
{
    const struct tp__hash root = program_root();
    const struct tp__hash list = tp__program_chunk_hash(0, program, sizeof program);
    uint32_t chunk = 0;
    Taskpool__Need need;
    taskpool__need__init(&need);
    need.root = tp__field(&root, sizeof root);
    need.list = true;
    need.chunks = &chunk;
    need.n_chunks = 1;
    try_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_NEED, &need);
    Taskpool__Chunk message;
    taskpool__chunk__init(&message);
    message.root = need.root;
    message.list = true;
    message.data = tp__field(&list, sizeof list);
    try_send(driver, TP__LANE_PROGRAM, TASKPOOL__FRAME__BODY_CHUNK, &message);
    message.list = false;
    message.data = tp__field(program, sizeof program);
    try_send(driver, TP__LANE_PROGRAM, TASKPOOL__FRAME__BODY_CHUNK, &message);
}

static void try_question(struct end *tool, struct end *driver)
{
    static char subject[] = "fib";
    for (int kind = 1; kind <= 3; kind++) {
        Taskpool__Query query;
        taskpool__query__init(&query);
        query.id = (uint64_t)kind;
        query.kind = (Taskpool__QueryKind)kind;
        query.subject = subject;
        try_send(tool, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_QUERY, &query);
    }
    Taskpool__Answer answer;
    taskpool__answer__init(&answer);
    answer.id = 1;
    try_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_ANSWER, &answer);
}

static void live(struct world *world)
{
    struct end *driver = world_connect(world, &world->drivers[0]);
    struct end *node = world_connect(world, &world->nodes[0]);
    struct end *tool = world_connect(world, &world->tools[0]);
    const struct tp__id pinned = world_id(111);
    try_hello(driver, TASKPOOL__ROLE__ROLE_DRIVER, 1);
    try_hello(node, TASKPOOL__ROLE__ROLE_NODE, 11);
    try_hello(tool, TASKPOOL__ROLE__ROLE_ADMIN, 21);
    try_offer(driver);
    try_program(driver, node);
    try_question(tool, driver);
    try_join(node, driver, 111);
    try_tasks(driver, 100, 64, NULL);
    try_tasks(driver, 5, 64, &pinned);
    try_tasks(driver, 1, 70000, NULL);
    static uint8_t large[70000];
    Taskpool__Payload payload;
    taskpool__payload__init(&payload);
    payload.session = tp__field_of_id(&driver->life);
    payload.sequence = payload.dispatch = 1;
    payload.part = tp__field(large, sizeof large);
    try_send(driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_PAYLOAD, &payload);
    try_credit(node, 20);
    try_credit(node, 90);
    try_stream(driver, driver, 111);
    try_stream(node, driver, 111);
    world_pass(world, 3500);
    try_credit(node, 200);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    try_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    try_send(driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    uint64_t failures = 0;
    for (uint64_t i = 0;; i++) {
        struct world *world = world_open(NULL);
        until_failure = i;
        has_failed = false;
        armed = true;
        live(world);
        armed = false;
        if (!has_failed) {
            world_close(world);
            break;
        }
        failures++;
        struct end *driver = world_driver(world, 1, 2);
        struct end *node = world_node(world, 1, 12, 4);
        world_join(node, driver);
        node_credit(node, 10, 0, 0);
        driver_tasks(driver, 10, NULL);
        assert_int_equal(node_take_tasks(node, driver), 10);
        world_pass(world, 31000); /* whoever lost his link is forgotten */
        const struct coordinator_counts counts = world_counts(world);
        assert_int_equal(counts.queued_tasks, 0);
        assert_int_equal(counts.queued_bytes, 0);
        assert_int_equal(counts.sessions, 1);
        assert_int_equal(counts.nodes, 1);
        assert_int_equal(world->coordinator->queued.memory_bytes, 0);
        world_close(world);
    }
    print_message("%llu allocations\n", (unsigned long long)failures);
    assert_true(failures > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
