/* SPDX-License-Identifier: MIT */
#include "workers.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* cmocka needs the above */
#include <cmocka.h>

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_received(void *context, uint32_t worker, const uint8_t *bytes, size_t size)
{
    struct worker_seen *seen = &((struct workers *)context)->seen[worker];
    const size_t room = sizeof seen->received - 1 - seen->received_size;
    memcpy(seen->received + seen->received_size, bytes, size < room ? size : room);
    seen->received_size += size < room ? size : room;
}

static void on_output(void *context, uint32_t worker, int descriptor, uint64_t task, uint32_t dispatch,
                      const uint8_t *bytes, size_t size)
{
    struct worker_seen *seen = &((struct workers *)context)->seen[worker];
    const size_t room = sizeof seen->output - seen->output_size;
    const int length = snprintf(seen->output + seen->output_size, room, "%d:%d/%d:%.*s", descriptor, (int)task,
                                (int)dispatch, (int)size, (const char *)bytes);
    seen->output_size += (size_t)length < room ? (size_t)length : room - 1;
}

static void on_ended(void *context, uint32_t worker, const struct tp__hash *program, const struct agent_crash *crash)
{
    (void)program;
    struct worker_seen *seen = &((struct workers *)context)->seen[worker];
    seen->ended = true;
    seen->crash = *crash;
    snprintf(seen->backtrace, sizeof seen->backtrace, "%s", crash->backtrace);
    snprintf(seen->last_output, sizeof seen->last_output, "%s", crash->last_output);
    for (size_t i = 0; i < crash->suspect_count && i < 16; i++)
        seen->suspects[i] = crash->suspects[i];
    seen->seven_started = crash->has_started(crash->context, 7, 2);
    seen->eight_started = crash->has_started(crash->context, 8, 1);
}

static void on_warning(void *context, const char *event, const char *text)
{
    ((struct workers *)context)->warnings++;
    fprintf(stderr, "%s: %s\n", event, text);
}

struct workers *workers_open(void (*change)(struct processes_options *options))
{
    struct workers *workers = calloc(1, sizeof *workers);
    assert_non_null(workers);
    snprintf(workers->directory, sizeof workers->directory, "/tmp/taskpool-test-XXXXXX");
    assert_non_null(mkdtemp(workers->directory));
    workers->program = open(FAKE_WORKER, O_RDONLY | O_CLOEXEC);
    assert_true(workers->program >= 0);

    struct tp__problem problem;
    if (!events_open(&workers->events, &problem))
        fail_msg("%s", problem.text);
    static const char *const handed_on[] = {"NODE_TEST_HANDED_ON", "ASAN_OPTIONS", NULL};
    struct processes_options options = {.same_user = geteuid() != 0,
                                        .uid_base = test_first_user(),
                                        .uid_count = TEST_USERS,
                                        .scratch = "/tmp",
                                        .environment = handed_on};
    if (change)
        change(&options);
    const struct process_events callbacks = {on_received, on_output, on_ended, on_warning, workers};
    workers->processes = processes_new(&workers->events, &options, &callbacks, &problem);
    if (!workers->processes)
        fail_msg("%s", problem.text);
    return workers;
}

void workers_step(struct workers *workers, int64_t start_ms)
{
    if (now_ms() - start_ms > 30000)
        fail_msg("waited for 30 s");
    processes_flush(workers->processes);
    const int64_t next = processes_tick(workers->processes, now_ms());
    const int64_t wait = next == INT64_MAX ? 100 : next - now_ms();
    events_wait(&workers->events, wait < 0 ? 0 : wait > 100 ? 100 : (int)wait);
}

void workers_close(struct workers *workers)
{
    processes_stop(workers->processes);
    WORKERS_UNTIL(workers, processes_count(workers->processes) == 0);
    processes_free(workers->processes);
    events_close(&workers->events);
    close(workers->program);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", workers->directory);
    assert_int_equal(system(command), 0);
    free(workers);
}

void workers_start(struct workers *workers, uint32_t worker, const char *behaviour)
{
    struct tp__problem problem;
    struct agent_worker_options options = {.threads = 2, .first_worker = 5};
    snprintf(options.program_name, sizeof options.program_name, "%s", behaviour);
    memset(&workers->seen[worker], 0, sizeof workers->seen[worker]);
    if (!process_start(workers->processes, worker, &options, workers->program, &problem))
        fail_msg("%s", problem.text);
}

void workers_send(struct workers *workers, uint32_t worker, const char *text)
{
    process_send(workers->processes, worker, (const uint8_t *)text, strlen(text));
}
