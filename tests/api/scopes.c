/* SPDX-License-Identifier: MIT */
/* tp_with and tp_auto: what was opened is closed however the block is left. A pool that was not closed would leave its
 * workers behind, so the threads of the process are counted. */
#include "check.h"
#include "test_pool.h"
#include "threads.h"

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

static int64_t leave(int how)
{
    int64_t v = 0;
    for (int i = 0; i < 3; i++) {
        tp_with (tp_pool, pool, tp_pool_open("local:2")) {
            CHECK_OK(tp_run(pool, square, &v, 10 + i));
            if (how == 0)
                break; /* leaves this block, not the loop */
            if (how == 1)
                continue;
            if (how == 2)
                return v;
            if (how == 3)
                goto out;
            v++;
        }
    }
    return v;
out:
    return v + 5;
}

static void every_way_out_of_a_block_closes(void)
{
    const int64_t wanted[5] = {144, 144, 100, 105, 145};
    const int before = thread_count();
    for (int how = 0; how < 5; how++) {
        CHECK_INT(leave(how), wanted[how]);
        CHECK_INT(thread_count_settled(before), before);
    }
}

static void a_failure_skips_the_block_and_takes_the_else(void)
{
    bool inside = false;
    bool otherwise = false;
    tp_with (tp_pool, pool, tp_pool_open("local:0")) {
        inside = true;
    } else {
        otherwise = true;
        CHECK_STATUS(tp_last_error()->status, TP_E_ADDRESS);
    }
    CHECK(!inside && otherwise);
    tp_with (tp_pool, pool, tp_pool_open("local:0"))
        inside = true;
    CHECK(!inside);
    otherwise = false;
    tp_with (tp_pool, pool, tp_pool_open("local:1")) {
        inside = true;
    } else {
        otherwise = true;
    }
    CHECK(inside && !otherwise);
}

static int64_t nested(void)
{
    tp_auto(tp_pool) outer = tp_pool_open("local:1");
    int64_t sum = 0;
    tp_with (tp_pool, inner, tp_pool_open("local:1"))
        tp_with (tp_pool, pool, tp_pool_open("local:1")) {
            tp_auto(tp_pool) another = tp_pool_open("local:1");
            tp_pool *const all[] = {outer, inner, pool, another};
            for (size_t i = 0; i < 4; i++) {
                int64_t v = 0;
                CHECK_OK(tp_run(all[i], square, &v, (int64_t)i));
                sum += v;
            }
        }
    return sum;
}

static void scopes_nest(void)
{
    const int before = thread_count();
    CHECK_INT(nested(), 14);
    CHECK_INT(thread_count_settled(before), before);
}

/* Every type of both forms; what is left behind is found by the leak checker of a sanitizer build. */
static void every_type_has_scopes(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_auto(tp_async_pool) async_pool = test_async_pool_open(1);
    tp_auto(tp_promise) promise = tp_submit(pool, square, 3);
    tp_auto(tp_channel) channel = tp_channel_open(1);
    tp_auto(tp_mutex) mutex = tp_mutex_new();
    tp_auto(tp_cond) cond = tp_cond_new();
    tp_auto(tp_semaphore) semaphore = tp_semaphore_new(1);
    tp_auto(tp_closure) closure = tp_bind(square, 4);
    tp_auto(tp_str) str = tp_str_new("text");
    tp_auto(tp_bytes) bytes = tp_bytes_new("1234", 4);
    tp_auto(tp_value) value = tp_value_list();
    int64_t v = 0;
    CHECK(async_pool != NULL && mutex != NULL && cond != NULL && semaphore != NULL);
    CHECK_OK(tp_await(promise, &v));
    CHECK_INT(v, 9);
    CHECK_OK(tp_send(channel, str));
    CHECK_OK(tp_run_closure(pool, closure, &v));
    CHECK_INT(v, 16);
    CHECK_INT(bytes.size, 4);
    CHECK_OK(tp_value_list_append(value, tp_value_str(str)));

    int bodies = 0;
    tp_with (tp_promise, p, tp_submit(pool, square, 3))
        bodies += tp_await(p, NULL) == TP_OK;
    tp_with (tp_promise, p, tp_submit(NULL, square, 3))
        bodies += 100;
    else
        bodies++;
    tp_with (tp_channel, c, tp_channel_open(0))
        bodies += tp_send(c, 1) == TP_OK;
    tp_with (tp_closure, c, tp_bind(square, 4))
        bodies += c.closure != NULL;
    tp_with (tp_str, s, tp_str_format("%d", 5))
        bodies += s.length == 1;
    tp_with (tp_str, s, tp_str_new(NULL))
        bodies += 100;
    else
        bodies++;
    tp_with (tp_value, list, tp_value_list())
        bodies += tp_value_size(list) == 0;
    CHECK_INT(bodies, 7);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_pool_close(test_pool_open(1)); /* whatever thread the library keeps is there now */
    const struct check_test tests[] = {
        CHECK_TEST(every_way_out_of_a_block_closes),
        CHECK_TEST(a_failure_skips_the_block_and_takes_the_else),
        CHECK_TEST(scopes_nest),
        CHECK_TEST(every_type_has_scopes),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
