// SPDX-License-Identifier: MIT
#include <taskpool/taskpool.h>

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_pool *pool = tp_pool_open("local:2");
    int64_t result = 0;
    tp_run(pool, square, &result, 7);
    tp_pool_close(pool);
    return result == 49 ? 0 : 1;
}
