/* SPDX-License-Identifier: MIT */
#include "closure_support.h"

#include <math.h>
#include <stdio.h>

TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}

TP_TASK(join, tp_str, (tp_str, a), (tp_value, b))
{
    (void)b;
    return a;
}

static tp_value string_value(const char *text)
{
    return tp_value_str(tp_str_view(text, strlen(text)));
}

/* {"bytes": ..., "closure": ..., "list": [...], ...}: one of everything. */
static tp_value make_everything(void)
{
    const tp_value map = tp_value_map();
    const tp_value list = tp_value_list();
    const tp_closure closure = tp_bind(add_base, .base = 5);
    const tp_value channel = tp_value_channel(fake_channel("sync"));
    tp_status status = tp_value_list_append(list, tp_value_int(1));
    if (status == TP_OK)
        status = tp_value_list_append(list, tp_value_float(2.5));
    if (status == TP_OK)
        status = tp_value_list_append(list, tp_value_bool(true));
    if (status == TP_OK)
        status = tp_value_list_append(list, tp_value_nil());
    if (status == TP_OK)
        status = tp_value_map_set(map, "list", list);
    if (status == TP_OK)
        status = tp_value_map_set(map, "text", string_value("a \"quoted\"\nline\x01"));
    if (status == TP_OK)
        status = tp_value_map_set(map, "bytes", tp_value_bytes(tp_bytes_view("\x00\xff\x10", 3)));
    if (status == TP_OK)
        status = tp_value_map_set(map, "closure", tp_value_closure(closure));
    if (status == TP_OK)
        status = tp_value_map_set(map, "channel", channel);
    tp_value_release(list);
    tp_closure_release(closure);
    tp_value_release(channel);
    if (status == TP_OK)
        return map;
    tp_value_release(map);
    return (tp_value){.type = TP_VALUE_FAILED};
}

static void accessors_give_what_is_there_and_refuse_the_rest(void **state)
{
    (void)state;
    bool b = false;
    int64_t i = 0;
    double d = 0;
    tp_str s;
    tp_bytes y;
    tp_closure c;
    tp_channel *ch;
    assert_int_equal(tp_value_to_bool(tp_value_bool(true), &b), TP_OK);
    assert_true(b);
    assert_int_equal(tp_value_to_int(tp_value_int(INT64_MIN), &i), TP_OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(tp_value_to_float(tp_value_float(0.5), &d), TP_OK);
    assert_true(d > 0.4 && d < 0.6);
    assert_int_equal(tp_value_to_str(string_value("x"), &s), TP_OK);
    assert_string_equal(s.data, "x");
    assert_fails(TP_E_TYPE, tp_value_to_int(tp_value_bool(true), &i));
    assert_int_equal(i, 0);
    assert_fails(TP_E_TYPE, tp_value_to_float(tp_value_int(1), &d));
    assert_fails(TP_E_TYPE, tp_value_to_str(tp_value_nil(), &s));
    assert_null(s.data);
    assert_fails(TP_E_TYPE, tp_value_to_bytes(string_value("x"), &y));
    assert_fails(TP_E_TYPE, tp_value_to_closure(tp_value_nil(), &c));
    assert_fails(TP_E_TYPE, tp_value_to_channel(tp_value_nil(), &ch));
    assert_fails(TP_E_TYPE, tp_value_to_bool(tp_value_int(1), &b));
    assert_fails(TP_E_ARGUMENT, tp_value_to_int(tp_value_int(1), NULL));
    assert_string_equal(tp_value_type_name(TP_VALUE_CHANNEL), "channel");
    assert_string_equal(tp_value_type_name(TP_VALUE_FAILED), "failed");
}

static void a_list_keeps_order_and_copies(void **state)
{
    (void)state;
    const tp_value list = tp_value_list();
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(tp_value_list_append(list, tp_value_int(i)), TP_OK);
    assert_int_equal(tp_value_size(list), 1000);
    tp_value item;
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(tp_value_list_get(list, i, &item), TP_OK);
        assert_int_equal(item.as.integer, i);
    }
    assert_int_equal(tp_value_list_set(list, 3, string_value("three")), TP_OK);
    assert_int_equal(tp_value_list_set(list, 3, string_value("drei")), TP_OK);
    assert_fails(TP_E_ARGUMENT, tp_value_list_set(list, 1000, tp_value_nil()));
    assert_fails(TP_E_ARGUMENT, tp_value_list_get(list, 1000, &item));
    assert_int_equal(item.type, TP_VALUE_NIL);
    assert_fails(TP_E_TYPE, tp_value_list_append(tp_value_int(1), tp_value_nil()));
    assert_fails(TP_E_TYPE, tp_value_list_get(tp_value_nil(), 0, &item));
    assert_fails(TP_E_TYPE, tp_value_map_set(list, "a", tp_value_nil()));
    tp_value_release(list);
}

