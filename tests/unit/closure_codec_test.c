/* SPDX-License-Identifier: MIT */
#include "closure_support.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
    char tag;
    double weight;
} plain;

typedef enum { RED, GREEN = 1000 } colour;

TP_TASK(nothing, void)
{
}

TP_TASK(numbers, int64_t, (bool, b), (char, c), (int8_t, i8), (int16_t, i16), (int32_t, i32), (int64_t, i64),
        (uint8_t, u8), (uint16_t, u16), (uint32_t, u32), (uint64_t, u64), (float, f), (double, d), (colour, e),
        (plain, p))
{
    (void)c, (void)i8, (void)i16, (void)i32, (void)u8, (void)u16, (void)u32, (void)f, (void)d, (void)e, (void)p;
    return b ? i64 : (int64_t)u64;
}

TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}

TP_TASK(counted, tp_str, (tp_str, s), (tp_bytes, b), (tp_value, v), (tp_closure, c), (tp_channel *, ch), (int16_t, i))
{
    (void)b, (void)v, (void)c, (void)ch, (void)i;
    return s;
}

TP_TASK(holds, int, (tp_value, v))
{
    return (int)v.type;
}

TP_LOCAL_TASK(local, int, (int, i))
{
    return i;
}

static void must(tp_status status)
{
    assert_int_equal(status, TP_OK);
}

static uint32_t index_of(const tp_task_definition *task)
{
    uint32_t index = UINT32_MAX;
    assert_true(tp__program_index(task, &index));
    return index;
}

static tp_value make_value(void)
{
    const tp_value map = tp_value_map();
    const tp_value list = tp_value_list();
    const tp_closure closure = tp_bind(add_base, .base = 5);
    must(tp_value_list_append(list, tp_value_int(-1)));
    must(tp_value_list_append(list, tp_value_float(2.5)));
    must(tp_value_list_append(list, tp_value_bool(true)));
    must(tp_value_list_append(list, tp_value_nil()));
    must(tp_value_map_set(map, "list", list));
    must(tp_value_map_set(map, "", tp_value_str(tp_str_lit("text"))));
    must(tp_value_map_set(map, "bytes", tp_value_bytes(tp_bytes_view("\x00\xff", 2))));
    must(tp_value_map_set(map, "closure", tp_value_closure(closure)));
    tp_value channel = tp_value_channel(fake_channel("sync"));
    must(tp_value_map_set(map, "channel", channel));
    tp_value_release(channel);
    tp_value_release(list);
    tp_closure_release(closure);
    return map;
}

/* Captures of `counted` that own what they hold. */
static struct counted__args make_counted(void)
{
    const tp_closure inner = tp_bind(add_base, .base = 9);
    const struct counted__args args = {
        .s = tp_str_lit("a string"),
        .b = tp_bytes_view("bytes", 5),
        .v = make_value(),
        .c = tp_bind(counted, tp_str_lit("x"), tp_bytes_view("", 0), tp_value_nil(), inner, fake_channel("other"), 3),
        .ch = fake_channel("sync"),
        .i = -2,
    };
    tp_closure_release(inner);
    return args;
}

static void free_counted(struct counted__args *args)
{
    tp_value_release(args->v);
    tp_closure_release(args->c);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
    assert_int_equal(fake_channel_references(fake_channel("other")), 0);
}

static struct tp__encoded encode_counted(void)
{
    struct counted__args args = make_counted();
    struct tp__encoded encoded;
    must(tp__closure_encode(&counted__is_a_TP_TASK, &args, &encoded));
    free_counted(&args);
    return encoded;
}

/* Decodes from memory that ends where the input ends, so that a sanitizer sees a byte too many. */
static tp_status decode_exactly(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    const tp_task_definition *task;
    void *captures;
    const tp_status status = tp__closure_decode(size ? exact : NULL, size, fake_channels, &task, &captures);
    free(exact);
    if (status == TP_OK) {
        struct tp__encoded again;
        must(tp__closure_encode(task, captures, &again));
        tp__encoded_free(&again);
        if (captures)
            tp__captures_drop(task, captures);
        tp__free(captures);
    } else {
        assert_null(task);
        assert_null(captures);
    }
    return status;
}

