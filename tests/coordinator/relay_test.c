/* SPDX-License-Identifier: MIT */
/* Streams go between the two ends that they belong to, and never drown anybody. */
#include "trust/stream.h"
#include "world.h"

enum { FRAME_BYTES = 1000000 };

static uint8_t sealed[TP__STREAM_SEALED_LIMIT_BYTES];

static void send_stream(struct end *end, const struct tp__id *session, const struct tp__id *incarnation,
                        uint64_t position, size_t size)
{
    Taskpool__StreamFrame stream;
    taskpool__stream_frame__init(&stream);
    stream.session = tp__field_of_id(session);
    stream.incarnation = tp__field_of_id(incarnation);
    stream.position = position;
    stream.sealed = tp__field(sealed, size);
    end_send(end, TP__LANE_BULK, TASKPOOL__FRAME__BODY_STREAM, &stream);
}

struct pair {
    struct world *world;
    struct end *driver, *node;
    struct tp__id incarnation;
};

static struct pair open_pair(void)
{
    struct pair pair = {.world = world_open(NULL)};
    pair.driver = world_driver(pair.world, 0, 1);
    pair.node = world_node(pair.world, 0, 11, 4);
    pair.incarnation = world_join(pair.node, pair.driver);
    return pair;
}

static void frames_arrive_unchanged_in_order_both_ways(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    for (size_t i = 0; i < sizeof sealed; i++)
        sealed[i] = (uint8_t)(i * 31);
    for (int way = 0; way < 2; way++) {
        struct end *from = way ? pair.node : pair.driver;
        struct end *to = way ? pair.driver : pair.node;
        for (uint64_t i = 1; i <= 20; i++) {
            send_stream(from, &pair.driver->life, &pair.incarnation, i, i * 1000);
            if (i % 2 == 0)
                world_run(pair.world);
        }
        for (uint64_t i = 1; i <= 20; i++) {
            Taskpool__Frame *frame = end_take(to, TASKPOOL__FRAME__BODY_STREAM);
            assert_non_null(frame);
            assert_int_equal(frame->stream->position, i);
            assert_int_equal(frame->stream->sealed.len, i * 1000);
            assert_memory_equal(frame->stream->sealed.data, sealed, i * 1000);
            assert_memory_equal(frame->stream->session.data, &pair.driver->life, sizeof pair.driver->life);
            assert_memory_equal(frame->stream->incarnation.data, &pair.incarnation, sizeof pair.incarnation);
            tp__frame_free(frame);
        }
    }
    world_close(pair.world);
}

static Taskpool__Run run_of(uint64_t batch, uint32_t first, uint32_t length, const struct tp__id *incarnation)
{
    Taskpool__Run run;
    taskpool__run__init(&run);
    run.batch = batch;
    run.first = first;
    run.run = length;
    run.incarnation = tp__field_of_id(incarnation);
    return run;
}

/* What was placed is told with the frame that comes next: before its records, which may be about just that. */
static void a_driver_learns_with_a_frame_what_was_placed_before_it(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    const uint64_t batch = driver_tasks(pair.driver, 3, NULL);
    node_credit(pair.node, 2, 0, 0);
    send_stream(pair.node, &pair.driver->life, &pair.incarnation, 1, 10);
    Taskpool__Frame *frame = end_take(pair.driver, TASKPOOL__FRAME__BODY_STREAM);
    assert_non_null(frame);
    uint32_t placed = 0;
    for (size_t i = 0; i < frame->stream->n_placed; i++) {
        assert_int_equal(frame->stream->placed[i]->batch, batch);
        assert_memory_equal(frame->stream->placed[i]->incarnation.data, &pair.incarnation, sizeof pair.incarnation);
        placed += frame->stream->placed[i]->run;
    }
    assert_int_equal(placed, 2);
    tp__frame_free(frame);
    send_stream(pair.node, &pair.driver->life, &pair.incarnation, 2, 10);
    frame = end_take(pair.driver, TASKPOOL__FRAME__BODY_STREAM);
    assert_non_null(frame);
    assert_int_equal(frame->stream->n_placed, 0); /* it is told once */
    tp__frame_free(frame);
    world_pass(pair.world, COORDINATOR_TICK_MS);
    assert_null(end_take(pair.driver, TASKPOOL__FRAME__BODY_PLACED));
    world_close(pair.world);
}