static void a_list_in_a_list_is_a_copy_that_can_be_changed_in_place(void **state)
{
    (void)state;
    const tp_value outer = tp_value_list();
    assert_int_equal(tp_value_list_append(outer, tp_value_int(1)), TP_OK);
    assert_int_equal(tp_value_list_append(outer, outer), TP_OK); /* a copy of itself: no circle */
    tp_value inner;
    assert_int_equal(tp_value_list_get(outer, 1, &inner), TP_OK);
    assert_int_equal(tp_value_list_append(inner, tp_value_int(2)), TP_OK);
    assert_int_equal(tp_value_list_append(inner, outer), TP_OK);
    tp_value_release(inner); /* lies in another one: nothing happens */
    tp_str text = tp_value_text(outer);
    assert_string_equal(text.data, "[1, [1, 2, [1, [1, 2]]]]");
    tp_str_release(text);
    tp_value_release(outer);
}

static void a_map_keeps_its_keys_in_order(void **state)
{
    (void)state;
    const tp_value map = tp_value_map();
    for (int64_t i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %03d", (int)((i * 7919) % 500));
        assert_int_equal(tp_value_map_set(map, key, tp_value_int(i)), TP_OK);
        assert_int_equal(tp_value_map_set(map, key, tp_value_int(i * 2)), TP_OK);
    }
    assert_int_equal(tp_value_size(map), 500);
    tp_str before = tp_str_lit("");
    for (size_t i = 0; i < 500; i++) {
        tp_str key;
        assert_int_equal(tp_value_map_at(map, i, &key, NULL), TP_OK);
        assert_true(tp_str_compare(before, key) < 0);
        before = key;
    }
    tp_value value;
    assert_int_equal(tp_value_map_get(map, "key 419", &value), TP_OK); /* 7919 % 500 */
    assert_int_equal(value.as.integer, 2);
    assert_true(tp_value_map_has(map, "key 419"));
    assert_int_equal(tp_value_map_remove(map, "key 419"), TP_OK);
    assert_false(tp_value_map_has(map, "key 419"));
    assert_fails(TP_E_ARGUMENT, tp_value_map_remove(map, "key 419"));
    assert_fails(TP_E_ARGUMENT, tp_value_map_get(map, "nothing", &value));
    assert_fails(TP_E_ARGUMENT, tp_value_map_set(map, NULL, tp_value_nil()));
    assert_fails(TP_E_ARGUMENT, tp_value_map_at(map, 499, NULL, NULL));
    assert_fails(TP_E_TYPE, tp_value_map_at(tp_value_nil(), 0, NULL, NULL));
    assert_false(tp_value_map_has(tp_value_nil(), "a"));
    tp_value_release(map);
}

static void text_is_for_people(void **state)
{
    (void)state;
    const tp_value everything = make_everything();
    tp_str text = tp_value_text(everything);
    assert_string_equal(text.data, "{\"bytes\": <3 bytes: 00ff10>, \"channel\": <channel sync>, "
                                   "\"closure\": <closure add_base>, \"list\": [1, 2.5, true, nil], "
                                   "\"text\": \"a \\\"quoted\\\"\\nline\\u0001\"}");
    tp_str_release(text);
    tp_value_release(everything);
    static const struct {
        double number;
        const char *text;
    } floats[] = {{2, "2.0"}, {0.1, "0.1"}, {1e300, "1e+300"}, {1.0 / 3, "0.3333333333333333"}, {-0.0, "-0.0"}};
    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
        text = tp_value_text(tp_value_float(floats[i].number));
        assert_string_equal(text.data, floats[i].text);
        tp_str_release(text);
    }
    text = tp_value_text(tp_value_int(INT64_MIN));
    assert_string_equal(text.data, "-9223372036854775808");
    tp_str_release(text);
    text = tp_value_text((tp_value){.type = TP_VALUE_FAILED});
    assert_string_equal(text.data, "<failed>");
    tp_str_release(text);
}

