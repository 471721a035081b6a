/* SPDX-License-Identifier: MIT */
#include "wire_support.h"

#include "daemon/log.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- pairs ---- */

static void values_are_quoted_when_they_must_be(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text;
    } cases[] = {
        {"plain", "k=plain"},
        {"tcp://127.0.0.1:7077", "k=tcp://127.0.0.1:7077"},
        {"", "k=\"\""},
        {"two words", "k=\"two words\""},
        {"a=b", "k=\"a=b\""},
        {"say \"x\\y\"", "k=\"say \\\"x\\\\y\\\"\""},
        {"line\nend\t\x1b[0m\x7f", "k=\"line\\nend\\t\\u001b[0m\\u007f\""},
        {"42", "k=\"42\""},
        {"true", "k=\"true\""},
        {"caf\xc3\xa9", "k=caf\xc3\xa9"},
        {"bad\xff\xc3x\xed\xa0\x80\xc0\x80\xc2\x85", "k=bad??x???????"},
        {NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tp__pairs pairs = {0};
        tp__pairs_add(&pairs, "k", cases[i].value);
        assert_string_equal(pairs.text, cases[i].text);
    }
    struct tp__pairs pairs = {0};
    tp__pairs_add_number(&pairs, "count", INT64_MIN);
    tp__pairs_add_format(&pairs, "where", "%s:%d", "host", 7);
    assert_string_equal(pairs.text, "count=-9223372036854775808 where=host:7");
}

static void what_is_added_is_read_back(void **state)
{
    (void)state;
    struct dice dice = {77};
    for (unsigned round = 0; round < 2000; round++) {
        char value[40];
        const size_t length = dice_below(&dice, sizeof value);
        for (size_t i = 0; i < length; i++)
            value[i] = (char)(1 + dice_below(&dice, 127));
        value[length] = '\0';
        struct tp__pairs pairs = {0};
        tp__pairs_add(&pairs, "first", value);
        tp__pairs_add_number(&pairs, "second", 5);
        const char *at = pairs.text;
        struct tp__pair pair;
        assert_true(tp__pairs_next(&at, &pair));
        assert_int_equal(pair.key_length, 5);
        assert_memory_equal(pair.key, "first", 5);
        assert_string_equal(pair.value, value);
        assert_int_equal(pair.length, length);
        assert_true(tp__pairs_next(&at, &pair));
        assert_memory_equal(pair.key, "second", 6);
        assert_string_equal(pair.value, "5");
        assert_false(pair.quoted);
        assert_false(tp__pairs_next(&at, &pair));
    }
}

static void what_is_no_pair_comes_without_a_key(void **state)
{
    (void)state;
    const char *at = " word =x k=\"open";
    struct tp__pair pair;
    assert_true(tp__pairs_next(&at, &pair));
    assert_int_equal(pair.key_length, 0);
    assert_string_equal(pair.value, "word");
    assert_true(tp__pairs_next(&at, &pair));
    assert_int_equal(pair.key_length, 0);
    assert_string_equal(pair.value, "=x");
    assert_true(tp__pairs_next(&at, &pair));
    assert_int_equal(pair.key_length, 1);
    assert_string_equal(pair.value, "open");
    assert_false(tp__pairs_next(&at, &pair));
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    struct tp__pairs pairs = {0};
    char value[1101];
    memset(value, '"', 1100);
    value[1100] = '\0';
    tp__pairs_add(&pairs, "a", "1st");
    tp__pairs_add(&pairs, "b", value); /* twice as long with its escapes */
    assert_string_equal(pairs.text, "a=1st");
    assert_true(pairs.cut);
    tp__pairs_add(&pairs, "c", "2nd");
    assert_string_equal(pairs.text, "a=1st c=2nd");
}

/* ---- lines ---- */

static int captured = -1, standard_error = -1;

static void begin_capture(void)
{
    (void)fflush(stderr);
    standard_error = dup(STDERR_FILENO);
    captured = memfd_create("log", 0);
    assert_true(standard_error >= 0 && captured >= 0);
    assert_true(dup2(captured, STDERR_FILENO) >= 0);
}

static const char *end_capture(void)
{
    static char text[16384];
    (void)dup2(standard_error, STDERR_FILENO);
    const ssize_t size = pread(captured, text, sizeof text - 1, 0);
    (void)close(captured);
    (void)close(standard_error);
    assert_true(size >= 0);
    text[size] = '\0';
    return text;
}

static void a_text_line_has_time_level_event_and_pairs(void **state)
{
    (void)state;
    begin_capture();
    tp__log_start(TP__LOG_TEXT, TP__LOG_INFO);
    tp__log(TP__LOG_INFO, "node-joined", "name=alpha workers=16");
    tp__log(TP__LOG_DEBUG, "unheard", "");
    tp__log(TP__LOG_ERROR, "failed", NULL);
    tp__log(TP__LOG_WARNING, "odd", "text=\x1b[31m\xff\nforged");
    const char *text = end_capture();
    int year, month, day, hour, minute, second, milliseconds, length = 0;
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour, &minute, &second,
                            &milliseconds, &length),
                     7);
    assert_int_equal(length, 25);
    const char *line = text + length;
    assert_int_equal(strncmp(line, "info node-joined name=alpha workers=16\n", 39), 0);
    line = strchr(line, '\n') + 1 + length;
    assert_int_equal(strncmp(line, "error failed\n", 13), 0);
    line = strchr(line, '\n') + 1 + length;
    assert_string_equal(line, "warning odd text=?[31m??forged\n");
}

