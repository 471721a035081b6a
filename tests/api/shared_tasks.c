/* SPDX-License-Identifier: MIT */
/* Tasks shared between source files. */
#include "check.h"

#include "api/shared_tasks.h"
#include "test_pool.h"

TP_TASK(same_name, int64_t, (int64_t, x))
{
    return x * 3;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) pool = test_pool_open(2);
    int64_t v = 0;
    CHECK_OK(tp_run(pool, same_name, &v, 5));
    CHECK_INT(v, 15);
    CHECK_OK(tp_run(pool, in_the_header, &v, 5));
    CHECK_INT(v, 6);
    CHECK_OK(tp_run(pool, defined_once, &v, 5, 7));
    CHECK_INT(v, 57);
    CHECK_INT(defined_once(5, 7), 57);
    int i = 0;
    CHECK_OK(tp_run(pool, defined_without_captures, &i));
    CHECK_INT(i, 12);
    CHECK_INT(run_from_the_other_file(pool, 5), 10006051);
    tp_auto(tp_closure) bound = bind_in_the_other_file(9);
    CHECK_OK(tp_run_closure(pool, bound, &v, (int64_t)4));
    CHECK_INT(v, 49);
    const int64_t in[3] = {1, 2, 3};
    int64_t out[3];
    CHECK_OK(tp_map(pool, defined_once, in, out, 3, .y = 4));
    for (int k = 0; k < 3; k++)
        CHECK_INT(out[k], in[k] * 10 + 4);
    return check_result();
}
