/* SPDX-License-Identifier: MIT */
/* Worker processes: how they are spoken to, and what is found out when they end. */
#include "link/gathering.h"
#include "symbolizer.h"
#include "workers.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct worker_seen *run_to_end(struct workers *workers, const char *behaviour)
{
    workers_start(workers, 1, behaviour);
    WORKERS_UNTIL(workers, workers->seen[1].ended);
    return &workers->seen[1];
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void a_process_says_ready_and_ends_when_it_is_killed(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    workers_start(workers, 1, "ready");
    WORKERS_UNTIL(workers, workers->seen[1].received_size >= TP__RECORD_HEADER_LEAST_BYTES + 8);
    assert_int_equal(workers->seen[1].received[0], TP__RECORD_READY);
    process_kill(workers->processes, 1);
    WORKERS_UNTIL(workers, workers->seen[1].ended);
    assert_string_equal(workers->seen[1].crash.text, "was ended by its node");
    assert_int_equal(workers->seen[1].crash.suspect_count, 0);
    workers_close(workers);
}

/* Whose threads may be gathered on one processor when it starts a process. */
static void a_process_may_run_wherever_the_agent_may_when_it_is_not_gathered(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    struct tp__processors before, seen;
    const int processor = sched_getcpu();
    const bool is_narrowed = tp__processors_narrow(&before, processor); /* not if there is only one */
    processes_gather(workers->processes, processor, is_narrowed ? &before : NULL);
    workers_start(workers, 1, "report");
    workers_send(workers, 1, "g");
    WORKERS_UNTIL(workers, strstr(workers->seen[1].output, "CapAmb"));
    const pid_t pid = (pid_t)atoi(strstr(workers->seen[1].output, "pid=") + 4);
    assert_int_equal(sched_getaffinity(pid, sizeof seen.set, &seen.set), 0);
    if (is_narrowed) {
        tp__processors_restore(&before, processor);
        assert_true(CPU_EQUAL(&seen.set, &before.set));
    }
    workers_close(workers);
}

static void large_records_pass_both_ways(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    workers_start(workers, 1, "echo");
    static char bytes[200 << 10];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 >> 3);
    for (size_t at = 0; at < sizeof bytes; at += 50 << 10)
        process_send(workers->processes, 1, (const uint8_t *)bytes + at, 50 << 10);
    WORKERS_UNTIL(workers, workers->seen[1].received_size >= sizeof bytes);
    assert_memory_equal(workers->seen[1].received, bytes, sizeof bytes);
    workers_close(workers);
}

static void a_segmentation_fault_is_told_with_address_culprit_backtrace_and_last_lines(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = run_to_end(workers, "segv");
    assert_int_equal(seen->crash.signal, SIGSEGV);
    assert_string_equal(seen->crash.text, "was killed by SIGSEGV at address 0x10");
    assert_int_equal(seen->crash.suspect_count, 1);
    assert_int_equal(seen->suspects[0].task, 7);
    assert_int_equal(seen->suspects[0].dispatch, 2);
    assert_true(seen->seven_started);
    assert_false(seen->eight_started);
    assert_contains(seen->backtrace, "crash_in_here (fake_worker.c:");
    assert_contains(seen->backtrace, "be_segv (fake_worker.c:");
    assert_int_equal(strncmp(seen->last_output, "line 31\n", 8), 0);
    assert_contains(seen->last_output, "line 50");
    assert_int_equal(workers->warnings, 0);
    workers_close(workers);
}

static void an_overflowed_stack_is_told(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    assert_string_equal(run_to_end(workers, "overflow")->crash.text, "overflowed its 64 KiB stack");
    workers_close(workers);
}

static void without_a_record_all_that_ran_are_suspects(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = run_to_end(workers, "unrecorded");
    assert_string_equal(seen->crash.text, "was killed by SIGSEGV");
    assert_int_equal(seen->crash.suspect_count, 2);
    assert_int_equal(seen->suspects[0].task, 6);
    assert_int_equal(seen->suspects[1].task, 7);
    assert_string_equal(seen->backtrace, "");
    workers_close(workers);
}

static void an_abort_is_told(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = run_to_end(workers, "abort");
    assert_string_equal(seen->crash.text, "was killed by SIGABRT");
    assert_contains(seen->backtrace, "be_abort (fake_worker.c:");
    workers_close(workers);
}

static void an_exit_is_told_with_its_status(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = run_to_end(workers, "exit");
    assert_string_equal(seen->crash.text, "called exit(3)");
    assert_int_equal(seen->crash.exit_status, 3);
    assert_int_equal(seen->crash.suspect_count, 1);
    assert_int_equal(seen->suspects[0].task, 6);
    seen = run_to_end(workers, "_exit");
    assert_string_equal(seen->crash.text, "ended with status 4");
    assert_int_equal(seen->crash.suspect_count, 2);
    workers_close(workers);
}

static void a_kill_from_elsewhere_is_told(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    workers_start(workers, 1, "report");
    workers_send(workers, 1, "g");
    WORKERS_UNTIL(workers, workers->seen[1].received_size > 0 && strstr(workers->seen[1].output, "pid="));
    kill(atoi(strstr(workers->seen[1].output, "pid=") + 4), SIGKILL);
    WORKERS_UNTIL(workers, workers->seen[1].ended);
    assert_contains(workers->seen[1].crash.text, "was killed by SIGKILL, perhaps by the kernel for want of memory");
    workers_close(workers);
}

static void allow_little_memory(struct processes_options *options)
{
    options->memory_limit_bytes = UINT64_C(256) << 20;
}

