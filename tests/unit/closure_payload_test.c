/* SPDX-License-Identifier: MIT */
#include "closure_support.h"

#include "closure/closure.h"

#include <stdlib.h>

typedef struct {
    char tag;
    double weight;
} plain;

static tp_value *probe;

TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}

TP_TASK(half, double, (double, x))
{
    return x / 2;
}

TP_TASK(mixed, tp_str, (tp_str, s), (int8_t, i), (tp_bytes, b), (tp_value, v), (tp_closure, c), (tp_channel *, ch),
        (plain, p))
{
    (void)i, (void)b, (void)c, (void)ch, (void)p;
    if (probe)
        *probe = v;
    return s;
}

TP_TASK(shout, tp_str, (tp_str, s), (tp_str, mark))
{
    return tp_str_format("%s%s", s.data, mark.data);
}

TP_TASK(grow, tp_value, (tp_value, list))
{
    const tp_value copy = tp_value_copy(list);
    tp_try(tp_value_list_append(copy, tp_value_int(7)));
    return copy;
}

TP_TASK(nothing, void)
{
}

/* The stubs of a runtime that is not linked: no task here raises an error. */
void tp_try(tp_status status)
{
    if (status != TP_OK)
        abort();
}

static int8_t as_int8(int64_t value)
{
    return (int8_t)value;
}

static void integers_and_floats_widen_without_loss(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 4, 8};
    for (size_t f = 0; f < 4; f++)
        for (size_t t = 0; t < 4; t++) {
            const size_t from = sizes[f];
            const size_t to = sizes[t];
            assert_int_equal(tp__value_converts(TP_KIND_INT, to, TP_KIND_INT, from), to >= from);
            assert_int_equal(tp__value_converts(TP_KIND_UINT, to, TP_KIND_UINT, from), to >= from);
            assert_int_equal(tp__value_converts(TP_KIND_INT, to, TP_KIND_UINT, from), to > from);
            assert_false(tp__value_converts(TP_KIND_UINT, to, TP_KIND_INT, from));
            assert_false(tp__value_converts(TP_KIND_FLOAT, 8, TP_KIND_INT, from));
            const uint64_t top = UINT64_MAX >> (64 - 8 * from);
            const int64_t signed_limits[] = {0, 1, -1, (int64_t)(top >> 1), -(int64_t)(top >> 1) - 1};
            const uint64_t unsigned_limits[] = {0, 1, top, top >> 1, (top >> 1) + 1};
            for (size_t i = 0; i < 5 && to >= from; i++) {
                int64_t signed_wide = 0x5555555555555555;
                uint64_t unsigned_wide = 0x5555555555555555;
                tp__value_convert(TP_KIND_INT, to, &signed_wide, TP_KIND_INT, from, &signed_limits[i]);
                assert_memory_equal(&signed_wide, &signed_limits[i], to);
                tp__value_convert(TP_KIND_UINT, to, &unsigned_wide, TP_KIND_UINT, from, &unsigned_limits[i]);
                assert_memory_equal(&unsigned_wide, &unsigned_limits[i], to);
                if (to > from) {
                    signed_wide = 0;
                    tp__value_convert(TP_KIND_INT, to, &signed_wide, TP_KIND_UINT, from, &unsigned_limits[i]);
                    assert_true((uint64_t)signed_wide == unsigned_limits[i]);
                }
            }
        }
    assert_true(tp__value_converts(TP_KIND_FLOAT, 8, TP_KIND_FLOAT, 4));
    assert_false(tp__value_converts(TP_KIND_FLOAT, 4, TP_KIND_FLOAT, 8));
    const float narrow = 0.1F;
    double wide = 0;
    tp__value_convert(TP_KIND_FLOAT, 8, &wide, TP_KIND_FLOAT, 4, &narrow);
    assert_true((float)wide - narrow == 0.0F);
    assert_true(tp__value_converts(TP_KIND_PLAIN, 12, TP_KIND_PLAIN, 12));
    assert_false(tp__value_converts(TP_KIND_PLAIN, 12, TP_KIND_PLAIN, 8));
    assert_false(tp__value_converts(TP_KIND_INT, 4, TP_KIND_BOOL, 1));
    assert_false(tp__value_converts(TP_KIND_BOOL, 1, TP_KIND_UINT, 1));
    assert_false(tp__value_converts(TP_KIND_BYTES, sizeof(tp_bytes), TP_KIND_STR, sizeof(tp_str)));
    assert_true(tp__value_converts(TP_KIND_STR, sizeof(tp_str), TP_KIND_STR, sizeof(tp_str)));
}

