/* SPDX-License-Identifier: MIT */
/* NULL for each pointer argument of each public function: a status and a message, or the nothing that the function
 * promises; never a crash. */
#include "check.h"
#include "test_pool.h"

TP_TASK(answer, int64_t)
{
    return 42;
}

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(return_null_channel, int64_t, (tp_channel *, ch))
{
    return ch == NULL;
}

#define REFUSES_NULL(call)                                    \
    do {                                                      \
        CHECK_STATUS((call), TP_E_ARGUMENT);                  \
        CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT); \
        CHECK(strlen(tp_last_error()->message) > 5);          \
    } while (0)
#define REFUSES_NULL_POINTER(call)                            \
    do {                                                      \
        CHECK((call) == NULL);                                \
        CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT); \
        CHECK(strlen(tp_last_error()->message) > 5);          \
    } while (0)

static void pools(void)
{
    tp_pool *none = NULL;
    int64_t v = 5;
    int64_t in[2] = {1, 2};
    int64_t out[2] = {7, 7};
    REFUSES_NULL(tp_drain(none));
    REFUSES_NULL(tp_pool_shutdown(none));
    CHECK_OK(tp_pool_close(none));
    CHECK_INT(tp_pool_size(none), 0);
    CHECK_INT(tp_pool_pending(none), 0);
    REFUSES_NULL_POINTER(tp_pool_channel(none, "x"));
    REFUSES_NULL_POINTER(tp_pool_channel_with(none, "x", 3));
    REFUSES_NULL_POINTER(tp_submit(none, answer));
    REFUSES_NULL_POINTER(tp_submit(none, square, 4));
    REFUSES_NULL_POINTER(tp_submit_with(none, tp_task_options(.timeout_ms = 3), answer));
    REFUSES_NULL(tp_run(none, answer, &v));
    CHECK_INT(v, 0);
    REFUSES_NULL(tp_run(none, answer, NULL));
    REFUSES_NULL(tp_map(none, square, in, out, 2));

    tp_auto(tp_pool) pool = test_pool_open(1);
    REFUSES_NULL_POINTER(tp_pool_channel(pool, NULL));
    REFUSES_NULL_POINTER(tp_pool_channel(pool, ""));
    REFUSES_NULL_POINTER(tp_pool_channel_with(pool, NULL, 1));
    char long_name[257];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[256] = '\0';
    REFUSES_NULL_POINTER(tp_pool_channel(pool, long_name));
    long_name[255] = '\0';
    CHECK(tp_pool_channel(pool, long_name) != NULL);
    CHECK(tp_pool_channel_with(pool, "bounded", 3) != NULL);
    CHECK(tp_pool_channel_with(pool, "bounded", 3) == tp_pool_channel_with(pool, "bounded", 3));
    REFUSES_NULL_POINTER(tp_pool_channel_with(pool, "bounded", 4));
    REFUSES_NULL(tp_map(pool, square, NULL, out, 2));
    CHECK_OK(tp_map(pool, square, NULL, NULL, 0));
    CHECK_OK(tp_run(pool, answer, NULL)); /* a result that nobody wants */
}

static void a_null_channel_as_capture_is_an_error_or_arrives_as_null(void)
{
    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_promise *p = tp_submit(pool, return_null_channel, (tp_channel *)NULL);
    if (p == NULL) {
        CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
        CHECK_CONTAINS(tp_last_error()->message, "ch");
        return;
    }
    int64_t was_null = 0;
    CHECK_OK(tp_await(p, &was_null));
    CHECK_INT(was_null, 1);
    tp_promise_release(p);
}

