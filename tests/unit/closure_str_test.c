/* SPDX-License-Identifier: MIT */
#include "closure_support.h"

static void a_literal_owns_nothing(void **state)
{
    (void)state;
    static const tp_str at_file_scope = tp_str_lit("abc");
    assert_string_equal(at_file_scope.data, "abc");
    assert_int_equal(at_file_scope.length, 3);
    const tp_str same = tp_str_retain(at_file_scope);
    assert_ptr_equal(same.data, at_file_scope.data);
    tp_str_release(same);
    tp_str_release(at_file_scope);
    tp_str_release((tp_str){NULL, 0, NULL});
}

static void a_new_string_is_a_copy_with_a_0_behind_it(void **state)
{
    (void)state;
    char text[] = "hello";
    tp_str string = tp_str_new(text);
    text[0] = 'j';
    assert_string_equal(string.data, "hello");
    tp_str again = tp_str_retain(string);
    assert_ptr_equal(again.data, string.data);
    tp_str_release(string);
    assert_string_equal(again.data, "hello");
    tp_str_release(again);

    tp_str part = tp_str_new_n("a\0bcd", 4);
    assert_int_equal(part.length, 4);
    assert_memory_equal(part.data, "a\0bc", 5);
    tp_str_release(part);
}

static void an_empty_string_takes_no_memory(void **state)
{
    (void)state;
    assert_string_equal(tp_str_new("").data, "");
    assert_string_equal(tp_str_new_n(NULL, 0).data, "");
    assert_string_equal(tp_str_format("%s", "").data, "");
    assert_int_equal(tp_bytes_new(NULL, 0).size, 0);
}

static void a_format_gives_a_string_of_any_length(void **state)
{
    (void)state;
    tp_str string = tp_str_format("%d %s", 42, "x");
    assert_string_equal(string.data, "42 x");
    tp_str_release(string);
    string = tp_str_format("%5000d", 1);
    assert_int_equal(string.length, 5000);
    assert_int_equal(strlen(string.data), 5000);
    tp_str_release(string);
}

static void borrowed_memory_is_copied_when_it_is_retained(void **state)
{
    (void)state;
    char text[] = "abc";
    const tp_str view = tp_str_view(text, 2);
    assert_ptr_equal(view.data, text);
    tp_str own = tp_str_retain(view);
    text[0] = 'x';
    assert_string_equal(own.data, "ab");
    tp_str_release(view);
    tp_str_release(own);
    tp_bytes bytes = tp_bytes_retain(tp_bytes_view(text, 3));
    text[1] = 'y';
    assert_memory_equal(bytes.data, "xbc", 3);
    tp_bytes_release(bytes);
}

static void strings_compare_by_their_bytes(void **state)
{
    (void)state;
    assert_true(tp_str_equal(tp_str_lit("a"), tp_str_view("abc", 1)));
    assert_true(tp_str_equal(tp_str_lit(""), (tp_str){NULL, 0, NULL}));
    assert_false(tp_str_equal(tp_str_lit("a"), tp_str_lit("ab")));
    assert_true(tp_str_compare(tp_str_lit("a"), tp_str_lit("ab")) < 0);
    assert_true(tp_str_compare(tp_str_lit("b"), tp_str_lit("ab")) > 0);
    assert_true(tp_str_compare(tp_str_lit("\xff"), tp_str_lit("a")) > 0);
    assert_int_equal(tp_str_compare(tp_str_lit("x"), tp_str_lit("x")), 0);
    assert_true(tp_bytes_equal(tp_bytes_view("ab", 2), tp_bytes_view("abc", 2)));
    assert_false(tp_bytes_equal(tp_bytes_view("ab", 2), tp_bytes_view("ac", 2)));
}

