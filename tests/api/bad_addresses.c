/* SPDX-License-Identifier: MIT */
/* Addresses that name no pool: each has its own status and a message, and nothing stays behind. */
#include "check.h"
#include "threads.h"

static void refuse(const char *where, tp_status wanted)
{
    tp_pool *pool = tp_pool_open(where);
    if (!CHECK(pool == NULL)) {
        fprintf(stderr, "  \"%s\" was opened\n", where);
        tp_pool_close(pool);
        return;
    }
    if (!CHECK_STATUS(tp_last_error()->status, wanted))
        fprintf(stderr, "  for \"%s\"\n", where);
    CHECK(strlen(tp_last_error()->message) > 10);
    CHECK(tp_async_pool_open(where) == NULL);
    CHECK_STATUS(tp_last_error()->status, wanted);
    CHECK(tp_get_async_pool() == NULL);
}

static void what_is_no_address_is_refused(void)
{
    const char *const bad[] = {"local:0",    "local:-3",    "local:",           "local:four",       "local:4x",
                               "local: 4",   "local:+4",    "local:0x4",        "Local:4",          "locale",
                               "",           "4",           "http://head:7077", "tcp://",           "tcp://:7077",
                               "tcp://head", "tcp://head:", "tcp://head:0",     "tcp://head:70770", "tcp://head:port",
                               "://",        "local:4,5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse(bad[i], TP_E_ADDRESS);
}

static void too_many_workers_are_refused(void)
{
    refuse("local:4097", TP_E_LIMIT);
    refuse("local:999999", TP_E_LIMIT);
    refuse("local:99999999999999999999", TP_E_LIMIT);
    CHECK_CONTAINS(tp_last_error()->message, "99999999999999999999");
}

static void the_message_names_the_address(void)
{
    refuse("carrier-pigeon://coop", TP_E_ADDRESS);
    CHECK_CONTAINS(tp_last_error()->message, "carrier-pigeon://coop");
    refuse("local:-3", TP_E_ADDRESS);
    CHECK_CONTAINS(tp_last_error()->message, "local:-3");
}

static void a_very_long_address_is_refused(void)
{
    char *where = malloc(100001);
    CHECK_OR_EXIT(where != NULL);
    memset(where, 'x', 100000);
    where[100000] = '\0';
    refuse(where, TP_E_ADDRESS);
    free(where);
}

static void the_environment_names_the_default(void)
{
    setenv("TASKPOOL", "local:3", 1);
    tp_with (tp_pool, pool, tp_pool_open(NULL))
        CHECK_INT(tp_pool_size(pool), 3);
    else
        CHECK_STR(tp_last_error()->message, "");

    setenv("TASKPOOL", "local:0", 1);
    CHECK(tp_pool_open(NULL) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ADDRESS);
    CHECK_CONTAINS(tp_last_error()->message, "TASKPOOL");
    unsetenv("TASKPOOL");
}

static void options_out_of_range_are_refused(void)
{
    const tp_pool_options bad[] = {{.stack_bytes = 1},
                                   {.stack_bytes = (size_t)2 << 30},
                                   {.stack_bytes = SIZE_MAX},
                                   {.watchdog_ms = -2},
                                   {.placement = (tp_placement)77}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tp_pool *pool = tp_pool_open_with("local:1", bad[i]);
        if (!CHECK(pool == NULL)) {
            fprintf(stderr, "  options %zu\n", i);
            tp_pool_close(pool);
            continue;
        }
        CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    }
}

static void never_called(const char *task, int worker, int64_t held_ms, void *argument)
{
    (void)task, (void)worker, (void)held_ms, (void)argument;
}

/* Before a key is read or a socket opened. */
static void a_cluster_refuses_the_options_of_local_pools(void)
{
    const struct {
        const char *name;
        tp_pool_options options;
    } refused[] = {{"serial_workers", {.serial_workers = true}},
                   {"watchdog_ms", {.watchdog_ms = -1}},
                   {"on_hog", {.on_hog = never_called}}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        tp_pool *pool = tp_pool_open_with("tcp://127.0.0.1:1", refused[i].options);
        CHECK(pool == NULL);
        CHECK_STATUS(tp_last_error()->status, TP_E_UNSUPPORTED);
        if (!strstr(tp_last_error()->message, "built without the cluster"))
            CHECK_CONTAINS(tp_last_error()->message, refused[i].name);
        tp_pool_close(pool);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    unsetenv("TASKPOOL");
    tp_pool_close(tp_pool_open("local:1")); /* whatever thread the library or a sanitizer keeps is there now */
    const int threads = thread_count();
    const struct check_test tests[] = {
        CHECK_TEST(what_is_no_address_is_refused),
        CHECK_TEST(too_many_workers_are_refused),
        CHECK_TEST(the_message_names_the_address),
        CHECK_TEST(a_very_long_address_is_refused),
        CHECK_TEST(the_environment_names_the_default),
        CHECK_TEST(options_out_of_range_are_refused),
        CHECK_TEST(a_cluster_refuses_the_options_of_local_pools),
    };
    CHECK_RUN(tests, argc, argv);
    CHECK_INT(thread_count_settled(threads), threads);
    return check_result();
}
