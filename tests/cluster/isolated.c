/* SPDX-License-Identifier: MIT */
/* Tasks with processes of their own, more than there may be at a time. */
#include "check.h"
#include "test_pool.h"

static tp_pool *pool;

TP_TASK(leaf, int64_t, (int, i))
{
    return i;
}
TP_TASK(parent, int64_t, (int, i), (tp_channel *, begun), (tp_channel *, gate))
{
    int64_t nothing = 0;
    tp_try(tp_send(begun, nothing));
    (void)tp_recv(gate, &nothing); /* until it is closed */
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    tp_try(tp_run_with(own, tp_task_options(.isolated = i % 2 == 0), leaf, &nothing, i));
    return nothing;
}

/* All processes that there may be are taken when the first child is asked for, and more tasks wait for one. */
static void isolated_tasks_that_wait_for_their_children_end(void)
{
    enum { PROCESSES = 64, PARENTS = 75 };
    tp_channel *begun = tp_pool_channel(pool, "begun");
    tp_channel *gate = tp_pool_channel(pool, "gate");
    tp_promise *promises[PARENTS];
    for (int i = 0; i < PARENTS; i++)
        promises[i] = tp_submit_with(pool, tp_task_options(.isolated = true), parent, i, begun, gate);
    for (int i = 0; i < PROCESSES; i++) {
        int64_t nothing;
        CHECK_OK(tp_recv(begun, &nothing));
    }
    CHECK_OK(tp_channel_close(gate));
    for (int i = 0; i < PARENTS; i++) {
        int64_t value = -1;
        CHECK_OK(tp_await(promises[i], &value));
        CHECK_INT(value, i);
        tp_promise_release(promises[i]);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    static const struct check_test tests[] = {
        CHECK_TEST(isolated_tasks_that_wait_for_their_children_end),
    };
    pool = test_pool_open(2);
    CHECK_RUN(tests, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
