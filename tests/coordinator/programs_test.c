/* SPDX-License-Identifier: MIT */
/* Programs: fetched once, checked, sent to 32 nodes at a time. */
#include "programs.h"
#include "trust/program.h"
#include "world.h"

enum { CHUNKS = 3, LENGTH = 2 * TP__CHUNK_BYTES + 1000 };

struct image {
    uint8_t bytes[LENGTH];
    struct tp__hash hashes[CHUNKS];
    struct tp__hash root;
};

static struct image image;

static void make_image(void)
{
    for (size_t i = 0; i < LENGTH; i++)
        image.bytes[i] = (uint8_t)(i * 7 + i / 1000);
    for (uint32_t i = 0; i < CHUNKS; i++)
        image.hashes[i] = tp__program_chunk_hash(i, image.bytes + (size_t)i * TP__CHUNK_BYTES,
                                                 i + 1 < CHUNKS ? TP__CHUNK_BYTES : 1000);
    image.root = tp__program_root(image.hashes, LENGTH);
}

/* A driver that offers the image, or says so. */
static struct end *open_driver(struct world *world, size_t key, uint64_t session, uint64_t length)
{
    struct end *driver = world_connect(world, &world->drivers[key]);
    const struct tp__id id = world_id(session);
    end_hello(driver, TASKPOOL__ROLE__ROLE_DRIVER, &id, "program", 0);
    end_drop(driver, TASKPOOL__FRAME__BODY_WELCOME);
    const struct tp__offer offer = {.driver = driver->key->public_key,
                                    .session = id,
                                    .signing_key = {1},
                                    .exchange_key = {9},
                                    .program = image.root,
                                    .program_length = length,
                                    .protocol = TP__PROTOCOL_VERSION,
                                    .machine = "x86_64",
                                    .program_name = "program"};
    driver->offer_size = tp__offer_sign(&offer, driver->key, driver->offer);
    driver_offer(driver);
    return driver;
}

static void need(struct end *node, bool list, uint32_t first, uint32_t count)
{
    uint32_t chunks[CHUNKS] = {first, first + 1, first + 2};
    Taskpool__Need message;
    taskpool__need__init(&message);
    message.root = tp__field(&image.root, sizeof image.root);
    message.list = list;
    message.chunks = chunks;
    message.n_chunks = count;
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_NEED, &message);
    world_run(node->world);
}

static void send_chunk(struct end *driver, bool list, uint32_t index, const void *bytes, size_t size)
{
    Taskpool__Chunk chunk;
    taskpool__chunk__init(&chunk);
    chunk.root = tp__field(&image.root, sizeof image.root);
    chunk.list = list;
    chunk.index = index;
    chunk.data = tp__field(bytes, size);
    end_send(driver, TP__LANE_PROGRAM, TASKPOOL__FRAME__BODY_CHUNK, &chunk);
    world_run(driver->world);
}

static void send_image_chunk(struct end *driver, uint32_t index)
{
    send_chunk(driver, false, index, image.bytes + (size_t)index * TP__CHUNK_BYTES,
               index + 1 < CHUNKS ? TP__CHUNK_BYTES : 1000);
}

/* Answers all that it was asked; returns how many chunks and lists that were. */
static uint32_t answer(struct end *driver)
{
    uint32_t count = 0;
    Taskpool__Frame *frame;
    while ((frame = end_take(driver, TASKPOOL__FRAME__BODY_NEED)) != NULL) {
        assert_memory_equal(frame->need->root.data, &image.root, sizeof image.root);
        if (frame->need->list) {
            send_chunk(driver, true, 0, image.hashes, sizeof image.hashes);
            count++;
        }
        for (size_t i = 0; i < frame->need->n_chunks; i++, count++)
            send_image_chunk(driver, frame->need->chunks[i]);
        tp__frame_free(frame);
    }
    return count;
}

static void expect_chunk(struct end *node, bool list, uint32_t index, const void *bytes, size_t size)
{
    Taskpool__Frame *frame = end_take(node, TASKPOOL__FRAME__BODY_CHUNK);
    assert_non_null(frame);
    assert_int_equal(frame->chunk->list, list);
    assert_int_equal(frame->chunk->index, index);
    assert_int_equal(frame->chunk->data.len, size);
    assert_memory_equal(frame->chunk->data.data, bytes, size);
    tp__frame_free(frame);
}

static void expect_all(struct end *node)
{
    for (uint32_t i = 0; i < CHUNKS; i++)
        expect_chunk(node, false, i, image.bytes + (size_t)i * TP__CHUNK_BYTES,
                     i + 1 < CHUNKS ? TP__CHUNK_BYTES : 1000);
}

