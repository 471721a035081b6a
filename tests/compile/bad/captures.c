/* SPDX-License-Identifier: MIT */
#include <taskpool/taskpool.h>

typedef struct point {
    int x, y;
} point;

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}
TP_TASK(add_base, int64_t, (int64_t, x), (int64_t, base))
{
    return x + base;
}
TP_TASK(add3, int64_t, (int, a), (int, b), (int, c))
{
    return a + b + c;
}
TP_TASK(move, point, (point, from), (int, by))
{
    from.x += by;
    return from;
}
TP_TASK(greet, void, (tp_str, name))
{
    (void)name;
}
TP_TASK(listen, void, (tp_channel *, channel))
{
    (void)channel;
}
TP_TASK(nothing, void)
{
}

void use(tp_pool *pool, point place, const char *text, tp_promise *promise);
void use(tp_pool *pool, point place, const char *text, tp_promise *promise)
{
    int64_t results[2] = {0, 0};
    const int64_t elements[2] = {1, 2};
    const int numbers[2] = {1, 2};
    tp_closure closure = {NULL};
    (void)pool, (void)place, (void)text, (void)elements, (void)numbers, (void)closure, (void)results;

#ifdef MISTAKE_unknown_capture
    /* expect: has no member named 'm'|'m' does not refer to any field */
    promise = tp_submit(pool, fib, .m = 30);
#endif
#ifdef MISTAKE_too_many
    /* expect: 'fib' is given more captures than it has */
    promise = tp_submit(pool, fib, 1, 2);
#endif
#ifdef MISTAKE_too_many_of_none
    /* expect: 'nothing' is given more captures than it has */
    tp_run(pool, nothing, NULL, 1);
#endif
#ifdef MISTAKE_too_few
    /* expect: a capture of 'add_base' is missing */
    promise = tp_submit(pool, add_base, 1);
#endif
#ifdef MISTAKE_too_few_named
    /* expect: a capture of 'add_base' is missing */
    tp_run(pool, add_base, &results[0], .base = 1);
#endif
#ifdef MISTAKE_none_given
    /* expect: a capture of 'fib' is missing */
    promise = tp_submit(pool, fib);
#endif
#ifdef MISTAKE_too_few_in_map
    /* expect: a capture of 'add_base' is missing */
    tp_map(pool, add_base, elements, results, 2);
#endif
#ifdef MISTAKE_too_many_in_map
    /* expect: 'add_base' is given more captures than it has */
    tp_map(pool, add_base, elements, results, 2, 1, 2);
#endif
#ifdef MISTAKE_element_captured_in_map
    /* expect: has no member named 'x'|'x' does not refer to any field */
    tp_map(pool, add_base, elements, results, 2, .x = 1);
#endif
#ifdef MISTAKE_too_few_in_bind
    /* expect: a capture of 'add3' is missing: tp_bind takes all captures, or all but the first */
    closure = tp_bind(add3, 1);
#endif
#ifdef MISTAKE_too_many_in_bind
    /* expect: 'add_base' is given more captures than it has */
    closure = tp_bind(add_base, 1, 2, 3);
#endif
#ifdef MISTAKE_twice_named
    /* expect: initialized field overwritten|initializer overrides prior initialization */
    promise = tp_submit(pool, add_base, .x = 1, .x = 2);
#endif
#ifdef MISTAKE_positional_and_named
    /* expect: initialized field overwritten|initializer overrides prior initialization */
    promise = tp_submit(pool, add_base, 1, .x = 2);
#endif
#ifdef MISTAKE_after_the_last
    /* expect: initialized field overwritten|initializer overrides prior initialization */
    promise = tp_submit(pool, add_base, .base = 1, 2);
#endif
#ifdef MISTAKE_after_the_last_in_map
    /* expect: initialized field overwritten|initializer overrides prior initialization */
    tp_map(pool, add3, numbers, results, 2, .c = 1, 2);
#endif
#ifdef MISTAKE_pointer_for_int
    /* expect: makes integer from pointer|incompatible pointer to integer conversion */
    promise = tp_submit(pool, fib, text);
#endif
#ifdef MISTAKE_int_for_pointer
    /* expect: makes pointer from integer|incompatible integer to pointer conversion */
    promise = tp_submit(pool, listen, 7);
#endif
#ifdef MISTAKE_other_pointer
    /* expect: incompatible pointer type */
    promise = tp_submit(pool, listen, pool);
#endif
#ifdef MISTAKE_struct_for_int
    /* expect: incompatible types when initializing|initializing .* with an expression of incompatible type */
    promise = tp_submit(pool, fib, place);
#endif
#ifdef MISTAKE_int_for_struct
    /* expect: missing braces around initializer|suggest braces around initialization */
    promise = tp_submit(pool, move, 1, 2);
#endif
#ifdef MISTAKE_literal_for_str
    /* expect: missing braces around initializer|suggest braces around initialization */
    promise = tp_submit(pool, greet, "text");
#endif
    tp_promise_release(promise);
}
