/* SPDX-License-Identifier: MIT */
/* One end of a link; the test is the other one. */
#include "wire_support.h"

#include "link/link.h"

#include <stdio.h>

enum { SENT_LIMIT = 4096 };

struct end {
    struct tp__link *link;
    bool counts_only;
    size_t counted;
    size_t sent_count;
    Taskpool__Frame *sent[SENT_LIMIT]; /* what it transmitted */
    size_t received_count;
    unsigned broken_count;
    char reason[128];
    bool free_on_receipt, answer_on_receipt;
    uint64_t number; /* of the other end's last frame */
};

static void take(struct end *end, const uint8_t *bytes, size_t size)
{
    end->counted++;
    if (end->counts_only)
        return;
    assert_true(end->sent_count < SENT_LIMIT);
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    assert_non_null(frame);
    end->sent[end->sent_count++] = frame;
    assert_true(frame->number == end->sent_count); /* without a gap from the first on */
}

static void on_transmit(void *context, const uint8_t *bytes, size_t size)
{
    assert_true(size < TP__LARGE_FRAME_BYTES);
    take(context, bytes, size);
}

static void on_transmit_block(void *context, void *block, const uint8_t *bytes, size_t size)
{
    assert_true(size >= TP__LARGE_FRAME_BYTES);
    take(context, bytes, size);
    free(block);
}

static void set_credit(Taskpool__Frame *frame, Taskpool__Credit *credit, uint64_t total)
{
    taskpool__frame__init(frame);
    taskpool__credit__init(credit);
    credit->total = total;
    frame->body_case = TASKPOOL__FRAME__BODY_CREDIT;
    frame->credit = credit;
}

static bool send_credit(struct end *end, uint64_t total)
{
    Taskpool__Frame frame;
    Taskpool__Credit credit;
    set_credit(&frame, &credit, total);
    return tp__link_send(end->link, TP__LANE_CONTROL, &frame);
}

static uint8_t zeros[TP__FRAME_LIMIT_BYTES];

static bool send_chunk(struct end *end, enum tp__lane lane, uint32_t index, size_t size)
{
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    Taskpool__Chunk chunk = TASKPOOL__CHUNK__INIT;
    chunk.index = index;
    chunk.data = tp__field(zeros, size);
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    return tp__link_send(end->link, lane, &frame);
}

static void on_received(void *context, const Taskpool__Frame *frame)
{
    struct end *end = context;
    assert_int_not_equal(frame->body_case, TASKPOOL__FRAME__BODY_HEARTBEAT);
    end->received_count++;
    if (end->answer_on_receipt)
        assert_true(send_credit(end, 1));
    if (end->free_on_receipt) {
        tp__link_free(end->link);
        end->link = NULL;
    }
}

static void on_broken(void *context, const char *reason)
{
    struct end *end = context;
    end->broken_count++;
    (void)snprintf(end->reason, sizeof end->reason, "%s", reason);
}

static struct end *make(int64_t now_ms)
{
    struct end *end = calloc(1, sizeof *end);
    assert_non_null(end);
    const struct tp__link_events events = {.transmit = on_transmit,
                                           .transmit_block = on_transmit_block,
                                           .received = on_received,
                                           .broken = on_broken,
                                           .context = end};
    end->link = tp__link_new(&events, now_ms);
    assert_non_null(end->link);
    return end;
}

static void destroy(struct end *end)
{
    for (size_t i = 0; i < end->sent_count; i++)
        tp__frame_free(end->sent[i]);
    tp__link_free(end->link);
    free(end);
}

/* The other end sends a frame. */
static void give(struct end *end, Taskpool__Frame *frame, uint64_t number, uint64_t received, int64_t now_ms)
{
    frame->number = number;
    frame->received = received;
    size_t size;
    uint8_t *bytes = tp__frame_pack(frame, &size);
    assert_non_null(bytes);
    tp__link_receive(end->link, bytes, size, now_ms);
    free(bytes);
}

