/* SPDX-License-Identifier: MIT */
/* Tasks that run here for somebody elsewhere: how their start and end are told, and what a thread publishes. */
#include "check.h"

#include "base/context.h"
#include "base/error.h"
#include "runtime/pool.h"
#include "runtime/remote.h"

#include <sched.h>

enum { WORKERS = 2, CANCELLED = CHECK_SCALE(5000, 500) };

struct work {
    struct tp__foreign_task foreign;
    atomic_int started, ended;
    int worker;
    bool was_ready, was_in_task;
    bool may_not_start;
    tp_status error;
    char message[64];
    int64_t value;
};

static struct {
    _Alignas(64) _Atomic(uint64_t) task;
    _Atomic(uint32_t) dispatch;
    _Atomic(uint32_t) index;
} seen[WORKERS];

static struct tp__foreign_identity published(size_t worker)
{
    return (struct tp__foreign_identity){
        .sequence = seen[worker].task, .dispatch = seen[worker].dispatch, .index = seen[worker].index};
}

static bool note_start(struct tp__foreign_task *task, int worker)
{
    struct work *work = (struct work *)task;
    work->worker = worker;
    work->started++;
    return !work->may_not_start;
}

static void note_end(struct tp__foreign_task *task, struct tp_promise *promise, const struct tp__error_record *error)
{
    struct work *work = (struct work *)task;
    work->was_ready = tp_promise_ready(promise);
    work->was_in_task = tp__context_is_task() || tp__current_task() || tp__foreign_current().sequence != 0;
    work->error = error ? tp__error_view(error)->status : TP_OK;
    if (error)
        snprintf(work->message, sizeof work->message, "%s", tp__error_view(error)->message);
    else if (promise->definition->result_kind == TP_KIND_INT)
        memcpy(&work->value, tp__promise_result(promise), sizeof work->value);
    else if (promise->definition->result_kind == TP_KIND_STR)
        work->value = (int64_t)((const tp_str *)tp__promise_result(promise))->length;
    work->ended++;
}

static tp_pool *pool;

static tp_pool *open_pool(void)
{
    pool = tp_pool_open("local:2");
    struct tp__foreign_slot slots[WORKERS];
    for (size_t i = 0; i < WORKERS; i++)
        slots[i] =
            (struct tp__foreign_slot){.task = &seen[i].task, .dispatch = &seen[i].dispatch, .index = &seen[i].index};
    tp__foreign_publish(pool->executor, slots);
    return pool;
}

static void close_pool(void)
{
    CHECK_OK(tp_pool_close(pool));
    for (size_t i = 0; i < WORKERS; i++)
        CHECK_INT(published(i).sequence, 0);
}

/* `captures` as the task has them. */
static struct tp_promise *submit(struct work *work, uint64_t sequence, const tp_task_definition *definition,
                                 const void *captures, const tp_task_options *options, int worker)
{
    work->foreign = (struct tp__foreign_task){
        .identity = {.sequence = sequence, .dispatch = (uint32_t)sequence * 10, .index = (uint32_t)sequence * 100},
        .started = note_start,
        .ended = note_end};
    struct tp_promise *task = tp__pool_make_task(pool, definition, captures);
    CHECK_OR_EXIT(task && tp__foreign_attach(task, &work->foreign));
    task = tp__pool_submit(pool, task, options, worker);
    CHECK_OR_EXIT(task != NULL);
    return task;
}

static atomic_bool may_go;
static atomic_int arrived;
static struct tp__foreign_identity found[4], shown[4];

static void look(int64_t i)
{
    found[i] = tp__foreign_current();
    shown[i] = published((size_t)tp_worker_index());
}

static bool is_task(struct tp__foreign_identity identity, uint64_t sequence)
{
    return identity.sequence == sequence && identity.dispatch == sequence * 10 && identity.index == sequence * 100;
}

TP_TASK(count, int64_t, (int64_t, x))
{
    look(0);
    return x + 1;
}

TP_TASK(text, tp_str, (int64_t, x))
{
    return tp_str_format("a text that is longer than a few bytes: %d", (int)x);
}

TP_TASK(fail, int64_t, (int64_t, x))
{
    tp_raise("no %d", (int)x);
}

TP_TASK(wait_for_go, int64_t, (int64_t, x))
{
    arrived++;
    while (!may_go && !tp_cancelled())
        (void)tp_yield();
    return x;
}

TP_TASK(wait_long, int64_t, (int64_t, x))
{
    arrived++;
    (void)tp_sleep_ms(1000000000);
    return x;
}

TP_TASK(in_turns, int64_t, (int64_t, i))
{
    int64_t wrong = 0;
    for (int turn = 0; turn < 100; turn++) {
        (void)tp_yield();
        look(i);
        wrong += !is_task(found[i], (uint64_t)i + 1) || !is_task(shown[i], (uint64_t)i + 1);
    }
    return wrong;
}

