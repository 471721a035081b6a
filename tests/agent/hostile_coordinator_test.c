/* SPDX-License-Identifier: MIT */
/* A coordinator that lies: forged, altered, replayed, stale, truncated, foreign frames. Nothing runs, nothing is taken
 * for an answer of a driver, memory stays, and each is counted. */
#include "agent_world.h"

struct fixture {
    struct world *world;
    struct world_driver *driver, *other;
    struct world_process *process, *of_other;
    struct world_batch *batch;
};

static struct fixture begin(void)
{
    struct fixture f = {.world = world_new()};
    f.driver = driver_new(f.world);
    f.other = driver_new(f.world);
    f.process = driver_begin(f.driver);
    f.of_other = driver_begin(f.other);
    f.batch = malloc(sizeof *f.batch);
    assert_non_null(f.batch);
    return f;
}

static void end(struct fixture *f)
{
    free(f->batch);
    world_free(f->world);
}

static void expect_refused(struct fixture *f, uint64_t before)
{
    assert_int_equal(f->process->told.size, 0);
    assert_int_equal(f->of_other->told.size, 0);
    assert_int_equal(world_counts(f->world).tasks, 0);
    assert_int_equal(world_counts(f->world).refused, before + 1);
}

static void sign_three(struct fixture *f)
{
    const struct tp__leaf leaves[3] = {plain_leaf(1), plain_leaf(2), plain_leaf(3)};
    driver_sign(f->driver, f->batch, leaves, 3);
}

static void any_flipped_bit_of_a_batch_is_refused_and_answered(void **state)
{
    (void)state;
    struct fixture f = begin();
    sign_three(&f);
    for (size_t at = 0; at < f.batch->tasks.leaves.len; at++) {
        const uint64_t before = world_counts(f.world).refused;
        f.batch->leaves[at] ^= (uint8_t)(1 << at % 8);
        driver_send_batch(f.driver, f.batch);
        f.batch->leaves[at] ^= (uint8_t)(1 << at % 8);
        expect_refused(&f, before);
    }
    for (size_t at = 0; at < TP__SIGNATURE_BYTES; at++) {
        const uint64_t before = world_counts(f.world).refused;
        f.batch->signature[at] ^= 1;
        driver_send_batch(f.driver, f.batch);
        f.batch->signature[at] ^= 1;
        expect_refused(&f, before);
    }
    assert_int_equal(driver_returned(f.driver, 1), TP__RETURNED_REFUSED);
    driver_send_batch(f.driver, f.batch); /* the true one still runs: forgeries have used up nothing */
    assert_int_equal(process_told(f.process, TP__RECORD_TASK, 0, NULL), 3);
    end(&f);
}

static void wrong_numbers_proofs_and_lengths_are_refused(void **state)
{
    (void)state;
    struct fixture f = begin();
    sign_three(&f);
    const Taskpool__Tasks good = f.batch->tasks;
    enum { LIES = 12 };
    static uint8_t zeros[1024];
    for (int lie = 0; lie < LIES; lie++) {
        Taskpool__Tasks *tasks = &f.batch->tasks;
        *tasks = good;
        const uint64_t before = world_counts(f.world).refused;
        switch (lie) {
        case 0:
            tasks->batch++;
            break;
        case 1:
            tasks->count = 4;
            break;
        case 2:
            tasks->count = 0;
            break;
        case 3:
            tasks->count = 257;
            tasks->run = 257;
            break;
        case 4:
            tasks->first = 1;
            break;
        case 5:
            tasks->first = UINT32_MAX;
            tasks->run = 3;
            break;
        case 6:
            tasks->run = 2;
            break;
        case 7:
            tasks->run = UINT32_MAX;
            break;
        case 8:
            tasks->leaves.len--;
            break;
        case 9:
            tasks->leaves.len = 0;
            break;
        case 10:
            tasks->proof = tp__field(zeros, 33);
            break;
        default:
            tasks->proof = tp__field(zeros, sizeof zeros);
            break;
        }
        driver_send_batch(f.driver, f.batch);
        expect_refused(&f, before);
    }
    f.batch->tasks = good;
    batch_narrow(f.batch, 1, 1);
    f.batch->proof[0].bytes[0] ^= 1;
    const uint64_t before = world_counts(f.world).refused;
    driver_send_batch(f.driver, f.batch);
    expect_refused(&f, before);
    end(&f);
}

