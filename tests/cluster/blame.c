/* SPDX-License-Identifier: MIT */
/* A task that ends its process is blamed, by name and with the reason, and nobody else is. */
#include "check.h"
#include "cluster/marks.h"
#include "jump.h"
#include "test_pool.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

enum { PARKED = 24, UNSTARTED = 100 };

enum how {
    SEGFAULT,
    ABORT,
    DIVIDE,
    ILLEGAL,
    EXIT,
    OVERFLOW,
    KILLED,
    TERMINATED,
    RAISED,
    SIGNALLED,
    SENT,
    JUMPED,
    MEMORY
};

__attribute__((noinline)) static int64_t use_stack(int64_t bytes)
{
    volatile char block[1024];
    for (size_t i = 0; i < sizeof block; i += 64)
        block[i] = (char)bytes;
    return bytes <= 1024 ? block[0] : use_stack(bytes - 1024) + block[64];
}

static void use_memory(void)
{
    for (;;) {
        const size_t size = 16 << 20;
        volatile char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            tp_raise("no memory left");
        for (size_t i = 0; i < size; i += 4096)
            block[i] = 1;
        tp_yield();
    }
}

static volatile uintptr_t nowhere = 16;

__attribute__((noinline)) static int64_t die_here(int how)
{
    switch ((enum how)how) {
    case SEGFAULT:
        return *(volatile int *)nowhere;
    case ABORT:
        abort();
    case DIVIDE:
        raise(SIGFPE);
        break;
    case ILLEGAL:
        __builtin_trap();
    case EXIT:
        exit(7);
    case OVERFLOW:
        return use_stack(64 << 20);
    case KILLED:
        raise(SIGKILL);
        break;
    case TERMINATED: /* a thread that takes signals gets it */
        kill(getpid(), SIGTERM);
        pause();
        break;
    case RAISED:
        raise(SIGTERM);
        break;
    case SIGNALLED:
        pthread_kill(pthread_self(), SIGUSR1);
        break;
    case SENT:
        raise(SIGSEGV);
        break;
    case JUMPED:
        return use_large_frame(how);
    case MEMORY:
        use_memory();
        break;
    }
    return 0;
}

TP_TASK(die, int64_t, (int, how), (tp_str, marks))
{
    mark(marks, "die");
    fprintf(stderr, "task number %d says farewell\n", how);
    return die_here(how) + 1;
}

TP_TASK(park, int64_t, (tp_channel *, gate), (tp_str, marks), (int, i))
{
    mark(marks, "parked %d", i);
    int64_t nothing;
    if (tp_recv(gate, &nothing) != TP_E_CLOSED)
        tp_raise("the gate gave something");
    return 2 * i;
}

/* Holds its worker: it is current when the process dies. */
TP_TASK(hold, int64_t, (tp_str, marks), (int, i))
{
    mark(marks, "held %d", i);
    while (marks_of(marks.data, "release") == 0)
        usleep(2000);
    return 3 * i;
}

TP_TASK(quick, int64_t, (int64_t, x))
{
    return x + 1;
}

static tp_pool *pool;

static void await_all(tp_promise **promises, int count, int64_t factor, int64_t offset)
{
    for (int i = 0; i < count; i++) {
        int64_t value = -1;
        CHECK_OK(tp_await(promises[i], &value));
        CHECK_INT(value, factor * i + offset);
        tp_promise_release(promises[i]);
    }
}

static void check_blame(tp_promise *promise, const char *task, const char *reason, const char *function)
{
    const tp_error *error = tp_promise_error(promise);
    CHECK_STATUS(error->status, TP_E_TASK);
    CHECK_CONTAINS(error->message, reason);
    CHECK_CONTAINS(error->message, task);
    CHECK_CONTAINS(error->message, error->node);
    CHECK_STR(error->task, task);
    CHECK(strncmp(error->node, "node", 4) == 0);
    CHECK(error->worker >= 0 && (size_t)error->worker < tp_pool_size(pool));
    if (function)
        CHECK_CONTAINS(error->backtrace, function);
}

