/* SPDX-License-Identifier: MIT */
/* exchange WHAT: named channels between tasks on many nodes, and with the driver. In some parts something happens in
 * the middle: it says "middle" on standard output and waits for a line. */
#include "check.h"
#include "cluster/marks.h"
#include "test_pool.h"

#include <signal.h>

enum { SENDERS = 6, RECEIVERS = 6, MESSAGES = CHECK_SCALE(1500, 150), CAPACITY = 4 };

typedef struct message {
    int32_t sender;
    int32_t number;
} message;

static tp_pool *pool;
static struct marks marks;

static void say_and_wait(const char *word)
{
    char line[16];
    printf("%s\n", word);
    fflush(stdout);
    CHECK_OR_EXIT(fgets(line, sizeof line, stdin));
}

TP_TASK(send_many, int64_t, (tp_channel *, to), (int, sender), (int, count))
{
    for (int i = 0; i < count; i++)
        tp_try(tp_send(to, ((message){sender, i})));
    return count;
}

/* What it got, and whether each sender's came in order: the sum of all numbers, or an error. */
TP_TASK(receive_many, int64_t, (tp_channel *, from), (tp_channel *, count_to))
{
    int32_t last[SENDERS];
    int64_t sum = 0;
    for (int i = 0; i < SENDERS; i++)
        last[i] = -1;
    for (;;) {
        message got;
        const tp_status status = tp_recv(from, &got);
        if (status == TP_E_CLOSED)
            return sum;
        tp_try(status);
        if (got.sender < 0 || got.sender >= SENDERS || got.number <= last[got.sender])
            tp_raise("message %d of sender %d came after %d", got.number, got.sender, last[got.sender]);
        last[got.sender] = got.number;
        sum += got.number;
        tp_try(tp_send(count_to, (int64_t)1));
    }
}

/* All senders and receivers are tasks. `middle`: something happens when a third has been received. */
static void run_exchange(const char *name, size_t capacity, bool middle)
{
    char count_name[64];
    snprintf(count_name, sizeof count_name, "%s count", name);
    tp_channel *channel = tp_pool_channel_with(pool, name, capacity);
    tp_channel *counts = tp_pool_channel(pool, count_name);
    tp_promise *senders[SENDERS];
    tp_promise *receivers[RECEIVERS];
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = tp_submit(pool, receive_many, channel, counts);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = tp_submit(pool, send_many, channel, i, MESSAGES);
    int64_t received = 0;
    while (received < SENDERS * MESSAGES) {
        int64_t one;
        if (!CHECK_OK(tp_recv(counts, &one)))
            break;
        received++;
        CHECK(capacity == 0 || tp_channel_size(channel) <= capacity);
        if (middle && received == SENDERS * MESSAGES / 3)
            say_and_wait("middle");
    }
    for (int i = 0; i < SENDERS; i++) {
        CHECK_OK(tp_await(senders[i], NULL));
        tp_promise_release(senders[i]);
    }
    CHECK_OK(tp_channel_close(channel));
    int64_t sum = 0;
    for (int i = 0; i < RECEIVERS; i++) {
        int64_t part = 0;
        CHECK_OK(tp_await(receivers[i], &part));
        sum += part;
        tp_promise_release(receivers[i]);
    }
    CHECK_INT(sum, (int64_t)SENDERS * MESSAGES * (MESSAGES - 1) / 2);
    CHECK_STATUS(tp_try_recv(counts, &sum), TP_E_EMPTY); /* none came twice */
    CHECK_INT(tp_pool_pending(pool), 0);
}

static void many_senders_and_receivers(void)
{
    run_exchange("unbounded", 0, false);
    run_exchange("bounded", CAPACITY, false);
    run_exchange("one", 1, false);
}

/* For the parts in which something happens to coordinator or connections. */
static void through_a_break(void)
{
    run_exchange("broken", CAPACITY, true);
}

/* ---- back-pressure ---- */

TP_TASK(send_marked, int64_t, (tp_channel *, to), (int, count), (tp_str, path))
{
    for (int64_t i = 0; i < count; i++) {
        tp_try(tp_send(to, i));
        mark(path, "sent %d", (int)i);
    }
    return count;
}

static void a_full_channel_parks_its_sender_on_another_node(void)
{
    marks_open(&marks);
    tp_channel *channel = tp_pool_channel_with(pool, "full", CAPACITY);
    tp_auto(tp_promise) sender = tp_submit(pool, send_marked, channel, 20, marks_path(&marks));
    CHECK(marks_wait(marks.path, "sent", CAPACITY));
    CHECK_INT(tp_channel_size(channel), CAPACITY);
    for (int64_t i = 0; i < 20; i++) {
        int64_t got = -1;
        const size_t sent = marks_of(marks.path, "sent");
        CHECK(sent <= CAPACITY + (size_t)i); /* what was accepted, never more */
        CHECK_OK(tp_recv(channel, &got));
        CHECK_INT(got, i);
    }
    CHECK_OK(tp_await(sender, NULL));
    marks_close(&marks);
}

