/* SPDX-License-Identifier: MIT */
/* Every type that may be captured and returned goes through a submit, a map, a closure and a channel unchanged. */
#include "check.h"
#include "test_pool.h"

#include <complex.h>
#include <float.h>
#include <limits.h>

enum color { RED, GREEN = 7, BLUE = 1000000 };
enum negative { BELOW = -5, ABOVE = 5 };
struct point {
    int32_t x;
    double y;
    char tag;
};
struct large {
    int64_t numbers[40];
};
union either {
    int64_t integer;
    double number;
};

/* A task that returns what it captures, for each scalar type. */
#define SCALARS(X)                                           \
    X(a_bool, bool, true)                                    \
    X(a_char, char, 'q')                                     \
    X(a_signed_char, signed char, SCHAR_MIN)                 \
    X(an_unsigned_char, unsigned char, UCHAR_MAX)            \
    X(a_short, short, SHRT_MIN)                              \
    X(an_unsigned_short, unsigned short, USHRT_MAX)          \
    X(an_int, int, INT_MIN)                                  \
    X(an_unsigned, unsigned, UINT_MAX)                       \
    X(a_long, long, LONG_MIN)                                \
    X(an_unsigned_long, unsigned long, ULONG_MAX)            \
    X(a_long_long, long long, LLONG_MIN)                     \
    X(an_unsigned_long_long, unsigned long long, ULLONG_MAX) \
    X(an_int8, int8_t, INT8_MIN)                             \
    X(an_int16, int16_t, INT16_MIN)                          \
    X(an_int32, int32_t, INT32_MIN)                          \
    X(an_int64, int64_t, INT64_MIN)                          \
    X(a_uint8, uint8_t, UINT8_MAX)                           \
    X(a_uint16, uint16_t, UINT16_MAX)                        \
    X(a_uint32, uint32_t, UINT32_MAX)                        \
    X(a_uint64, uint64_t, UINT64_MAX)                        \
    X(a_size, size_t, SIZE_MAX)                              \
    X(a_float, float, FLT_MIN)                               \
    X(a_double, double, -DBL_MAX)                            \
    X(a_color, enum color, BLUE)                             \
    X(a_negative, enum negative, BELOW)

#define DEFINE_TASK(name, type, value) \
    TP_TASK(name, type, (type, v))     \
    {                                  \
        return v;                      \
    }
SCALARS(DEFINE_TASK)

static tp_channel *through;

#define CHECK_SCALAR(name, type, value)                   \
    do {                                                  \
        const type wanted_ = (value);                     \
        type got_ = 0;                                    \
        CHECK_OK(tp_run(pool, name, &got_, wanted_));     \
        CHECK(memcmp(&got_, &wanted_, sizeof got_) == 0); \
        type many_[3] = {wanted_, 0, wanted_};            \
        type out_[3] = {0};                               \
        CHECK_OK(tp_map(pool, name, many_, out_, 3));     \
        CHECK(memcmp(many_, out_, sizeof out_) == 0);     \
        tp_closure bound_ = tp_bind(name, wanted_);       \
        got_ = 0;                                         \
        CHECK_OK(tp_run_closure(pool, bound_, &got_));    \
        CHECK(memcmp(&got_, &wanted_, sizeof got_) == 0); \
        tp_closure_release(bound_);                       \
        got_ = 0;                                         \
        CHECK_OK(tp_send(through, wanted_));              \
        if (!CHECK_OK(tp_try_recv(through, &got_)))       \
            exit(1);                                      \
        CHECK(memcmp(&got_, &wanted_, sizeof got_) == 0); \
    } while (0);

static void scalars_and_enums(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    through = tp_pool_channel(pool, "through");
    SCALARS(CHECK_SCALAR)
}

TP_TASK(long_double_twice, long double, (long double, v))
{
    return v * 2;
}

TP_TASK(turn, double complex, (double complex, v))
{
    return v * I;
}