static void chunks_are_fetched_once_for_any_number_of_nodes(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = open_driver(world, 0, 1, LENGTH);
    struct end *nodes[5];
    for (size_t i = 0; i < 5; i++)
        nodes[i] = world_node(world, i % WORLD_KEYS, 11 + i, 4);
    uint32_t fetched = 0;
    for (int i = 0; i < 5; i++) {
        need(nodes[i], true, 0, 0);
        fetched += answer(driver);
        expect_chunk(nodes[i], true, 0, image.hashes, sizeof image.hashes);
        need(nodes[i], false, 0, CHUNKS);
        fetched += answer(driver);
        expect_all(nodes[i]);
    }
    assert_int_equal(fetched, 1 + CHUNKS);
    assert_int_equal(world->coordinator->program_bytes, CHUNKS * TP__CHUNK_BYTES);
    for (int i = 0; i < 5; i++)
        node_accept(nodes[i], driver, 100 + (uint64_t)i);
    assert_int_equal(world->coordinator->program_bytes, 0); /* nobody needs it any more */
    world_close(world);
}

static void a_node_that_leaves_or_asks_no_more_is_not_waited_for(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = open_driver(world, 0, 1, LENGTH);
    struct end *a = world_node(world, 0, 11, 4);
    struct end *b = world_node(world, 1, 12, 4);
    need(a, true, 0, CHUNKS);
    answer(driver);
    answer(driver);
    assert_true(world->coordinator->program_bytes > 0);
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    end_send(a, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
    world_run(world);
    assert_int_equal(world->coordinator->program_bytes, 0);
    need(b, true, 0, 1);
    answer(driver);
    answer(driver);
    assert_true(world->coordinator->program_bytes > 0);
    world_pass(world, 11000);
    assert_int_equal(world->coordinator->program_bytes, 0);
    world_close(world);
}

static void thirty_two_nodes_get_it_at_a_time(void **state)
{
    (void)state;
    enum { NODES = 40 };
    struct world *world = world_open(NULL);
    struct end *driver = open_driver(world, 0, 1, LENGTH);
    struct end *nodes[NODES];
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = world_node(world, i % WORLD_KEYS, 11 + i, 4);
        need(nodes[i], true, 0, 0);
    }
    answer(driver);
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(end_drop(nodes[i], TASKPOOL__FRAME__BODY_CHUNK), i < FETCHES_AT_A_TIME);
    node_accept(nodes[7], driver, 1000);
    node_accept(nodes[9], driver, 1001);
    for (size_t i = FETCHES_AT_A_TIME; i < NODES; i++)
        assert_int_equal(end_drop(nodes[i], TASKPOOL__FRAME__BODY_CHUNK), i < FETCHES_AT_A_TIME + 2);
    world_close(world);
}

static void a_lying_driver_is_refused_and_another_is_asked(void **state)
{
    (void)state;
    for (int lie = 0; lie < 5; lie++) {
        struct world *world = world_open(NULL);
        struct end *honest = open_driver(world, 0, 1, LENGTH);
        const uint64_t more = lie < 2 ? 5 * (uint64_t)TP__CHUNK_BYTES : lie == 4 ? 1 : 0;
        struct end *liar = open_driver(world, 1, 2, LENGTH + more);
        struct end *node = world_node(world, 0, 11, 4);
        need(node, true, 0, 0);
        if (lie == 0) { /* the list of another length */
            send_chunk(liar, true, 0, image.hashes, sizeof image.hashes);
        } else if (lie == 1) { /* the right length, and wrong */
            static struct tp__hash hashes[CHUNKS + 5];
            send_chunk(liar, true, 0, hashes, sizeof hashes);
        } else if (lie == 4) { /* the true list does not prove its length */
            send_chunk(liar, true, 0, image.hashes, sizeof image.hashes);
        } else {
            send_chunk(liar, true, 0, image.hashes, sizeof image.hashes);
            end_drop(node, TASKPOOL__FRAME__BODY_CHUNK);
            need(node, false, 0, 1);
            end_drop(liar, TASKPOOL__FRAME__BODY_NEED);
            send_chunk(liar, false, 0, image.bytes + 1, lie == 2 ? TP__CHUNK_BYTES : 100);
        }
        assert_int_equal(end_refusal(liar), TP_E_UNTRUSTED);
        for (int i = 0; i < 4; i++)
            answer(honest);
        expect_chunk(node, true, 0, image.hashes, sizeof image.hashes);
        if (lie == 2 || lie == 3) /* what it wanted of the liar comes from the other */
            expect_chunk(node, false, 0, image.bytes, TP__CHUNK_BYTES);
        need(node, false, 0, CHUNKS);
        for (int i = 0; i < 4; i++)
            answer(honest);
        expect_all(node);
        world_close(world);
    }
}