static void equality_is_deep(void **state)
{
    (void)state;
    const tp_value a = make_everything();
    const tp_value b = make_everything();
    assert_true(tp_value_equal(a, b));
    tp_value list;
    assert_int_equal(tp_value_map_get(b, "list", &list), TP_OK);
    assert_int_equal(tp_value_list_set(list, 0, tp_value_int(2)), TP_OK);
    assert_false(tp_value_equal(a, b));
    assert_int_equal(tp_value_list_set(list, 0, tp_value_int(1)), TP_OK);
    assert_true(tp_value_equal(a, b));
    assert_int_equal(tp_value_map_set(b, "more", tp_value_nil()), TP_OK);
    assert_false(tp_value_equal(a, b));
    tp_value_release(a);
    tp_value_release(b);
    assert_false(tp_value_equal(tp_value_int(1), tp_value_float(1)));
    assert_false(tp_value_equal(tp_value_float(NAN), tp_value_float(NAN)));
    assert_true(tp_value_equal(tp_value_nil(), tp_value_nil()));
    assert_false(tp_value_equal((tp_value){.type = TP_VALUE_FAILED}, (tp_value){.type = TP_VALUE_FAILED}));

    const tp_closure five = tp_bind(add_base, .base = 5);
    const tp_closure same = tp_bind(add_base, .base = 5);
    const tp_closure six = tp_bind(add_base, .base = 6);
    const tp_closure full = tp_bind(add_base, 0, 5);
    assert_true(tp_value_equal(tp_value_closure(five), tp_value_closure(same)));
    assert_false(tp_value_equal(tp_value_closure(five), tp_value_closure(six)));
    assert_false(tp_value_equal(tp_value_closure(five), tp_value_closure(full)));
    tp_closure_release(five);
    tp_closure_release(same);
    tp_closure_release(six);
    tp_closure_release(full);
}

static void failed_values_are_refused(void **state)
{
    (void)state;
    const tp_value failed = {.type = TP_VALUE_FAILED};
    const tp_value list = tp_value_list();
    assert_fails(TP_E_ARGUMENT, tp_value_list_append(list, failed));
    assert_int_equal(tp_value_size(list), 0);
    tp_value_release(list);
    assert_int_equal(tp_value_closure((tp_closure){NULL}).type, TP_VALUE_FAILED);
    assert_int_equal(tp_value_channel(NULL).type, TP_VALUE_FAILED);
    assert_int_equal(tp_value_copy(failed).type, TP_VALUE_FAILED);
    assert_fails(TP_E_TYPE, tp_value_list_append(failed, tp_value_nil()));
    tp_value_release(failed);
    tp_value copy;
    assert_fails(TP_E_ARGUMENT, tp__value_copy(TP_KIND_VALUE, sizeof copy, &copy, &failed));
}

/* As a send or a capture does. */
static tp_value shared_copy(tp_value value)
{
    tp_value shared;
    assert_int_equal(tp__value_copy(TP_KIND_VALUE, sizeof shared, &shared, &value), TP_OK);
    return shared;
}

static void what_was_shared_is_read_only_and_a_copy_is_not(void **state)
{
    (void)state;
    const tp_value mine = make_everything();
    const tp_value shared = shared_copy(mine);
    assert_true(tp_value_equal(mine, shared));
    assert_int_equal(tp_value_map_set(mine, "more", tp_value_nil()), TP_OK);
    assert_fails(TP_E_UNSUPPORTED, tp_value_map_set(shared, "more", tp_value_nil()));
    assert_fails(TP_E_UNSUPPORTED, tp_value_map_remove(shared, "list"));
    tp_value list;
    assert_int_equal(tp_value_map_get(shared, "list", &list), TP_OK);
    assert_fails(TP_E_UNSUPPORTED, tp_value_list_append(list, tp_value_nil()));
    assert_fails(TP_E_UNSUPPORTED, tp_value_list_set(list, 0, tp_value_nil()));

    const tp_value again = shared_copy(shared);
    assert_ptr_equal(again.as.block, shared.as.block);

    const tp_value copy = tp_value_copy(shared);
    assert_int_equal(tp_value_map_set(copy, "more", tp_value_nil()), TP_OK);
    assert_true(tp_value_equal(mine, copy));
    assert_int_equal(tp_value_map_get(copy, "list", &list), TP_OK);
    assert_int_equal(tp_value_list_append(list, shared), TP_OK); /* shared, not copied */
    tp_value inside;
    assert_int_equal(tp_value_list_get(list, 4, &inside), TP_OK);
    assert_ptr_equal(inside.as.block, shared.as.block);

    tp_value_release(mine);
    tp_value_release(shared);
    tp_value_release(again);
    tp_value_release(copy);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
}