static void another_session_s_batch_and_another_incarnation_s_run_nowhere(void **state)
{
    (void)state;
    struct fixture f = begin();
    sign_three(&f);
    uint64_t before = world_counts(f.world).refused;
    f.batch->tasks.session = tp__field_of_id(&f.other->offer.session);
    driver_send_batch(f.driver, f.batch);
    expect_refused(&f, before);
    const struct tp__id nobody = tp__id_new();
    before = world_counts(f.world).refused;
    f.batch->tasks.session = tp__field_of_id(&nobody);
    driver_send_batch(f.driver, f.batch);
    expect_refused(&f, before);
    before = world_counts(f.world).refused;
    f.batch->tasks.session = tp__field_of_id(&f.driver->offer.session);
    f.batch->tasks.incarnation = tp__field_of_id(&nobody);
    driver_send_batch(f.driver, f.batch);
    expect_refused(&f, before);
    f.batch->tasks.incarnation = tp__field_of_id(&f.driver->incarnation);
    driver_send_batch(f.driver, f.batch);
    assert_int_equal(process_told(f.process, TP__RECORD_TASK, 0, NULL), 3);
    end(&f);
}

static void forged_frames_about_running_tasks_are_not_answered(void **state)
{
    (void)state;
    struct fixture f = begin();
    sign_three(&f);
    driver_send_batch(f.driver, f.batch);
    f.batch->signature[0] ^= 1;
    f.batch->tasks.batch++;
    driver_send_batch(f.driver, f.batch);
    driver_send_batch(f.driver, f.batch);
    assert_int_equal(driver_heard(f.driver, TP__RECORD_RETURNED, 0, NULL), 0);
    assert_int_equal(world_counts(f.world).refused, 2);
    assert_int_equal(process_told(f.process, TP__RECORD_TASK, 0, NULL), 3);
    end(&f);
}

static void replayed_at_most_once_tasks_do_not_start_twice(void **state)
{
    (void)state;
    struct fixture f = begin();
    struct tp__leaf leaf = plain_leaf(1);
    leaf.flags = TP__LEAF_AT_MOST_ONCE;
    driver_sign(f.driver, f.batch, &leaf, 1);
    for (int i = 0; i < 3; i++) {
        driver_send_batch(f.driver, f.batch);
        assert_int_equal(driver_heard(f.driver, TP__RECORD_CLAIM, 1, NULL), 1);
    }
    driver_say(f.driver, TP__RECORD_GRANT, 1, 1, 0, NULL, 0);
    driver_send_batch(f.driver, f.batch);
    process_finish(f.world, f.process, 1);
    driver_send_batch(f.driver, f.batch);
    assert_int_equal(process_told(f.process, TP__RECORD_TASK, 1, NULL), 1);
    assert_int_equal(driver_heard(f.driver, TP__RECORD_CLAIM, 1, NULL), 1);
    end(&f);
}

static void send_stream(struct fixture *f, const struct tp__sealed *sealed, const struct tp__id *session,
                        const struct tp__id *incarnation, const uint8_t *bytes, size_t size)
{
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    stream.session = tp__field_of_id(session);
    stream.incarnation = tp__field_of_id(incarnation);
    stream.position = sealed->position;
    stream.acknowledgement = sealed->acknowledgement;
    stream.sealed = tp__field(bytes, size);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &stream;
    world_send(f->world, &frame);
    world_run(f->world);
}