static void numbers_come_back_as_they_were(void **state)
{
    (void)state;
    const struct numbers__args args = {.b = true,
                                       .c = 'x',
                                       .i8 = INT8_MIN,
                                       .i16 = INT16_MIN,
                                       .i32 = INT32_MIN,
                                       .i64 = INT64_MIN,
                                       .u8 = UINT8_MAX,
                                       .u16 = UINT16_MAX,
                                       .u32 = UINT32_MAX,
                                       .u64 = UINT64_MAX,
                                       .f = 0.1F,
                                       .d = -0.1,
                                       .e = GREEN,
                                       .p = {'y', 3.5}};
    struct tp__encoded encoded;
    must(tp__closure_encode(&numbers__is_a_TP_TASK, &args, &encoded));
    const tp_task_definition *task;
    void *captures;
    must(tp__closure_decode(encoded.bytes, encoded.size, NULL, &task, &captures));
    assert_ptr_equal(task, &numbers__is_a_TP_TASK);
    const struct numbers__args *got = captures;
    assert_true(got->b && got->c == 'x' && got->i8 == INT8_MIN && got->i16 == INT16_MIN && got->i32 == INT32_MIN &&
                got->i64 == INT64_MIN && got->u8 == UINT8_MAX && got->u16 == UINT16_MAX && got->u32 == UINT32_MAX &&
                got->u64 == UINT64_MAX && got->f == 0.1F && got->d == -0.1 && got->e == GREEN && got->p.tag == 'y' &&
                got->p.weight == 3.5);
    tp__free(captures);
    tp__encoded_free(&encoded);

    must(tp__closure_encode(&nothing__is_a_TP_TASK, NULL, &encoded));
    assert_int_equal(encoded.size, 2);
    must(tp__closure_decode(encoded.bytes, encoded.size, NULL, &task, &captures));
    assert_null(captures);
    tp__encoded_free(&encoded);
}

static void counted_captures_come_back_as_they_were(void **state)
{
    (void)state;
    struct counted__args args = make_counted();
    struct tp__encoded encoded;
    must(tp__closure_encode(&counted__is_a_TP_TASK, &args, &encoded));
    const tp_task_definition *task;
    void *captures;
    must(tp__closure_decode(encoded.bytes, encoded.size, fake_channels, &task, &captures));
    const struct counted__args *got = captures;
    assert_string_equal(got->s.data, "a string");
    assert_true(tp_bytes_equal(got->b, args.b));
    assert_true(tp_value_equal(got->v, args.v));
    assert_true(tp_value_equal(tp_value_closure(got->c), tp_value_closure(args.c)));
    assert_ptr_equal(got->ch, args.ch);
    assert_int_equal(got->i, -2);
    assert_fails(TP_E_UNSUPPORTED, tp_value_map_set(got->v, "a", tp_value_nil()));

    struct tp__encoded again;
    must(tp__closure_encode(task, captures, &again));
    assert_int_equal(again.size, encoded.size);
    assert_memory_equal(again.bytes, encoded.bytes, again.size);
    struct counted__args copy;
    must(tp__captures_copy(task, &copy, captures));
    tp__captures_drop(task, &copy);
    tp__captures_drop(task, captures);
    tp__free(captures);
    tp__encoded_free(&again);
    tp__encoded_free(&encoded);
    free_counted(&args);
}

static void values_of_every_kind_come_back_as_they_were(void **state)
{
    (void)state;
    struct tp__encoded encoded;
    int32_t number = -5;
    must(tp__value_encode(TP_KIND_INT, 4, &number, &encoded));
    assert_int_equal(encoded.size, 5);
    number = 0;
    must(tp__value_decode(encoded.bytes, encoded.size, NULL, TP_KIND_INT, 4, &number));
    assert_int_equal(number, -5);
    assert_fails(TP_E_DECODE, tp__value_decode(encoded.bytes, encoded.size, NULL, TP_KIND_INT, 2, &number));
    tp__encoded_free(&encoded);

    must(tp__value_encode(TP_KIND_VOID, 0, NULL, &encoded));
    must(tp__value_decode(encoded.bytes, encoded.size, NULL, TP_KIND_VOID, 0, NULL));
    tp__encoded_free(&encoded);

    const tp_value value = make_value();
    must(tp__value_encode(TP_KIND_VALUE, sizeof value, &value, &encoded));
    tp_value got;
    assert_fails(TP_E_DECODE, tp__value_decode(encoded.bytes, encoded.size, NULL, TP_KIND_VALUE, sizeof got, &got));
    assert_int_equal(got.type, TP_VALUE_NIL);
    must(tp__value_decode(encoded.bytes, encoded.size, fake_channels, TP_KIND_VALUE, sizeof got, &got));
    assert_true(tp_value_equal(got, value));
    tp__value_drop(TP_KIND_VALUE, sizeof got, &got);
    tp_value_release(value);
    tp__encoded_free(&encoded);

    for (size_t length = 0; length < 70000; length = length * 2 + 1) {
        char *memory = calloc(1, length + 1);
        const tp_str long_one = tp_str_view(memory, length);
        tp_str back;
        must(tp__value_encode(TP_KIND_STR, sizeof back, &long_one, &encoded));
        must(tp__value_decode(encoded.bytes, encoded.size, NULL, TP_KIND_STR, sizeof back, &back));
        assert_true(tp_str_equal(back, long_one));
        assert_int_equal(back.data[length], 0);
        tp__value_drop(TP_KIND_STR, sizeof back, &back);
        tp__encoded_free(&encoded);
        free(memory);
    }
}

