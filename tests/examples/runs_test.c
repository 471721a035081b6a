/* SPDX-License-Identifier: MIT */
/* The runs of wordcount, which travel between tasks: merged they hold every word once, with the sum of its counts, in
 * order; and one that is damaged is refused. */
#include "wordcount/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above. */
#include <cmocka.h>

static size_t make_run(uint8_t *run, const struct word *words, size_t count)
{
    uint8_t *end = run;
    for (size_t i = 0; i < count; i++)
        end = run_put(end, &words[i]);
    return (size_t)(end - run);
}

#define WORD(text, count) ((struct word){text, sizeof text - 1, count})

static void assert_run(const uint8_t *run, size_t size, const struct word *words, size_t count)
{
    struct run_reader reader;
    run_open(&reader, run, size);
    for (size_t i = 0; i < count; i++) {
        assert_true(run_next(&reader));
        assert_int_equal(word_compare(&reader.word, &words[i]), 0);
        assert_true(reader.word.count == words[i].count);
    }
    assert_false(run_next(&reader));
    assert_false(reader.damaged);
}

static void merged_runs_hold_each_word_once(void **state)
{
    (void)state;
    const struct word left[] = {WORD("a", 1), WORD("ab", UINT64_MAX - 7), WORD("z", 127)};
    const struct word right[] = {WORD("aa", 5), WORD("ab", 7), WORD("z", 1), WORD("zz", 300)};
    const struct word both[] = {WORD("a", 1), WORD("aa", 5), WORD("ab", UINT64_MAX), WORD("z", 128), WORD("zz", 300)};
    uint8_t a[256], b[256], out[512];
    const size_t a_size = make_run(a, left, 3), b_size = make_run(b, right, 4);
    assert_run(out, run_merge(a, a_size, b, b_size, out), both, 5);
    assert_run(out, run_merge(b, b_size, a, a_size, out), both, 5);
    assert_run(out, run_merge(a, a_size, NULL, 0, out), left, 3);
    assert_run(out, run_merge(NULL, 0, NULL, 0, out), NULL, 0);
}

/* In memory of exactly its size, so that the sanitizers see every byte too many. */
static void damaged_run_is_refused(void **state)
{
    (void)state;
    const struct word words[] = {WORD("first", 1000), WORD("second", 1 << 20)};
    uint8_t run[64], out[128];
    const size_t size = make_run(run, words, 2), first = make_run(run, words, 1);
    make_run(run, words, 2);
    for (size_t length = 1; length < size; length++) {
        uint8_t *cut = malloc(length);
        assert_non_null(cut);
        memcpy(cut, run, length);
        if (length == first)
            assert_run(out, run_merge(cut, length, NULL, 0, out), words, 1);
        else
            assert_true(run_merge(cut, length, NULL, 0, out) == SIZE_MAX);
        free(cut);
    }
    const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_true(run_merge(endless, sizeof endless, NULL, 0, out) == SIZE_MAX);
    const uint8_t too_long[] = {0xff, 0xff, 0xff, 0xff, 0x7f, 'a', 1};
    assert_true(run_merge(NULL, 0, too_long, sizeof too_long, out) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(merged_runs_hold_each_word_once),
                                       cmocka_unit_test(damaged_run_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