/* In the company of parked ones, one that holds its worker, and ones that have not started. */
static void death(int how, const char *reason, const char *function)
{
    static int number;
    char name[32];
    struct marks marks;
    marks_open(&marks);
    snprintf(name, sizeof name, "gate %d", number++);
    tp_channel *gate = tp_pool_channel(pool, name);
    const tp_str path = marks_path(&marks);
    tp_promise *parked[PARKED];
    tp_promise *held[1];
    tp_promise *unstarted[UNSTARTED];

    for (int i = 0; i < PARKED; i++)
        parked[i] = tp_submit(pool, park, gate, path, i);
    CHECK(marks_wait(marks.path, "parked", PARKED));
    held[0] = tp_submit(pool, hold, path, 0);
    CHECK(marks_wait(marks.path, "held", 1));
    tp_promise *guilty = tp_submit(pool, die, how, path);
    for (int i = 0; i < UNSTARTED; i++)
        unstarted[i] = tp_submit(pool, quick, i);

    CHECK_STATUS(tp_await(guilty, NULL), TP_E_TASK);
    check_blame(guilty, "die", reason, function);
    char last_words[64];
    snprintf(last_words, sizeof last_words, "task number %d says farewell", how);
    CHECK_CONTAINS(tp_promise_error(guilty)->message, last_words);
    tp_promise_release(guilty);
    const size_t attempts = marks_of(marks.path, "die");
    CHECK(attempts >= 1 && attempts <= 3);

    mark(path, "release");
    CHECK_OK(tp_channel_close(gate));
    await_all(parked, PARKED, 2, 0);
    await_all(held, 1, 3, 0);
    await_all(unstarted, UNSTARTED, 1, 1);
    CHECK_INT(tp_pool_pending(pool), 0);
    marks_close(&marks);
}

static void a_segmentation_fault_is_blamed(void)
{
    death(SEGFAULT, "SIGSEGV at address 0x10", "die_here");
}
static void an_abort_is_blamed(void)
{
    death(ABORT, "SIGABRT", "die_here");
}
static void an_arithmetic_error_is_blamed(void)
{
    death(DIVIDE, "SIGFPE", "die_here");
}
static void an_illegal_instruction_is_blamed(void)
{
    death(ILLEGAL, "SIG", "die_here");
}
static void an_exit_is_blamed(void)
{
    death(EXIT, "called exit(7)", "die_here");
}
static void an_overflow_is_blamed(void)
{
    death(OVERFLOW, "overflowed its 64 KiB stack", NULL);
}
static void a_kill_is_blamed(void)
{
    death(KILLED, "SIGKILL", NULL);
}
static void a_termination_is_blamed(void)
{
    death(TERMINATED, "SIGTERM", NULL);
}
static void a_signal_that_a_task_raises_ends_it(void)
{
    death(RAISED, "was killed by SIGTERM", "die_here");
    death(SIGNALLED, "was killed by SIGUSR1", "die_here");
}
static void a_frame_that_jumps_over_the_guard_is_an_overflow(void)
{
    death(JUMPED, "overflowed its 64 KiB stack", NULL);
}
static void a_fault_that_was_sent_is_blamed(void)
{
    death(SENT, "SIGSEGV", "die_here");
}
#if !CHECK_ASAN && !CHECK_TSAN /* whose shadow counts */
static void too_much_memory_is_blamed(void)
{
    death(MEMORY, "MiB", NULL);
}
#endif

/* ---- what may not run again ---- */

TP_TASK(park_once, int64_t, (tp_channel *, gate), (tp_str, marks))
{
    mark(marks, "once");
    int64_t nothing;
    tp_recv(gate, &nothing);
    return 1;
}

TP_TASK(tell_and_park, int64_t, (tp_channel *, gate), (tp_channel *, out), (tp_str, marks))
{
    mark(marks, "tells");
    tp_try(tp_send(out, (int64_t)42));
    int64_t nothing;
    tp_recv(gate, &nothing);
    return 1;
}