static void give_credit(struct end *end, uint64_t number, uint64_t received)
{
    Taskpool__Frame frame;
    Taskpool__Credit credit;
    set_credit(&frame, &credit, 1);
    give(end, &frame, number, received, 0);
}

/* In order, acknowledging `received`. */
static void acknowledge(struct end *end, uint64_t received)
{
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    Taskpool__Heartbeat heartbeat = TASKPOOL__HEARTBEAT__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_HEARTBEAT;
    frame.heartbeat = &heartbeat;
    give(end, &frame, ++end->number, received, 0);
}

static uint64_t body_of(const struct end *end, size_t index)
{
    const Taskpool__Frame *frame = end->sent[index];
    return frame->body_case == TASKPOOL__FRAME__BODY_CHUNK    ? frame->chunk->index
           : frame->body_case == TASKPOOL__FRAME__BODY_CREDIT ? frame->credit->total
                                                              : UINT64_MAX;
}

static void control_passes_bulk_that_waits(void **state)
{
    (void)state;
    struct end *end = make(0);
    for (uint32_t i = 0; i < 5; i++)
        assert_true(send_chunk(end, TP__LANE_BULK, i, 1 << 20));
    assert_int_equal(end->sent_count, 2); /* the window is full */
    assert_true(tp__link_queued(end->link, TP__LANE_BULK) > 3 << 20);
    assert_true(send_credit(end, 100));
    assert_int_equal(end->sent_count, 3);
    assert_int_equal(body_of(end, 2), 100);
    assert_int_equal(tp__link_queued(end->link, TP__LANE_CONTROL), 0);
    acknowledge(end, 3);
    assert_int_equal(end->sent_count, 5);
    assert_int_equal(body_of(end, 3), 2);
    assert_int_equal(body_of(end, 4), 3);
    acknowledge(end, 4);
    assert_int_equal(end->sent_count, 6);
    assert_int_equal(tp__link_queued(end->link, TP__LANE_BULK), 0);
    destroy(end);
}

