/* SPDX-License-Identifier: MIT */
/* What a task of a pool whose workers are elsewhere captures: borrowed until the submit has encoded it. */
#include "check.h"
#include "unit/fake_remote.h"

#include "runtime/pool.h"

TP_TASK(nothing, void)
{
}

TP_TASK(greet, tp_str, (tp_str, name), (int, times))
{
    (void)times;
    return name;
}

TP_TASK(take_all, void, (tp_str, text), (tp_value, value), (tp_closure, closure), (tp_channel *, channel))
{
    (void)text, (void)value, (void)closure, (void)channel;
}

static void expect_refused(const tp_promise *promise, const char *says)
{
    CHECK(promise == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK_STR(tp_last_error()->message, says);
}

/* In the words of a local pool. */
static void a_submit_says_which_capture_is_wrong(void)
{
    tp_pool *pools[] = {fake_pool_open((tp_pool_options){.stack_bytes = 0}), tp_pool_open(NULL)};
    const tp_closure closure = tp_bind(nothing);
    const tp_str good = tp_str_lit("good"), failed = {.owner = TP__OWNER_FAILED};
    const tp_value nil = tp_value_nil();
    tp_channel *unnamed = tp_channel_open(1);
    for (size_t i = 0; i < 2; i++) {
        tp_pool *pool = pools[i];
        tp_channel *channel = tp_pool_channel(pool, "somewhere");
        expect_refused(tp_submit(pool, take_all, failed, nil, closure, channel),
                       "parameter 'text' of task 'take_all': the call that made it failed");
        expect_refused(tp_submit(pool, take_all, good, nil, (tp_closure){NULL}, channel),
                       "parameter 'closure' of task 'take_all': it is no closure (a tp_bind that failed?)");
        expect_refused(tp_submit(pool, take_all, good, nil, closure, NULL),
                       "parameter 'channel' of task 'take_all': the channel is NULL");
        expect_refused(tp_submit(pool, take_all, good, nil, closure, unnamed),
                       "parameter 'channel' of task 'take_all': a channel without a name cannot leave its task: make "
                       "it with tp_pool_channel");
        CHECK_INT(tp_pool_pending(pool), 0);
        CHECK_OK(tp_pool_close(pool));
    }
    tp_closure_release(closure);
    tp_channel_release(unnamed);
}

/* What they captured was borrowed, and stays the caller's. */
static void cancelled_tasks_leave_their_captures_alone(void)
{
    tp_pool *pool = fake_pool_open((tp_pool_options){.stack_bytes = 0});
    const tp_str name = tp_str_new("a name that is longer than a few bytes");
    for (int i = 0; i < 3; i++) {
        tp_promise *promise = tp_submit(pool, greet, .name = name, .times = i);
        CHECK_OK(tp_cancel(promise));
        CHECK_STATUS(tp_await(promise, NULL), TP_E_CANCELLED);
        tp_promise_release(promise);
    }
    CHECK_TP_STR(name, "a name that is longer than a few bytes");
    tp_str_release(name);
    CHECK_OK(tp_pool_close(pool));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_submit_says_which_capture_is_wrong),
        CHECK_TEST(cancelled_tasks_leave_their_captures_alone),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