static void promises(void)
{
    tp_promise *none = NULL;
    int64_t v = 5;
    size_t index = 9;
    CHECK(!tp_promise_ready(none));
    CHECK(tp_promise_error(none) != NULL);
    CHECK(tp_promise_error(none) == tp_last_error());
    CHECK(tp_promise_retain(none) == NULL);
    tp_promise_release(none);
    REFUSES_NULL(tp_cancel(none));
    REFUSES_NULL(tp_await(none, &v));
    CHECK_INT(v, 0);
    REFUSES_NULL(tp_await(none, NULL));
    REFUSES_NULL(tp_await_for(none, &v, 10));
    REFUSES_NULL(tp_wait_any(NULL, 1, 0, &index));
    REFUSES_NULL(tp_wait_any(&none, 0, 0, &index));
    REFUSES_NULL(tp_wait_any(&none, 1, 0, &index));
    REFUSES_NULL(tp_wait_all(NULL, 1, 0));
    REFUSES_NULL(tp_wait_all(&none, 1, 0));

    tp_auto(tp_pool) pool = test_pool_open(1);
    tp_promise *some[2] = {tp_submit(pool, answer), NULL};
    REFUSES_NULL(tp_wait_any(some, 2, TP_FOREVER, &index));
    REFUSES_NULL(tp_wait_all(some, 2, TP_FOREVER));
    CHECK_OK(tp_await(some[0], NULL));
    const tp_status status = tp_wait_any(some, 1, TP_FOREVER, NULL);
    CHECK(status == TP_OK || status == TP_E_ARGUMENT);
    CHECK_OK(tp_await(some[0], &v));
    CHECK_INT(v, 42);
    tp_promise_release(some[0]);
}

static void channels(void)
{
    tp_channel *none = NULL;
    int64_t v = 5;
    size_t chosen = 9;
    REFUSES_NULL(tp_channel_close(none));
    tp_channel_release(none);
    CHECK_INT(tp_channel_size(none), 0);
    CHECK_STR(tp_channel_name(none), "");
    REFUSES_NULL(tp_send(none, (int64_t)1));
    REFUSES_NULL(tp_try_send(none, (int64_t)1));
    REFUSES_NULL(tp_recv(none, &v));
    CHECK_INT(v, 0);
    REFUSES_NULL(tp_try_recv(none, &v));
    REFUSES_NULL(tp_recv_for(none, &v, 5));
    REFUSES_NULL(tp_select(NULL, 1, 0, &chosen));
    tp_select_case bad[1] = {{.channel = NULL, .data = &v, .size = sizeof v, .kind = TP_KIND_INT}};
    REFUSES_NULL(tp_select(bad, 0, 0, &chosen));
    REFUSES_NULL(tp_select(bad, 1, 0, &chosen));

    tp_channel *some = tp_channel_open(0);
    CHECK_OR_EXIT(some != NULL);
    CHECK_STR(tp_channel_name(some), "");
    CHECK_OK(tp_send(some, (int64_t)1));
    CHECK_STATUS(tp__recv(some, NULL, TP_KIND_INT, 8, 0), TP_E_ARGUMENT);
    CHECK_STATUS(tp__send(some, NULL, TP_KIND_INT, 8, 0), TP_E_ARGUMENT);
    CHECK_OK(tp_recv(some, &v));
    CHECK_INT(v, 1);
    tp_channel_release(some);
}

static void locks(void)
{
    REFUSES_NULL(tp_mutex_lock(NULL));
    REFUSES_NULL(tp_mutex_try_lock(NULL));
    REFUSES_NULL(tp_mutex_unlock(NULL));
    tp_mutex_release(NULL);
    REFUSES_NULL(tp_cond_wait(NULL, NULL, 0));
    REFUSES_NULL(tp_cond_signal(NULL));
    REFUSES_NULL(tp_cond_broadcast(NULL));
    tp_cond_release(NULL);
    REFUSES_NULL(tp_semaphore_acquire(NULL, 0));
    REFUSES_NULL(tp_semaphore_post(NULL));
    tp_semaphore_release(NULL);

    tp_cond *cond = tp_cond_new();
    tp_mutex *mutex = tp_mutex_new();
    CHECK_OR_EXIT(cond != NULL && mutex != NULL);
    REFUSES_NULL(tp_cond_wait(cond, NULL, 0));
    REFUSES_NULL(tp_cond_wait(NULL, mutex, 0));
    REFUSES_NULL(tp_cond_wait(cond, mutex, 0)); /* not locked by the caller */
    REFUSES_NULL(tp_mutex_unlock(mutex));
    tp_cond_release(cond);
    tp_mutex_release(mutex);
}

