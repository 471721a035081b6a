/* SPDX-License-Identifier: MIT */
/* The seed's "RAII with `with`": the expression form is tp_with, the statement form is tp_auto. */
#include "check.h"
#include "test_pool.h"

TP_TASK(number, int64_t, (int64_t, n))
{
    return n;
}

static int64_t expression_form(void)
{
    int64_t result = 0;
    tp_with (tp_pool, pool, test_pool_open(2)) {
        CHECK_OK(tp_run(pool, number, &result, 99));
    }
    return result;
}

static int64_t statement_form(void)
{
    tp_auto(tp_pool) pool = test_pool_open(2);
    tp_promise *a = tp_submit(pool, number, 10);
    tp_promise *b = tp_submit(pool, number, 20);
    int64_t first = 0;
    int64_t second = 0;
    CHECK_OK(tp_await(a, &first));
    CHECK_OK(tp_await(b, &second));
    tp_promise_release(a);
    tp_promise_release(b);
    return first + second;
}

static int64_t return_from_the_middle(void)
{
    int64_t result = 0;
    tp_with (tp_pool, pool, test_pool_open(2)) {
        CHECK_OK(tp_run(pool, number, &result, 7));
        return result;
    }
    return -1;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHECK_INT(expression_form(), 99);
    CHECK_INT(statement_form(), 30);
    CHECK_INT(return_from_the_middle(), 7);
    return check_result();
}