static void what_may_not_run_again_fails_and_names_the_crash(void)
{
    struct marks marks;
    marks_open(&marks);
    const tp_str path = marks_path(&marks);
    tp_channel *gate = tp_pool_channel(pool, "precious gate");
    tp_channel *out = tp_pool_channel(pool, "precious out");
    const tp_task_options first = {.pinned = true, .worker = 0};
    const tp_task_options once = {.pinned = true, .worker = 0, .at_most_once = true};
    const tp_task_options second = {.pinned = true, .worker = 1};

    tp_auto(tp_promise) granted = tp_submit_with(pool, once, park_once, gate, path);
    tp_auto(tp_promise) effectful = tp_submit_with(pool, first, tell_and_park, gate, out, path);
    int64_t message = 0;
    CHECK_OK(tp_recv(out, &message));
    CHECK_INT(message, 42);
    CHECK(marks_wait(marks.path, "once", 1));
    tp_auto(tp_promise) guilty = tp_submit_with(pool, second, die, SEGFAULT, path);
    CHECK_STATUS(tp_await(guilty, NULL), TP_E_TASK);

    CHECK_STATUS(tp_await(granted, NULL), TP_E_NODE_LOST);
    CHECK_CONTAINS(tp_promise_error(granted)->message, "at most once");
    CHECK_CONTAINS(tp_promise_error(granted)->message, "SIGSEGV");
    CHECK_STATUS(tp_await(effectful, NULL), TP_E_NODE_LOST);
    CHECK_CONTAINS(tp_promise_error(effectful)->message, "messages");
    CHECK_CONTAINS(tp_promise_error(effectful)->message, "SIGSEGV");
    CHECK_OK(tp_drain(pool));
    CHECK_INT(marks_of(marks.path, "once"), 1);
    CHECK_INT(marks_of(marks.path, "tells"), 1);
    CHECK_STATUS(tp_try_recv(out, &message), TP_E_EMPTY);
    CHECK_OK(tp_channel_close(gate));
    marks_close(&marks);
}

static void an_at_most_once_task_that_crashes_fails_and_ran_once(void)
{
    struct marks marks;
    marks_open(&marks);
    const tp_task_options options = {.at_most_once = true};
    tp_auto(tp_promise) promise = tp_submit_with(pool, options, die, KILLED, marks_path(&marks));
    const tp_status status = tp_await(promise, NULL);
    CHECK(status == TP_E_NODE_LOST || status == TP_E_TASK);
    CHECK_CONTAINS(tp_promise_error(promise)->message, "SIGKILL");
    CHECK_OK(tp_drain(pool));
    CHECK_INT(marks_of(marks.path, "die"), 1);
    marks_close(&marks);
}

static void a_poison_task_stops_after_its_attempts(void)
{
    for (int limit = 1; limit <= 3; limit++) {
        struct marks marks;
        marks_open(&marks);
        tp_channel *gate = tp_pool_channel(pool, limit == 1 ? "poison 1" : limit == 2 ? "poison 2" : "poison 3");
        tp_promise *parked[4];
        for (int i = 0; i < 4; i++)
            parked[i] = tp_submit(pool, park, gate, marks_path(&marks), i);
        CHECK(marks_wait(marks.path, "parked", 4));
        const tp_task_options options = {.max_attempts = limit};
        tp_auto(tp_promise) promise = tp_submit_with(pool, options, die, ABORT, marks_path(&marks));
        CHECK_STATUS(tp_await(promise, NULL), TP_E_TASK);
        CHECK_OK(tp_channel_close(gate));
        await_all(parked, 4, 2, 0);
        const size_t attempts = marks_of(marks.path, "die");
        CHECK(attempts >= 1 && attempts <= (size_t)limit);
        marks_close(&marks);
    }
}

/* ---- guilty while parked: a thread of its own ends the process ---- */

static void *kill_when_told(void *argument)
{
    const char *path = argument;
    while (marks_of(path, "now") == 0)
        usleep(2000);
    raise(SIGKILL);
    return NULL;
}

TP_TASK(time_bomb, int64_t, (tp_channel *, gate), (tp_str, marks))
{
    static char path[64];
    pthread_t thread;
    snprintf(path, sizeof path, "%s", marks.data);
    if (pthread_create(&thread, NULL, kill_when_told, path) != 0)
        tp_raise("no thread");
    pthread_detach(thread);
    mark(marks, "bomb");
    int64_t nothing;
    tp_recv(gate, &nothing);
    return 0;
}