static void what_cannot_be_encoded_is_named(void **state)
{
    (void)state;
    struct tp__encoded encoded;
    const struct local__args args = {.i = 1};
    assert_fails(TP_E_ARGUMENT, tp__closure_encode(&local__is_a_TP_TASK, &args, &encoded));
    assert_non_null(strstr(tp_last_error()->message, "'local'"));
    assert_null(encoded.bytes);
    const tp_closure none = {NULL};
    assert_fails(TP_E_ARGUMENT, tp__value_encode(TP_KIND_CLOSURE, sizeof none, &none, &encoded));
    tp_channel *unnamed = fake_channel("");
    assert_fails(TP_E_ARGUMENT, tp__value_encode(TP_KIND_CHANNEL, sizeof unnamed, &unnamed, &encoded));
    const tp_value failed = {.type = TP_VALUE_FAILED};
    assert_fails(TP_E_ARGUMENT, tp__value_encode(TP_KIND_VALUE, sizeof failed, &failed, &encoded));
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct tp__encoded encoded = encode_counted();
    for (size_t size = 0; size < encoded.size; size++)
        assert_fails(TP_E_DECODE, decode_exactly(encoded.bytes, size));
    must(decode_exactly(encoded.bytes, encoded.size));
    uint8_t *longer = calloc(1, encoded.size + 1);
    memcpy(longer, encoded.bytes, encoded.size);
    assert_fails(TP_E_DECODE, decode_exactly(longer, encoded.size + 1));
    assert_non_null(strstr(tp_last_error()->message, "left over"));
    free(longer);
    tp__encoded_free(&encoded);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
    assert_int_equal(fake_channel_references(fake_channel("other")), 0);
}

static void no_changed_byte_does_harm(void **state)
{
    (void)state;
    struct tp__encoded encoded = encode_counted();
    for (size_t i = 0; i < encoded.size; i++) {
        const uint8_t before = encoded.bytes[i];
        for (unsigned byte = 0; byte < 256; byte++) {
            encoded.bytes[i] = (uint8_t)byte;
            const tp_status status = decode_exactly(encoded.bytes, encoded.size);
            assert_true(status == TP_OK || status == TP_E_DECODE);
        }
        encoded.bytes[i] = before;
    }
    tp__encoded_free(&encoded);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
    assert_int_equal(fake_channel_references(fake_channel("other")), 0);
}

static void malformed_values_are_refused_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } inputs[] = {
        {"", 0, "byte 0: the version"},
        {"\x02\x00", 2, "byte 0: version 2"},
        {"\x01\x63", 2, "byte 1: a value has no type 99"},
        {"\x01\xff", 2, "byte 1: a value has no type 255"},
        {"\x01\x01\x02", 3, "byte 2: a bool is 2"},
        {"\x01\x02\x00\x00", 4, "byte 2: an int of 8 bytes"},
        {"\x01\x04\x05"
         "abc",
         6, "byte 3: a string of 5 bytes"},
        {"\x01\x04\x80\x00", 4, "byte 2: a string is not a number"},
        {"\x01\x04\xff\xff\xff\xff\x1f", 7, "byte 2: a string is not a number"},
        {"\x01\x04\xff\xff\xff\xff\xff\xff", 8, "byte 2: a string is not a number"},
        {"\x01\x06\x03\x00\x00", 5, "byte 2: 3 elements"},
        {"\x01\x06\xff\xff\xff\xff\x0f\x00", 8, "byte 2: 4294967295 elements"},
        {"\x01\x07\x02\x01"
         "b\x00\x01"
         "a\x00",
         9, "byte 6: a map's keys are not in ascending order"},
        {"\x01\x07\x02\x01"
         "a\x00\x01"
         "a\x00",
         9, "byte 6: a map's keys are not in ascending order"},
        {"\x01\x07\x01\x01\x00\x00", 6, "byte 3: a map's key has a 0 byte"},
        {"\x01\x08\x02\x00", 4, "byte 2: a closure's form is 2"},
        {"\x01\x08\x00\xff\x7f", 5, "byte 3: this program has no task 16383"},
        {"\x01\x09\x00", 3, "byte 2: a channel's name"},
        {"\x01\x09\x01\x00", 4, "byte 2: a channel's name"},
        {"\x01\x00\x00", 3, "byte 2: 1 bytes are left over"},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        tp_value value;
        assert_fails(TP_E_DECODE, tp__value_decode((const uint8_t *)inputs[i].bytes, inputs[i].size, fake_channels,
                                                   TP_KIND_VALUE, sizeof value, &value));
        if (!strstr(tp_last_error()->message, inputs[i].message))
            fail_msg("input %zu: '%s' without '%s'", i, tp_last_error()->message, inputs[i].message);
        assert_int_equal(value.type, TP_VALUE_NIL);
    }
    const uint8_t takes[] = {1, 8, 1, (uint8_t)index_of(&nothing__is_a_TP_TASK)};
    tp_value value;
    assert_fails(TP_E_DECODE, tp__value_decode(takes, sizeof takes, NULL, TP_KIND_VALUE, sizeof value, &value));
    assert_non_null(strstr(tp_last_error()->message, "has no parameter"));
}

