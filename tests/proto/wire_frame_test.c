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

/* ---- views ---- */

enum { PART_BYTES = 100000 };

static uint8_t *packed_payload(size_t part_bytes, size_t *size)
{
    static uint8_t part[PART_BYTES];
    for (size_t i = 0; i < part_bytes; i++)
        part[i] = (uint8_t)(i * 7 + i / 256);
    const struct tp__id session = tp__id_new();
    Taskpool__Payload payload = TASKPOOL__PAYLOAD__INIT;
    payload.session = tp__field_of_id(&session);
    payload.sequence = 77;
    payload.offset = 5;
    payload.part = tp__field(part, part_bytes);
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.number = 300;
    frame.received = 2;
    frame.body_case = TASKPOOL__FRAME__BODY_PAYLOAD;
    frame.payload = &payload;
    uint8_t *bytes = tp__frame_pack(&frame, size);
    assert_non_null(bytes);
    return bytes;
}

static bool lies_in(const void *inner, const uint8_t *bytes, size_t size)
{
    return (const uint8_t *)inner >= bytes && (const uint8_t *)inner < bytes + size;
}

static void assert_same(const uint8_t *bytes, size_t size, bool is_in_place)
{
    Taskpool__Frame *unpacked = tp__frame_unpack(bytes, size);
    struct tp__frame_view view;
    const Taskpool__Frame *viewed = tp__frame_view(&view, bytes, size);
    assert_non_null(unpacked);
    assert_non_null(viewed);
    assert_int_equal(view.field && lies_in(view.field->data, bytes, size), is_in_place);
    size_t sizes[2];
    uint8_t *packed[2] = {tp__frame_pack(unpacked, &sizes[0]), tp__frame_pack(viewed, &sizes[1])};
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(packed[0], packed[1], sizes[0]);
    free(packed[0]);
    free(packed[1]);
    tp__frame_view_end(&view);
    tp__frame_free(unpacked);
}

static void a_view_is_what_unpacking_gives(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, PART_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size;
        uint8_t *bytes = packed_payload(sizes[i], &size);
        assert_same(bytes, size, sizes[i] >= 4096);
        free(bytes);
    }
}

/* The last one of two counts. */
static void a_view_of_two_bodies_or_fields_is_what_unpacking_gives(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
        bool is_in_body;
    } more[] = {
        {{5 << 3 | 2, 1, 'x'}, 3, true}, /* another part */
        {{TASKPOOL__FRAME__BODY_HEARTBEAT << 3 | 2, 0}, 2, false},
        {{0xaa, 1, 2, 2 << 3, 9}, 5, false}, /* another payload */
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        size_t size;
        uint8_t *bytes = packed_payload(PART_BYTES, &size);
        uint8_t *longer = malloc(size + more[i].size);
        assert_non_null(longer);
        memcpy(longer, bytes, size);
        memcpy(longer + size, more[i].bytes, more[i].size);
        if (more[i].is_in_body) { /* number 300, received 2, then the body's tag, and its length in three bytes */
            const size_t at = 3 + 2 + 2;
            const size_t length = size - at - 3 + more[i].size;
            longer[at] = (uint8_t)(length | 0x80);
            longer[at + 1] = (uint8_t)(length >> 7 | 0x80);
            longer[at + 2] = (uint8_t)(length >> 14);
        }
        assert_same(longer, size + more[i].size, false);
        free(longer);
        free(bytes);
    }
}

static void what_is_cut_anywhere_is_no_view(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = packed_payload(5000, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut + 1); /* of its own, for the sanitizer to watch its end */
        assert_non_null(part);
        memcpy(part, bytes, cut);
        struct tp__frame_view view;
        assert_null(tp__frame_view(&view, part, cut));
        tp__frame_view_end(&view);
        free(part);
    }
    free(bytes);
}

/* protobuf-c takes five bytes of a tag or length at most. */
static void an_overlong_length_is_no_view(void **state)
{
    (void)state;
    enum { PART = 5000 };
    static const uint8_t length[] = {(PART & 0x7f) | 0x80, (PART >> 7) | 0x80, 0x80, 0x80, 0x80, 0};
    static const uint8_t head[] = {0xaa, 1, ((PART + 7) & 0x7f) | 0x80, (PART + 7) >> 7, (5 << 3) | 2};
    uint8_t bytes[sizeof head + sizeof length + PART] = {0};
    memcpy(bytes, head, sizeof head);
    memcpy(bytes + sizeof head, length, sizeof length);
    assert_null(tp__frame_unpack(bytes, sizeof bytes));
    struct tp__frame_view view;
    assert_null(tp__frame_view(&view, bytes, sizeof bytes));
    tp__frame_view_end(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_unpacked_as_it_was_packed),
        cmocka_unit_test(a_frame_without_a_body_is_refused),
        cmocka_unit_test(a_frame_past_the_limit_is_refused),
        cmocka_unit_test(full_frames_are_within_the_budget),
        cmocka_unit_test(a_frame_that_would_swell_is_refused),
        cmocka_unit_test(a_view_is_what_unpacking_gives),
        cmocka_unit_test(a_view_of_two_bodies_or_fields_is_what_unpacking_gives),
        cmocka_unit_test(what_is_cut_anywhere_is_no_view),
        cmocka_unit_test(an_overlong_length_is_no_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
