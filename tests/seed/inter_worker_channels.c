/* SPDX-License-Identifier: MIT */
/* The seed's "Inter-Worker Channels": a worker sends through the pool's named channel, main receives. */
#include "check.h"
#include "test_pool.h"

TP_TASK(greet, tp_str, (tp_channel *, data))
{
    tp_try(tp_send(data, tp_str_lit("hello from worker")));
    return tp_str_lit("sent");
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_channel *ch = tp_pool_channel(pool, "__data");
    CHECK_OR_EXIT(ch != NULL);
    CHECK(tp_pool_channel(pool, "__data") == ch);
    CHECK_STR(tp_channel_name(ch), "__data");

    tp_promise *p = tp_submit(pool, greet, ch);
    tp_str answer;
    CHECK_OK(tp_await(p, &answer));
    CHECK_TP_STR(answer, "sent");
    tp_str message;
    CHECK_OK(tp_recv(ch, &message));
    CHECK_TP_STR(message, "hello from worker");
    tp_str_release(answer);
    tp_str_release(message);
    tp_promise_release(p);
    return check_result();
}
