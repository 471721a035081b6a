/* SPDX-License-Identifier: MIT */
/* Without memory, at whatever allocation: calls say so, nothing has changed, nothing leaks, and all goes on afterwards.
 * The linker wraps malloc, calloc and realloc of what is linked statically here. */
#include "wire_support.h"

#include "daemon/config.h"
#include "link/link.h"
#include "wire/record.h"

#include <stdio.h>

static long until_failure = -1; /* allocations that still succeed; -1: all */

static bool fails(void)
{
    if (until_failure < 0)
        return false;
    return until_failure == 0 || --until_failure < 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

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

static void a_record_is_appended_whole_or_not_at_all(void **state)
{
    (void)state;
    static uint8_t body[3 * TP__PART_BYTES];
    struct tp__buffer buffer = {NULL, 0, 0};
    const struct tp__record record = {.type = TP__RECORD_RESULT, .task = 1, .body = body, .size = sizeof body};
    assert_true(tp__buffer_append(&buffer, "abc", 3));
    until_failure = 0;
    const bool appended = tp__record_append(&buffer, &record), put = tp__put_text(&buffer, (const char *)body, 1000);
    until_failure = -1;
    assert_false(appended || put);
    assert_int_equal(buffer.size, 3);
    assert_true(tp__record_append(&buffer, &record));
    const struct tp__record part = {.task = 1, .size = TP__PART_BYTES};
    assert_int_equal(buffer.size, 3 + 3 * tp__record_size(&part));
    tp__buffer_free(&buffer);
}

/* A body whose part could not be kept is not taken for whole at its end, wherever memory failed. */
static void an_assembly_never_passes_half_a_body(void **state)
{
    (void)state;
    static uint8_t bytes[TP__PART_BYTES];
    for (long allowed = 0; allowed < 6; allowed++) {
        struct tp__assembly assembly = {.limit_bytes = 64 << 20};
        unsigned failures = 0, complete = 0;
        tp_status status;
        until_failure = allowed;
        for (unsigned i = 0; i < 5; i++) {
            struct tp__record record = {
                .type = 1, .flags = i < 4 ? TP__RECORD_MORE : 0, .task = 1, .body = bytes, .size = sizeof bytes};
            if (tp__assembly_add(&assembly, &record, &status)) {
                complete++;
                assert_int_equal(record.size, 5 * sizeof bytes);
            }
            failures += status != TP_OK;
        }
        until_failure = -1;
        assert_true(complete + (failures > 0) == 1);
        tp__assembly_free(&assembly);
    }
}

struct end {
    unsigned sent, received, broken;
};
static void on_transmit(void *context, const uint8_t *bytes, size_t size)
{
    (void)bytes, (void)size;
    ((struct end *)context)->sent++;
}
static void on_received(void *context, const Taskpool__Frame *frame)
{
    (void)frame;
    ((struct end *)context)->received++;
}
static void on_broken(void *context, const char *reason)
{
    (void)reason;
    ((struct end *)context)->broken++;
}

static void a_link_says_that_it_could_not_send(void **state)
{
    (void)state;
    struct end end = {0};
    const struct tp__link_events events = {
        .transmit = on_transmit, .received = on_received, .broken = on_broken, .context = &end};
    until_failure = 0;
    struct tp__link *link = tp__link_new(&events, 0);
    until_failure = -1;
    assert_null(link);
    link = tp__link_new(&events, 0);
    Taskpool__Credit credit = TASKPOOL__CREDIT__INIT;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_CREDIT;
    frame.credit = &credit;
    until_failure = 0;
    const bool sent = tp__link_send(link, TP__LANE_CONTROL, &frame);
    (void)tp__link_tick(link, TP__HEARTBEAT_MS); /* a heartbeat needs none */
    until_failure = -1;
    assert_false(sent);
    assert_int_equal(end.sent, 1);
    assert_true(tp__link_send(link, TP__LANE_CONTROL, &frame));
    assert_int_equal(end.sent, 2);
    tp__link_free(link);
}

static void a_frame_that_finds_no_memory_breaks_the_link(void **state)
{
    (void)state;
    Taskpool__Run run = TASKPOOL__RUN__INIT, *runs[40];
    for (size_t i = 0; i < 40; i++)
        runs[i] = &run;
    Taskpool__Placed placed = TASKPOOL__PLACED__INIT;
    placed.n_runs = 40;
    placed.runs = runs;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.number = 1;
    frame.body_case = TASKPOOL__FRAME__BODY_PLACED;
    frame.placed = &placed;
    size_t size;
    uint8_t *bytes = tp__frame_pack(&frame, &size);
    unsigned broken = 0;
    for (long allowed = 0;; allowed++) {
        struct end end = {0};
        const struct tp__link_events events = {
            .transmit = on_transmit, .received = on_received, .broken = on_broken, .context = &end};
        struct tp__link *link = tp__link_new(&events, 0);
        until_failure = allowed;
        tp__link_receive(link, bytes, size, 0);
        until_failure = -1;
        assert_true(end.received + end.broken == 1);
        tp__link_free(link);
        broken += end.broken;
        if (end.received)
            break;
        assert_true(allowed < 1000);
    }
    assert_true(broken > 40); /* each allocation was refused once */
    free(bytes);
}

static void settings_say_that_there_is_no_memory(void **state)
{
    (void)state;
    static const struct tp__setting settings[] = {
        {.name = "a", .type = TP__SETTING_TEXT, .argument = "A", .help = "a", .standard = "x"},
        {.name = "b", .type = TP__SETTING_SIZE, .argument = "B", .help = "b", .standard = "1K"},
        {.name = NULL},
    };
    static const struct tp__program program = {.name = "p", .version = "0", .about = "", .settings = settings};
    static const char text[] = "a = y\nb = 2K\n";
    for (long allowed = 0;; allowed++) {
        struct tp__problem problem = {.status = TP_OK};
        until_failure = allowed;
        struct tp__config *config = tp__config_new(&program, &problem);
        const bool read = config && tp__config_read_text(config, "f", text, sizeof text - 1, &problem);
        until_failure = -1;
        if (read)
            assert_int_equal(tp__config_number(config, "b"), 2048);
        else
            assert_true(problem.status != TP_OK);
        tp__config_free(config);
        if (read)
            break;
        assert_true(allowed < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_appended_whole_or_not_at_all),
        cmocka_unit_test(an_assembly_never_passes_half_a_body),
        cmocka_unit_test(a_link_says_that_it_could_not_send),
        cmocka_unit_test(a_frame_that_finds_no_memory_breaks_the_link),
        cmocka_unit_test(settings_say_that_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