static void every_kind_is_copied_given_and_dropped(void **state)
{
    (void)state;
    tp_str s = tp_str_new("abc");
    tp_str s2;
    assert_int_equal(tp__value_copy(TP_KIND_STR, sizeof s, &s2, &s), TP_OK);
    assert_ptr_equal(s2.data, s.data);
    tp_str_release(s);
    tp_str s3;
    tp__value_convert(TP_KIND_STR, sizeof s, &s3, TP_KIND_STR, sizeof s, &s2);
    tp__value_drop(TP_KIND_STR, sizeof s, &s2);
    assert_string_equal(s3.data, "abc");
    fake_task_begin();
    assert_int_equal(tp__value_give(TP_KIND_STR, sizeof s, &s3), TP_OK);
    fake_task_end();

    tp_channel *sync = fake_channel("sync");
    tp_channel *copy = NULL;
    assert_int_equal(tp__value_copy(TP_KIND_CHANNEL, sizeof copy, &copy, &sync), TP_OK);
    assert_int_equal(fake_channel_references(sync), 1);
    assert_int_equal(tp__value_give(TP_KIND_CHANNEL, sizeof copy, &copy), TP_OK);
    assert_int_equal(fake_channel_references(sync), 0);
    assert_ptr_equal(copy, sync);
    fake_task_begin();
    assert_int_equal(tp__value_copy(TP_KIND_CHANNEL, sizeof copy, &copy, &sync), TP_OK);
    assert_int_equal(tp__value_give(TP_KIND_CHANNEL, sizeof copy, &copy), TP_OK);
    assert_int_equal(fake_channel_references(sync), 1);
    fake_task_end();
    assert_int_equal(fake_channel_references(sync), 0);

    int64_t number = 5;
    int64_t number2 = 0;
    assert_int_equal(tp__value_copy(TP_KIND_INT, 8, &number2, &number), TP_OK);
    assert_int_equal(number2, 5);
    assert_int_equal(tp__value_give(TP_KIND_INT, 8, &number2), TP_OK);
    tp__value_drop(TP_KIND_INT, 8, &number2);
    assert_int_equal(tp__value_copy(TP_KIND_VOID, 0, NULL, NULL), TP_OK);
}

static void what_cannot_leave_its_task_is_named(void **state)
{
    (void)state;
    struct mixed__args captures = {.s = tp_str_lit("x"), .c = tp_bind(add_base, .base = 1), .ch = fake_channel("sync")};
    struct mixed__args copy;
    const tp_closure closure = captures.c;
    assert_int_equal(tp__captures_copy(&mixed__is_a_TP_TASK, &copy, &captures), TP_OK);
    tp__captures_drop(&mixed__is_a_TP_TASK, &copy);

    captures.c.closure = NULL;
    assert_fails(TP_E_ARGUMENT, tp__captures_copy(&mixed__is_a_TP_TASK, &copy, &captures));
    assert_non_null(strstr(tp_last_error()->message, "parameter 'c' of task 'mixed'"));
    assert_null(copy.s.data);
    captures.c = closure;
    captures.ch = NULL;
    assert_fails(TP_E_ARGUMENT, tp__captures_copy(&mixed__is_a_TP_TASK, &copy, &captures));
    assert_non_null(strstr(tp_last_error()->message, "parameter 'ch' of task 'mixed': the channel is NULL"));
    captures.ch = fake_channel("");
    assert_fails(TP_E_ARGUMENT, tp__captures_copy(&mixed__is_a_TP_TASK, &copy, &captures));
    assert_non_null(strstr(tp_last_error()->message, "tp_pool_channel"));
    captures.ch = fake_channel("sync");
    captures.v.type = TP_VALUE_FAILED;
    assert_fails(TP_E_ARGUMENT, tp__captures_copy(&mixed__is_a_TP_TASK, &copy, &captures));
    assert_non_null(strstr(tp_last_error()->message, "parameter 'v' of task 'mixed'"));
    tp_closure_release(closure);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
}

