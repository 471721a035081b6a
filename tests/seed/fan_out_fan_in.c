/* SPDX-License-Identifier: MIT */
/* The seed's pattern "Fan-out / fan-in". */
#include "check.h"
#include "test_pool.h"

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_with (tp_pool, pool, test_pool_open(4)) {
        tp_promise *promises[8];
        for (int64_t i = 0; i < 8; i++)
            promises[i] = tp_submit(pool, square, i);

        int64_t sum = 0;
        for (int i = 0; i < 8; i++) {
            int64_t v = -1;
            CHECK_OK(tp_await(promises[i], &v));
            CHECK_INT(v, i * i);
            sum += v;
            tp_promise_release(promises[i]);
        }
        CHECK_INT(sum, 140);
    }
    return check_result();
}