TP_TASK(mirror, struct point, (struct point, p), (int, times))
{
    p.x *= times;
    p.y = -p.y;
    return p;
}

TP_TASK(reverse, struct large, (struct large, l))
{
    struct large r;
    for (int i = 0; i < 40; i++)
        r.numbers[i] = l.numbers[39 - i];
    return r;
}

TP_TASK(same_union, union either, (union either, e))
{
    return e;
}

static void structs_unions_and_wide_floats(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    through = tp_pool_channel(pool, "through");
    long double ld = 0;
    CHECK_OK(tp_run(pool, long_double_twice, &ld, 1.25L));
    CHECK(ld > 2.49L && ld < 2.51L);
    double complex c = 0;
    CHECK_OK(tp_run(pool, turn, &c, 3.0 + 4.0 * I));
    CHECK(creal(c) < -3.99 && cimag(c) > 2.99);

    struct point p = {0};
    CHECK_OK(tp_run(pool, mirror, &p, ((struct point){3, 1.5, 't'}), .times = 2));
    CHECK(p.x == 6 && p.y < -1.49 && p.tag == 't');
    CHECK_OK(tp_send(through, (struct point){4, 2.5, 'u'}));
    CHECK_OK(tp_recv(through, &p));
    CHECK(p.x == 4 && p.y > 2.49 && p.tag == 'u');

    struct large l;
    for (int i = 0; i < 40; i++)
        l.numbers[i] = i * 3;
    struct large r;
    CHECK_OK(tp_run(pool, reverse, &r, l));
    for (int i = 0; i < 40; i++)
        CHECK_INT(r.numbers[i], (39 - i) * 3);
    CHECK_OK(tp_send(through, l));
    CHECK_OK(tp_recv(through, &r));
    CHECK(memcmp(&l, &r, sizeof l) == 0);

    union either e = {.integer = INT64_MIN};
    union either same = {.integer = 0};
    CHECK_OK(tp_run(pool, same_union, &same, e));
    CHECK(same.integer == INT64_MIN);
}

TP_TASK(nothing, void)
{
    tp_yield();
}

static void a_task_may_return_nothing(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    CHECK_OK(tp_run(pool, nothing, NULL));
    tp_promise *p = tp_submit(pool, nothing);
    CHECK_OK(tp_await(p, NULL));
    int64_t v = 5;
    CHECK_STATUS(tp_await(p, &v), TP_E_TYPE);
    CHECK_INT(v, 0);
    tp_promise_release(p);
}

TP_TASK(sixteen, int64_t, (int8_t, a), (int16_t, b), (int32_t, c), (int64_t, d), (uint8_t, e), (uint16_t, f),
        (uint32_t, g), (uint64_t, h), (float, i), (double, j), (bool, k), (char, l), (enum color, m), (struct point, n),
        (tp_str, o), (tp_bytes, p))
{
    return a + b + c + d + e + f + g + (int64_t)h + (int64_t)i + (int64_t)j + k + l + (int64_t)m + n.x +
           (int64_t)o.length + (int64_t)p.size;
}

static void sixteen_captures(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    int64_t v = 0;
    const uint8_t bytes[3] = {1, 2, 3};
    CHECK_OK(tp_run(pool, sixteen, &v, 1, 2, 3, 4, 5, 6, 7, 8, 9.0F, 10.0, true, 'A', GREEN, ((struct point){12, 0, 0}),
                    tp_str_lit("four"), tp_bytes_view(bytes, 3)));
    CHECK_INT(v, 45 + 10 + 1 + 'A' + 7 + 12 + 4 + 3);
    v = 0;
    CHECK_OK(tp_run(pool, sixteen, &v, .p = tp_bytes_view(bytes, 3), .o = tp_str_lit("four"),
                    .n = ((struct point){.x = 12}), .m = GREEN, .l = 'A', .k = true, .j = 10.0, .i = 9.0F, .h = 8,
                    .g = 7, .f = 6, .e = 5, .d = 4, .c = 3, .b = 2, .a = 1));
    CHECK_INT(v, 45 + 10 + 1 + 'A' + 7 + 12 + 4 + 3);
}