static void a_json_line_is_an_object_with_the_same(void **state)
{
    (void)state;
    struct tp__pairs pairs = {0};
    tp__pairs_add(&pairs, "name", "al \"pha\"\n\xff");
    tp__pairs_add_number(&pairs, "workers", -16);
    tp__pairs_add(&pairs, "digits", "42");
    tp__pairs_add(&pairs, "level", "forged");
    begin_capture();
    tp__log_start(TP__LOG_JSON, TP__LOG_DEBUG);
    tp__log(TP__LOG_DEBUG, "node-joined", pairs.text);
    tp__log_start(TP__LOG_TEXT, TP__LOG_INFO);
    const char *text = end_capture();
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "event")), "node-joined");
    assert_string_equal(json_string_value(json_object_get(object, "level")), "debug");
    assert_int_equal(strlen(json_string_value(json_object_get(object, "time"))), 24);
    assert_string_equal(json_string_value(json_object_get(object, "name")), "al \"pha\"\n?");
    assert_int_equal(json_integer_value(json_object_get(object, "workers")), -16);
    assert_string_equal(json_string_value(json_object_get(object, "digits")), "42");
    json_decref(object);
}

static void the_journal_gets_priorities_and_no_time(void **state)
{
    (void)state;
    begin_capture();
    struct stat status;
    (void)fstat(STDERR_FILENO, &status);
    char stream[64];
    (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)status.st_dev,
                   (unsigned long long)status.st_ino);
    (void)setenv("JOURNAL_STREAM", stream, 1);
    tp__log_start(TP__LOG_TEXT, TP__LOG_DEBUG);
    tp__log(TP__LOG_DEBUG, "a", "");
    tp__log(TP__LOG_INFO, "b", "k=1");
    tp__log(TP__LOG_WARNING, "c", "");
    tp__log(TP__LOG_ERROR, "d", "");
    tp__log_start(TP__LOG_JSON, TP__LOG_INFO);
    tp__log(TP__LOG_INFO, "e", "k=1");
    /* inherited from somebody whose standard error was the journal: ours is not */
    (void)setenv("JOURNAL_STREAM", "1:1", 1);
    tp__log_start(TP__LOG_TEXT, TP__LOG_INFO);
    tp__log(TP__LOG_INFO, "f", "");
    (void)unsetenv("JOURNAL_STREAM");
    const char *text = end_capture();
    static const char expected[] = "<7>debug a\n<6>info b k=1\n<4>warning c\n<3>error d\n"
                                   "<6>{\"level\":\"info\",\"event\":\"e\",\"k\":1}\n2";
    assert_int_equal(strncmp(text, expected, sizeof expected - 1), 0);
}

static unsigned count_lines(const char *text, const char *with)
{
    unsigned count = 0;
    for (const char *at = strstr(text, with); at; at = strstr(at + 1, with))
        count++;
    return count;
}

static void repeated_events_are_counted_once_a_second(void **state)
{
    (void)state;
    begin_capture();
    tp__log_limited(TP__LOG_WARNING, "refused", "why=first", 1000);
    for (unsigned i = 0; i < 500; i++)
        tp__log_limited(TP__LOG_WARNING, "refused", "why=more", 1000 + i);
    const int64_t next = tp__log_flush(1999);
    const int64_t after = tp__log_flush(2000);
    for (unsigned i = 0; i < 30; i++)
        tp__log_limited(TP__LOG_WARNING, "refused", "why=more", 2500);
    tp__log_limited(TP__LOG_WARNING, "refused", "why=late", 3500); /* not before the count is out */
    (void)tp__log_flush(3500);
    const int64_t quiet = tp__log_flush(4500);
    tp__log_limited(TP__LOG_WARNING, "refused", "why=again", 4500);
    (void)tp__log_flush(5500);
    const char *text = end_capture();
    assert_int_equal(next, 2000);
    assert_int_equal(after, 3000);
    assert_true(quiet == INT64_MAX);
    assert_int_equal(count_lines(text, "\n"), 4);
    const char *first = strstr(text, "refused why=first\n");
    assert_non_null(first);
    const char *second = strstr(first, "warning refused repeated=500\n");
    assert_non_null(second);
    const char *third = strstr(second, "refused repeated=31\n");
    assert_non_null(third);
    assert_non_null(strstr(third, "refused why=again\n"));
}

static void many_different_events_cannot_flood_the_log(void **state)
{
    (void)state;
    begin_capture();
    for (unsigned i = 0; i < 1000; i++) {
        char event[32];
        (void)snprintf(event, sizeof event, "event-%u", i);
        tp__log_limited(TP__LOG_INFO, event, "", 10000);
    }
    (void)tp__log_flush(11000);
    (void)tp__log_flush(12000);
    const char *text = end_capture();
    assert_int_equal(count_lines(text, "\n"), 33);
    assert_int_equal(count_lines(text, "warning other repeated=968\n"), 1);
}

static void names_of_levels_and_formats_are_checked(void **state)
{
    (void)state;
    enum tp__log_level level;
    enum tp__log_format format;
    assert_true(tp__log_level_parse(&level, "warning"));
    assert_int_equal(level, TP__LOG_WARNING);
    assert_false(tp__log_level_parse(&level, "loud"));
    assert_true(tp__log_format_parse(&format, "json"));
    assert_int_equal(format, TP__LOG_JSON);
    assert_false(tp__log_format_parse(&format, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_quoted_when_they_must_be),
        cmocka_unit_test(what_is_added_is_read_back),
        cmocka_unit_test(what_is_no_pair_comes_without_a_key),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
        cmocka_unit_test(a_text_line_has_time_level_event_and_pairs),
        cmocka_unit_test(a_json_line_is_an_object_with_the_same),
        cmocka_unit_test(the_journal_gets_priorities_and_no_time),
        cmocka_unit_test(repeated_events_are_counted_once_a_second),
        cmocka_unit_test(many_different_events_cannot_flood_the_log),
        cmocka_unit_test(names_of_levels_and_formats_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