static void check_ended(const struct work *work, tp_status error, int64_t value)
{
    CHECK_INT(work->started, 1);
    CHECK_INT(work->ended, 1);
    CHECK(!work->was_ready);
    CHECK(!work->was_in_task);
    CHECK_STATUS(work->error, error);
    CHECK_INT(work->value, value);
}

static void start_and_end_are_told_once(void)
{
    open_pool();
    struct work works[3] = {0};
    const int64_t x = 7;
    struct tp_promise *number = submit(&works[0], 1, &count__is_a_TP_TASK, &x, NULL, 1);
    int64_t got;
    CHECK_OK(tp_await(number, &got));
    CHECK_INT(got, 8);
    check_ended(&works[0], TP_OK, 8);
    CHECK_INT(works[0].worker, 1);
    CHECK(is_task(found[0], 1));
    CHECK(is_task(shown[0], 1));
    struct tp_promise *string = submit(&works[1], 2, &text__is_a_TP_TASK, &x, NULL, -1);
    tp_str result;
    CHECK_OK(tp_await(string, &result));
    check_ended(&works[1], TP_OK, (int64_t)result.length);
    tp_str_release(result);
    const tp_task_options large = {.stack_bytes = 1 << 20};
    struct tp_promise *failed = submit(&works[2], 3, &fail__is_a_TP_TASK, &x, &large, -1);
    CHECK_STATUS(tp_await(failed, &got), TP_E_TASK);
    check_ended(&works[2], TP_E_TASK, 0);
    CHECK_STR(works[2].message, "no 7");
    tp_promise_release(number);
    tp_promise_release(string);
    tp_promise_release(failed);
    close_pool();
}

static void a_task_that_may_not_start_ends_without_having_run(void)
{
    open_pool();
    struct work works[2] = {{.may_not_start = true}};
    const int64_t x = 7;
    arrived = 0;
    may_go = true;
    int64_t got;
    struct tp_promise *refused = submit(&works[0], 1, &wait_for_go__is_a_TP_TASK, &x, NULL, 0);
    CHECK_STATUS(tp_await(refused, &got), TP_E_CANCELLED);
    check_ended(&works[0], TP_E_CANCELLED, 0);
    CHECK_INT(arrived, 0);
    struct tp_promise *next = submit(&works[1], 2, &wait_for_go__is_a_TP_TASK, &x, NULL, 0); /* its fiber goes on */
    CHECK_OK(tp_await(next, &got));
    CHECK_INT(arrived, 1);
    tp_promise_release(refused);
    tp_promise_release(next);
    close_pool();
}

static void the_end_of_a_task_that_was_cancelled_while_it_ran_is_told(void)
{
    open_pool();
    struct work works[2] = {0};
    const int64_t x = 7;
    arrived = 0;
    may_go = false;
    struct tp_promise *running = submit(&works[0], 1, &wait_for_go__is_a_TP_TASK, &x, NULL, 0);
    struct tp_promise *parked = submit(&works[1], 2, &wait_long__is_a_TP_TASK, &x, NULL, 1);
    while (arrived < 2)
        sched_yield();
    CHECK_OK(tp_cancel(running));
    CHECK_OK(tp_cancel(parked));
    while (works[0].ended + works[1].ended < 2)
        sched_yield();
    tp_promise_release(running);
    tp_promise_release(parked);
    close_pool();
    for (int i = 0; i < 2; i++) {
        CHECK_INT(works[i].started, 1);
        CHECK_INT(works[i].ended, 1);
        CHECK(works[i].was_ready);
        CHECK_INT(works[i].value, 7);
    }
}

TP_TASK(hold_worker, int64_t, (int64_t, x))
{
    arrived++;
    while (!may_go)
        sched_yield();
    return x;
}

static void only_its_maker_is_told_of_a_task_that_never_started(void)
{
    open_pool();
    struct work works[3] = {0};
    const int64_t x = 7;
    arrived = 0;
    may_go = false;
    struct tp_promise *hold = submit(&works[0], 1, &hold_worker__is_a_TP_TASK, &x, NULL, 0);
    while (arrived < 1)
        sched_yield();
    struct tp_promise *cancelled = submit(&works[1], 2, &count__is_a_TP_TASK, &x, NULL, 0);
    CHECK_OK(tp_cancel(cancelled));
    /* Claimed and ended by its maker; its entry stays in the queue. */
    struct tp_promise *returned = submit(&works[2], 3, &count__is_a_TP_TASK, &x, NULL, 0);
    tp_promise_retain(returned);
    CHECK(tp__promise_claim(returned));
    tp__promise_resolve(returned, tp__error_new(TP_E_CANCELLED, NULL, "returned"), NULL);
    CHECK_STATUS(tp_await(returned, NULL), TP_E_CANCELLED);
    may_go = true;
    CHECK_OK(tp_await(hold, NULL));
    tp_promise_release(cancelled);
    tp_promise_release(returned);
    tp_promise_release(hold);
    close_pool();
    CHECK_INT(works[1].started + works[1].ended, 0);
    CHECK_INT(works[2].started, 0);
    CHECK_INT(works[2].ended, 1);
    CHECK_STATUS(works[2].error, TP_E_CANCELLED);
}

