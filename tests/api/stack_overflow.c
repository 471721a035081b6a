/* SPDX-License-Identifier: MIT */
/* An overflow of a green thread's stack ends the process with the task's name, never with silent corruption; sizes of
 * stacks are obeyed. */
#include "check.h"
#include "child.h"
#include "jump.h"
#include "test_pool.h"

__attribute__((noinline)) static int64_t use_stack(int64_t bytes)
{
    volatile char block[1024];
    for (size_t i = 0; i < sizeof block; i += 64)
        block[i] = (char)bytes;
    if (bytes <= 1024)
        return block[0];
    return use_stack(bytes - 1024) + block[64];
}

TP_TASK(deep_recursion, int64_t, (int64_t, bytes))
{
    return use_stack(bytes);
}

static void overflow(const char *where, tp_pool_options options, int64_t bytes)
{
    tp_pool *pool = tp_pool_open_with(where, options);
    tp_run(pool, deep_recursion, NULL, bytes);
    printf("survived\n");
}

static void child_overflows_the_default(void)
{
    overflow("local:2", (tp_pool_options){.stack_bytes = 0}, 10 << 20);
}

static void child_overflows_a_larger_one(void)
{
    overflow("local:1", (tp_pool_options){.stack_bytes = 1 << 20}, 10 << 20);
}

static void child_overflows_a_task_s_own(void)
{
    tp_pool *pool = tp_pool_open("local:1");
    tp_run_with(pool, tp_task_options(.stack_bytes = 256 << 10), deep_recursion, NULL, 10 << 20);
}

TP_LOCAL_TASK(deep_green_thread, int64_t, (int64_t, bytes))
{
    return use_stack(bytes);
}

static void child_overflows_on_main(void)
{
    tp_await(tp_async(deep_green_thread, 10 << 20), NULL);
}

TP_TASK(large_frame, int64_t, (int64_t, value))
{
    return use_large_frame(value);
}

static void child_jumps_over_the_guard(void)
{
    tp_pool *pool = tp_pool_open("local:1");
    tp_run(pool, large_frame, NULL, 1);
    printf("survived\n");
}

/* Compiled as users of the library do: it stops at the guard, wherever the far end would be. */
__attribute__((noinline)) static int64_t use_middling_frame(int64_t value)
{
    volatile char block[96 << 10];
    __asm__ volatile("" : : "r"(block) : "memory"); /* all of it is there */
    block[0] = (char)value;
    return block[0];
}

TP_TASK(middling_frame, int64_t, (int64_t, value))
{
    return use_middling_frame(value);
}

static void child_touches_the_next_stack(void)
{
    tp_pool *pool = tp_pool_open("local:1");
    tp_run(pool, middling_frame, NULL, 1);
    printf("survived\n");
}

/* An ordinary crash is not called an overflow. */
TP_TASK(null_pointer, int64_t, (int64_t, address))
{
    return *(volatile int *)(uintptr_t)address;
}

static void child_crashes(void)
{
    tp_pool *pool = tp_pool_open("local:1");
    tp_run(pool, null_pointer, NULL, 0);
}

/* Sanitizers turn a signal into an exit code. */
static bool ended_badly(const struct child_end *end)
{
    return end->signal != 0 || ((CHECK_ASAN || CHECK_TSAN) && end->exit_code > 0);
}

static void an_overflow_is_reported_with_the_task_s_name(void)
{
    struct child_end end = child_run("default");
    CHECK(ended_badly(&end));
    CHECK_CONTAINS(end.output, "deep_recursion overflowed its 64 KiB stack");
    end = child_run("larger");
    CHECK(ended_badly(&end));
    CHECK_CONTAINS(end.output, "deep_recursion overflowed its 1024 KiB stack");
    end = child_run("own");
    CHECK(ended_badly(&end));
    CHECK_CONTAINS(end.output, "deep_recursion overflowed its 256 KiB stack");
    end = child_run("main");
    CHECK(ended_badly(&end));
    CHECK_CONTAINS(end.output, "deep_green_thread overflowed its ");
}

static void a_frame_beyond_the_guard_is_reported_as_well(void)
{
    struct child_end end = child_run("jump");
    CHECK(ended_badly(&end));
    CHECK_CONTAINS(end.output, "large_frame overflowed its 64 KiB stack");
    end = child_run("next");
    CHECK(ended_badly(&end));
    CHECK_CONTAINS(end.output, "middling_frame overflowed its 64 KiB stack");
}

static void a_crash_is_no_overflow(void)
{
    const struct child_end end = child_run("crash");
    CHECK(ended_badly(&end));
    CHECK(strstr(end.output, "overflowed") == NULL);
}

/* Most of a stack can be used, under sanitizers a part of it. */
static void stacks_have_the_size_that_was_asked_for(void)
{
    const int64_t part = CHECK_SCALE(4, 1);
    int64_t v = 0;
    tp_with (tp_pool, pool, tp_pool_open("local:1")) {
        CHECK_OK(tp_run(pool, deep_recursion, &v, (64 << 10) / 8 * part));
        CHECK_OK(tp_run_with(pool, tp_task_options(.stack_bytes = 1 << 20), deep_recursion, &v, (1 << 20) / 8 * part));
        CHECK_OK(tp_run_with(pool, tp_task_options(.stack_bytes = 8 << 20), deep_recursion, &v, (8 << 20) / 8 * part));
        CHECK_OK(tp_run(pool, deep_recursion, &v, (64 << 10) / 8 * part));
    }
    tp_with (tp_pool, pool, tp_pool_open_with("local:2", tp_pool_options(.stack_bytes = 4 << 20)))
        CHECK_OK(tp_run(pool, deep_recursion, &v, (4 << 20) / 8 * part));
    tp_with (tp_pool, pool, tp_pool_open_with("local:2", tp_pool_options(.stack_bytes = 16384)))
        CHECK_OK(tp_run(pool, deep_recursion, &v, 1024));
    tp_with (tp_pool, pool, tp_pool_open_with("local:2", tp_pool_options(.stack_bytes = 100000)))
        CHECK_OK(tp_run(pool, deep_recursion, &v, (96 << 10) / 8 * part));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHILD_MAIN(argc, argv, {"default", child_overflows_the_default}, {"larger", child_overflows_a_larger_one},
               {"own", child_overflows_a_task_s_own}, {"main", child_overflows_on_main}, {"crash", child_crashes},
               {"jump", child_jumps_over_the_guard}, {"next", child_touches_the_next_stack});
    const struct check_test tests[] = {
        CHECK_TEST(an_overflow_is_reported_with_the_task_s_name),
        CHECK_TEST(a_frame_beyond_the_guard_is_reported_as_well),
        CHECK_TEST(a_crash_is_no_overflow),
        CHECK_TEST(stacks_have_the_size_that_was_asked_for),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