static void no_end_can_say_that_something_was_placed(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    const uint64_t batch = driver_tasks(pair.driver, 3, NULL);
    Taskpool__Run run = run_of(batch, 0, 3, &pair.incarnation);
    Taskpool__Run *runs[] = {&run};
    struct end *ends[] = {pair.driver, pair.node};
    for (int way = 0; way < 2; way++) {
        Taskpool__StreamFrame stream;
        taskpool__stream_frame__init(&stream);
        stream.session = tp__field_of_id(&pair.driver->life);
        stream.incarnation = tp__field_of_id(&pair.incarnation);
        stream.position = 1;
        stream.sealed = tp__field(sealed, 10);
        stream.placed = runs;
        stream.n_placed = 1;
        end_send(ends[way], TP__LANE_BULK, TASKPOOL__FRAME__BODY_STREAM, &stream);
        world_run(pair.world);
        Taskpool__Frame *frame = end_take(ends[!way], TASKPOOL__FRAME__BODY_STREAM);
        assert_non_null(frame);
        assert_int_equal(frame->stream->n_placed, 0);
        tp__frame_free(frame);
    }
    world_close(pair.world);
}

/* A frame that has to wait is passed by others, which may be about what was placed. */
static void what_was_placed_is_told_before_all_that_follows(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    pair.driver->deaf = true; /* it acknowledges nothing: soon frames of streams have to wait */
    uint64_t position = 0;
    for (int i = 0; i < 3; i++)
        send_stream(pair.node, &pair.driver->life, &pair.incarnation, ++position, FRAME_BYTES);
    world_run(pair.world);
    driver_tasks(pair.driver, 3, NULL);
    node_credit(pair.node, 2, 0, 0);
    send_stream(pair.node, &pair.driver->life, &pair.incarnation, ++position, 10);
    struct end *again = world_connect(pair.world, pair.node->key); /* what is on the way to it may be lost */
    end_hello(again, TASKPOOL__ROLE__ROLE_NODE, &pair.node->life, "n", 4);
    world_run(pair.world);
    pair.driver->deaf = false;
    world_run(pair.world);
    size_t placed = 0;
    bool relinked = false;
    for (size_t i = 0; i < pair.driver->frame_count; i++) {
        const Taskpool__Frame *frame = pair.driver->frames[i];
        if (!frame)
            continue;
        const bool is_stream = frame->body_case == TASKPOOL__FRAME__BODY_STREAM;
        const size_t news = is_stream                                          ? frame->stream->n_placed
                            : frame->body_case == TASKPOOL__FRAME__BODY_PLACED ? frame->placed->n_runs
                                                                               : 0;
        assert_false(relinked && news > 0);
        placed += news;
        relinked |= frame->body_case == TASKPOOL__FRAME__BODY_NODE_STATE;
    }
    assert_true(relinked);
    assert_true(placed > 0);
    world_close(pair.world);
}

/* ... of the end that it goes to: with what was placed it would be longer than a message may be. */
static void a_frame_that_no_stream_has_breaks_no_link(void **state)
{
    (void)state;
    static uint8_t large[2 << 20];
    struct pair pair = open_pair();
    struct end *ends[] = {pair.driver, pair.node};
    for (int way = 0; way < 2; way++) {
        driver_tasks(pair.driver, 3, NULL);
        const uint64_t refused = world_counts(pair.world).refused_frames;
        Taskpool__StreamFrame stream;
        taskpool__stream_frame__init(&stream);
        stream.session = tp__field_of_id(&pair.driver->life);
        stream.incarnation = tp__field_of_id(&pair.incarnation);
        stream.position = 1;
        stream.sealed = tp__field(large, sizeof large - 200);
        end_send(ends[way], TP__LANE_BULK, TASKPOOL__FRAME__BODY_STREAM, &stream);
        world_run(pair.world);
        assert_false(ends[!way]->broken[0]);
        assert_null(end_take(ends[!way], TASKPOOL__FRAME__BODY_STREAM));
        assert_int_equal(world_counts(pair.world).refused_frames, refused + 1);
        send_stream(ends[way], &pair.driver->life, &pair.incarnation, 2,
                    TP__STREAM_SEALED_LIMIT_BYTES); /* the longest that there is */
        world_run(pair.world);
        assert_int_equal(end_drop(ends[!way], TASKPOOL__FRAME__BODY_STREAM), 1);
    }
    world_close(pair.world);
}

