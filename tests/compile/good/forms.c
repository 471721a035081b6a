/* SPDX-License-Identifier: MIT */
/* Every form of every macro, every type of capture. */
#include "forms.h"

typedef struct point {
    char tag;
    double x, y;
} point;
typedef int (*callback)(int);
enum color { RED, GREEN };
union either {
    int i;
    float f;
};

TP_TASK(scalars, double, (bool, a), (char, b), (signed char, c), (unsigned char, d), (short, e), (unsigned short, f),
        (int, g), (unsigned, h), (long, i), (unsigned long, j), (long long, k), (unsigned long long, l), (float, m),
        (double, n), (enum color, o), (size_t, p))
{
    return (double)(a + b + c + d + e + f + g) + h + (double)i + (double)j + (double)k + (double)l + (double)m + n +
           (double)p + (o == GREEN);
}
TP_TASK(values, tp_value, (tp_str, a), (tp_bytes, b), (tp_value, c), (tp_closure, d), (tp_channel *, e))
{
    (void)a, (void)b, (void)d, (void)e;
    return c;
}
TP_TASK(structs, point, (point, a), (struct point, b), (union either, c), (long double, d), (const int, e),
        (_Complex double, f))
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return a;
}
TP_TASK(channel_result, tp_channel *, (tp_channel *, channel))
{
    return channel;
}
TP_TASK(closure_result, tp_closure, (tp_closure, closure))
{
    return closure;
}
TP_TASK(never_used, int, (int, a))
{
    return a;
}
TP_TASK(nothing, void)
{
}
TP_TASK_DEFINE(shared, long, (char, a), (long, b))
{
    return a * b;
}
TP_TASK_DEFINE(shared_nothing, void)
{
}
TP_LOCAL_TASK(local, int, (const char *, text), (callback, function), (int (*)(int), other), (tp_channel *, channel))
{
    (void)channel;
    return function(text[0]) + other(1);
}
TP_LOCAL_TASK(local_never_used, void)
{
}

TP_TASK(nested, int64_t, (int, n))
{
    if (n == 0)
        return 0;
    int64_t sum = 0;
    tp_with (tp_pool, pool, tp_pool_open(NULL))
        tp_try(tp_run(pool, nested, &sum, .n = n - 1));
    return sum + n;
}

static int twice(int x)
{
    return 2 * x;
}
static void progress(size_t resolved, size_t total, void *argument)
{
    (void)resolved, (void)total, (void)argument;
}

int calls(tp_pool *pool, tp_async_pool *async_pool, tp_channel *channel);
int calls(tp_pool *pool, tp_async_pool *async_pool, tp_channel *channel)
{
    double d;
    int i;
    int64_t wide;
    long l;
    point p = {.tag = 'p'};
    tp_value value;
    tp_promise *promise;
    const int numbers[3] = {1, 2, 3};
    int results[3];
    tp_status statuses[3];
    const tp_task_options options = {.timeout_ms = 5};
    const tp_map_options map_options = {.statuses = statuses};

    tp_run(pool, scalars, &d, true, 'b', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, GREEN, sizeof(int));
    tp_run(pool, scalars, &d, true, 'b', 1, 2, 3, 4, .h = 6, .g = 5, .i = 7, .p = 1, .o = RED, .n = 1, .m = 2, .l = 3,
           .k = 4, .j = 8);
    tp_run(pool, values, &value, tp_str_lit("a"), tp_bytes_view("b", 1), tp_value_nil(), tp_bind(nothing), channel);
    tp_run(pool, structs, &p, p, ((point){'x', 1, 2}), .c = (union either){.f = 1}, .d = 1, .e = 2, .f = 3);
    tp_run(pool, nothing, NULL);
    tp_run(NULL, nothing, NULL);
    tp_run_with(pool, options, shared, &l, 'a', 2);
    tp_run_with(pool, tp_task_options(.timeout_ms = 5, .pinned = true, .worker = 0), shared, NULL, 'a', .b = 2);
    tp_map(pool, whole_in_header, numbers, results, 3);
    tp_map(pool, shared, "abc", &l, 1, 2);
    tp_map(pool, shared, "abc", NULL, 1, .b = 2);
    tp_map_with(pool, map_options, whole_in_header, numbers, results, 3);
    tp_map_with(pool, tp_map_options(.progress = progress, .task = {.timeout_ms = 5}), whole_in_header, numbers, NULL,
                3);
    tp_map(pool, whole_in_header, NULL, NULL, 0);

    promise = tp_submit(pool, shared_nothing);
    tp_await(promise, NULL);
    tp_promise_release(promise);
    promise = tp_submit_with(pool, options, nothing);
    tp_await_for(promise, &i, 10);
    tp_promise_release(promise);
    promise = tp_async(local, "text", .other = twice, .channel = NULL, .function = twice);
    tp_await_for(promise, &i, TP_FOREVER);
    tp_promise_release(promise);
    tp_promise_release(tp_async(nothing));
    tp_promise_release(tp_parallel_async(shared, 'a', 3));
    tp_promise_release(tp_async_pool_submit(async_pool, shared, 'a', 3));
    tp_async_pool_run(async_pool, shared, &l, 'a', 3);
    tp_async_pool_map(async_pool, whole_in_header, numbers, results, 3);

    /* a call inside the captures of another: each evaluated once, no shadowing */
    tp_run(pool, shared, &l, 'a', ({
               long inner = 0;
               tp_run(pool, shared, &inner, 'b', ({
                          int innermost = 0;
                          tp_run(pool, whole_in_header, &innermost, 3);
                          innermost;
                      }));
               inner;
           }));

    tp_auto(tp_closure) all = tp_bind(shared, 'a', .b = 2);
    tp_auto(tp_closure) rest = tp_bind(shared, .b = 2);
    tp_auto(tp_closure) none = tp_bind(nothing);
    tp_call(all, &l);
    tp_call(rest, &l, 'a');
    tp_call(none, NULL);
    tp_promise_release(tp_submit_closure(pool, all));
    tp_promise_release(tp_submit_closure(pool, rest, (char)'a'));
    tp_promise_release(tp_submit_closure_with(pool, options, rest, ((point){'x', 1, 2})));
    tp_run_closure(pool, all, &l);
    tp_run_closure(pool, rest, NULL, (char)'a');

    tp_send(channel, 1);
    tp_send(channel, (point){'x', 1, 2});
    tp_send(channel, tp_str_lit("text"));
    tp_send(channel, channel);
    tp_try_send(channel, p);
    tp_send_for(channel, ((point){'x', 1, 2}), 10);
    tp_recv(channel, &wide);
    tp_try_recv(channel, &value);
    tp_recv_for(channel, &channel, 10);
    size_t chosen;
    tp_select_case cases[] = {tp_case_recv(channel, &wide), tp_case_send(channel, 3),
                              tp_case_send(channel, (point){'x', 1, 2}), tp_case_send(channel, p)};
    tp_select(cases, 4, 0, &chosen);
    tp_wait_any(&promise, 1, 0, &chosen);
    return i;
}