static size_t largest_request;

static bool note_request(size_t size)
{
    if (size > largest_request)
        largest_request = size;
    return false;
}

static void no_count_makes_the_decoder_allocate(void **state)
{
    (void)state;
    const size_t size = 1 << 20;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    static const uint8_t starts[][5] = {
        {1, TP_VALUE_LIST, 0xff, 0xff, 0x3f}, {1, TP_VALUE_MAP, 0xff, 0xff, 0x3f}, {1, TP_VALUE_STR, 0xff, 0xff, 0x7f}};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        memset(bytes, 0xee, size);
        memcpy(bytes, starts[i], sizeof starts[i]);
        largest_request = 0;
        tp__alloc_set_refuse(note_request);
        tp_value value;
        const tp_status status = tp__value_decode(bytes, size, NULL, TP_KIND_VALUE, sizeof value, &value);
        tp__alloc_set_refuse(NULL);
        assert_int_equal(status, TP_E_DECODE);
        assert_true(largest_request < 1024);
    }
    free(bytes);
    tp_value value;
    uint8_t *huge = calloc(1, TP__ENCODED_LIMIT_BYTES + 2);
    assert_non_null(huge);
    huge[0] = 1;
    assert_fails(TP_E_DECODE,
                 tp__value_decode(huge, TP__ENCODED_LIMIT_BYTES + 2, NULL, TP_KIND_VALUE, sizeof value, &value));
    assert_non_null(strstr(tp_last_error()->message, "over the limit"));
    free(huge);
}

static void nesting_is_limited_before_it_is_entered(void **state)
{
    (void)state;
    enum { FAR_TOO_DEEP = 1000000 };
    uint8_t *bytes = malloc(1 + 2 * FAR_TOO_DEEP + 1);
    assert_non_null(bytes);
    bytes[0] = 1;
    for (size_t i = 0; i < FAR_TOO_DEEP; i++) {
        bytes[1 + 2 * i] = TP_VALUE_LIST;
        bytes[2 + 2 * i] = 1;
    }
    tp_value value;
    assert_fails(TP_E_DECODE, tp__value_decode(bytes, 1 + 2 * FAR_TOO_DEEP, NULL, TP_KIND_VALUE, sizeof value, &value));
    assert_non_null(strstr(tp_last_error()->message, "nest more than 32 deep"));
    bytes[1 + 2 * TP_VALUE_DEPTH_LIMIT] = TP_VALUE_NIL;
    must(tp__value_decode(bytes, 2 + 2 * TP_VALUE_DEPTH_LIMIT, NULL, TP_KIND_VALUE, sizeof value, &value));
    tp__value_drop(TP_KIND_VALUE, sizeof value, &value);

    const uint8_t task = (uint8_t)index_of(&holds__is_a_TP_TASK);
    assert_true(task < 0x80);
    for (size_t i = 0; i <= TP_VALUE_DEPTH_LIMIT; i++) {
        bytes[1 + 3 * i] = TP_VALUE_CLOSURE;
        bytes[2 + 3 * i] = 0;
        bytes[3 + 3 * i] = task;
    }
    bytes[1 + 3 * TP_VALUE_DEPTH_LIMIT] = TP_VALUE_NIL;
    must(tp__value_decode(bytes, 2 + 3 * TP_VALUE_DEPTH_LIMIT, NULL, TP_KIND_VALUE, sizeof value, &value));
    tp__value_drop(TP_KIND_VALUE, sizeof value, &value);
    bytes[1 + 3 * TP_VALUE_DEPTH_LIMIT] = TP_VALUE_CLOSURE;
    bytes[1 + 3 * (TP_VALUE_DEPTH_LIMIT + 1)] = TP_VALUE_NIL;
    assert_fails(TP_E_DECODE, tp__value_decode(bytes, 2 + 3 * (TP_VALUE_DEPTH_LIMIT + 1), NULL, TP_KIND_VALUE,
                                               sizeof value, &value));
    free(bytes);
}