static void a_stream_may_begin_before_the_driver_says_use(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    struct end *driver = world_driver(world, 0, 1);
    struct end *node = world_node(world, 0, 11, 4);
    const struct tp__id incarnation = node_accept(node, driver, 111);
    send_stream(driver, &driver->life, &incarnation, 1, 10);
    assert_int_equal(end_drop(node, TASKPOOL__FRAME__BODY_STREAM), 1);
    world_close(world);
}

static void nobody_speaks_for_another_session_or_node(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct end *other_driver = world_driver(pair.world, 1, 2);
    struct end *other_node = world_node(pair.world, 1, 12, 4);
    const struct tp__id others = world_join(other_node, other_driver);
    const struct tp__id nothing = world_id(77777);
    send_stream(other_driver, &pair.driver->life, &pair.incarnation, 1, 10);  /* another's session */
    send_stream(other_driver, &other_driver->life, &pair.incarnation, 1, 10); /* another's incarnation */
    send_stream(other_node, &pair.driver->life, &pair.incarnation, 1, 10);    /* another node's */
    send_stream(other_node, &pair.driver->life, &others, 1, 10);              /* its own, of another session */
    send_stream(other_node, &nothing, &others, 1, 10);
    send_stream(other_node, &other_driver->life, &nothing, 1, 10);
    world_run(pair.world);
    assert_int_equal(world_counts(pair.world).refused_frames, 6);
    struct end *ends[] = {pair.driver, pair.node, other_driver, other_node};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(end_drop(ends[i], TASKPOOL__FRAME__BODY_STREAM), 0);
        assert_false(ends[i]->broken[0]);
    }
    world_close(pair.world);
}

/* Of the bulk that goes to a link, 2 MiB are under way, and the rest waits here. */
static void who_floods_a_stream_loses_its_own_link(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct pair pair = open_pair();
        struct end *from = way ? pair.node : pair.driver;
        struct end *to = way ? pair.driver : pair.node;
        to->deaf = true;
        int sent = 0;
        for (; sent < 100 && !from->broken[0]; sent++) {
            send_stream(from, &pair.driver->life, &pair.incarnation, (uint64_t)sent + 1, FRAME_BYTES);
            world_run(pair.world);
            assert_true(world_counts(pair.world).memory_bytes < 10 << 20);
        }
        assert_in_range(sent, 4, 10);
        assert_non_null(strstr(pair.world->last_refused, "under way"));
        to->deaf = false;
        world_run(pair.world);
        assert_false(to->broken[0]);
        world_close(pair.world);
    }
}

/* An end that keeps two frames under way may go on for ever, also where others keep something waiting. */
static void an_honest_stream_never_meets_the_limit(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct end *other = world_driver(pair.world, 1, 2);
    const struct tp__id others = world_join(pair.node, other);
    uint64_t positions[2] = {0, 0};
    uint64_t arrived[2] = {0, 0};
    const struct end *drivers[] = {pair.driver, other};
    const struct tp__id *incarnations[] = {&pair.incarnation, &others};
    for (int round = 0; round < 100; round++) {
        pair.node->deaf = true;
        for (int i = 0; i < 2; i++)
            while (positions[i] < arrived[i] + 2)
                send_stream((struct end *)(uintptr_t)drivers[i], &drivers[i]->life, incarnations[i], ++positions[i],
                            FRAME_BYTES);
        world_run(pair.world);
        pair.node->deaf = false;
        Taskpool__Frame *frame = end_take(pair.node, TASKPOOL__FRAME__BODY_STREAM);
        for (; frame; frame = end_take(pair.node, TASKPOOL__FRAME__BODY_STREAM)) {
            const int i = memcmp(frame->stream->session.data, &other->life, sizeof other->life) == 0;
            assert_int_equal(frame->stream->position, ++arrived[i]);
            tp__frame_free(frame);
        }
    }
    assert_true(arrived[0] > 100 && arrived[1] > 100);
    assert_int_equal(world_counts(pair.world).refused_frames, 0);
    world_close(pair.world);
}

