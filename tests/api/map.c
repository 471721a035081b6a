/* SPDX-License-Identifier: MIT */
/* tp_map: in order, on to the end after failures, with statuses and progress, of every kind of result. */
#include "check.h"
#include "test_pool.h"

#include <stdatomic.h>

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(fail_on_multiples, int64_t, (int64_t, x), (int64_t, of))
{
    if (x % of == 0)
        tp_raise("%d is a multiple", (int)x);
    return x;
}

static void a_large_map_is_in_order(void)
{
    const size_t count = CHECK_SCALE(200000, 5000);
    int64_t *in = malloc(count * sizeof *in);
    int64_t *out = malloc(count * sizeof *out);
    CHECK_OR_EXIT(in != NULL && out != NULL);
    for (size_t i = 0; i < count; i++)
        in[i] = (int64_t)(i ^ 0x5a5);
    tp_auto(tp_pool) pool = test_pool_open(3);
    CHECK_OK(tp_map(pool, square, in, out, count));
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += out[i] != in[i] * in[i];
    CHECK_INT(wrong, 0);
    CHECK_INT(tp_pool_pending(pool), 0);
    free(in);
    free(out);
}

TP_TASK(twice, tp_str, (tp_str, text))
{
    return tp_str_format("%.*s%.*s", (int)text.length, text.data, (int)text.length, text.data);
}

/* Each element is copied before any result is stored. */
static void results_may_take_the_elements_places(void)
{
    enum { COUNT = 3000 };
    static int64_t numbers[COUNT];
    tp_auto(tp_pool) pool = test_pool_open(3);
    for (int i = 0; i < COUNT; i++)
        numbers[i] = i + 1;
    CHECK_STATUS(tp_map(pool, fail_on_multiples, numbers, numbers, COUNT, .of = 7), TP_E_TASK);
    size_t wrong = 0;
    for (int i = 0; i < COUNT; i++)
        wrong += numbers[i] != ((i + 1) % 7 == 0 ? 0 : i + 1);
    CHECK_INT(wrong, 0);
    CHECK_OK(tp_map(pool, square, numbers, numbers, COUNT));
    CHECK_INT(numbers[2], 9);
    CHECK_INT(numbers[6], 0);
    CHECK_INT(numbers[COUNT - 1], (int64_t)COUNT * COUNT);

    tp_str texts[] = {tp_str_lit("a"), tp_str_lit("bc"), tp_str_lit("")};
    CHECK_OK(tp_map(pool, twice, texts, texts, 3));
    CHECK_STR(texts[0].data, "aa");
    CHECK_STR(texts[1].data, "bcbc");
    for (int i = 0; i < 3; i++)
        tp_str_release(texts[i]);
}

static void a_map_of_nothing_is_done(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    const int64_t in[1] = {1};
    int64_t out[1] = {5};
    CHECK_OK(tp_map(pool, square, in, out, 0));
    CHECK_INT(out[0], 5);
    CHECK_INT(tp_pool_pending(pool), 0);
}

static void it_continues_after_failures_and_tells_every_status(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    int64_t in[100];
    int64_t out[100];
    tp_status statuses[100];
    for (int i = 0; i < 100; i++) {
        in[i] = i + 1;
        out[i] = 77;
        statuses[i] = TP_E_SYSTEM;
    }
    CHECK_STATUS(tp_map_with(pool, tp_map_options(.statuses = statuses), fail_on_multiples, in, out, 100, .of = 7),
                 TP_E_TASK);
    CHECK_STR(tp_last_error()->message, "7 is a multiple"); /* the first by index */
    CHECK_STR(tp_last_error()->task, "fail_on_multiples");
    for (int i = 0; i < 100; i++) {
        const bool fails = in[i] % 7 == 0;
        CHECK_STATUS(statuses[i], fails ? TP_E_TASK : TP_OK);
        CHECK_INT(out[i], fails ? 0 : in[i]);
    }
    CHECK_STATUS(tp_map(pool, fail_on_multiples, in, out, 100, 50), TP_E_TASK);
    CHECK_INT(out[49], 0);
    CHECK_INT(out[99], 0);
    CHECK_INT(out[98], 99);
}

struct progress {
    size_t calls;
    size_t last;
    bool wrong;
};

static void on_progress(size_t resolved, size_t total, void *argument)
{
    struct progress *progress = argument;
    progress->wrong |= total != 1000 || resolved < progress->last || resolved > total || gettid() != getpid();
    progress->last = resolved;
    progress->calls++;
}

