/* SPDX-License-Identifier: MIT */
/* Fetching programs: asked for, checked, stored. */
#include "agent_world.h"

static struct tp__hash chunk_hashes[3]; /* of its chunks */

/* A program of three chunks, the last one short, and an offer for it. */
static struct world_driver *driver_with_program(struct world *world)
{
    world->has_program = false;
    world->program_size = 2 * TP__CHUNK_BYTES + 1000;
    world->program = malloc(world->program_size);
    assert_non_null(world->program);
    for (size_t i = 0; i < world->program_size; i++)
        world->program[i] = (uint8_t)(i * 7 + i / 4096);
    for (uint32_t i = 0; i < 3; i++)
        chunk_hashes[i] =
            tp__program_chunk_hash(i, world->program + (size_t)i * TP__CHUNK_BYTES, i < 2 ? TP__CHUNK_BYTES : 1000);
    struct world_driver *driver = driver_new(world);
    driver->offer.program = tp__program_root(chunk_hashes, world->program_size);
    driver->offer.program_length = world->program_size;
    return driver;
}

static void send_chunk(struct world *world, const struct tp__hash *root, bool list, uint32_t index, const void *bytes,
                       size_t size)
{
    Taskpool__Chunk chunk;
    taskpool__chunk__init(&chunk);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    chunk.root = tp__field(root, sizeof *root);
    chunk.list = list;
    chunk.index = index;
    chunk.data = tp__field(bytes, size);
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    world_send(world, &frame);
    world_run(world);
}

static void a_program_is_fetched_checked_and_started(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_with_program(world);
    world->answers_needs = true;
    driver_offer(driver);
    assert_int_equal(world->stored, 3);
    assert_int_equal(world->completed, 1);
    assert_int_equal(world->process_count, 1);
    process_ready(world, world_process(world, 0));
    assert_int_equal(driver->accepts, 1);
    world_free(world);
}

static void one_fetch_serves_all_sessions_that_want_the_program(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *a = driver_with_program(world);
    struct world_driver *b = driver_new(world);
    b->offer.program = a->offer.program;
    b->offer.program_length = a->offer.program_length;
    driver_offer(a);
    driver_offer(b);
    assert_int_equal(world->needs, 1);
    assert_true(world->needed_list);
    world->answers_needs = true;
    world_cut(world); /* what was asked for is asked for again */
    assert_int_equal(world->stored, 3);
    assert_int_equal(world->process_count, 2);
    world_free(world);
}

static void nothing_that_has_another_hash_is_stored(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_with_program(world);
    driver_offer(driver);
    const struct tp__hash root = driver->offer.program;
    struct tp__hash hashes[3];
    memset(hashes, 1, sizeof hashes);
    send_chunk(world, &root, false, 0, world->program, TP__CHUNK_BYTES); /* not asked for yet */
    send_chunk(world, &root, true, 0, hashes, sizeof hashes);            /* another root */
    send_chunk(world, &root, true, 0, hashes, 31);                       /* another length */
    assert_int_equal(world_counts(world).refused, 3);
    for (uint32_t i = 0; i < 3; i++)
        hashes[i] =
            tp__program_chunk_hash(i, world->program + (size_t)i * TP__CHUNK_BYTES, i < 2 ? TP__CHUNK_BYTES : 1000);
    send_chunk(world, &root, true, 0, hashes, sizeof hashes);
    assert_int_equal(world->needed_count, 3);
    world->program[5] ^= 1;
    send_chunk(world, &root, false, 0, world->program, TP__CHUNK_BYTES);
    world->program[5] ^= 1;
    send_chunk(world, &root, false, 2, world->program, 999);
    send_chunk(world, &root, false, 3, world->program, 1000);
    send_chunk(world, &root, false, UINT32_MAX, world->program, 1000);
    send_chunk(world, &root, true, 0, hashes, sizeof hashes);
    assert_int_equal(world->stored, 0);
    send_chunk(world, &root, false, 1, world->program + TP__CHUNK_BYTES, TP__CHUNK_BYTES);
    assert_int_equal(world->stored, 1);
    send_chunk(world, &root, false, 1, world->program + TP__CHUNK_BYTES, TP__CHUNK_BYTES); /* twice */
    assert_int_equal(world->stored, 1);
    for (int i = 0; i < 8; i++)
        send_chunk(world, &root, false, 0, world->program, 1000);
    assert_int_equal(driver->refusals, 1); /* in the end */
    assert_int_equal(driver->status, TP_E_UNTRUSTED);
    assert_int_equal(world->process_count, 0);
    world_free(world);
}

static void a_node_that_ships_nothing_says_so(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_with_program(world);
    world->refuses_program = true;
    driver_offer(driver);
    assert_int_equal(driver->refusals, 1);
    assert_string_equal(driver->reason, "nothing is shipped here");
    world_free(world);
}

static void a_wrong_length_does_not_keep_others_from_the_program(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *good = driver_with_program(world);
    struct world_driver *bad = driver_new(world);
    bad->offer.program = good->offer.program;
    bad->offer.program_length = good->offer.program_length - 1;
    driver_offer(bad);
    driver_offer(good);
    assert_int_equal(world->needs, 1);
    assert_int_equal(bad->refusals, 0);
    world->answers_needs = true;
    send_chunk(world, &good->offer.program, true, 0, chunk_hashes, sizeof chunk_hashes); /* proves who is right */
    assert_int_equal(bad->refusals, 1);
    assert_int_equal(good->refusals, 0);
    assert_int_equal(world->completed, 1);
    assert_int_equal(world->process_count, 1);
    assert_memory_equal(&world_process(world, 0)->options.session, &good->offer.session, 16);
    world_free(world);
}

static void what_does_not_come_is_asked_for_again(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_with_program(world);
    driver_offer(driver);
    assert_int_equal(world->needs, 1);
    world_pass(world, 9000);
    assert_int_equal(world->needs, 1);
    world_pass(world, 2000);
    assert_int_equal(world->needs, 2);
    Taskpool__SessionEnd end;
    taskpool__session_end__init(&end); /* nobody wants it any more */
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    end.session = tp__field_of_id(&driver->offer.session);
    frame.body_case = TASKPOOL__FRAME__BODY_SESSION_END;
    frame.session_end = &end;
    world_send(world, &frame);
    world_pass(world, 30000);
    assert_int_equal(world->needs, 2);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_fetched_checked_and_started),
        cmocka_unit_test(one_fetch_serves_all_sessions_that_want_the_program),
        cmocka_unit_test(nothing_that_has_another_hash_is_stored),
        cmocka_unit_test(a_node_that_ships_nothing_says_so),
        cmocka_unit_test(a_wrong_length_does_not_keep_others_from_the_program),
        cmocka_unit_test(what_does_not_come_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