static void captures_over_the_limit_are_named_with_their_size(void **state)
{
    (void)state;
    const size_t large = TP__ENCODED_LIMIT_BYTES - 100;
    char *memory = calloc(1, large);
    assert_non_null(memory);
    struct mixed__args captures = {.s = tp_str_lit("x"), .c = tp_bind(add_base, .base = 1), .ch = fake_channel("sync")};
    struct mixed__args copy;
    captures.b = tp_bytes_view(memory, large);
    assert_int_equal(tp__captures_copy(&mixed__is_a_TP_TASK, &copy, &captures), TP_OK);
    tp__captures_drop(&mixed__is_a_TP_TASK, &copy);
    captures.s = tp_str_view(memory, 100);
    assert_fails(TP_E_LIMIT, tp__captures_copy(&mixed__is_a_TP_TASK, &copy, &captures));
    assert_non_null(strstr(tp_last_error()->message, "parameter 'b' of task 'mixed' takes 16777120 bytes"));
    assert_fails(TP_E_LIMIT, tp__closure_encode(&mixed__is_a_TP_TASK, &captures, &(struct tp__encoded){0}));
    const tp_bytes wraps = {(const uint8_t *)memory, SIZE_MAX, NULL};
    tp_bytes to;
    assert_fails(TP_E_LIMIT, tp__value_copy(TP_KIND_BYTES, sizeof to, &to, &wraps));
    assert_null(to.data);

    const tp_value list = tp_value_list();
    const tp_value piece = tp_value_bytes(tp_bytes_new(memory, large / 4));
    for (int i = 0; i < 5; i++)
        assert_int_equal(tp_value_list_append(list, piece), TP_OK);
    tp_value shared;
    assert_fails(TP_E_LIMIT, tp__value_copy(TP_KIND_VALUE, sizeof shared, &shared, &list));
    tp_value_release(piece);
    tp_value_release(list);
    tp_closure_release(captures.c);
    free(memory);
}

static void a_bound_closure_is_called(void **state)
{
    (void)state;
    const tp_closure full = tp_bind(add_base, 40, 2);
    const tp_closure add = tp_bind(add_base, .base = 2);
    int64_t v = 0;
    assert_int_equal(tp_call(full, &v), TP_OK);
    assert_int_equal(v, 42);
    assert_int_equal(tp_call(add, &v, (int64_t)8), TP_OK);
    assert_int_equal(v, 10);
    assert_int_equal(tp_call(add, &v, as_int8(-8)), TP_OK); /* widens */
    assert_int_equal(v, -6);
    assert_int_equal(tp_call(add, NULL, 8), TP_OK);
    assert_false(tp__closure_takes_argument(full));
    assert_true(tp__closure_takes_argument(add));
    assert_ptr_equal(tp__closure_task(add), &add_base__is_a_TP_TASK);
    const struct add_base__args *captures = tp__closure_captures(add);
    assert_int_equal(captures->base, 2);

    assert_fails(TP_E_ARGUMENT, tp_call(add, &v));
    assert_fails(TP_E_ARGUMENT, tp_call(full, &v, 1));
    assert_fails(TP_E_TYPE, tp_call(add, &v, 1.5));
    assert_fails(TP_E_TYPE, tp_call(add, &v, (uint64_t)1));
    double d = 1;
    assert_fails(TP_E_TYPE, tp_call(full, &d));
    assert_true(d == 0.0);
    assert_fails(TP_E_ARGUMENT, tp_call(((tp_closure){NULL}), &v));
    tp_closure again = tp_closure_retain(add);
    tp_closure_release(add);
    assert_int_equal(tp_call(again, &v, 1), TP_OK);
    assert_int_equal(v, 3);
    tp_closure_release(again);
    tp_closure_release(full);
    const tp_closure empty = tp_bind(nothing);
    assert_int_equal(tp_call(empty, NULL), TP_OK);
    tp_closure_release(empty);
    const tp_closure halve = tp_bind(half);
    assert_int_equal(tp_call(halve, &d, 3.0F), TP_OK);
    assert_true(d == 1.5);
    tp_closure_release(halve);
}

static void a_called_closure_leaves_nothing_but_its_result(void **state)
{
    (void)state;
    for (int inside = 0; inside < 2; inside++) {
        if (inside)
            fake_task_begin();
        const tp_closure shouting = tp_bind(shout, .mark = tp_str_lit("!"));
        tp_str hello = tp_str_new("hello");
        tp_str result;
        assert_int_equal(tp_call(shouting, &result, hello), TP_OK);
        assert_string_equal(result.data, "hello!");
        assert_int_equal(tp_call(shouting, NULL, hello), TP_OK);
        if (inside)
            assert_int_equal(fake_task_owned(), 3);
        tp_str_release(result);
        tp_str_release(hello);
        tp_closure_release(shouting);

        const tp_value list = tp_value_list();
        assert_int_equal(tp_value_list_append(list, tp_value_int(1)), TP_OK);
        const tp_closure growing = tp_bind(grow);
        tp_value grown;
        assert_int_equal(tp_call(growing, &grown, list), TP_OK);
        assert_int_equal(tp_value_size(grown), 2);
        assert_int_equal(tp_value_size(list), 1);
        tp_value_release(grown);
        tp_value_release(list);
        tp_closure_release(growing);
        if (inside) {
            assert_int_equal(fake_task_owned(), 0);
            fake_task_end();
        }
    }
}