static tp_value nested(int depth)
{
    tp_value value = tp_value_list();
    for (int i = 1; i < depth; i++) {
        const tp_value outer = i % 2 ? tp_value_map() : tp_value_list();
        const tp_status status = i % 2 ? tp_value_map_set(outer, "in", value) : tp_value_list_append(outer, value);
        assert_int_equal(status, TP_OK);
        tp_value_release(value);
        value = outer;
    }
    return value;
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    const tp_value deepest = nested(TP_VALUE_DEPTH_LIMIT);
    const tp_value list = tp_value_list();
    assert_fails(TP_E_LIMIT, tp_value_list_append(list, deepest));
    const tp_value shared = shared_copy(deepest);
    assert_fails(TP_E_LIMIT, tp_value_list_append(list, shared));
    assert_int_equal(tp_bind(join, tp_str_lit(""), shared).closure, NULL);
    assert_int_equal(tp_last_error()->status, TP_E_LIMIT);
    const tp_value copy = tp_value_copy(shared);
    assert_true(tp_value_equal(copy, deepest));

    /* changed in place, from the outside in */
    tp_value inner = list;
    for (int i = 1; i < TP_VALUE_DEPTH_LIMIT; i++) {
        const tp_value empty = tp_value_list();
        assert_int_equal(tp_value_list_append(inner, empty), TP_OK);
        tp_value_release(empty);
        assert_int_equal(tp_value_list_get(inner, 0, &inner), TP_OK);
    }
    const tp_value empty = tp_value_list();
    assert_fails(TP_E_LIMIT, tp_value_list_append(inner, empty));
    assert_int_equal(tp_value_list_append(inner, tp_value_int(1)), TP_OK);
    tp_value_release(empty);
    tp_value_release(list);
    tp_value_release(deepest);
    tp_value_release(shared);
    tp_value_release(copy);
}

static void closures_nest_to_the_same_limit(void **state)
{
    (void)state;
    tp_closure closure = tp_bind(add_base, .base = 1);
    int depth = 1;
    for (;; depth++) {
        const tp_closure outer = tp_bind(join, tp_str_lit("x"), tp_value_closure(closure));
        tp_closure_release(closure);
        closure = outer;
        if (!closure.closure)
            break;
    }
    assert_int_equal(depth, TP_VALUE_DEPTH_LIMIT);
    assert_int_equal(tp_last_error()->status, TP_E_LIMIT);
}

static tp_status make_and_copy(void)
{
    const tp_value value = make_everything();
    const tp_value copy = value.type == TP_VALUE_FAILED ? value : tp_value_copy(value);
    tp_status status = copy.type == TP_VALUE_FAILED ? TP_E_NOMEM : TP_OK;
    if (status == TP_OK) {
        tp_value shared;
        status = tp__value_copy(TP_KIND_VALUE, sizeof shared, &shared, &value);
        if (status == TP_OK)
            tp__value_drop(TP_KIND_VALUE, sizeof shared, &shared);
        const tp_str text = tp_value_text(value);
        if (!text.data)
            status = TP_E_NOMEM;
        tp_str_release(text);
        tp_value_release(copy);
    }
    tp_value_release(value);
    return status;
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    refuse_each_allocation(make_and_copy);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
}

static tp_status make_and_copy_in_task(void)
{
    fake_task_begin();
    const tp_status status = make_and_copy();
    fake_task_end();
    return status;
}

static void without_memory_nothing_is_lost_in_a_task(void **state)
{
    (void)state;
    refuse_each_allocation(make_and_copy_in_task);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
}

static void what_a_task_makes_is_freed_when_it_ends(void **state)
{
    (void)state;
    fake_task_begin();
    const tp_value everything = make_everything();
    assert_int_equal(fake_task_owned(), 1);
    assert_int_equal(tp_value_copy(everything).type, TP_VALUE_MAP);
    assert_int_equal(tp_value_channel(fake_channel("sync")).type, TP_VALUE_CHANNEL);
    tp_value list;
    assert_int_equal(tp_value_map_get(everything, "list", &list), TP_OK);
    tp_value_release(list);
    assert_int_equal(tp_value_size(list), 4);
    assert_int_equal(fake_task_owned(), 3);
    fake_task_end();
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accessors_give_what_is_there_and_refuse_the_rest),
        cmocka_unit_test(a_list_keeps_order_and_copies),
        cmocka_unit_test(a_list_in_a_list_is_a_copy_that_can_be_changed_in_place),
        cmocka_unit_test(a_map_keeps_its_keys_in_order),
        cmocka_unit_test(text_is_for_people),
        cmocka_unit_test(equality_is_deep),
        cmocka_unit_test(failed_values_are_refused),
        cmocka_unit_test(what_was_shared_is_read_only_and_a_copy_is_not),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(closures_nest_to_the_same_limit),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(without_memory_nothing_is_lost_in_a_task),
        cmocka_unit_test(what_a_task_makes_is_freed_when_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