static void one_bad_among_fifty_parked_is_found_by_halving(void)
{
    enum { FIFTY = 50 };
    struct marks marks;
    marks_open(&marks);
    const tp_str path = marks_path(&marks);
    tp_channel *gate = tp_pool_channel(pool, "bomb gate");
    tp_promise *parked[FIFTY];
    const tp_task_options here = {.pinned = true, .worker = 0};
    const tp_task_options there = {.pinned = true, .worker = 1};
    for (int i = 0; i < FIFTY; i++)
        parked[i] = tp_submit_with(pool, i % 2 ? here : there, park, gate, path, i);
    tp_auto(tp_promise) bomb = tp_submit_with(pool, here, time_bomb, gate, path);
    CHECK(marks_wait(marks.path, "parked", FIFTY));
    CHECK(marks_wait(marks.path, "bomb", 1));
    mark(path, "now");

    const tp_status status = tp_await(bomb, NULL);
    CHECK(status == TP_E_TASK || status == TP_E_NODE_LOST);
    CHECK_CONTAINS(tp_promise_error(bomb)->message, "SIGKILL");
    CHECK_CONTAINS(tp_promise_error(bomb)->message, "time_bomb");
    const size_t attempts = marks_of(marks.path, "bomb");
    CHECK(attempts <= 16);
    CHECK_OK(tp_channel_close(gate));
    await_all(parked, FIFTY, 2, 0);
    marks_close(&marks);
}

TP_TASK(die_the_first_time, int64_t, (tp_str, path))
{
    mark(path, "attempt");
    if (marks_of(path.data, "attempt") == 1)
        raise(SIGKILL);
    return 5;
}

/* Whoever ends a process from outside (an operator, the kernel for want of memory) picks no task. */
static void the_only_task_of_a_process_that_is_killed_runs_again(void)
{
    struct marks marks;
    marks_open(&marks);
    int64_t value = 0;
    CHECK_OK(tp_run(pool, die_the_first_time, &value, marks_path(&marks)));
    CHECK_INT(value, 5);
    CHECK_INT(marks_of(marks.path, "attempt"), 2);
    marks_close(&marks);
}

static void an_isolated_task_dies_alone(void)
{
    struct marks marks;
    marks_open(&marks);
    const tp_str path = marks_path(&marks);
    tp_channel *gate = tp_pool_channel(pool, "isolated gate");
    tp_promise *parked[4];
    for (int i = 0; i < 4; i++)
        parked[i] = tp_submit(pool, park, gate, path, i);
    CHECK(marks_wait(marks.path, "parked", 4));
    tp_auto(tp_promise) guilty = tp_submit_with(pool, tp_task_options(.isolated = true), die, SEGFAULT, path);
    CHECK_STATUS(tp_await(guilty, NULL), TP_E_TASK);
    check_blame(guilty, "die", "SIGSEGV", "die_here");
    CHECK_INT(marks_of(marks.path, "die"), 1); /* alone: guilty the first time */
    CHECK_OK(tp_channel_close(gate));
    await_all(parked, 4, 2, 0);
    CHECK_INT(marks_of(marks.path, "parked"), 4); /* nobody ran again */
    marks_close(&marks);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    static const struct check_test tests[] = {
        CHECK_TEST(a_segmentation_fault_is_blamed),
        CHECK_TEST(an_abort_is_blamed),
        CHECK_TEST(an_arithmetic_error_is_blamed),
        CHECK_TEST(an_illegal_instruction_is_blamed),
        CHECK_TEST(an_exit_is_blamed),
        CHECK_TEST(an_overflow_is_blamed),
        CHECK_TEST(a_kill_is_blamed),
        CHECK_TEST(a_termination_is_blamed),
        CHECK_TEST(a_signal_that_a_task_raises_ends_it),
        CHECK_TEST(a_frame_that_jumps_over_the_guard_is_an_overflow),
        CHECK_TEST(a_fault_that_was_sent_is_blamed),
#if !CHECK_ASAN && !CHECK_TSAN
        CHECK_TEST(too_much_memory_is_blamed),
#endif
        CHECK_TEST(what_may_not_run_again_fails_and_names_the_crash),
        CHECK_TEST(an_at_most_once_task_that_crashes_fails_and_ran_once),
        CHECK_TEST(a_poison_task_stops_after_its_attempts),
        CHECK_TEST(one_bad_among_fifty_parked_is_found_by_halving),
        CHECK_TEST(the_only_task_of_a_process_that_is_killed_runs_again),
        CHECK_TEST(an_isolated_task_dies_alone),
    };
    pool = test_pool_open(2);
    CHECK_RUN(tests, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