static void bad_arguments_give_a_failed_string(void **state)
{
    (void)state;
    const char *volatile none = NULL;
    assert_null(tp_str_new(none).data);
    assert_int_equal(tp_last_error()->status, TP_E_ARGUMENT);
    assert_null(tp_str_new_n(none, 3).data);
    assert_null(tp_bytes_new(none, 3).data);
    const tp_str failed = tp_str_new_n("", SIZE_MAX - 8);
    assert_null(failed.data);
    assert_int_equal(tp_last_error()->status, TP_E_NOMEM);
    assert_null(tp_str_retain(failed).data);
    tp_str_release(failed);
    tp_str copy;
    assert_fails(TP_E_ARGUMENT, tp__value_copy(TP_KIND_STR, sizeof copy, &copy, &failed));
    assert_null(copy.owner);
}

static tp_status make_strings(void)
{
    tp_str a = tp_str_new("a string");
    tp_str b = tp_str_format("%d strings", 7);
    tp_bytes c = tp_bytes_new("bytes", 5);
    const bool all = a.data && b.data && c.data;
    tp_str_release(a);
    tp_str_release(b);
    tp_bytes_release(c);
    return all ? TP_OK : tp_last_error()->status;
}

static void without_memory_there_is_no_string(void **state)
{
    (void)state;
    refuse_each_allocation(make_strings);
}

static void what_a_task_makes_is_freed_when_it_ends(void **state)
{
    (void)state;
    fake_task_begin();
    for (int i = 0; i < 1000; i++)
        assert_non_null(tp_str_format("string %d", i).data);
    assert_non_null(tp_bytes_new("x", 1).data);
    assert_int_equal(fake_task_owned(), 1001);
    fake_task_end();
}

static void a_release_inside_a_task_frees_early(void **state)
{
    (void)state;
    fake_task_begin();
    tp_str strings[200];
    for (size_t i = 0; i < 200; i++)
        strings[i] = tp_str_format("string %zu", i);
    for (size_t i = 0; i < 200; i += 3)
        tp_str_release(strings[i]);
    assert_int_equal(fake_task_owned(), 133);
    for (size_t i = 0; i < 200; i++)
        if (i % 3 != 0)
            tp_str_release(strings[i]);
    assert_int_equal(fake_task_owned(), 0);
    for (int i = 0; i < 100000; i++)
        tp_str_release(tp_str_new("a loop needs no more memory than one round"));
    assert_int_equal(fake_task_owned(), 0);
    fake_task_end();
}

static void a_release_of_what_is_not_the_tasks_does_nothing(void **state)
{
    (void)state;
    tp_str outside = tp_str_new("made outside");
    fake_task_begin();
    tp_str_release(outside);
    tp_str mine = tp_str_retain(outside);
    tp_str_release(mine);
    tp_str_release(mine);
    assert_string_equal(outside.data, "made outside");
    fake_task_end();
    tp_str_release(outside);
}

static tp_status make_strings_in_task(void)
{
    fake_task_begin();
    tp_status status = TP_OK;
    for (int i = 0; i < 20 && status == TP_OK; i++)
        if (!tp_str_new("a string of a task").data)
            status = tp_last_error()->status;
    fake_task_end();
    return status;
}

static void without_memory_a_task_owns_nothing_more(void **state)
{
    (void)state;
    refuse_each_allocation(make_strings_in_task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_literal_owns_nothing),
        cmocka_unit_test(a_new_string_is_a_copy_with_a_0_behind_it),
        cmocka_unit_test(an_empty_string_takes_no_memory),
        cmocka_unit_test(a_format_gives_a_string_of_any_length),
        cmocka_unit_test(borrowed_memory_is_copied_when_it_is_retained),
        cmocka_unit_test(strings_compare_by_their_bytes),
        cmocka_unit_test(bad_arguments_give_a_failed_string),
        cmocka_unit_test(without_memory_there_is_no_string),
        cmocka_unit_test(what_a_task_makes_is_freed_when_it_ends),
        cmocka_unit_test(a_release_inside_a_task_frees_early),
        cmocka_unit_test(a_release_of_what_is_not_the_tasks_does_nothing),
        cmocka_unit_test(without_memory_a_task_owns_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