static void progress_rises_to_the_total_on_the_caller_s_thread(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    int64_t in[1000];
    int64_t out[1000];
    for (int i = 0; i < 1000; i++)
        in[i] = i;
    for (int with_failures = 0; with_failures < 2; with_failures++) {
        struct progress progress = {.calls = 0};
        const tp_map_options options = {.progress = on_progress, .progress_argument = &progress};
        if (with_failures)
            CHECK_STATUS(tp_map_with(pool, options, fail_on_multiples, in, out, 1000, 3), TP_E_TASK);
        else
            CHECK_OK(tp_map_with(pool, options, square, in, out, 1000));
        CHECK(progress.calls > 0);
        CHECK_INT(progress.last, 1000);
        CHECK(!progress.wrong);
    }
}

static atomic_llong side_effects;

TP_TASK(add_up, void, (int64_t, x))
{
    atomic_fetch_add(&side_effects, x);
}

static void a_map_of_void_has_no_output(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    int64_t in[100];
    for (int i = 0; i < 100; i++)
        in[i] = i;
    CHECK_OK(tp_map(pool, add_up, in, NULL, 100));
    CHECK_INT(atomic_load(&side_effects), 4950);
    CHECK_OK(tp_map(pool, square, in, NULL, 100)); /* results that nobody wants */
}

TP_TASK(name_of, tp_str, (int, i), (tp_str, prefix))
{
    if (i == 13)
        tp_raise("unlucky");
    return tp_str_format("%.*s-%d", (int)prefix.length, prefix.data, i);
}

TP_TASK(length_of, int64_t, (tp_str, s))
{
    return (int64_t)s.length;
}

static void strings_as_elements_and_results(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    int in[40];
    tp_str names[40];
    for (int i = 0; i < 40; i++)
        in[i] = i;
    CHECK_STATUS(tp_map(pool, name_of, in, names, 40, .prefix = tp_str_lit("element")), TP_E_TASK);
    for (int i = 0; i < 40; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "element-%d", i);
        if (i == 13)
            CHECK(names[i].data == NULL && names[i].length == 0);
        else
            CHECK_TP_STR(names[i], wanted);
    }
    int64_t lengths[40];
    CHECK_OK(tp_map(pool, length_of, names, lengths, 40));
    for (int i = 0; i < 40; i++) {
        CHECK_INT(lengths[i], names[i].length);
        tp_str_release(names[i]);
    }
}

TP_TASK(small_types, int8_t, (uint8_t, x), (bool, negative))
{
    return (int8_t)(negative ? -(x / 2) : x / 2);
}

static void elements_of_one_byte(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    uint8_t in[256];
    int8_t out[256];
    for (int i = 0; i < 256; i++)
        in[i] = (uint8_t)i;
    CHECK_OK(tp_map(pool, small_types, in, out, 256, .negative = true));
    for (int i = 0; i < 256; i++)
        CHECK_INT(out[i], -(i / 2));
}

TP_TASK(map_inside, int64_t, (int64_t, n))
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    int64_t in[16];
    int64_t out[16];
    for (int64_t i = 0; i < 16; i++)
        in[i] = i + n;
    tp_try(tp_map(pool, square, in, out, 16));
    int64_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += out[i];
    return sum;
}

static void a_map_inside_a_map(void)
{
    for (int workers = 1; workers <= 3; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        int64_t in[30];
        int64_t out[30];
        for (int i = 0; i < 30; i++)
            in[i] = i;
        CHECK_OK(tp_map(pool, map_inside, in, out, 30));
        for (int64_t n = 0; n < 30; n++)
            CHECK_INT(out[n], 16 * n * n + 240 * n + 1240);
    }
}

TP_TASK(sleep_for_ever, int64_t, (int64_t, x))
{
    tp_try(tp_sleep_ms(x == 3 ? 1000000 : 0));
    return x;
}

static void options_hold_for_each_element(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    const int64_t in[5] = {1, 2, 3, 4, 5};
    int64_t out[5];
    tp_status statuses[5];
    CHECK_STATUS(tp_map_with(pool, tp_map_options(.statuses = statuses, .task = {.timeout_ms = 200}), sleep_for_ever,
                             in, out, 5),
                 TP_E_TIMEOUT);
    CHECK_STATUS(statuses[2], TP_E_TIMEOUT);
    CHECK_INT(out[2], 0);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_large_map_is_in_order),
        CHECK_TEST(results_may_take_the_elements_places),
        CHECK_TEST(a_map_of_nothing_is_done),
        CHECK_TEST(it_continues_after_failures_and_tells_every_status),
        CHECK_TEST(progress_rises_to_the_total_on_the_caller_s_thread),
        CHECK_TEST(a_map_of_void_has_no_output),
        CHECK_TEST(strings_as_elements_and_results),
        CHECK_TEST(elements_of_one_byte),
        CHECK_TEST(a_map_inside_a_map),
        CHECK_TEST(options_hold_for_each_element),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