int scopes(int way);
int scopes(int way)
{
    for (int i = 0; i < 2; i++) {
        tp_with (tp_pool, pool, tp_pool_open("local:1")) {
            tp_with (tp_promise, promise, tp_submit(pool, whole_in_header, .a = i)) {
                tp_with (tp_str, text, tp_str_format("%d", i)) {
                    if (way == 0)
                        break;
                    if (way == 1)
                        continue;
                    if (way == 2)
                        return (int)text.length;
                    if (way == 3)
                        goto out;
                }
                tp_await(promise, NULL);
            } else {
                return -1;
            }
        }
    }
    return 0;
out:
    return 1;
}

int every_type(void);
int every_type(void)
{
    int way = 0;
    tp_with (tp_async_pool, unused, tp_async_pool_open(NULL)) {
    }
    tp_with (tp_channel, channel, tp_channel_open(0))
        tp_send(channel, 1);
    tp_with (tp_mutex, mutex, tp_mutex_new())
        tp_with (tp_cond, cond, tp_cond_new())
            tp_with (tp_semaphore, semaphore, tp_semaphore_new(1)) {
                tp_mutex_lock(mutex);
                tp_cond_signal(cond);
                tp_semaphore_post(semaphore);
            }
    tp_with (tp_closure, closure, tp_bind(nothing))
        tp_call(closure, NULL);
    tp_with (tp_bytes, bytes, tp_bytes_new("a", 1))
        way += (int)bytes.size;
    tp_with (tp_value, list, tp_value_list())
        tp_value_list_append(list, tp_value_nil());
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_auto(tp_async_pool) async_pool = tp_async_pool_open(NULL);
    tp_auto(tp_promise) promise = tp_submit(pool, nothing);
    tp_auto(tp_channel) channel = tp_channel_open(1);
    tp_auto(tp_str) text = tp_str_new("text");
    tp_auto(tp_bytes) bytes = tp_bytes_new("a", 1);
    tp_auto(tp_value) value = tp_value_map();
    tp_auto(tp_mutex) mutex = tp_mutex_new();
    tp_auto(tp_cond) cond = tp_cond_new();
    tp_auto(tp_semaphore) semaphore = tp_semaphore_new(1);
    return async_pool && promise && channel && text.length && bytes.size && value.type && mutex && cond && semaphore &&
           way;
}

int main(void)
{
    tp_init(0, NULL);
    return calls(NULL, NULL, NULL) + scopes(0) + every_type();
}
