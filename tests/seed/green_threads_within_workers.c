/* SPDX-License-Identifier: MIT */
/* The seed's "Green Threads Within Workers": two tasks of one worker talk over a channel. Without green threads this
 * would deadlock. */
#include "check.h"
#include "test_pool.h"

TP_TASK(receiver, int64_t, (tp_channel *, sync))
{
    int64_t message;
    tp_try(tp_recv(sync, &message));
    return message + 100;
}

TP_TASK(sender, tp_str, (tp_channel *, sync))
{
    tp_try(tp_send(sync, (int64_t)42));
    return tp_str_lit("done");
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_channel *sync = tp_pool_channel(pool, "__sync");
    CHECK_OR_EXIT(sync != NULL);

    tp_promise *pa = tp_submit(pool, receiver, sync);
    tp_promise *pb = tp_submit(pool, sender, sync);
    tp_str done;
    CHECK_OK(tp_await(pb, &done));
    CHECK_TP_STR(done, "done");
    int64_t v = 0;
    CHECK_OK(tp_await(pa, &v));
    CHECK_INT(v, 142);
    tp_str_release(done);
    tp_promise_release(pa);
    tp_promise_release(pb);
    return check_result();
}
