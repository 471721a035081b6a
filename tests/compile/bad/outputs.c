/* SPDX-License-Identifier: MIT */
#include <taskpool/taskpool.h>

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}
TP_TASK(nothing, void)
{
}

void use(tp_pool *pool, tp_promise *promise, tp_channel *channel, tp_closure closure, void *room);
void use(tp_pool *pool, tp_promise *promise, tp_channel *channel, tp_closure closure, void *room)
{
    int number = 0;
    int64_t result = 0, *pointer = &result;
    const int64_t fixed = 0;
    const int in[2] = {1, 2};
    const int64_t wide[2] = {1, 2};
    int64_t out[2];
    int narrow[2];
    size_t chosen;
    (void)number, (void)pointer, (void)fixed, (void)in, (void)wide, (void)out, (void)narrow, (void)room, (void)chosen;
    (void)pool, (void)channel, (void)closure, (void)promise;

#ifdef MISTAKE_run_into_another_type
    /* expect: tp_run: the output for 'fib' must be NULL or the address of a variable of the task's result type */
    tp_run(pool, fib, &number, 3);
#endif
#ifdef MISTAKE_run_without_address
    /* expect: tp_run: the output for 'fib' must be NULL or the address of a variable */
    tp_run(pool, fib, result, 3);
#endif
#ifdef MISTAKE_run_into_const
    /* expect: tp_run: the output for 'fib' must be NULL or the address of a variable */
    tp_run(pool, fib, &fixed, 3);
#endif
#ifdef MISTAKE_run_into_void_pointer
    /* expect: tp_run: the output for 'fib' must be NULL or the address of a variable */
    tp_run(pool, fib, room, 3);
#endif
#ifdef MISTAKE_run_void_into_something
    /* expect: tp_run: the output for 'nothing' must be NULL */
    tp_run(pool, nothing, &result);
#endif
#ifdef MISTAKE_map_from_another_type
    /* expect: tp_map: the input for 'fib' must be an array of the type of its first parameter, 'fib__first' */
    tp_map(pool, fib, wide, out, 2);
#endif
#ifdef MISTAKE_map_into_another_type
    /* expect: tp_map: the output for 'fib' must be NULL or the address of a variable of the task's result type */
    tp_map(pool, fib, in, narrow, 2);
#endif
#ifdef MISTAKE_map_without_parameter
    /* expect: tp_map: 'nothing' has no parameter to take the elements */
    tp_map(pool, nothing, in, NULL, 2);
#endif
#ifdef MISTAKE_await_without_address
    /* expect: tp_await: the output must be NULL or the address of a variable .* such as &v */
    tp_await(promise, result);
#endif
#ifdef MISTAKE_await_into_const
    /* expect: tp_await: the output must be NULL or the address of a variable .* such as &v */
    tp_await(promise, &fixed);
#endif
#ifdef MISTAKE_await_into_pointer
    /* expect: tp_await: the output must be NULL or the address of a variable .* such as &v */
    tp_await(promise, &pointer);
#endif
#ifdef MISTAKE_await_into_void_pointer
    /* expect: tp_await: the output must be NULL or the address of a variable .* such as &v */
    tp_await(promise, room);
#endif
#ifdef MISTAKE_await_for_into_pointer
    /* expect: tp_await_for: the output must be NULL or the address of a variable .* such as &v */
    tp_await_for(promise, &pointer, 10);
#endif
#ifdef MISTAKE_call_without_address
    /* expect: tp_call: the output must be NULL or the address of a variable .* such as &v */
    tp_call(closure, result);
#endif
#ifdef MISTAKE_run_closure_without_address
    /* expect: tp_run_closure: the output must be NULL or the address of a variable .* such as &v */
    tp_run_closure(pool, closure, result, 1);
#endif
#ifdef MISTAKE_receive_without_address
    /* expect: tp_recv: the output must be NULL or the address of a variable .* such as &v */
    tp_recv(channel, result);
#endif
#ifdef MISTAKE_receive_into_pointer
    /* expect: tp_recv: the output must be NULL or the address of a variable .* such as &v */
    tp_try_recv(channel, &pointer);
#endif
#ifdef MISTAKE_select_without_address
    /* expect: tp_case_recv: the output must be NULL or the address of a variable .* such as &v */
    tp_select(&tp_case_recv(channel, result), 1, 0, &chosen);
#endif
#ifdef MISTAKE_send_text
    /* expect: a message is a pointer: it means nothing elsewhere; use tp_str_lit\( */
    tp_send(channel, "text");
#endif
#ifdef MISTAKE_send_pointer
    /* expect: a message is a pointer: it means nothing elsewhere; use tp_str_lit\( */
    tp_send_for(channel, pointer, 10);
#endif
#ifdef MISTAKE_select_send_pointer
    /* expect: a message is a pointer: it means nothing elsewhere */
    tp_select_case send = tp_case_send(channel, pointer);
    tp_select(&send, 1, 0, &chosen);
#endif
#ifdef MISTAKE_pointer_argument
    /* expect: the argument of tp_call is a pointer */
    tp_call(closure, NULL, pointer);
#endif
#ifdef MISTAKE_pointer_argument_submitted
    /* expect: the argument of tp_submit_closure is a pointer */
    promise = tp_submit_closure(pool, closure, pointer);
#endif
}
