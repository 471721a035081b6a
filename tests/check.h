/* SPDX-License-Identifier: MIT */
/** @file
 * Checks for plain test programs: a failed one prints where and what, is counted, and the program goes on.
 *
 * Checks belong to the program's main thread (green threads made there by tp_async included); tasks of a pool and other
 * OS threads fill a probe that main reads. A program ends with `return check_result();`.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* this header comes first */
#endif
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>
#include <unistd.h>

/* Work is scaled down where a sanitizer or counting makes every step expensive. */
#if defined(__SANITIZE_THREAD__)
#define CHECK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHECK_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CHECK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHECK_ASAN 1
#endif
#endif
#ifndef CHECK_TSAN
#define CHECK_TSAN 0
#endif
#ifndef CHECK_ASAN
#define CHECK_ASAN 0
#endif
#ifndef CHECK_COVERAGE
#define CHECK_COVERAGE 0
#endif
#define CHECK_SCALE(normal, slow) ((CHECK_TSAN || CHECK_ASAN || CHECK_COVERAGE) ? (slow) : (normal))

static int check_failures;
static const char *check_case = "main";

__attribute__((format(printf, 3, 4), unused, cold)) static void check_failed(const char *file, int line,
                                                                             const char *format, ...)
{
    if (gettid() != getpid()) {
        fprintf(stderr, "%s:%d: a check outside the main thread\n", file, line);
        abort();
    }
    check_failures++;
    fprintf(stderr, "%s:%d: %s: ", file, line, check_case);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

__attribute__((unused)) static bool check_is_true(bool value, const char *text, const char *file, int line)
{
    if (!value)
        check_failed(file, line, "%s is false", text);
    return value;
}

__attribute__((unused)) static bool check_equal_int(intmax_t got, intmax_t wanted, const char *text, const char *file,
                                                    int line)
{
    if (got != wanted)
        check_failed(file, line, "%s is %jd instead of %jd", text, got, wanted);
    return got == wanted;
}

__attribute__((unused)) static bool check_equal_bytes(const char *got, size_t got_length, const char *wanted,
                                                      const char *text, const char *file, int line)
{
    const bool equal = got_length == strlen(wanted) && (got_length == 0 || memcmp(got, wanted, got_length) == 0);
    if (!equal)
        check_failed(file, line, "%s is \"%.*s\" instead of \"%s\"", text, (int)got_length, got_length ? got : "",
                     wanted);
    return equal;
}

__attribute__((unused)) static bool check_contains(const char *got, const char *part, const char *text,
                                                   const char *file, int line)
{
    const bool contains = got != NULL && strstr(got, part) != NULL;
    if (!contains)
        check_failed(file, line, "%s is \"%s\", without \"%s\"", text, got ? got : "(null)", part);
    return contains;
}

__attribute__((unused)) static bool check_equal_status(tp_status got, tp_status wanted, const char *text,
                                                       const char *file, int line)
{
    if (got != wanted) {
        const tp_error *last = tp_last_error();
        check_failed(file, line, "%s is %s instead of %s (last error: %s: %s)", text, tp_status_name(got),
                     tp_status_name(wanted), tp_status_name(last->status), last->message);
    }
    return got == wanted;
}

/** Each of these is an expression: true if the check held. */
#define CHECK(condition) check_is_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(got, wanted) check_equal_int((intmax_t)(got), (intmax_t)(wanted), #got, __FILE__, __LINE__)
#define CHECK_STATUS(got, wanted) check_equal_status((got), (wanted), #got, __FILE__, __LINE__)
#define CHECK_OK(got) check_equal_status((got), TP_OK, #got, __FILE__, __LINE__)
/** A C string, and a tp_str, against a C string. */
#define CHECK_STR(got, wanted) check_c_string((got), (wanted), #got, __FILE__, __LINE__)
#define CHECK_TP_STR(got, wanted) check_tp_string((got), (wanted), #got, __FILE__, __LINE__)
#define CHECK_CONTAINS(got, part) check_contains((got), (part), #got, __FILE__, __LINE__)

__attribute__((unused)) static bool check_c_string(const char *got, const char *wanted, const char *text,
                                                   const char *file, int line)
{
    return check_equal_bytes(got ? got : "", got ? strlen(got) : 0, wanted, text, file, line);
}

__attribute__((unused)) static bool check_tp_string(tp_str got, const char *wanted, const char *text, const char *file,
                                                    int line)
{
    return check_equal_bytes(got.data, got.length, wanted, text, file, line);
}

/** Ends the program at once: what follows would make no sense. */
#define CHECK_OR_EXIT(condition)                     \
    do {                                             \
        if (!CHECK(condition)) {                     \
            const tp_error *last_ = tp_last_error(); \
            fprintf(stderr, "%s\n", last_->message); \
            exit(1);                                 \
        }                                            \
    } while (0)

/** One test of a program that has several: its name states the rule. */
struct check_test {
    const char *name;
    void (*function)(void);
};
#define CHECK_TEST(function) \
    {                        \
#function, function  \
    }

/** Runs all tests, or the one that argv[1] names. */
#define CHECK_RUN(tests, argc, argv) check_run((tests), sizeof(tests) / sizeof((tests)[0]), (argc), (argv))

__attribute__((unused)) static void check_run(const struct check_test *tests, size_t count, int argc, char **argv)
{
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
            continue;
        check_case = tests[i].name;
        const int before = check_failures;
        tests[i].function();
        printf("%s %s\n", check_failures == before ? "ok  " : "FAIL", check_case);
        fflush(stdout);
    }
    check_case = "main";
}

__attribute__((unused)) static int check_result(void)
{
    if (check_failures > 0)
        fprintf(stderr, "%d check%s failed\n", check_failures, check_failures == 1 ? "" : "s");
    return check_failures > 0;
}

#endif