/* ---- closing ---- */

TP_TASK(receive_until_closed, int64_t, (tp_channel *, from))
{
    int64_t count = 0;
    int64_t got;
    tp_status status;
    while ((status = tp_recv(from, &got)) == TP_OK)
        count++;
    if (status != TP_E_CLOSED)
        tp_try(status);
    return count;
}

TP_TASK(send_until_closed, int64_t, (tp_channel *, to))
{
    int64_t count = 0;
    tp_status status;
    while ((status = tp_send(to, count)) == TP_OK)
        count++;
    if (status != TP_E_CLOSED)
        tp_try(status);
    return count;
}

static void closing_wakes_everyone_and_keeps_what_was_sent(void)
{
    tp_channel *channel = tp_pool_channel_with(pool, "closing", CAPACITY);
    tp_promise *senders[SENDERS];
    int64_t sent = 0;
    int64_t received = 0;
    int64_t got;
    for (int i = 0; i < SENDERS; i++)
        senders[i] = tp_submit(pool, send_until_closed, channel);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(tp_recv(channel, &got));
        received++;
    }
    CHECK_OK(tp_channel_close(channel));
    for (int i = 0; i < SENDERS; i++) {
        int64_t count = 0;
        CHECK_OK(tp_await(senders[i], &count));
        sent += count;
        tp_promise_release(senders[i]);
    }
    tp_promise *receivers[RECEIVERS];
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = tp_submit(pool, receive_until_closed, channel);
    for (int i = 0; i < RECEIVERS; i++) {
        int64_t count = 0;
        CHECK_OK(tp_await(receivers[i], &count));
        received += count;
        tp_promise_release(receivers[i]);
    }
    CHECK_INT(received, sent);
    CHECK_STATUS(tp_send(channel, sent), TP_E_CLOSED);
}

/* ---- select ---- */

TP_TASK(merge, int64_t, (tp_channel *, a), (tp_channel *, b), (tp_channel *, stop))
{
    int64_t from_a = 0;
    int64_t from_b = 0;
    for (;;) {
        int64_t x = 0;
        int64_t y = 0;
        int64_t z = 0;
        size_t chosen;
        tp_select_case cases[] = {tp_case_recv(a, &x), tp_case_recv(b, &y), tp_case_recv(stop, &z)};
        const tp_status status = tp_select(cases, 3, TP_FOREVER, &chosen);
        if (chosen == 2)
            return from_a * 1000000 + from_b;
        tp_try(status);
        from_a += chosen == 0 ? x : 0;
        from_b += chosen == 1 ? y : 0;
    }
}

static void a_select_takes_exactly_one(void)
{
    enum { EACH = 200, MERGERS = 4 };
    tp_channel *a = tp_pool_channel(pool, "select a");
    tp_channel *b = tp_pool_channel_with(pool, "select b", 2);
    tp_channel *stop = tp_pool_channel(pool, "select stop");
    tp_promise *mergers[MERGERS];
    for (int i = 0; i < MERGERS; i++)
        mergers[i] = tp_submit(pool, merge, a, b, stop);
    for (int64_t i = 0; i < EACH; i++) {
        CHECK_OK(tp_send(a, (int64_t)1));
        CHECK_OK(tp_send(b, (int64_t)1));
    }
    for (int i = 0; (tp_channel_size(a) > 0 || tp_channel_size(b) > 0) && i < 20 * patience_seconds(); i++)
        tp_sleep_ms(50);
    CHECK_OK(tp_channel_close(stop));
    int64_t sum = 0;
    for (int i = 0; i < MERGERS; i++) {
        int64_t part = 0;
        CHECK_OK(tp_await(mergers[i], &part));
        sum += part;
        tp_promise_release(mergers[i]);
    }
    CHECK_INT(sum, EACH * 1000000 + EACH);
}

/* ---- killed ends ---- */

TP_TASK(receive_and_mark, int64_t, (tp_channel *, from), (tp_str, path), (int, dies_after))
{
    int64_t count = 0;
    int64_t got;
    tp_status status;
    while ((status = tp_recv(from, &got)) == TP_OK) {
        mark(path, "got %d", (int)got);
        if (++count == dies_after) {
            mark(path, "dies");
            raise(SIGKILL);
        }
    }
    if (status != TP_E_CLOSED)
        tp_try(status);
    return count;
}