static void who_uses_too_much_memory_is_killed_and_told_so(void **state)
{
    (void)state;
    struct workers *workers = workers_open(allow_little_memory);
    workers_start(workers, 1, "eater");
    workers_start(workers, 2, "ready");
    WORKERS_UNTIL(workers, (processes_check_memory(workers->processes), workers->seen[1].ended));
    assert_string_equal(workers->seen[1].crash.text, "used more than its 256 MiB of memory");
    assert_int_equal(workers->seen[1].crash.suspect_count, 2);
    assert_false(workers->seen[2].ended);
    workers_close(workers);
}

static void a_liar_harms_nobody(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = run_to_end(workers, "liar");
    assert_int_equal(seen->crash.signal, SIGSEGV);
    assert_int_equal(seen->received_size, 0);
    assert_in_range(seen->crash.suspect_count, 0, 2);
    workers_close(workers);
}

static void what_was_sent_before_the_end_arrives_before_it(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = run_to_end(workers, "last words");
    assert_int_equal(seen->received_size, 100000);
    assert_string_equal(seen->output, "1:0/0:unfinished");
    assert_string_equal(seen->crash.text, "ended with status 0");
    workers_close(workers);
}

static void lines_come_whole_and_with_the_task_that_wrote_them(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = &workers->seen[1];
    workers_start(workers, 1, "writer");
    WORKERS_UNTIL(workers, seen->received_size >= 1 && seen->output_size > 0);
    assert_string_equal(seen->output, "1:9/3:one\ntwo\n");
    workers_send(workers, 1, "go");
    WORKERS_UNTIL(workers, strstr(seen->output, "three\n") && strstr(seen->output, "whose?"));
    assert_contains(seen->output, "2:0/0:whose?\n");
    workers_close(workers);
}

static void marked_lines_come_without_marks_from_their_tasks_before_what_was_sent_later(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const struct worker_seen *seen = &workers->seen[1];
    workers_start(workers, 1, "marker");
    WORKERS_UNTIL(workers, seen->received_size >= 1);
    assert_string_equal(seen->output, "1:5/1:a\nb\n1:6/2:cd\n1:9/3:\x1e no mark \x1f\n");
    workers_close(workers);
}

static void allow_little_waiting(struct processes_options *options)
{
    options->send_limit_bytes = 4 << 20;
}

static void who_does_not_read_is_ended(void **state)
{
    (void)state;
    struct workers *workers = workers_open(allow_little_waiting);
    workers_start(workers, 1, "deaf");
    WORKERS_UNTIL(workers, workers->seen[1].received_size > 0);
    static const uint8_t bytes[1 << 20];
    for (int i = 0; i < 8; i++)
        process_send(workers->processes, 1, bytes, sizeof bytes);
    WORKERS_UNTIL(workers, workers->seen[1].ended);
    assert_string_equal(workers->seen[1].crash.text, "did not read what it was sent: more than 4 MiB wait");
    workers_close(workers);
}

static void who_closes_its_connection_is_ended(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    assert_string_equal(run_to_end(workers, "closer")->crash.text, "closed its connection to the node");
    workers_close(workers);
}

static void what_cannot_be_executed_is_a_problem(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    FILE *file = tmpfile();
    assert_non_null(file);
    struct tp__problem problem;
    const struct agent_worker_options options = {.threads = 1, .program_name = "x"};
    assert_false(process_start(workers->processes, 1, &options, fileno(file), &problem));
    assert_contains(problem.text, "cannot execute the program: ");
    const struct agent_worker_options many = {.threads = TP__WORKER_THREADS_LIMIT + 1, .program_name = "x"};
    assert_false(process_start(workers->processes, 1, &many, workers->program, &problem));
    fclose(file);
    workers_close(workers);
}

static void many_start_and_end_and_leave_no_descriptor(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    workers_start(workers, 2, "ready");
    const int before = dup(0);
    close(before);
    for (int i = 0; i < 20; i++)
        (void)run_to_end(workers, i % 2 ? "segv" : "_exit");
    processes_stop(workers->processes);
    WORKERS_UNTIL(workers, processes_count(workers->processes) == 0);
    const int after = dup(0);
    close(after);
    assert_true(after <= before);
    workers_close(workers);
}

int main(int argc, char **argv)
{
    symbolizer_run_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_says_ready_and_ends_when_it_is_killed),
        cmocka_unit_test(a_process_may_run_wherever_the_agent_may_when_it_is_not_gathered),
        cmocka_unit_test(large_records_pass_both_ways),
        cmocka_unit_test(a_segmentation_fault_is_told_with_address_culprit_backtrace_and_last_lines),
        cmocka_unit_test(an_overflowed_stack_is_told),
        cmocka_unit_test(without_a_record_all_that_ran_are_suspects),
        cmocka_unit_test(an_abort_is_told),
        cmocka_unit_test(an_exit_is_told_with_its_status),
        cmocka_unit_test(a_kill_from_elsewhere_is_told),
        cmocka_unit_test(who_uses_too_much_memory_is_killed_and_told_so),
        cmocka_unit_test(a_liar_harms_nobody),
        cmocka_unit_test(what_was_sent_before_the_end_arrives_before_it),
        cmocka_unit_test(lines_come_whole_and_with_the_task_that_wrote_them),
        cmocka_unit_test(marked_lines_come_without_marks_from_their_tasks_before_what_was_sent_later),
        cmocka_unit_test(who_does_not_read_is_ended),
        cmocka_unit_test(who_closes_its_connection_is_ended),
        cmocka_unit_test(what_cannot_be_executed_is_a_problem),
        cmocka_unit_test(many_start_and_end_and_leave_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
