/* SPDX-License-Identifier: MIT */
/* What is said about a dead process, from memory that it could fill as it liked; its lines; how much memory there is.
 */
#include "crash.h"
#include "lines.h"
#include "memory.h"
#include "symbolizer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4 };

static struct tp__worker_memory *new_memory(void)
{
    struct tp__worker_memory *memory = aligned_alloc(64, (tp__worker_memory_size(THREADS) + 63) / 64 * 64);
    assert_non_null(memory);
    memset((char *)memory, 0, tp__worker_memory_size(THREADS));
    for (uint32_t i = 0; i < THREADS; i++)
        tp__worker_slot_switch(&memory->slots[i], 10 + i, i, 0);
    return memory;
}

static void assert_text(const struct crash_end *end, const struct tp__worker_crash *record, const char *wanted)
{
    char text[256];
    crash_describe(end, record, text);
    assert_string_equal(text, wanted);
}

static void the_end_of_a_process_is_told_in_words(void **state)
{
    (void)state;
    const struct tp__worker_crash none = {.signal = 0};
    struct tp__worker_crash record = {.state = TP__CRASH_COMPLETE, .signal = SIGSEGV, .fault_address = 0x10};
    assert_text(&(struct crash_end){.signal = SIGSEGV}, &record, "was killed by SIGSEGV at address 0x10");
    assert_text(&(struct crash_end){.signal = SIGSEGV}, &none, "was killed by SIGSEGV");
    /* what was recorded before does not explain another end */
    assert_text(&(struct crash_end){.signal = SIGBUS}, &record, "was killed by SIGBUS");
    record.signal = SIGFPE;
    assert_text(&(struct crash_end){.signal = SIGFPE}, &record, "was killed by SIGFPE");
    assert_text(&(struct crash_end){.signal = SIGRTMIN + 3}, &none, "was killed by signal 37");
    record.overflow_kib = 64;
    assert_text(&(struct crash_end){.signal = SIGSEGV}, &record, "overflowed its 64 KiB stack");
    assert_text(&(struct crash_end){.exit_status = 7}, &none, "ended with status 7");
    const struct tp__worker_crash called = {.state = TP__CRASH_COMPLETE, .exit_called = 1, .exit_status = 3};
    assert_text(&(struct crash_end){.exit_status = 3}, &called, "called exit(3)");
    assert_text(&(struct crash_end){.signal = SIGKILL}, &none,
                "was killed by SIGKILL, perhaps by the kernel for want of memory");
    assert_text(&(struct crash_end){.signal = SIGKILL, .killed_because = "used more"}, &none, "used more");
    /* it had crashed before the node's kill reached it */
    assert_text(&(struct crash_end){.signal = SIGABRT, .killed_because = "used more"}, &none, "was killed by SIGABRT");
}

static void the_thread_that_crashed_names_the_suspect(void **state)
{
    (void)state;
    struct tp__worker_memory *memory = new_memory();
    struct agent_suspect suspects[THREADS];
    struct tp__worker_crash record = {.thread = 3};
    assert_int_equal(crash_suspects(memory, THREADS, &record, suspects), 1);
    assert_int_equal(suspects[0].task, 12);
    assert_int_equal(suspects[0].dispatch, 2);
    assert_int_equal(suspects[0].thread, 2);
    record.thread = 0;
    assert_int_equal(crash_suspects(memory, THREADS, &record, suspects), THREADS);
    record.thread = THREADS + 1;
    assert_int_equal(crash_suspects(memory, THREADS, &record, suspects), THREADS);
    tp__worker_slot_switch(&memory->slots[2], 0, 0, 0);
    record.thread = 3; /* that ran nothing: any other may be the cause */
    assert_int_equal(crash_suspects(memory, THREADS, &record, suspects), THREADS - 1);
    free(memory);
}

static void a_task_has_started_only_between_its_start_and_its_end(void **state)
{
    (void)state;
    struct tp__worker_memory *memory = new_memory();
    assert_false(crash_has_started(memory, 5));
    tp__worker_task_started(memory, &memory->slots[0], 5);
    tp__worker_task_started(memory, &memory->slots[1], 6);
    assert_true(crash_has_started(memory, 5));
    assert_false(crash_has_started(memory, 7));
    tp__worker_task_ended(memory, 5);
    assert_false(crash_has_started(memory, 5));
    assert_true(crash_has_started(memory, 6));
    assert_int_equal(memory->slots[0].started_count, 1);
    free(memory);
}

static void a_record_that_is_not_finished_does_not_count(void **state)
{
    (void)state;
    struct tp__worker_memory *memory = new_memory();
    memory->crash.signal = SIGSEGV;
    memory->crash.frame_count = 7;
    atomic_store(&memory->crash.state, TP__CRASH_BEING_WRITTEN);
    assert_int_equal(crash_record(memory).frame_count, 0);
    atomic_store(&memory->crash.state, TP__CRASH_COMPLETE);
    assert_int_equal(crash_record(memory).frame_count, 7);
    memory->crash.frame_count = UINT32_MAX;
    assert_int_equal(crash_record(memory).frame_count, TP__WORKER_FRAMES_LIMIT);
    free(memory);
}