static void a_cancellation_at_any_moment_tells_at_most_one_end(void)
{
    open_pool();
    static struct work works[CANCELLED];
    memset(works, 0, sizeof works);
    const int64_t x = 7;
    for (int i = 0; i < CANCELLED; i++) {
        struct tp_promise *promise = submit(&works[i], (uint64_t)i + 1, &text__is_a_TP_TASK, &x, NULL, -1);
        for (int pause = 0; pause < i % 200; pause++)
            tp__cpu_relax();
        CHECK_OK(tp_cancel(promise));
        tp_promise_release(promise);
    }
    close_pool(); /* waits until what was cancelled has ended, too */
    for (int i = 0; i < CANCELLED; i++) {
        if (works[i].started != works[i].ended || works[i].ended > 1)
            CHECK_INT(works[i].ended, works[i].started);
    }
}

static void each_task_is_published_while_it_runs(void)
{
    open_pool();
    struct work works[3] = {0};
    struct tp_promise *promises[3];
    for (int64_t i = 0; i < 3; i++)
        promises[i] = submit(&works[i], (uint64_t)i + 1, &in_turns__is_a_TP_TASK, &i, NULL, 0);
    for (int64_t i = 0; i < 3; i++) {
        int64_t wrong;
        CHECK_OK(tp_await(promises[i], &wrong));
        CHECK_INT(wrong, 0);
        tp_promise_release(promises[i]);
    }
    /* A task of nobody elsewhere shows none. */
    int64_t value;
    CHECK_OK(tp_run_with(pool, tp_task_options(.pinned = true, .worker = 0), count, &value, 1));
    CHECK_INT(found[0].sequence, 0);
    CHECK_INT(shown[0].sequence, 0);
    close_pool();
}

static atomic_bool maker_has_ended;

TP_LOCAL_TASK(help, void, (int, i))
{
    look(i);
}

TP_LOCAL_TASK(help_later, void, (int, i))
{
    tp_promise *helper = tp_async(help, 2);
    tp_await(helper, NULL);
    tp_promise_release(helper);
    while (!maker_has_ended)
        (void)tp_yield();
    look(i);
}

TP_TASK(make_helpers, int64_t, (int64_t, x))
{
    tp_promise *helper = tp_async(help, 0);
    tp_await(helper, NULL);
    tp_promise_release(helper);
    tp_promise_release(tp_async(help_later, 1));
    (void)tp_yield();
    look(3);
    return x;
}

static void green_threads_have_the_identity_of_their_maker(void)
{
    open_pool();
    struct work work = {0};
    const int64_t x = 7;
    maker_has_ended = false;
    memset(found, 0, sizeof found);
    struct tp_promise *promise = submit(&work, 5, &make_helpers__is_a_TP_TASK, &x, NULL, 0);
    CHECK_OK(tp_await(promise, NULL));
    memset(&work, 0, sizeof work); /* it is not looked at any more */
    tp_promise_release(promise);
    maker_has_ended = true;
    int64_t value;
    tp_promise *other = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = 0), in_turns, 3);
    CHECK_OK(tp_await(other, &value));
    CHECK_INT(value, 100); /* it is nobody's: nothing of the helpers, which ran in between, was shown for it */
    tp_promise_release(other);
    close_pool();
    for (int i = 0; i < 3; i++) {
        CHECK(is_task(found[i], 5));
        CHECK(is_task(shown[i], 5));
    }
    CHECK_INT(found[3].sequence, 0);
    CHECK_INT(shown[3].sequence, 0);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(start_and_end_are_told_once),
        CHECK_TEST(a_task_that_may_not_start_ends_without_having_run),
        CHECK_TEST(the_end_of_a_task_that_was_cancelled_while_it_ran_is_told),
        CHECK_TEST(only_its_maker_is_told_of_a_task_that_never_started),
        CHECK_TEST(a_cancellation_at_any_moment_tells_at_most_one_end),
        CHECK_TEST(each_task_is_published_while_it_runs),
        CHECK_TEST(green_threads_have_the_identity_of_their_maker),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