static void programs_wait_for_bulk(void **state)
{
    (void)state;
    struct end *end = make(0);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(send_chunk(end, TP__LANE_PROGRAM, i, 1 << 20));
    assert_true(send_chunk(end, TP__LANE_PROGRAM, 2, 1 << 20));
    for (uint32_t i = 10; i < 13; i++)
        assert_true(send_chunk(end, TP__LANE_BULK, i, 1 << 20));
    assert_int_equal(end->sent_count, 2);
    acknowledge(end, 2);
    acknowledge(end, 4);
    static const uint64_t order[] = {0, 1, 10, 11, 12, 2};
    assert_int_equal(end->sent_count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(body_of(end, i), order[i]);
    destroy(end);
}

/* Small frames too: what is under way never exceeds the window, and what is acknowledged makes room. */
static void the_window_is_kept_for_small_frames(void **state)
{
    (void)state;
    struct end *end = make(0);
    enum { FRAMES = 4000, BODY = 2000 };
    for (uint32_t i = 0; i < FRAMES; i++)
        assert_true(send_chunk(end, TP__LANE_BULK, i, BODY));
    uint64_t acknowledged = 0;
    while (end->sent_count < FRAMES) {
        const size_t under_way = end->sent_count - acknowledged;
        assert_true(under_way * BODY <= TP__LINK_WINDOW_BYTES);
        assert_true((under_way + 1) * (BODY + 300) + (64 << 10) >= TP__LINK_WINDOW_BYTES); /* nor much less */
        const size_t before = end->sent_count;
        acknowledged += 100;
        acknowledge(end, acknowledged);
        assert_true(end->sent_count >= before);
    }
    for (uint32_t i = 0; i < FRAMES; i++)
        assert_int_equal(body_of(end, i), i);
    destroy(end);
}

/* However small they are, the socket is not to hold more messages than it can. */
static void the_window_bounds_the_number_of_frames(void **state)
{
    (void)state;
    struct end *end = make(0);
    enum { FRAMES = 30000 };
    end->counts_only = true;
    for (uint32_t i = 0; i < FRAMES; i++)
        assert_true(send_chunk(end, TP__LANE_BULK, i, 1));
    assert_true(end->counted > 4096 && end->counted <= 8192);
    while (end->counted < FRAMES) {
        const size_t before = end->counted;
        acknowledge(end, before);
        assert_true(end->counted > before && end->counted - before <= 8192);
    }
    destroy(end);
}

static void silence_is_broken_by_a_heartbeat(void **state)
{
    (void)state;
    struct end *end = make(1000);
    assert_int_equal(tp__link_tick(end->link, 1000), 1000 + TP__HEARTBEAT_MS);
    assert_int_equal(tp__link_tick(end->link, 999 + TP__HEARTBEAT_MS), 1000 + TP__HEARTBEAT_MS);
    assert_int_equal(end->sent_count, 0);
    assert_int_equal(tp__link_tick(end->link, 1000 + TP__HEARTBEAT_MS), 1000 + 2 * TP__HEARTBEAT_MS);
    assert_int_equal(end->sent_count, 1);
    assert_int_equal(end->sent[0]->body_case, TASKPOOL__FRAME__BODY_HEARTBEAT);
    /* any frame counts as life */
    (void)tp__link_tick(end->link, 1400);
    assert_true(send_credit(end, 1));
    assert_int_equal(tp__link_tick(end->link, 1650), 1700);
    assert_int_equal(end->sent_count, 2);
    assert_int_equal(tp__link_heard_ms(end->link), 1000);
    destroy(end);
}

static void every_frame_says_what_was_received(void **state)
{
    (void)state;
    struct end *end = make(0);
    give_credit(end, 1, 0);
    give_credit(end, 2, 0);
    assert_true(send_credit(end, 1));
    assert_true(end->sent[0]->received == 2);
    assert_int_equal(end->received_count, 2);
    destroy(end);
}

static void much_that_was_received_is_acknowledged_at_once(void **state)
{
    (void)state;
    struct end *end = make(0);
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    Taskpool__Chunk chunk = TASKPOOL__CHUNK__INIT;
    chunk.data = tp__field(zeros, 100 << 10);
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    for (uint64_t number = 1; number <= 2; number++)
        give(end, &frame, number, 0, 5);
    assert_int_equal(end->sent_count, 0);
    give(end, &frame, 3, 0, 5);
    assert_int_equal(end->sent_count, 1);
    assert_int_equal(end->sent[0]->body_case, TASKPOOL__FRAME__BODY_HEARTBEAT);
    assert_true(end->sent[0]->received == 3);
    assert_int_equal(tp__link_heard_ms(end->link), 5);
    /* an answer carries it */
    end->answer_on_receipt = true;
    for (uint64_t number = 4; number <= 9; number++)
        give(end, &frame, number, 0, 5);
    assert_int_equal(end->sent_count, 7);
    for (size_t i = 1; i < 7; i++)
        assert_int_equal(end->sent[i]->body_case, TASKPOOL__FRAME__BODY_CREDIT);
    destroy(end);
}

static void expect_broken(struct end *end, const char *reason)
{
    assert_int_equal(end->broken_count, 1);
    assert_non_null(strstr(end->reason, reason));
    assert_true(tp__link_is_broken(end->link));
    /* and nothing goes either way any more */
    const size_t sent = end->sent_count, received = end->received_count;
    assert_false(send_credit(end, 1));
    assert_false(send_chunk(end, TP__LANE_BULK, 0, 10));
    give_credit(end, end->number + 1, 0);
    assert_true(tp__link_tick(end->link, 1000000) == INT64_MAX);
    assert_int_equal(end->sent_count, sent);
    assert_int_equal(end->received_count, received);
    assert_int_equal(end->broken_count, 1);
    assert_int_equal(tp__link_queued(end->link, TP__LANE_BULK), 0);
    destroy(end);
}

static void a_gap_breaks_the_link(void **state)
{
    (void)state;
    struct end *end = make(0);
    give_credit(end, 1, 0);
    give_credit(end, 3, 0);
    assert_int_equal(end->received_count, 1);
    end->number = 1;
    expect_broken(end, "frame 3 came where 2 was due");
}

static void a_repeated_frame_breaks_the_link(void **state)
{
    (void)state;
    struct end *end = make(0);
    give_credit(end, 1, 0);
    give_credit(end, 1, 0);
    assert_int_equal(end->received_count, 1);
    expect_broken(end, "frame 1 came where 2 was due");
}

static void a_reset_breaks_the_link_whatever_its_number(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 3; number++) {
        struct end *end = make(0);
        for (uint32_t i = 0; i < 5; i++)
            assert_true(send_chunk(end, TP__LANE_BULK, i, 1 << 20));
        Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
        Taskpool__Reset reset = TASKPOOL__RESET__INIT;
        frame.body_case = TASKPOOL__FRAME__BODY_RESET;
        frame.reset = &reset;
        give(end, &frame, number, 0, 0);
        expect_broken(end, "does not know this link");
    }
}

