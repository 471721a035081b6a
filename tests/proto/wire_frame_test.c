/* SPDX-License-Identifier: MIT */
#include "wire_support.h"

#include "wire/frame.h"

static Taskpool__Frame *round_trip(const Taskpool__Frame *frame)
{
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    assert_non_null(bytes);
    Taskpool__Frame *read = tp__frame_unpack(bytes, size);
    free(bytes);
    return read;
}

static void a_frame_is_unpacked_as_it_was_packed(void **state)
{
    (void)state;
    const struct tp__id life = tp__id_new();
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = TASKPOOL__ROLE__ROLE_NODE;
    hello.life = tp__field_of_id(&life);
    hello.name = (char *)(uintptr_t) "alpha";
    hello.workers = 16;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.number = 5;
    frame.received = 3;
    frame.body_case = TASKPOOL__FRAME__BODY_HELLO;
    frame.hello = &hello;
    Taskpool__Frame *read = round_trip(&frame);
    assert_non_null(read);
    assert_true(read->number == 5 && read->received == 3);
    assert_int_equal(read->body_case, TASKPOOL__FRAME__BODY_HELLO);
    assert_string_equal(tp__frame_name(read), "hello");
    assert_string_equal(read->hello->name, "alpha");
    struct tp__id id;
    assert_true(tp__id_read(&id, read->hello->life.data, read->hello->life.len));
    assert_true(tp__id_equal(&id, &life));
    tp__frame_free(read);
}

static void a_frame_without_a_body_is_refused(void **state)
{
    (void)state;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.number = 5;
    assert_null(round_trip(&frame));
    assert_null(tp__frame_unpack(NULL, 0));
    assert_string_equal(tp__frame_name(&frame), "empty");
}

static void a_frame_past_the_limit_is_refused(void **state)
{
    (void)state;
    uint8_t *data = calloc(1, TP__FRAME_LIMIT_BYTES);
    assert_non_null(data);
    Taskpool__Chunk chunk = TASKPOOL__CHUNK__INIT;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    chunk.data = tp__field(data, TP__FRAME_LIMIT_BYTES);
    assert_null(round_trip(&frame));
    chunk.data.len -= 64;
    Taskpool__Frame *read = round_trip(&frame);
    assert_non_null(read);
    assert_int_equal(read->chunk->data.len, TP__FRAME_LIMIT_BYTES - 64);
    tp__frame_free(read);
    free(data);
}

/* Honest frames are far from what unpacking may take, whatever they hold most of. */
static void full_frames_are_within_the_budget(void **state)
{
    (void)state;
    enum { RUNS = 20000, NODES = 2000, CHUNKS = 1024 };
    const struct tp__id incarnation = tp__id_new();
    Taskpool__Run *runs = calloc(RUNS, sizeof *runs);
    Taskpool__Run **run_list = calloc(RUNS, sizeof *run_list);
    for (size_t i = 0; i < RUNS; i++) {
        taskpool__run__init(&runs[i]);
        runs[i].batch = i + 1;
        runs[i].run = 1;
        runs[i].incarnation = tp__field_of_id(&incarnation);
        run_list[i] = &runs[i];
    }
    Taskpool__Placed placed = TASKPOOL__PLACED__INIT;
    placed.n_runs = RUNS;
    placed.runs = run_list;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    Taskpool__Frame *read = round_trip(&frame);
    assert_non_null(read);
    assert_int_equal(read->placed->n_runs, RUNS);
    tp__frame_free(read);
    free(runs);
    free(run_list);

    Taskpool__NodeStatus *nodes = calloc(NODES, sizeof *nodes);
    Taskpool__NodeStatus **node_list = calloc(NODES, sizeof *node_list);
    for (size_t i = 0; i < NODES; i++) {
        taskpool__node_status__init(&nodes[i]);
        nodes[i].name = (char *)(uintptr_t) "n1";
        nodes[i].condition = (char *)(uintptr_t) "up";
        nodes[i].version = (char *)(uintptr_t) "0.1.0";
        nodes[i].workers = 4;
        node_list[i] = &nodes[i];
    }
    Taskpool__Answer answer;
    taskpool__answer__init(&answer);
    answer.n_nodes = NODES;
    answer.nodes = node_list;
    frame.body_case = TASKPOOL__FRAME__BODY_ANSWER;
    frame.answer = &answer;
    read = round_trip(&frame);
    assert_non_null(read);
    tp__frame_free(read);
    free(nodes);
    free(node_list);

    uint32_t chunks[CHUNKS];
    for (uint32_t i = 0; i < CHUNKS; i++)
        chunks[i] = i;
    Taskpool__Need need = TASKPOOL__NEED__INIT;
    need.n_chunks = CHUNKS;
    need.chunks = chunks;
    frame.body_case = TASKPOOL__FRAME__BODY_NEED;
    frame.need = &need;
    read = round_trip(&frame);
    assert_non_null(read);
    assert_int_equal(read->need->chunks[CHUNKS - 1], CHUNKS - 1);
    tp__frame_free(read);
}

/* Two bytes each that become a struct each: 900,000 of them would take 130 MiB. */
static void a_frame_that_would_swell_is_refused(void **state)
{
    (void)state;
    enum { MANY = 900000, FEW = 100 };
    Taskpool__Run empty = TASKPOOL__RUN__INIT;
    Taskpool__Run **list = calloc(MANY, sizeof(Taskpool__Run *));
    assert_non_null(list);
    for (size_t i = 0; i < MANY; i++)
        list[i] = &empty;
    Taskpool__Placed placed = TASKPOOL__PLACED__INIT;
    placed.runs = list;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    placed.n_runs = MANY;
    assert_null(round_trip(&frame));
    placed.n_runs = FEW;
    Taskpool__Frame *read = round_trip(&frame);
    assert_non_null(read);
    assert_int_equal(read->placed->n_runs, FEW);
    tp__frame_free(read);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_unpacked_as_it_was_packed), cmocka_unit_test(a_frame_without_a_body_is_refused),
        cmocka_unit_test(a_frame_past_the_limit_is_refused),    cmocka_unit_test(full_frames_are_within_the_budget),
        cmocka_unit_test(a_frame_that_would_swell_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