static void a_peer_that_never_reads_is_cut_off(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    pair.node->deaf = true;
    for (uint64_t i = 1; i <= 4; i++)
        send_stream(pair.driver, &pair.driver->life, &pair.incarnation, i, FRAME_BYTES);
    world_run(pair.world);
    /* it lives, and sends heartbeats that acknowledge nothing */
    for (int64_t ms = 0; ms < 11000 && world_counts(pair.world).links == 2; ms += 200) {
        (void)tp__link_tick(pair.node->link, pair.world->now_ms);
        world_pass(pair.world, 200);
    }
    assert_int_equal(world_counts(pair.world).links, 1);
    assert_non_null(strstr(pair.world->last_refused, "nothing was read"));
    world_close(pair.world);
}

/* Much may wait for a link before the coordinator looks after time for the first time. */
static void a_new_peer_has_its_time_to_read(void **state)
{
    (void)state;
    struct world *world = world_open(NULL);
    world_pass(world, 60000);
    struct pair pair = {.world = world, .driver = world_driver(world, 0, 1), .node = world_node(world, 0, 11, 4)};
    pair.incarnation = world_join(pair.node, pair.driver);
    pair.node->deaf = true;
    for (uint64_t i = 1; i <= 4; i++)
        send_stream(pair.driver, &pair.driver->life, &pair.incarnation, i, FRAME_BYTES);
    world_pass(world, 1000);
    assert_int_equal(world_counts(world).links, 2);
    world_close(world);
}

static void a_node_on_whose_link_much_waits_gets_no_tasks(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    node_credit(pair.node, 100, 0, 0);
    pair.node->deaf = true;
    for (uint64_t i = 1; i <= 5; i++)
        send_stream(pair.driver, &pair.driver->life, &pair.incarnation, i, FRAME_BYTES);
    world_run(pair.world);
    driver_tasks(pair.driver, 5, NULL);
    assert_int_equal(world_counts(pair.world).queued_tasks, 5);
    pair.node->deaf = false;
    world_run(pair.world);
    assert_int_equal(node_take_tasks(pair.node, pair.driver), 5);
    world_close(pair.world);
}

static void what_goes_to_an_end_that_is_away_is_dropped(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    end_send_raw(pair.node, (const uint8_t *)"\xff", 1);
    world_run(pair.world);
    send_stream(pair.driver, &pair.driver->life, &pair.incarnation, 1, 1000);
    world_run(pair.world);
    assert_int_equal(world_counts(pair.world).refused_frames, 0);
    assert_false(pair.driver->broken[0]);
    world_close(pair.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_unchanged_in_order_both_ways),
        cmocka_unit_test(a_driver_learns_with_a_frame_what_was_placed_before_it),
        cmocka_unit_test(no_end_can_say_that_something_was_placed),
        cmocka_unit_test(what_was_placed_is_told_before_all_that_follows),
        cmocka_unit_test(a_frame_that_no_stream_has_breaks_no_link),
        cmocka_unit_test(a_stream_may_begin_before_the_driver_says_use),
        cmocka_unit_test(nobody_speaks_for_another_session_or_node),
        cmocka_unit_test(who_floods_a_stream_loses_its_own_link),
        cmocka_unit_test(an_honest_stream_never_meets_the_limit),
        cmocka_unit_test(a_peer_that_never_reads_is_cut_off),
        cmocka_unit_test(a_new_peer_has_its_time_to_read),
        cmocka_unit_test(a_node_on_whose_link_much_waits_gets_no_tasks),
        cmocka_unit_test(what_goes_to_an_end_that_is_away_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
