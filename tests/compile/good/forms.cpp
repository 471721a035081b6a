// SPDX-License-Identifier: MIT
// What the macros can do in C++20: captures are positional.
#include "forms.h"

struct place {
    char tag;
    double x, y;
};
enum color { RED, GREEN };

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}
TP_TASK(mixed, place, (place, p), (color, c), (const bool, b), (tp_str, s), (tp_channel *, ch))
{
    (void)ch;
    p.x += c + b + static_cast<double>(s.length);
    return p;
}
TP_TASK(nothing, void)
{
}
TP_LOCAL_TASK(local, int, (int *, counter), (const char *, text))
{
    return ++*counter + text[0];
}

int calls(tp_pool *pool, tp_channel *channel);
int calls(tp_pool *pool, tp_channel *channel)
{
    const int64_t in[2] = {1, 2};
    int64_t out[2], v = 0;
    long l = 0;
    int counter = 0;
    place p = {'a', 1, 2};
    tp_task_options options = {};
    options.timeout_ms = 5;

    tp_map(pool, square, in, out, 2);
    tp_map(pool, shared, "abc", &l, 1, 2);
    tp_run(pool, square, &v, 3);
    tp_run(pool, nothing, nullptr);
    tp_run(pool, nothing, NULL);
    tp_run(pool, mixed, &p, place{'a', 1, 2}, GREEN, true, tp_str_lit("text"), channel);
    tp_run_with(pool, options, square, &v, 3);

    tp_promise *promise = tp_submit(pool, square, 3);
    tp_await(promise, &v);
    tp_await(promise, nullptr);
    tp_await_for(promise, NULL, 5);
    tp_promise_release(promise);
    tp_promise_release(tp_submit_with(pool, options, nothing));
    tp_promise_release(tp_async(local, &counter, "text"));
    tp_promise_release(tp_parallel_async(shared, 'a', 3));

    tp_send(channel, int64_t{42});
    tp_send(channel, place{'a', 1, 2});
    tp_try_send(channel, tp_str_lit("text"));
    tp_recv(channel, &v);
    tp_try_recv(channel, &p);
    tp_recv_for(channel, &channel, 5);
    size_t chosen;
    tp_select_case cases[] = {tp_case_recv(channel, &v), tp_case_send(channel, p)};
    tp_select(cases, 2, 0, &chosen);

    tp_auto(tp_closure) closure = tp_bind(shared, 3);
    tp_call(closure, &l, 'a');
    tp_run_closure(pool, closure, &l, 'a');
    tp_promise_release(tp_submit_closure(pool, closure, 'a'));
    tp_with (tp_closure, all, tp_bind(shared, 'a', 3))
        tp_call(all, nullptr);
    return counter;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_with (tp_pool, pool, tp_pool_open("local:1")) {
        return calls(pool, tp_pool_channel(pool, "channel"));
    } else {
        return 1;
    }
}
