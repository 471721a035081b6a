/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include "trust/batch.h"

static struct tp__window *window;
static const struct tp__hash root = {{1}};
static const struct tp__hash other_root = {{2}};

static int open_window(void **state)
{
    (void)state;
    window = tp__window_new();
    return window ? 0 : -1;
}

static int close_window(void **state)
{
    (void)state;
    tp__window_free(window);
    return 0;
}

static void a_leaf_is_taken_once(void **state)
{
    (void)state;
    for (uint32_t index = 0; index < TP__BATCH_LIMIT; index++)
        assert_int_equal(tp__window_take(window, 7, &root, index), TP__WINDOW_NEW);
    for (uint32_t index = 0; index < TP__BATCH_LIMIT; index++)
        assert_int_equal(tp__window_take(window, 7, &root, index), TP__WINDOW_SEEN);
    assert_int_equal(tp__window_take(window, 8, &root, 0), TP__WINDOW_NEW);
}

static void a_number_is_good_for_one_batch(void **state)
{
    (void)state;
    assert_int_equal(tp__window_take(window, 7, &root, 3), TP__WINDOW_NEW);
    assert_int_equal(tp__window_take(window, 7, &other_root, 3), TP__WINDOW_OTHER_ROOT);
    assert_int_equal(tp__window_take(window, 7, &other_root, 4), TP__WINDOW_OTHER_ROOT);
    assert_int_equal(tp__window_take(window, 7, &root, 4), TP__WINDOW_NEW);
    assert_int_equal(tp__window_take(window, 7, &root, 3), TP__WINDOW_SEEN);
}

static void a_leaf_that_no_batch_has_is_refused(void **state)
{
    (void)state;
    assert_int_equal(tp__window_take(window, 7, &root, TP__BATCH_LIMIT), TP__WINDOW_OTHER_ROOT);
    assert_int_equal(tp__window_take(window, 7, &root, UINT32_MAX), TP__WINDOW_OTHER_ROOT);
    assert_int_equal(tp__window_take(window, 7, &other_root, 0), TP__WINDOW_NEW);
}

static void what_is_older_than_the_window_is_stale(void **state)
{
    (void)state;
    const uint64_t newest = 1000000;
    assert_int_equal(tp__window_take(window, newest, &root, 0), TP__WINDOW_NEW);
    assert_int_equal(tp__window_take(window, newest - TP__WINDOW_BATCHES, &root, 0), TP__WINDOW_STALE);
    assert_int_equal(tp__window_take(window, 1, &root, 0), TP__WINDOW_STALE);
    assert_int_equal(tp__window_take(window, newest - TP__WINDOW_BATCHES + 1, &root, 0), TP__WINDOW_NEW);
    assert_int_equal(tp__window_take(window, newest - TP__WINDOW_BATCHES + 1, &root, 0), TP__WINDOW_SEEN);
    assert_int_equal(tp__window_take(window, newest, &root, 0), TP__WINDOW_SEEN);
}

static void the_ends_of_the_numbers_are_numbers(void **state)
{
    (void)state;
    assert_int_equal(tp__window_take(window, 0, &root, 0), TP__WINDOW_OTHER_ROOT);
    assert_int_equal(tp__window_take(window, 1, &root, 0), TP__WINDOW_NEW);
    assert_int_equal(tp__window_take(window, 1, &root, 0), TP__WINDOW_SEEN);
    assert_int_equal(tp__window_take(window, UINT64_MAX, &root, 0), TP__WINDOW_NEW);
    assert_int_equal(tp__window_take(window, UINT64_MAX, &root, 0), TP__WINDOW_SEEN);
    assert_int_equal(tp__window_take(window, 1, &root, 1), TP__WINDOW_STALE);
    assert_int_equal(tp__window_take(window, 0, &root, 1), TP__WINDOW_OTHER_ROOT);
    assert_int_equal(tp__window_take(window, UINT64_MAX - TP__WINDOW_BATCHES + 1, &root, 9), TP__WINDOW_NEW);
}

/* Against a model that remembers everything. */
static void nothing_is_ever_taken_twice(void **state)
{
    (void)state;
    enum { BATCHES = 3 * TP__WINDOW_BATCHES, LEAVES = 4 };
    static bool taken[BATCHES][LEAVES];
    static bool used[BATCHES];
    memset(taken, 0, sizeof taken);
    memset(used, 0, sizeof used);
    uint32_t newest = 1;
    for (uint32_t step = 0; step < 200000; step++) {
        uint32_t batch = newest + random_below(3);
        if (random_below(2))
            batch = newest - random_below(newest < TP__WINDOW_BATCHES + 50 ? newest : TP__WINDOW_BATCHES + 50);
        if (batch >= BATCHES)
            break;
        const uint32_t index = random_below(LEAVES);
        const bool wrong = random_below(10) == 0 && used[batch];
        const enum tp__window_answer answer = tp__window_take(window, batch, wrong ? &other_root : &root, index);
        if (newest >= TP__WINDOW_BATCHES && batch <= newest - TP__WINDOW_BATCHES) {
            assert_int_equal(answer, TP__WINDOW_STALE);
            continue;
        }
        assert_int_equal(answer, wrong                 ? TP__WINDOW_OTHER_ROOT
                                 : taken[batch][index] ? TP__WINDOW_SEEN
                                                       : TP__WINDOW_NEW);
        taken[batch][index] |= !wrong;
        used[batch] = true;
        newest = batch > newest ? batch : newest;
    }
}

static void no_window_can_be_freed(void **state)
{
    (void)state;
    tp__window_free(NULL);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_leaf_is_taken_once, open_window, close_window),
        cmocka_unit_test_setup_teardown(a_number_is_good_for_one_batch, open_window, close_window),
        cmocka_unit_test_setup_teardown(a_leaf_that_no_batch_has_is_refused, open_window, close_window),
        cmocka_unit_test_setup_teardown(what_is_older_than_the_window_is_stale, open_window, close_window),
        cmocka_unit_test_setup_teardown(the_ends_of_the_numbers_are_numbers, open_window, close_window),
        cmocka_unit_test_setup_teardown(nothing_is_ever_taken_twice, open_window, close_window),
        cmocka_unit_test(no_window_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