static void forged_foreign_and_repeated_stream_frames_have_no_effect(void **state)
{
    (void)state;
    struct fixture f = begin();
    driver_submit_plain(f.driver, 1);
    driver_submit_plain(f.other, 1);
    assert_true(
        tp__stream_append(f.driver->stream, &(struct tp__record){.type = TP__RECORD_CANCEL, .task = 1, .dispatch = 1}));
    struct tp__sealed sealed;
    assert_true(tp__stream_next(f.driver->stream, &sealed));
    const size_t size = sealed.size;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, sealed.bytes, size);
    const struct tp__id *session = &f.driver->offer.session, *incarnation = &f.driver->incarnation;
    uint64_t refused = world_counts(f.world).refused;
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 1;
        send_stream(&f, &sealed, session, incarnation, bytes, size);
        bytes[at] ^= 1;
    }
    assert_int_equal(world_counts(f.world).refused, refused + size);
    for (size_t shorter = 0; shorter < size; shorter++)
        send_stream(&f, &sealed, session, incarnation, bytes, shorter);
    assert_int_equal(world_counts(f.world).refused, refused + 2 * size);
    struct tp__sealed moved = sealed;
    moved.position++;
    send_stream(&f, &moved, session, incarnation, bytes, size);
    moved = sealed;
    moved.acknowledgement = true;
    send_stream(&f, &moved, session, incarnation, bytes, size);
    send_stream(&f, &sealed, &f.other->offer.session, &f.other->incarnation, bytes, size);
    send_stream(&f, &sealed, session, &f.other->incarnation, bytes, size);
    assert_int_equal(world_counts(f.world).refused, refused + 2 * size + 4);
    assert_int_equal(world_counts(f.world).tasks, 2);
    send_stream(&f, &sealed, session, incarnation, bytes, size);
    assert_int_equal(world_counts(f.world).tasks, 1);
    send_stream(&f, &sealed, session, incarnation, bytes, size); /* again: nothing */
    assert_int_equal(process_told(f.process, TP__RECORD_CANCEL, 0, NULL), 1);
    assert_int_equal(process_told(f.of_other, TP__RECORD_CANCEL, 0, NULL), 0);
    free(bytes);
    end(&f);
}

static void frames_that_are_not_for_nodes_are_counted(void **state)
{
    (void)state;
    struct fixture f = begin();
    Taskpool__Query query;
    taskpool__query__init(&query);
    Taskpool__Placed placed;
    taskpool__placed__init(&placed);
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_QUERY;
    frame.query = &query;
    world_send(f.world, &frame);
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    world_send(f.world, &frame);
    frame.body_case = TASKPOOL__FRAME__BODY_CREDIT;
    frame.credit = &credit;
    world_send(f.world, &frame);
    world_run(f.world);
    assert_int_equal(world_counts(f.world).refused, 3);
    assert_int_equal(f.world->reconnects, 0);
    end(&f);
}

static void empty_bodies_of_every_kind_do_nothing(void **state)
{
    (void)state;
    struct fixture f = begin();
    for (unsigned field = 3; field <= 41; field++) {
        uint8_t bytes[] = {0, 0, 0};
        size_t size = 0;
        const unsigned tag = field << 3 | 2;
        if (tag >= 128) {
            bytes[size++] = (uint8_t)(tag & 127) | 128;
            bytes[size++] = (uint8_t)(tag >> 7);
        } else {
            bytes[size++] = (uint8_t)tag;
        }
        size++; /* length 0 */
        Taskpool__Frame *frame = taskpool__frame__unpack(NULL, size, bytes);
        if (frame && frame->body_case != TASKPOOL__FRAME__BODY__NOT_SET &&
            frame->body_case != TASKPOOL__FRAME__BODY_RESET)
            (void)tp__link_send(f.world->link, TP__LANE_CONTROL, frame);
        taskpool__frame__free_unpacked(frame, NULL);
        world_run(f.world);
        world_pass(f.world, 1100);
    }
    assert_int_equal(f.process->told.size, 0);
    assert_int_equal(world_counts(f.world).tasks, 0);
    end(&f);
}

static void a_flood_of_lies_takes_no_memory_and_few_words(void **state)
{
    (void)state;
    struct fixture f = begin();
    sign_three(&f);
    f.batch->signature[5] ^= 4;
    const unsigned warnings = f.world->warnings;
    for (int i = 0; i < 2000; i++)
        driver_send_batch(f.driver, f.batch);
    assert_int_equal(world_counts(f.world).refused, 2000);
    assert_true(f.world->warnings - warnings < 20);
    assert_true(world_counts(f.world).memory_bytes < 100000);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_flipped_bit_of_a_batch_is_refused_and_answered),
        cmocka_unit_test(wrong_numbers_proofs_and_lengths_are_refused),
        cmocka_unit_test(another_session_s_batch_and_another_incarnation_s_run_nowhere),
        cmocka_unit_test(forged_frames_about_running_tasks_are_not_answered),
        cmocka_unit_test(replayed_at_most_once_tasks_do_not_start_twice),
        cmocka_unit_test(forged_foreign_and_repeated_stream_frames_have_no_effect),
        cmocka_unit_test(frames_that_are_not_for_nodes_are_counted),
        cmocka_unit_test(empty_bodies_of_every_kind_do_nothing),
        cmocka_unit_test(a_flood_of_lies_takes_no_memory_and_few_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