/* The tasks of its process have taken messages: they fail, and are not run again. What they had taken is theirs; every
 * other message reaches exactly one receiver. The mark is an effect outside the pool: the last one of a killed receiver
 * may repeat, or be missing. */
static void a_killed_receiver_takes_nothing_with_it(void)
{
    enum { COUNT = 2000 };
    static unsigned char seen[COUNT];
    marks_open(&marks);
    tp_channel *channel = tp_pool_channel(pool, "killed receiver");
    tp_promise *receivers[RECEIVERS];
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = tp_submit(pool, receive_and_mark, channel, marks_path(&marks), i == 0 ? 3 : 0);
    int64_t sent = 0;
    while (sent < COUNT / 2 && marks_of(marks.path, "dies") == 0) { /* one by one: whoever waits longest gets it */
        CHECK_OK(tp_send(channel, sent));
        sent++;
        for (int i = 0; marks_of(marks.path, "got") < (size_t)sent && i < 50; i++)
            usleep(2000); /* the one that dies may have had it */
    }
    CHECK_INT(marks_of(marks.path, "dies"), 1);
    for (; sent < COUNT; sent++)
        CHECK_OK(tp_send(channel, sent));
    CHECK_OK(tp_channel_close(channel));
    int lost = 0;
    for (int i = 0; i < RECEIVERS; i++) {
        const tp_status status = tp_await(receivers[i], NULL);
        CHECK(status == TP_OK || status == TP_E_NODE_LOST || status == TP_E_TASK);
        lost += status != TP_OK;
        if (status != TP_OK)
            CHECK_CONTAINS(tp_promise_error(receivers[i])->message, "SIGKILL");
        tp_promise_release(receivers[i]);
    }
    CHECK(lost >= 1 && lost < RECEIVERS);
    char line[32];
    int twice = 0;
    int missing = 0;
    FILE *file = fopen(marks.path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "got ", 4) == 0)
            twice += seen[atoi(line + 4)]++ != 0;
    if (file)
        fclose(file);
    for (int i = 0; i < COUNT; i++)
        missing += !seen[i];
    CHECK(twice + missing <= lost);
    marks_close(&marks);
}

TP_TASK(send_and_die, int64_t, (tp_channel *, to), (int, sender), (int, count), (int, dies_after))
{
    for (int i = 0; i < count; i++) {
        if (i == dies_after)
            raise(SIGKILL);
        tp_try(tp_send(to, ((message){sender, i})));
    }
    return count;
}

/* What it had sent stays, in order and once; it is not run again, which would send all of it twice. */
static void what_a_killed_sender_had_sent_stays(void)
{
    enum { COUNT = 300, DIES_AFTER = 100 };
    int next[SENDERS] = {0};
    tp_channel *channel = tp_pool_channel_with(pool, "killed sender", 8);
    tp_promise *senders[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        senders[i] = tp_submit(pool, send_and_die, channel, i, COUNT, i == 0 ? DIES_AFTER : -1);
    for (int ended = 0, rounds = 0; ended < SENDERS && rounds < 20 * patience_seconds();) {
        message got;
        const tp_status status = tp_recv_for(channel, &got, 50);
        if (status == TP_OK && CHECK(got.sender >= 0 && got.sender < SENDERS)) {
            CHECK_INT(got.number, next[got.sender]);
            next[got.sender] = got.number + 1;
            continue;
        }
        rounds++;
        CHECK_STATUS(status, TP_E_TIMEOUT);
        ended = 0;
        for (int i = 0; i < SENDERS; i++)
            ended += tp_promise_ready(senders[i]);
    }
    for (int i = 0; i < SENDERS; i++) {
        const tp_status status = tp_await(senders[i], NULL);
        CHECK(status == TP_OK || (status == TP_E_NODE_LOST && next[i] < COUNT));
        CHECK(status != TP_OK || next[i] == COUNT);
        CHECK(i != 0 || (status == TP_E_NODE_LOST && next[i] == DIES_AFTER));
        tp_promise_release(senders[i]);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    static const struct check_test all[] = {
        CHECK_TEST(many_senders_and_receivers),
        CHECK_TEST(a_full_channel_parks_its_sender_on_another_node),
        CHECK_TEST(closing_wakes_everyone_and_keeps_what_was_sent),
        CHECK_TEST(a_select_takes_exactly_one),
        CHECK_TEST(a_killed_receiver_takes_nothing_with_it),
        CHECK_TEST(what_a_killed_sender_had_sent_stays),
    };
    static const struct check_test broken[] = {CHECK_TEST(through_a_break)};
    pool = test_pool_open(2);
    if (argc > 1 && strcmp(argv[1], "through_a_break") == 0)
        CHECK_RUN(broken, argc, argv);
    else
        CHECK_RUN(all, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
