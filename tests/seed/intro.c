/* SPDX-License-Identifier: MIT */
/* The seed's first program: a map over a list inside `with`. */
#include "check.h"
#include "test_pool.h"

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);

    const int64_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int64_t wanted[8] = {1, 4, 9, 16, 25, 36, 49, 64};
    int64_t results[8] = {0};
    tp_with (tp_pool, pool, test_pool_open(4)) {
        CHECK_OK(tp_map(pool, square, in, results, 8));
    }
    for (int i = 0; i < 8; i++)
        CHECK_INT(results[i], wanted[i]);
    return check_result();
}