static void a_driver_that_does_not_answer_is_not_waited_for(void **state)
{
    (void)state;
    for (int leaves = 0; leaves < 2; leaves++) {
        struct world *world = world_open(NULL);
        struct end *other = open_driver(world, 1, 2, LENGTH);
        struct end *silent = open_driver(world, 0, 1, LENGTH); /* asked first */
        struct end *node = world_node(world, 0, 11, 4);
        need(node, true, 0, 0);
        assert_int_equal(end_drop(silent, TASKPOOL__FRAME__BODY_NEED), 1);
        assert_int_equal(answer(other), 0);
        if (leaves) {
            Taskpool__Bye bye;
            taskpool__bye__init(&bye);
            end_send(silent, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_BYE, &bye);
        } else {
            world_pass(world, 6500);
        }
        assert_int_equal(answer(other), 1);
        expect_chunk(node, true, 0, image.hashes, sizeof image.hashes);
        world_close(world);
    }
}

static void what_was_not_asked_for_is_not_taken(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = open_driver(world, 0, 1, LENGTH);
    struct end *other = open_driver(world, 1, 2, LENGTH);
    struct end *node = world_node(world, 0, 11, 4);
    send_image_chunk(driver, 0);
    send_chunk(driver, true, 0, image.hashes, sizeof image.hashes);
    need(node, true, 0, 0);
    struct end *asked = end_drop(driver, TASKPOOL__FRAME__BODY_NEED) > 0 ? driver : other;
    send_chunk(asked == driver ? other : driver, true, 0, image.hashes, sizeof image.hashes);
    send_chunk(asked, false, 0xffffffff, image.hashes, sizeof image.hashes);
    assert_int_equal(world_counts(world).refused_frames, 4);
    assert_int_equal(end_drop(node, TASKPOOL__FRAME__BODY_CHUNK), 0);
    assert_int_equal(world->coordinator->program_bytes, 0);
    world_close(world);
}

static void needs_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = open_driver(world, 0, 1, LENGTH);
    struct end *node = world_node(world, 0, 11, 4);
    Taskpool__Need message;
    taskpool__need__init(&message);
    message.list = true;
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_NEED, &message); /* no root */
    struct tp__hash unknown = {{1}};
    message.root = tp__field(&unknown, sizeof unknown);
    end_send(node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_NEED, &message);
    need(node, false, CHUNKS_LIMIT, 1);
    need(node, false, UINT32_MAX, 1);
    assert_int_equal(world_counts(world).refused_frames, 4);
    /* past the end of the program, which is not known yet: it is found out when the list has come */
    need(node, true, 500, 2);
    answer(driver);
    answer(driver);
    expect_chunk(node, true, 0, image.hashes, sizeof image.hashes);
    assert_int_equal(end_drop(node, TASKPOOL__FRAME__BODY_CHUNK), 0);
    need(node, false, CHUNKS, 1);
    assert_int_equal(world_counts(world).refused_frames, 5);
    assert_false(node->broken[0]);
    world_close(world);
}

static void chunks_wait_for_the_link_of_a_node_that_reads_slowly(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = open_driver(world, 0, 1, LENGTH);
    struct end *node = world_node(world, 0, 11, 4);
    node->deaf = true;
    for (int i = 0; i < 20; i++)
        need(node, true, 0, CHUNKS);
    for (int i = 0; i < 20; i++) {
        answer(driver);
        need(node, true, 0, CHUNKS);
        assert_true(world_counts(world).memory_bytes < 12 << 20);
    }
    node->deaf = false;
    world_run(world);
    assert_true(end_drop(node, TASKPOOL__FRAME__BODY_CHUNK) > CHUNKS);
    world_close(world);
}

int main(void)
{
    if (!tp__trust_start())
        return 1;
    make_image();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_fetched_once_for_any_number_of_nodes),
        cmocka_unit_test(a_node_that_leaves_or_asks_no_more_is_not_waited_for),
        cmocka_unit_test(thirty_two_nodes_get_it_at_a_time),
        cmocka_unit_test(a_lying_driver_is_refused_and_another_is_asked),
        cmocka_unit_test(a_driver_that_does_not_answer_is_not_waited_for),
        cmocka_unit_test(what_was_not_asked_for_is_not_taken),
        cmocka_unit_test(needs_that_make_no_sense_are_refused),
        cmocka_unit_test(chunks_wait_for_the_link_of_a_node_that_reads_slowly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
