/* SPDX-License-Identifier: MIT */
#include <taskpool/taskpool.h>

typedef struct aligned {
    _Alignas(64) int x;
} aligned;
typedef int array[4];
typedef struct node node;

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}
TP_TASK_DECLARE(shared, int, (int, a));
TP_LOCAL_TASK(fill, int, (char *, buffer))
{
    return *buffer;
}
int plain_function(int n);
tp_promise *use(tp_pool *pool, tp_async_pool *async_pool, char *buffer);

#ifdef MISTAKE_pointer_parameter
/* expect: parameter 'path' of task 'read_it' is a pointer: .* use tp_str or tp_bytes */
TP_TASK(read_it, int, (int, n), (const char *, path))
{
    return n + path[0];
}
#endif
#ifdef MISTAKE_void_pointer_parameter
/* expect: parameter 'data' of task 'read_it' is a pointer: .* use tp_str or tp_bytes */
TP_TASK(read_it, int, (void *, data))
{
    return data != NULL;
}
#endif
#ifdef MISTAKE_struct_pointer_parameter
/* expect: parameter 'next' of task 'read_it' is a pointer: .* a TP_LOCAL_TASK, .* may capture pointers */
TP_TASK(read_it, int, (node *, next))
{
    return next != NULL;
}
#endif
#ifdef MISTAKE_pool_parameter
/* expect: parameter 'pool' of task 'read_it' is a pointer */
TP_TASK(read_it, size_t, (tp_pool *, pool))
{
    return tp_pool_size(pool);
}
#endif
#ifdef MISTAKE_promise_parameter
/* expect: parameter 'promise' of task 'read_it' is a pointer */
TP_TASK(read_it, bool, (tp_promise *, promise))
{
    return tp_promise_ready(promise);
}
#endif
#ifdef MISTAKE_channel_pointer_parameter
/* expect: parameter 'channels' of task 'read_it' is a pointer */
TP_TASK(read_it, bool, (tp_channel **, channels))
{
    return channels != NULL;
}
#endif
#ifdef MISTAKE_array_parameter
/* expect: parameter 'numbers' of task 'sum' is a pointer */
TP_TASK(sum, int, (array, numbers))
{
    return numbers[0];
}
#endif
#ifdef MISTAKE_function_parameter
/* expect: parameter 'function' of task 'apply' is a pointer */
TP_TASK(apply, int, (int (*)(int), function))
{
    return function(1);
}
#endif
#ifdef MISTAKE_declared_pointer_parameter
/* expect: parameter 'path' of task 'read_it' is a pointer */
TP_TASK_DECLARE(read_it, int, (char *, path));
#endif
#ifdef MISTAKE_pointer_result
/* expect: the result of task 'name_of' is a pointer: .* return a tp_str or tp_bytes */
TP_TASK(name_of, const char *, (int, n))
{
    return n ? "one" : "none";
}
#endif
#ifdef MISTAKE_pointer_result_of_local
/* expect: the result of task 'next_of' is a pointer */
TP_LOCAL_TASK(next_of, node *, (node *, next))
{
    return next;
}
#endif
#ifdef MISTAKE_no_parentheses
/* expect: TP_TASK\(twice, ...\): each parameter is written in parentheses, \(type, name\), as in \(int64_t, x\) */
TP_TASK(twice, int, int, n)
{
    return 2 * n;
}
#endif
#ifdef MISTAKE_some_parentheses
/* expect: TP_TASK\(sum, ...\): each parameter is written in parentheses, \(type, name\), as in \(int64_t, x\) */
TP_TASK(sum, int, (int, a), int b)
{
    return a + b;
}
#endif
#ifdef MISTAKE_no_name
/* expect: TP_LOCAL_TASK\(twice, ...\): each parameter is written in parentheses, \(type, name\) */
TP_LOCAL_TASK(twice, int, (int n))
{
    return 2 * n;
}
#endif
#ifdef MISTAKE_void_parameters
/* expect: each parameter is written in parentheses, .* a task without has none at all */
TP_TASK(nothing, int, (void))
{
    return 0;
}
#endif
#ifdef MISTAKE_17_parameters
/* expect: TP_TASK\(many, ...\): a task has at most 16 parameters: put some of them into a struct */
TP_TASK(many, int, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f), (int, g), (int, h), (int, i), (int, j),
        (int, k), (int, l), (int, m), (int, n), (int, o), (int, p), (int, q))
{
    return 0;
}
#endif
#ifdef MISTAKE_alignment
/* expect: a parameter of task 'shift' needs an alignment above 16 bytes */
TP_TASK(shift, int, (aligned, from))
{
    return from.x;
}
#endif
#ifdef MISTAKE_alignment_of_result
/* expect: the result of task 'shift' needs an alignment above 16 bytes */
TP_TASK(shift, aligned, (int, x))
{
    return (aligned){x};
}
#endif
#ifdef MISTAKE_defined_otherwise
/* expect: TP_TASK_DEFINE\(shared, ...\) differs from its TP_TASK_DECLARE */
TP_TASK_DEFINE(shared, int, (int, a), (int, b))
{
    return a + b;
}
#endif
#ifdef MISTAKE_defined_with_another_type
/* expect: conflicting types for 'shared' */
TP_TASK_DEFINE(shared, int, (long, a))
{
    return (int)a;
}
#endif