/* Maps that hold closures that hold maps: of everything the most frames a level. Reports through its result. */
static void *use_the_deepest_value(void *unused)
{
    (void)unused;
    const uint8_t task = (uint8_t)index_of(&holds__is_a_TP_TASK);
    uint8_t bytes[1 + 6 * TP_VALUE_DEPTH_LIMIT / 2 + 1] = {1};
    size_t size = 1;
    for (int i = 0; i < TP_VALUE_DEPTH_LIMIT / 2; i++) {
        const uint8_t level[] = {TP_VALUE_MAP, 1, 0, TP_VALUE_CLOSURE, 0, task};
        memcpy(bytes + size, level, sizeof level);
        size += sizeof level;
    }
    bytes[size++] = TP_VALUE_NIL;
    tp_value value;
    struct tp__encoded encoded;
    bool good = tp__value_decode(bytes, size, NULL, TP_KIND_VALUE, sizeof value, &value) == TP_OK;
    good = good && tp__value_encode(TP_KIND_VALUE, sizeof value, &value, &encoded) == TP_OK;
    good = good && encoded.size == size && memcmp(encoded.bytes, bytes, size) == 0;
    tp__encoded_free(&encoded);
    good = good && tp_value_equal(value, value);
    tp__value_drop(TP_KIND_VALUE, sizeof value, &value);

    tp_value deep = tp_value_map();
    for (int i = 1; i < TP_VALUE_DEPTH_LIMIT; i++) {
        const tp_value outer = tp_value_map();
        good = good && tp_value_map_set(outer, "in", deep) == TP_OK;
        tp_value_release(deep);
        deep = outer;
    }
    tp_value shared;
    const tp_value copy = tp_value_copy(deep);
    const tp_str text = tp_value_text(deep);
    good = good && tp_value_equal(copy, deep) && text.length > TP_VALUE_DEPTH_LIMIT;
    good = good && tp__value_copy(TP_KIND_VALUE, sizeof shared, &shared, &deep) == TP_OK;
    tp__value_drop(TP_KIND_VALUE, sizeof shared, &shared);
    tp_str_release(text);
    tp_value_release(copy);
    tp_value_release(deep);
    static char yes;
    return good ? &yes : NULL;
}

static void the_deepest_value_fits_a_green_threads_stack(void **state)
{
    (void)state;
    pthread_attr_t attributes;
    pthread_t thread;
    void *good = NULL;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 65536), 0);
    assert_int_equal(pthread_create(&thread, &attributes, use_the_deepest_value, NULL), 0);
    assert_int_equal(pthread_join(thread, &good), 0);
    pthread_attr_destroy(&attributes);
    assert_non_null(good);
}

static struct tp__encoded sample;

static tp_status round_trip(void)
{
    const tp_task_definition *task;
    void *captures;
    tp_status status = tp__closure_decode(sample.bytes, sample.size, fake_channels, &task, &captures);
    if (status != TP_OK)
        return status;
    struct tp__encoded again;
    status = tp__closure_encode(task, captures, &again);
    tp__encoded_free(&again);
    tp__captures_drop(task, captures);
    tp__free(captures);
    return status;
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    sample = encode_counted();
    refuse_each_allocation(round_trip);
    tp__encoded_free(&sample);
    assert_int_equal(fake_channel_references(fake_channel("sync")), 0);
    assert_int_equal(fake_channel_references(fake_channel("other")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back_as_they_were),
        cmocka_unit_test(counted_captures_come_back_as_they_were),
        cmocka_unit_test(values_of_every_kind_come_back_as_they_were),
        cmocka_unit_test(what_cannot_be_encoded_is_named),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(no_changed_byte_does_harm),
        cmocka_unit_test(malformed_values_are_refused_with_the_place),
        cmocka_unit_test(no_count_makes_the_decoder_allocate),
        cmocka_unit_test(nesting_is_limited_before_it_is_entered),
        cmocka_unit_test(the_deepest_value_fits_a_green_threads_stack),
        cmocka_unit_test(without_memory_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
