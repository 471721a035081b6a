/* SPDX-License-Identifier: MIT */
/* The inbox: what is put is read, and who puts wakes who sleeps. */
#include "check.h"
#include "cluster/inbox.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>

enum { THREADS = 4, ENTRIES = CHECK_SCALE(20000, 2000) };

static struct tp__inbox inbox;

static void set_up(void)
{
    inbox = (struct tp__inbox){.descriptor = -1};
    CHECK_OK(tp__inbox_init(&inbox));
}

static bool is_woken(void)
{
    struct pollfd descriptor = {.fd = inbox.descriptor, .events = POLLIN};
    return poll(&descriptor, 1, 0) == 1;
}

static void a_nudge_before_the_sleep_is_not_lost(void)
{
    set_up();
    tp__inbox_nudge(&inbox);
    CHECK(!tp__inbox_announce_sleep(&inbox, NULL));
    CHECK(tp__inbox_announce_sleep(&inbox, NULL)); /* it was one nudge */
    CHECK(!is_woken());
    tp__inbox_awake(&inbox);
    tp__inbox_fini(&inbox);
}

static void a_nudge_wakes_who_sleeps(void)
{
    set_up();
    CHECK(tp__inbox_announce_sleep(&inbox, NULL));
    tp__inbox_nudge(&inbox);
    CHECK(is_woken());
    tp__inbox_awake(&inbox);
    CHECK(!is_woken());
    tp__inbox_fini(&inbox);
}

static void an_entry_wakes_who_sleeps_and_keeps_awake_who_does_not(void)
{
    set_up();
    const uint64_t entry = 7;
    CHECK(tp__inbox_put(&inbox, &entry, sizeof entry, NULL, 0, true, NULL));
    CHECK(!tp__inbox_announce_sleep(&inbox, NULL));
    struct tp__reader reader = tp__inbox_take(&inbox);
    CHECK_INT(tp__get_u64(&reader), 7);
    CHECK(tp__inbox_announce_sleep(&inbox, NULL));
    size_t waiting = 0;
    CHECK(tp__inbox_put(&inbox, &entry, sizeof entry, &entry, sizeof entry, true, &waiting));
    CHECK_INT(waiting, 2 * sizeof entry);
    CHECK(is_woken());
    tp__inbox_awake(&inbox);
    tp__inbox_fini(&inbox);
}

static void *put_many(void *argument)
{
    (void)argument;
    for (uint64_t i = 1; i <= ENTRIES; i++) {
        if (!tp__inbox_put(&inbox, &i, sizeof i, NULL, 0, true, NULL))
            return argument;
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}

/* A lost wake-up makes this one hang. */
static void a_reader_that_sleeps_gets_everything(void)
{
    set_up();
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK_OR_EXIT(pthread_create(&threads[i], NULL, put_many, &inbox) == 0);
    uint64_t sum = 0;
    for (uint64_t found = 0; found < (uint64_t)THREADS * ENTRIES;) {
        struct tp__reader reader = tp__inbox_take(&inbox);
        for (; tp__reader_left(&reader) > 0; found++)
            sum += tp__get_u64(&reader);
        if (found < (uint64_t)THREADS * ENTRIES && tp__inbox_announce_sleep(&inbox, NULL)) {
            struct pollfd descriptor = {.fd = inbox.descriptor, .events = POLLIN};
            CHECK(poll(&descriptor, 1, -1) == 1);
            tp__inbox_awake(&inbox);
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        CHECK(!failed);
    }
    CHECK_INT(sum, (uint64_t)THREADS * ENTRIES * (ENTRIES + 1) / 2);
    tp__inbox_fini(&inbox);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        CHECK_TEST(a_nudge_before_the_sleep_is_not_lost),
        CHECK_TEST(a_nudge_wakes_who_sleeps),
        CHECK_TEST(an_entry_wakes_who_sleeps_and_keeps_awake_who_does_not),
        CHECK_TEST(a_reader_that_sleeps_gets_everything),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