TP_TASK(join, tp_str, (tp_str, a), (tp_str, b))
{
    char *buffer = malloc(a.length + b.length + 1);
    if (buffer == NULL)
        tp_raise("no memory");
    memcpy(buffer, a.data, a.length);
    memcpy(buffer + a.length, b.data, b.length);
    const tp_str joined = tp_str_new_n(buffer, a.length + b.length);
    free(buffer);
    return joined;
}

TP_TASK(same_str, tp_str, (tp_str, s))
{
    return s;
}

static void strings(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    through = tp_pool_channel(pool, "through");
    tp_str s;
    CHECK_OK(tp_run(pool, join, &s, tp_str_lit("half "), tp_str_lit("and half")));
    CHECK_TP_STR(s, "half and half");
    tp_str_release(s);

    CHECK_OK(tp_run(pool, same_str, &s, tp_str_lit("")));
    CHECK_INT(s.length, 0);
    tp_str_release(s);
    CHECK_OK(tp_run(pool, same_str, &s, (tp_str){0}));
    CHECK_INT(s.length, 0);
    tp_str_release(s);
    CHECK_OK(tp_run(pool, same_str, &s, tp_str_view("a\0b", 3)));
    CHECK(s.length == 3 && memcmp(s.data, "a\0b", 3) == 0);
    tp_str_release(s);

    const size_t length = 1 << 20;
    char *big = malloc(length);
    CHECK_OR_EXIT(big != NULL);
    for (size_t i = 0; i < length; i++)
        big[i] = (char)(i * 7);
    CHECK_OK(tp_run(pool, join, &s, tp_str_view(big, length), tp_str_view(big, length)));
    CHECK(s.length == 2 * length && memcmp(s.data, big, length) == 0 && memcmp(s.data + length, big, length) == 0);
    CHECK_OK(tp_send(through, s));
    tp_str_release(s);
    tp_str received;
    CHECK_OK(tp_recv(through, &received));
    CHECK(received.length == 2 * length && memcmp(received.data + length, big, length) == 0);
    tp_str_release(received);
    free(big);
}

TP_TASK(invert, tp_bytes, (tp_bytes, b))
{
    uint8_t inverted[256];
    for (size_t i = 0; i < b.size; i++)
        inverted[i] = (uint8_t)~b.data[i];
    return tp_bytes_new(inverted, b.size);
}

static void bytes(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    uint8_t all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    tp_bytes b;
    CHECK_OK(tp_run(pool, invert, &b, tp_bytes_view(all, 256)));
    CHECK_INT(b.size, 256);
    for (size_t i = 0; i < b.size; i++)
        CHECK_INT(b.data[i], 255 - (int)i);
    tp_bytes_release(b);
    CHECK_OK(tp_run(pool, invert, &b, ((tp_bytes){0})));
    CHECK_INT(b.size, 0);
    tp_bytes_release(b);
}

TP_TASK(same_value, tp_value, (tp_value, v))
{
    return v;
}

TP_TASK(constant, int64_t)
{
    return 42;
}

/* Reads a map, makes another one of it. */
TP_TASK(describe, tp_value, (tp_value, person))
{
    tp_value name;
    tp_value age;
    int64_t years;
    tp_try(tp_value_map_get(person, "name", &name));
    tp_try(tp_value_map_get(person, "age", &age));
    tp_try(tp_value_to_int(age, &years));
    const tp_value result = tp_value_map();
    tp_try(tp_value_map_set(result, "name", name));
    tp_try(tp_value_map_set(result, "next", tp_value_int(years + 1)));
    const tp_value list = tp_value_list();
    for (int64_t i = 0; i < 3; i++)
        tp_try(tp_value_list_append(list, tp_value_float((double)i / 2)));
    tp_try(tp_value_map_set(result, "halves", list));
    return result;
}

