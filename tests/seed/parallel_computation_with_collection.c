/* SPDX-License-Identifier: MIT */
/* The seed's pattern "Parallel computation with collection". */
#include "check.h"
#include "test_pool.h"

TP_TASK(fib, int64_t, (int, n))
{
    return n <= 1 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const int in[6] = {20, 21, 22, 23, 24, 25};
    const int64_t wanted[6] = {6765, 10946, 17711, 28657, 46368, 75025};
    int64_t results[6] = {0};
    tp_with (tp_pool, pool, test_pool_open(4)) {
        CHECK_OK(tp_map(pool, fib, in, results, 6));
    }
    for (int i = 0; i < 6; i++)
        CHECK_INT(results[i], wanted[i]);
    return check_result();
}