static void a_closures_captures_are_independent_of_their_maker(void **state)
{
    (void)state;
    char text[] = "text";
    const tp_value list = tp_value_list();
    assert_int_equal(tp_value_list_append(list, tp_value_int(1)), TP_OK);
    const tp_closure inner = tp_bind(add_base, .base = 1);
    const tp_closure closure = tp_bind(mixed, tp_str_view(text, 4), 1, tp_bytes_view(text, 4), list, inner,
                                       fake_channel("sync"), ((plain){'x', 1.5}));
    tp_closure_release(inner);
    text[0] = 'n';
    assert_int_equal(tp_value_list_append(list, tp_value_int(2)), TP_OK);
    tp_value seen;
    probe = &seen;
    tp_str result;
    assert_int_equal(tp_call(closure, &result), TP_OK);
    probe = NULL;
    assert_string_equal(result.data, "text");
    assert_int_equal(tp_value_size(seen), 1);
    tp_value_release(list);
    tp_closure_release(closure);
    assert_string_equal(result.data, "text");
    tp_str_release(result);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
}

static tp_status bind_and_call(void)
{
    const tp_value list = tp_value_list();
    tp_status status = list.type == TP_VALUE_FAILED ? TP_E_NOMEM : tp_value_list_append(list, tp_value_int(1));
    const tp_closure inner = tp_bind(shout, .mark = tp_str_view("?", 1));
    tp_closure closure = {NULL};
    if (status == TP_OK && inner.closure)
        closure = tp_bind(mixed, tp_str_view("text", 4), 1, tp_bytes_view("b", 1), list, inner, fake_channel("sync"),
                          ((plain){'x', 1.5}));
    tp_str result = {NULL, 0, NULL};
    if (!closure.closure)
        status = TP_E_NOMEM;
    else
        status = tp_call(closure, &result);
    tp_str louder = {NULL, 0, NULL};
    if (status == TP_OK) {
        status = tp_call(inner, &louder, tp_str_view("borrowed", 8));
        if (status == TP_OK && !louder.data)
            status = TP_E_NOMEM;
    }
    tp_str_release(louder);
    tp_str_release(result);
    tp_closure_release(closure);
    tp_closure_release(inner);
    tp_value_release(list);
    return status;
}

static tp_status bind_and_call_in_task(void)
{
    fake_task_begin();
    const tp_status status = bind_and_call();
    fake_task_end();
    return status;
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    refuse_each_allocation(bind_and_call);
    refuse_each_allocation(bind_and_call_in_task);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
}

/* What a raised error does: the scope of the call stays open. */
static void a_call_that_never_returns_leaves_its_values_to_the_task(void **state)
{
    (void)state;
    fake_task_begin();
    assert_non_null(tp_str_new("of the task").data);
    assert_int_equal(tp__owned_scope_open(), TP_OK);
    assert_non_null(tp_str_new("of the call").data);
    assert_int_equal(tp__owned_scope_open(), TP_OK);
    assert_non_null(tp_str_new("of a call in the call").data);
    assert_int_equal(fake_task_owned(), 3);
    fake_task_end();
}

static void the_table_knows_the_tasks_of_this_program(void **state)
{
    (void)state;
    uint32_t index = 0;
    assert_true(tp__program_task_count() >= 6);
    assert_true(tp__program_index(&mixed__is_a_TP_TASK, &index));
    assert_ptr_equal(tp__program_task(index), &mixed__is_a_TP_TASK);
    assert_null(tp__program_task(tp__program_task_count()));
    const tp_task_definition alien = mixed__is_a_TP_TASK;
    assert_false(tp__program_index(&alien, &index));
    assert_false(tp__program_index(NULL, &index));
    /* another module's table does not count */
    static const tp_task_definition *const others[1];
    void *elsewhere = malloc(16);
    tp__program_register(others, others + 1, elsewhere);
    assert_true(tp__program_index(&mixed__is_a_TP_TASK, &index));
    free(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_and_floats_widen_without_loss),
        cmocka_unit_test(every_kind_is_copied_given_and_dropped),
        cmocka_unit_test(what_cannot_leave_its_task_is_named),
        cmocka_unit_test(captures_over_the_limit_are_named_with_their_size),
        cmocka_unit_test(a_bound_closure_is_called),
        cmocka_unit_test(a_called_closure_leaves_nothing_but_its_result),
        cmocka_unit_test(a_closures_captures_are_independent_of_their_maker),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(a_call_that_never_returns_leaves_its_values_to_the_task),
        cmocka_unit_test(the_table_knows_the_tasks_of_this_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