static void values_of_every_type(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    through = tp_pool_channel(pool, "through");
    tp_auto(tp_closure) closure = tp_bind(constant);
    tp_value list = tp_value_list();
    CHECK_OK(tp_value_list_append(list, tp_value_int(1)));
    CHECK_OK(tp_value_list_append(list, tp_value_str(tp_str_lit("two"))));
    tp_value map = tp_value_map();
    CHECK_OK(tp_value_map_set(map, "list", list));
    CHECK_OK(tp_value_map_set(map, "nil", tp_value_nil()));
    tp_value channel = tp_value_channel(through);
    const tp_value all[] = {tp_value_nil(),
                            tp_value_bool(true),
                            tp_value_int(INT64_MIN),
                            tp_value_float(2.5),
                            tp_value_str(tp_str_lit("text")),
                            tp_value_bytes(tp_bytes_view("\1\2\3", 3)),
                            list,
                            map,
                            tp_value_closure(closure),
                            channel};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tp_value got;
        CHECK_OK(tp_run(pool, same_value, &got, all[i]));
        if (!CHECK(tp_value_equal(got, all[i])))
            fprintf(stderr, "  of a %s\n", tp_value_type_name(all[i].type));
        CHECK_OK(tp_send(through, got));
        tp_value_release(got);
        CHECK_OK(tp_recv(through, &got));
        CHECK(tp_value_equal(got, all[i]));
        tp_value_release(got);
    }
    tp_value_release(list);
    tp_value_release(map);
    tp_value_release(channel);

    tp_auto(tp_value) person = tp_value_map();
    CHECK_OK(tp_value_map_set(person, "name", tp_value_str(tp_str_lit("Ada"))));
    CHECK_OK(tp_value_map_set(person, "age", tp_value_int(36)));
    tp_value described;
    CHECK_OK(tp_run(pool, describe, &described, person));
    tp_auto(tp_str) text = tp_value_text(described);
    CHECK_TP_STR(text, "{\"halves\": [0.0, 0.5, 1.0], \"name\": \"Ada\", \"next\": 37}");
    tp_value_release(described);
}

TP_TASK(same_channel, tp_channel *, (tp_channel *, ch))
{
    return ch;
}

static void named_channels(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_channel *named = tp_pool_channel(pool, "named");
    tp_channel *got = NULL;
    CHECK_OK(tp_run(pool, same_channel, &got, named));
    CHECK(got == named);
    tp_channel *nameless = tp_channel_open(0);
    CHECK(tp_submit(pool, same_channel, nameless) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK_CONTAINS(tp_last_error()->message, "ch");
    tp_channel_release(nameless);
}

/* Past the limit the error names the parameter and its size. */
static void a_capture_above_the_limit_is_refused(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    const size_t length = (16 << 20) + 1;
    char *big = calloc(1, length);
    CHECK_OR_EXIT(big != NULL);
    tp_str s;
    const tp_status status = tp_run(pool, same_str, &s, tp_str_view(big, length));
    CHECK(status == TP_E_LIMIT || status == TP_E_ARGUMENT);
    CHECK_CONTAINS(tp_last_error()->message, "'s'");
    CHECK_CONTAINS(tp_last_error()->message, "167772"); /* its size, as it would be encoded */
    free(big);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(scalars_and_enums),
        CHECK_TEST(structs_unions_and_wide_floats),
        CHECK_TEST(a_task_may_return_nothing),
        CHECK_TEST(sixteen_captures),
        CHECK_TEST(strings),
        CHECK_TEST(bytes),
        CHECK_TEST(values_of_every_type),
        CHECK_TEST(named_channels),
        CHECK_TEST(a_capture_above_the_limit_is_refused),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