static void random_memory_is_read_without_harm(void **state)
{
    (void)state;
    const unsigned seed = (unsigned)time(NULL);
    srand(seed);
    struct tp__worker_memory *memory = new_memory();
    static struct symbolizer_arguments arguments;
    for (int round = 0; round < 300; round++) {
        uint8_t *bytes = (uint8_t *)memory;
        for (size_t i = 0; i < tp__worker_memory_size(THREADS); i++)
            bytes[i] = (uint8_t)rand();
        atomic_store(&memory->crash.state, TP__CRASH_COMPLETE);
        const struct tp__worker_crash record = crash_record(memory);
        struct agent_suspect suspects[THREADS];
        char text[256];
        crash_describe(&(struct crash_end){.signal = rand() % 80}, &record, text);
        const size_t count = crash_suspects(memory, THREADS, &record, suspects);
        (void)crash_has_started(memory, (uint64_t)rand() << 33);
        symbolizer_fill(&arguments, memory->load_base, &record);
        if (count > THREADS || strlen(text) > 255 || arguments.pointers[record.frame_count + 3] != NULL)
            fail_msg("seed %u, round %d", seed, round);
    }
    free(memory);
}

/* ---- lines ---- */

static void put(struct lines *lines, const char *text)
{
    size_t room;
    uint8_t *at = lines_room(lines, &room);
    assert_true(room >= strlen(text));
    memcpy(at, text, strlen(text));
    lines_came(lines, strlen(text));
}

static void lines_wait_for_their_end(void **state)
{
    (void)state;
    static struct lines lines;
    put(&lines, "one\ntw");
    assert_int_equal(lines_ready(&lines, false), 4);
    lines_taken(&lines, 4);
    assert_int_equal(lines_ready(&lines, false), 0);
    put(&lines, "o\n");
    assert_int_equal(lines_ready(&lines, false), 4);
    assert_memory_equal(lines.bytes, "two\n", 4);
    lines_taken(&lines, 4);
    put(&lines, "rest");
    assert_int_equal(lines_ready(&lines, true), 4);
}

static void a_line_without_end_is_handed_on_when_the_room_is_full(void **state)
{
    (void)state;
    static struct lines lines;
    size_t room;
    uint8_t *at = lines_room(&lines, &room);
    memset(at, 'x', room);
    lines_came(&lines, room - 1);
    assert_int_equal(lines_ready(&lines, false), 0);
    lines_came(&lines, 1);
    assert_int_equal(lines_ready(&lines, false), LINES_BYTES);
    lines_taken(&lines, LINES_BYTES);
    (void)lines_room(&lines, &room);
    assert_int_equal(room, LINES_BYTES);
}

static void the_tail_is_the_last_lines(void **state)
{
    (void)state;
    static struct tail tail;
    char text[TAIL_BYTES + 1], line[64], wanted[TAIL_BYTES + 1] = "";
    size_t used = 0;
    tail_text(&tail, text);
    assert_string_equal(text, "");
    for (int i = 0; i < 5000; i++) {
        const int length = snprintf(line, sizeof line, "line %d\n", i);
        tail_add(&tail, (const uint8_t *)line, (size_t)length);
        if (i >= 5000 - TAIL_LINES)
            used += (size_t)snprintf(wanted + used, sizeof wanted - used, "%s", line);
    }
    wanted[used - 1] = '\0'; /* without the line's end */
    tail_text(&tail, text);
    assert_string_equal(text, wanted);
    tail_add(&tail, (const uint8_t *)"\n\n", 2);
    tail_text(&tail, text);
    assert_non_null(strstr(text, "line 4999"));
    assert_int_not_equal(text[strlen(text) - 1], '\n');
    tail_add(&tail, (const uint8_t *)"\033[1mbad\001", 8);
    tail_text(&tail, text);
    assert_non_null(strstr(text, "?[1mbad?"));
}

static void long_lines_fill_the_tail_but_no_more(void **state)
{
    (void)state;
    static struct tail tail;
    static uint8_t bytes[3 * TAIL_BYTES];
    char text[TAIL_BYTES + 1];
    memset(bytes, 'a', sizeof bytes);
    tail_add(&tail, bytes, sizeof bytes);
    tail_text(&tail, text);
    assert_int_equal(strlen(text), TAIL_BYTES); /* the only one: its end */
    tail_add(&tail, (const uint8_t *)"\nlast", 5);
    tail_text(&tail, text);
    assert_string_equal(text, "last");
}

/* ---- memory ---- */

static void memory_is_measured(void **state)
{
    (void)state;
    assert_true(memory_of_machine() > 64 << 20);
    assert_true(memory_of_machine() < UINT64_MAX);
    const uint64_t before = memory_of_process(getpid());
    assert_true(before > 0);
    enum { MORE = 64 << 20 };
    volatile char *more = malloc(MORE);
    assert_non_null((void *)(uintptr_t)more);
    for (size_t i = 0; i < MORE; i += 1024)
        more[i] = 1;
    assert_true(memory_of_process(getpid()) >= before + MORE / 2);
    free((void *)(uintptr_t)more);
    assert_int_equal(memory_of_process(0x7ffffff), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_a_process_is_told_in_words),
        cmocka_unit_test(the_thread_that_crashed_names_the_suspect),
        cmocka_unit_test(a_task_has_started_only_between_its_start_and_its_end),
        cmocka_unit_test(a_record_that_is_not_finished_does_not_count),
        cmocka_unit_test(random_memory_is_read_without_harm),
        cmocka_unit_test(lines_wait_for_their_end),
        cmocka_unit_test(a_line_without_end_is_handed_on_when_the_room_is_full),
        cmocka_unit_test(the_tail_is_the_last_lines),
        cmocka_unit_test(long_lines_fill_the_tail_but_no_more),
        cmocka_unit_test(memory_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
