/* SPDX-License-Identifier: MIT */
/* The seed's drawing "Architecture": round-robin over n workers, a green thread per task that yields while it waits,
 * and results that resolve promises in the context of main. */
#include "check.h"
#include "test_pool.h"

enum { TASKS = 40 };

TP_TASK(id_and_worker, int64_t, (int64_t, id), (tp_channel *, arrived), (tp_channel *, go))
{
    tp_try(tp_send(arrived, id));
    int64_t token;
    tp_try(tp_recv(go, &token));
    return id * 100 + tp_worker_index();
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_auto(tp_pool) pool = test_pool_open_with(3, tp_pool_options(.placement = TP_ROUND_ROBIN_STRICT));
    const int size = (int)tp_pool_size(pool);
    tp_channel *arrived = tp_pool_channel(pool, "arrived");
    tp_channel *go = tp_pool_channel(pool, "go");

    tp_promise *pending[TASKS];
    for (int64_t i = 0; i < TASKS; i++)
        pending[i] = tp_submit(pool, id_and_worker, i, arrived, go);
    CHECK_INT(tp_pool_pending(pool), TASKS);

    /* All of them have started, so each worker runs many green threads at once. */
    bool seen[TASKS] = {false};
    for (int i = 0; i < TASKS; i++) {
        int64_t id = -1;
        CHECK_OK(tp_recv(arrived, &id));
        CHECK_OR_EXIT(id >= 0 && id < TASKS);
        CHECK(!seen[id]);
        seen[id] = true;
    }
    CHECK_INT(tp_pool_pending(pool), TASKS);
    for (int64_t i = 0; i < TASKS; i++)
        CHECK_OK(tp_send(go, i));
    for (int64_t i = 0; i < TASKS; i++) {
        int64_t v = 0;
        CHECK_OK(tp_await(pending[i], &v));
        CHECK_INT(v, i * 100 + i % size);
        tp_promise_release(pending[i]);
    }
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
    return check_result();
}
