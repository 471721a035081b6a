/* SPDX-License-Identifier: MIT */
/* Who submits to a session that is full: main waits, a task is told so; who submits faster than the session's thread
 * reads waits for a moment, whoever it is. */
#include "check.h"

#include "base/alloc.h"
#include "cluster/driver.h"
#include "runtime/promise.h"

#include <pthread.h>
#include <sched.h>

static _Atomic bool is_session_full;

/* Linked in place of the real one (--wrap). */
bool __wrap_tp__session_is_full(const struct tp__session *session);
bool __wrap_tp__session_is_full(const struct tp__session *session)
{
    (void)session;
    return is_session_full;
}

static struct tp__driver driver;

TP_TASK(nothing, int64_t)
{
    return 0;
}

/* What tp_submit does with a remote pool. */
static tp_status submit(void)
{
    const tp_task_options options = {.timeout_ms = 0};
    struct tp_promise *task = tp__promise_new(&nothing__is_a_TP_TASK);
    if (!task)
        return TP_E_NOMEM;
    const bool is_taken = tp__driver_submit(&driver.remote, task, &options, -1);
    tp__promise_discard(task, true);
    return is_taken ? TP_OK : tp_last_error()->status;
}

TP_TASK(submit_from_a_task, tp_status)
{
    return submit();
}

static void *submit_from_a_thread(void *argument)
{
    *(tp_status *)argument = submit();
    return NULL;
}

static bool somebody_waits(void)
{
    tp__spinlock_lock(&driver.submitters_lock);
    const bool found = driver.submitters.first != NULL;
    tp__spinlock_unlock(&driver.submitters_lock);
    return found;
}

/* A round of the session's thread. */
static void look(bool is_full)
{
    is_session_full = is_full;
    tp__driver_let_submit(&driver);
}

static void set_up(void)
{
    driver = (struct tp__driver){.inbox.descriptor = -1};
    CHECK_OK(tp__inbox_init(&driver.inbox));
}

static void a_thread_waits_until_there_is_room(void)
{
    set_up();
    look(true);
    pthread_t thread;
    tp_status status = TP_E_SYSTEM;
    CHECK_INT(pthread_create(&thread, NULL, submit_from_a_thread, &status), 0);
    while (!somebody_waits())
        sched_yield();
    look(true);
    look(false);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_OK(status);
    tp__inbox_fini(&driver.inbox);
}

static void a_task_is_told_that_it_is_full(void)
{
    set_up();
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    look(true);
    tp_status status = TP_OK;
    CHECK_OK(tp_run(pool, submit_from_a_task, &status));
    CHECK_STATUS(status, TP_E_FULL);
    look(false);
    CHECK_OK(tp_run(pool, submit_from_a_task, &status));
    CHECK_OK(status);
    tp__inbox_fini(&driver.inbox);
}

/* The session's thread has much to read; then it finds that there is no room for it. */
static void a_task_that_waits_for_the_reader_is_told_when_it_is_full(void)
{
    set_up();
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    driver.is_crowded = true;
    tp_status status = TP_E_SYSTEM;
    tp_promise *promise = tp_submit(pool, submit_from_a_task);
    while (!somebody_waits())
        sched_yield();
    look(false); /* it has read */
    CHECK_OK(tp_await(promise, &status));
    CHECK_OK(status);
    tp_promise_release(promise);

    driver.is_crowded = true;
    promise = tp_submit(pool, submit_from_a_task);
    while (!somebody_waits())
        sched_yield();
    look(true);
    CHECK_OK(tp_await(promise, &status));
    CHECK_STATUS(status, TP_E_FULL);
    tp_promise_release(promise);
    tp__inbox_fini(&driver.inbox);
}

TP_TASK(take_bytes, int64_t, (tp_bytes, bytes))
{
    return (int64_t)bytes.size;
}

/* Not copied into the inbox, but who submits waits for them to be read all the same. */
static void large_captures_are_handed_over_and_counted(void)
{
    enum { BYTES = 1 << 20, ENOUGH = 8 };
    static const uint8_t bytes[BYTES];
    set_up();
    const tp_bytes captures = tp_bytes_view(bytes, BYTES);
    for (int i = 0; i < ENOUGH; i++) {
        CHECK(!driver.is_crowded);
        struct tp_promise *task = tp__promise_new(&take_bytes__is_a_TP_TASK);
        CHECK_OR_EXIT(task);
        memcpy(task->payload, &captures, sizeof captures);
        CHECK(tp__driver_submit(&driver.remote, task, NULL, -1));
        tp__promise_discard(task, false);
    }
    CHECK(driver.is_crowded);
    struct tp__reader reader = tp__inbox_take(&driver.inbox);
    size_t counted = 0;
    for (int i = 0; i < ENOUGH; i++) {
        struct tp__driver_entry entry = {.payload = NULL};
        const uint8_t *from = tp__get_bytes(&reader, sizeof entry);
        if (CHECK(from))
            memcpy(&entry, from, sizeof entry);
        CHECK(entry.payload && entry.length > BYTES);
        counted += entry.length;
        tp__free(entry.payload);
    }
    CHECK_INT(tp__reader_left(&reader), 0);
    CHECK_INT(driver.large_bytes, counted);
    tp__inbox_fini(&driver.inbox);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_thread_waits_until_there_is_room),
        CHECK_TEST(a_task_is_told_that_it_is_full),
        CHECK_TEST(a_task_that_waits_for_the_reader_is_told_when_it_is_full),
        CHECK_TEST(large_captures_are_handed_over_and_counted),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
