/* SPDX-License-Identifier: MIT */
/* The seed's pattern "Fire-and-forget with drain": nobody awaits the promises, yet every item is processed. */
#include "check.h"
#include "test_pool.h"

TP_TASK(process_item, void, (int64_t, i), (tp_channel *, processed))
{
    tp_try(tp_send(processed, i));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_with (tp_pool, pool, test_pool_open(2)) {
        tp_channel *processed = tp_pool_channel(pool, "processed");
        for (int64_t i = 0; i < 10; i++)
            tp_promise_release(tp_submit(pool, process_item, i, processed));
        CHECK_OK(tp_drain(pool));
        CHECK_INT(tp_pool_pending(pool), 0);
        CHECK_INT(tp_channel_size(processed), 10);

        int times[10] = {0};
        int64_t item = 0;
        while (tp_try_recv(processed, &item) == TP_OK && item >= 0 && item < 10)
            times[item]++;
        for (int i = 0; i < 10; i++)
            CHECK_INT(times[i], 1);
    }
    return check_result();
}
