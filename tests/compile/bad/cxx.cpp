// SPDX-License-Identifier: MIT
#include <taskpool/taskpool.h>

struct owner {
    owner();
    ~owner();
};
TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}
TP_LOCAL_TASK(fill, int, (char *, buffer))
{
    return *buffer;
}

#ifdef MISTAKE_pointer_parameter
/* expect: parameter 'path' of task 'read_it' is a pointer: .* use tp_str or tp_bytes */
TP_TASK(read_it, int, (const char *, path))
{
    return path[0];
}
#endif
#ifdef MISTAKE_pointer_result
/* expect: the result of task 'name_of' is a pointer: .* return a tp_str or tp_bytes */
TP_TASK(name_of, const char *, (int, n))
{
    return n ? "one" : "none";
}
#endif
#ifdef MISTAKE_object_parameter
/* expect: parameter 'who' of task 'greet' cannot be copied byte by byte */
TP_TASK(greet, int, (owner, who))
{
    (void)who;
    return 0;
}
#endif
#ifdef MISTAKE_no_parentheses
/* expect: TP_TASK\(twice, ...\): each parameter is written in parentheses, \(type, name\), as in \(int64_t, x\) */
TP_TASK(twice, int, int, n)
{
    return 2 * n;
}
#endif

tp_promise *use(tp_pool *pool, tp_channel *channel, char *buffer);
tp_promise *use(tp_pool *pool, tp_channel *channel, char *buffer)
{
    int narrow = 0;
    (void)pool, (void)channel, (void)narrow;
#ifdef MISTAKE_too_few
    /* expect: too few arguments|no matching function for call to */
    return tp_submit(pool, fib);
#endif
#ifdef MISTAKE_too_many
    /* expect: too many arguments|no matching function for call to */
    return tp_submit(pool, fib, 1, 2);
#endif
#ifdef MISTAKE_wrong_type
    /* expect: invalid conversion|no matching function for call to */
    return tp_submit(pool, fib, "text");
#endif
#ifdef MISTAKE_local_submitted
    /* expect: a TP_LOCAL_TASK stays on its OS thread: start it with tp_async, or make it a TP_TASK */
    return tp_submit(pool, fill, buffer);
#endif
#ifdef MISTAKE_wrong_output
    /* expect: cannot convert|no matching function for call to */
    tp_run(pool, fib, &narrow, 3);
#endif
#ifdef MISTAKE_send_text
    /* expect: a message is a pointer: it means nothing elsewhere; use tp_str_lit */
    tp_send(channel, "text");
#endif
    return tp_async(fill, buffer);
}