static void async_pools(void)
{
    tp_async_pool *none = NULL;
    CHECK_OK(tp_async_pool_close(none));
    CHECK(tp_async_pool_pool(none) == NULL);
    REFUSES_NULL(tp_async_pool_drain(none));
    CHECK_INT(tp_async_pool_size(none), 0);
    CHECK_INT(tp_async_pool_pending(none), 0);
    tp_set_async_pool(NULL);
    CHECK(tp_get_async_pool() == NULL);
    REFUSES_NULL_POINTER(tp_async_pool_submit(none, answer));
    int64_t v = 5;
    REFUSES_NULL(tp_async_pool_run(none, answer, &v));
    int64_t in[2] = {1, 2};
    int64_t out[2];
    REFUSES_NULL(tp_async_pool_map(none, square, in, out, 2));
}

static void values(void)
{
    const tp_str no_str = tp_str_new(NULL);
    CHECK(no_str.data == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK(tp_str_new_n(NULL, 1).data == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    tp_str empty = tp_str_new_n(NULL, 0);
    CHECK_TP_STR(empty, "");
    tp_str_release(empty);
    tp_str_release(no_str);
    CHECK(tp_bytes_new(NULL, 1).data == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK_INT(tp_bytes_new(NULL, 0).size, 0);
    CHECK(tp_value_channel(NULL).type == TP_VALUE_FAILED);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    tp_auto(tp_value) map = tp_value_map();
    tp_auto(tp_value) list = tp_value_list();
    CHECK_OK(tp_value_list_append(list, tp_value_int(1)));
    CHECK_OK(tp_value_map_set(map, "key", list));
    REFUSES_NULL(tp_value_map_set(map, NULL, tp_value_nil()));
    tp_value item = tp_value_int(5);
    REFUSES_NULL(tp_value_map_get(map, NULL, &item));
    CHECK(tp_value_is(item, TP_VALUE_NIL));
    REFUSES_NULL(tp_value_map_remove(map, NULL));
    CHECK(!tp_value_map_has(map, NULL));
    CHECK_OK(tp_value_map_at(map, 0, NULL, NULL));
    REFUSES_NULL(tp_value_map_at(map, 1, NULL, NULL));
    REFUSES_NULL(tp_value_list_get(list, 1, &item));
    REFUSES_NULL(tp_value_list_set(list, 1, tp_value_nil()));
    const tp_value failed = tp_value_channel(NULL);
    REFUSES_NULL(tp_value_list_append(list, failed));
    CHECK_INT(tp_value_size(list), 1);
    CHECK(tp_value_copy(failed).type == TP_VALUE_FAILED);
    CHECK(!tp_value_equal(failed, failed));
    tp_value_release(failed);
}

static void the_rest(void)
{
    REFUSES_NULL(tp_defer(NULL, NULL));
    REFUSES_NULL(tp_sleep_ms(-1));
    REFUSES_NULL(tp_wait_fd(-1, TP_FD_READ, 0));
    REFUSES_NULL(tp_wait_fd(0, 0, 0));
    REFUSES_NULL(tp_wait_fd(0, 1024, 0));
    CHECK_STR(tp_status_name(TP_E_TIMEOUT), "TP_E_TIMEOUT");
    CHECK_STR(tp_status_name((tp_status)12345), "unknown status");
    CHECK_STR(tp_status_name((tp_status)-1), "unknown status");
    CHECK(strlen(tp_status_text(TP_E_TIMEOUT)) > 0);
    CHECK(tp_status_text((tp_status)12345) != NULL);
    CHECK_INT(tp_worker_index(), -1);
    CHECK_STR(tp_task_name(), "");
    CHECK(!tp_cancelled());
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(pools),    CHECK_TEST(a_null_channel_as_capture_is_an_error_or_arrives_as_null),
        CHECK_TEST(promises), CHECK_TEST(channels),
        CHECK_TEST(locks),    CHECK_TEST(async_pools),
        CHECK_TEST(values),   CHECK_TEST(the_rest),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