tp_promise *use(tp_pool *pool, tp_async_pool *async_pool, char *buffer)
{
    int result = 0;
    const char in[1] = {0};
    (void)result, (void)in, (void)pool, (void)async_pool;

#ifdef MISTAKE_not_a_task
    /* expect: 'plain_function__is_a_TP_TASK' undeclared|use of undeclared identifier 'plain_function__is_a_TP_TASK' */
    return tp_submit(pool, plain_function, 3);
#endif
#ifdef MISTAKE_misspelt_task
    /* expect: 'fibb__is_a_(TP_TASK|task)'.* did you mean 'fib__is_a_(TP_TASK|task)' */
    return tp_submit(pool, fibb, 3);
#endif
#ifdef MISTAKE_misspelt_task_in_run
    /* expect: 'fibb__is_a_(TP_TASK|task)'.* did you mean 'fib__is_a_(TP_TASK|task)' */
    tp_run(pool, fibb, NULL, 3);
#endif
#ifdef MISTAKE_misspelt_task_in_bind
    /* expect: 'fibb__is_a_(TP_TASK|task)'.* did you mean 'fib__is_a_(TP_TASK|task)' */
    (void)tp_bind(fibb, 3);
#endif
#ifdef MISTAKE_local_submitted
    /* expect: 'fill' is a TP_LOCAL_TASK, which stays on its OS thread: start it with tp_async, or make it a TP_TASK */
    return tp_submit(pool, fill, buffer);
#endif
#ifdef MISTAKE_local_submitted_with
    /* expect: 'fill' is a TP_LOCAL_TASK */
    return tp_submit_with(pool, tp_task_options(.timeout_ms = 1), fill, buffer);
#endif
#ifdef MISTAKE_local_run
    /* expect: 'fill' is a TP_LOCAL_TASK */
    tp_run(pool, fill, &result, buffer);
#endif
#ifdef MISTAKE_local_mapped
    /* expect: 'fill' is a TP_LOCAL_TASK */
    tp_map(pool, fill, in, &result, 1);
#endif
#ifdef MISTAKE_local_parallel
    /* expect: 'fill' is a TP_LOCAL_TASK */
    return tp_parallel_async(fill, buffer);
#endif
#ifdef MISTAKE_local_bound
    /* expect: 'fill' is a TP_LOCAL_TASK */
    (void)tp_bind(fill, buffer);
#endif
#ifdef MISTAKE_local_in_async_pool
    /* expect: 'fill' is a TP_LOCAL_TASK */
    return tp_async_pool_submit(async_pool, fill, buffer);
#endif
    return tp_async(fill, buffer);
}