static void a_malformed_frame_breaks_the_link(void **state)
{
    (void)state;
    static const uint8_t bad[] = {0xff, 0xff, 0xff};
    struct end *end = make(0);
    tp__link_receive(end->link, bad, sizeof bad, 0);
    expect_broken(end, "malformed");
    end = make(0);
    Taskpool__Frame empty = TASKPOOL__FRAME__INIT;
    give(end, &empty, 1, 0, 0);
    expect_broken(end, "malformed");
}

static void what_was_not_sent_cannot_be_acknowledged(void **state)
{
    (void)state;
    struct end *end = make(0);
    assert_true(send_credit(end, 1));
    give_credit(end, 1, 2);
    assert_int_equal(end->received_count, 0);
    expect_broken(end, "acknowledged");
    end = make(0);
    assert_true(send_credit(end, 1));
    give_credit(end, 1, 1);
    give_credit(end, 2, 0); /* nor taken back */
    assert_int_equal(end->received_count, 1);
    expect_broken(end, "acknowledged");
}

static void what_the_other_end_must_refuse_is_not_sent(void **state)
{
    (void)state;
    struct end *end = make(0);
    assert_false(send_chunk(end, TP__LANE_BULK, 0, TP__FRAME_LIMIT_BYTES - 10));
    Taskpool__Frame empty = TASKPOOL__FRAME__INIT;
    assert_false(tp__link_send(end->link, TP__LANE_CONTROL, &empty));
    assert_int_equal(end->sent_count, 0);
    assert_false(tp__link_is_broken(end->link));
    assert_true(send_chunk(end, TP__LANE_BULK, 0, TP__FRAME_LIMIT_BYTES - 64));
    assert_int_equal(end->sent_count, 1);
    destroy(end);
}

static void a_link_may_be_freed_while_it_hands_on_a_frame(void **state)
{
    (void)state;
    struct end *end = make(0);
    for (uint32_t i = 0; i < 5; i++)
        assert_true(send_chunk(end, TP__LANE_BULK, i, 1 << 20));
    end->free_on_receipt = true;
    give_credit(end, 1, 0);
    assert_int_equal(end->received_count, 1);
    assert_null(end->link);
    destroy(end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_passes_bulk_that_waits),
        cmocka_unit_test(programs_wait_for_bulk),
        cmocka_unit_test(the_window_is_kept_for_small_frames),
        cmocka_unit_test(the_window_bounds_the_number_of_frames),
        cmocka_unit_test(silence_is_broken_by_a_heartbeat),
        cmocka_unit_test(every_frame_says_what_was_received),
        cmocka_unit_test(much_that_was_received_is_acknowledged_at_once),
        cmocka_unit_test(a_gap_breaks_the_link),
        cmocka_unit_test(a_repeated_frame_breaks_the_link),
        cmocka_unit_test(a_reset_breaks_the_link_whatever_its_number),
        cmocka_unit_test(a_malformed_frame_breaks_the_link),
        cmocka_unit_test(what_was_not_sent_cannot_be_acknowledged),
        cmocka_unit_test(what_the_other_end_must_refuse_is_not_sent),
        cmocka_unit_test(a_link_may_be_freed_while_it_hands_on_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
