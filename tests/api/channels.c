/* SPDX-License-Identifier: MIT */
/* Channels between tasks, green threads of main and plain OS threads. */
#include "check.h"
#include "test_pool.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SENDERS = 6, RECEIVERS = 4, MESSAGES = CHECK_SCALE(5000, 300) };

static atomic_llong out_of_order;
static atomic_llong failures;
static unsigned char seen[SENDERS][MESSAGES];
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;

static void *send_all(tp_channel *ch, int64_t sender)
{
    for (int64_t i = 0; i < MESSAGES; i++)
        if (tp_send(ch, sender * 1000000 + i) != TP_OK)
            atomic_fetch_add(&failures, 1);
    return NULL;
}

static int64_t receive_all(tp_channel *ch)
{
    int64_t last[SENDERS];
    int64_t count = 0;
    int64_t m;
    memset(last, -1, sizeof last);
    tp_status status;
    while ((status = tp_recv(ch, &m)) == TP_OK) {
        const int64_t sender = m / 1000000;
        const int64_t i = m % 1000000;
        if (i <= last[sender])
            atomic_fetch_add(&out_of_order, 1);
        last[sender] = i;
        pthread_mutex_lock(&seen_lock);
        seen[sender][i]++;
        pthread_mutex_unlock(&seen_lock);
        count++;
    }
    if (status != TP_E_CLOSED)
        atomic_fetch_add(&failures, 1);
    return count;
}

TP_TASK(send_from_task, void, (tp_channel *, ch), (int64_t, sender))
{
    send_all(ch, sender);
}

TP_TASK(receive_in_task, int64_t, (tp_channel *, ch))
{
    return receive_all(ch);
}

struct thread_argument {
    tp_channel *channel;
    int64_t number;
};

static void *send_from_thread(void *argument)
{
    const struct thread_argument *a = argument;
    return send_all(a->channel, a->number);
}

static void *receive_in_thread(void *argument)
{
    const struct thread_argument *a = argument;
    return (void *)(uintptr_t)receive_all(a->channel);
}

/* Half of the senders and receivers are tasks, half plain threads. */
static void many_to_many(size_t capacity)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:3");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *ch = tp_pool_channel_with(pool, "many", capacity);
    atomic_store(&out_of_order, 0);
    atomic_store(&failures, 0);
    memset(seen, 0, sizeof seen);
    pthread_t receivers[RECEIVERS / 2];
    pthread_t senders[SENDERS / 2];
    tp_promise *receiving[RECEIVERS / 2];
    tp_promise *sending[SENDERS / 2];
    struct thread_argument arguments[SENDERS / 2];
    struct thread_argument receiver = {ch, 0};
    for (int i = 0; i < RECEIVERS / 2; i++) {
        receiving[i] = tp_submit(pool, receive_in_task, ch);
        CHECK_OR_EXIT(pthread_create(&receivers[i], NULL, receive_in_thread, &receiver) == 0);
    }
    for (int i = 0; i < SENDERS / 2; i++) {
        arguments[i] = (struct thread_argument){ch, i};
        sending[i] = tp_submit(pool, send_from_task, ch, SENDERS / 2 + i);
        CHECK_OR_EXIT(pthread_create(&senders[i], NULL, send_from_thread, &arguments[i]) == 0);
    }
    for (int i = 0; i < SENDERS / 2; i++) {
        CHECK_OK(tp_await(sending[i], NULL));
        tp_promise_release(sending[i]);
        pthread_join(senders[i], NULL);
    }
    CHECK_OK(tp_channel_close(ch));
    int64_t total = 0;
    for (int i = 0; i < RECEIVERS / 2; i++) {
        int64_t count = 0;
        void *counted = NULL;
        CHECK_OK(tp_await(receiving[i], &count));
        tp_promise_release(receiving[i]);
        pthread_join(receivers[i], &counted);
        total += count + (int64_t)(uintptr_t)counted;
    }
    CHECK_INT(total, SENDERS * MESSAGES);
    CHECK_INT(atomic_load(&out_of_order), 0);
    CHECK_INT(atomic_load(&failures), 0);
    int64_t wrong = 0;
    for (int s = 0; s < SENDERS; s++)
        for (int i = 0; i < MESSAGES; i++)
            wrong += seen[s][i] != 1;
    CHECK_INT(wrong, 0);
    CHECK_INT(tp_channel_size(ch), 0);
}

static void each_message_reaches_one_receiver_in_the_sender_s_order(void)
{
    many_to_many(0);
    many_to_many(1);
    many_to_many(16);
}

TP_TASK(send_numbers, int64_t, (tp_channel *, ch), (int64_t, count), (tp_channel *, progress))
{
    for (int64_t i = 0; i < count; i++) {
        tp_try(tp_send(ch, i));
        tp_try(tp_send(progress, i));
    }
    return count;
}

static void a_full_channel_parks_its_senders(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *ch = tp_pool_channel_with(pool, "bounded", 3);
    tp_channel *progress = tp_pool_channel(pool, "progress");
    tp_promise *p = tp_submit(pool, send_numbers, ch, 10, progress);
    int64_t v = -1;
    for (int64_t i = 0; i < 3; i++) {
        CHECK_OK(tp_recv(progress, &v));
        CHECK_INT(v, i);
    }
    CHECK_STATUS(tp_recv_for(progress, &v, 5), TP_E_TIMEOUT); /* the fourth waits */
    CHECK_INT(tp_channel_size(ch), 3);
    CHECK_STATUS(tp_try_send(ch, (int64_t)99), TP_E_FULL);
    CHECK_STATUS(tp_send_for(ch, (int64_t)99, 3), TP_E_TIMEOUT);
    for (int64_t i = 0; i < 10; i++) {
        CHECK_OK(tp_recv(ch, &v));
        CHECK_INT(v, i);
        CHECK(tp_channel_size(ch) <= 3);
    }
    CHECK_OK(tp_await(p, &v));
    CHECK_STATUS(tp_try_recv(ch, &v), TP_E_EMPTY);
    CHECK_INT(v, 0);
    tp_promise_release(p);
}

static void what_was_sent_before_the_close_is_received(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *ch = tp_pool_channel_with(pool, "closing", 2);
    tp_channel *progress = tp_pool_channel(pool, "progress");
    int64_t v = -1;
    tp_promise *p = tp_submit(pool, send_numbers, ch, 10, progress);
    CHECK_OK(tp_recv(progress, &v));
    CHECK_OK(tp_recv(progress, &v));
    CHECK_OK(tp_channel_close(ch));
    CHECK_OK(tp_channel_close(ch));
    CHECK_STATUS(tp_await(p, &v), TP_E_CLOSED);
    CHECK_STATUS(tp_send(ch, (int64_t)1), TP_E_CLOSED);
    CHECK_STATUS(tp_try_send(ch, (int64_t)1), TP_E_CLOSED);
    for (int64_t i = 0; i < 2; i++) {
        CHECK_OK(tp_recv(ch, &v));
        CHECK_INT(v, i);
    }
    CHECK_STATUS(tp_recv(ch, &v), TP_E_CLOSED);
    CHECK_INT(v, 0);
    CHECK_STATUS(tp_try_recv(ch, &v), TP_E_CLOSED);
    CHECK(tp_pool_channel(pool, "closing") != NULL);
    CHECK_STATUS(tp_recv(tp_pool_channel(pool, "closing"), &v), TP_E_CLOSED); /* a closed name stays closed */
    tp_promise_release(p);
}

TP_TASK(receive_one, int64_t, (tp_channel *, ch), (tp_channel *, started))
{
    int64_t v;
    tp_try(tp_send(started, (int64_t)1));
    tp_try(tp_recv(ch, &v));
    return v;
}

static void a_close_wakes_everyone(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *ch = tp_pool_channel(pool, "closing");
    tp_channel *started = tp_pool_channel(pool, "started");
    tp_promise *p[50];
    pthread_t threads[3];
    int64_t v = 0;
    struct thread_argument argument = {ch, 0};
    for (int i = 0; i < 50; i++)
        p[i] = tp_submit(pool, receive_one, ch, started);
    for (int i = 0; i < 3; i++)
        CHECK_OR_EXIT(pthread_create(&threads[i], NULL, receive_in_thread, &argument) == 0);
    for (int i = 0; i < 50; i++)
        CHECK_OK(tp_recv(started, &v));
    CHECK_OK(tp_channel_close(ch));
    for (int i = 0; i < 50; i++) {
        CHECK_STATUS(tp_await(p[i], &v), TP_E_CLOSED);
        tp_promise_release(p[i]);
    }
    for (int i = 0; i < 3; i++) {
        void *count = ch;
        pthread_join(threads[i], &count);
        CHECK(count == NULL);
    }
}

static void messages_widen_and_wrong_types_stay(void)
{
    tp_channel *ch = tp_channel_open(0);
    CHECK_OR_EXIT(ch != NULL);
    int64_t wide = 0;
    int32_t narrow = 0;
    uint8_t byte = 0;
    double d = 0;
    float f = 0;
    tp_str s = {0};
    CHECK_OK(tp_send(ch, (int32_t)-5));
    CHECK_STATUS(tp_try_recv(ch, &byte), TP_E_TYPE);
    CHECK_STATUS(tp_try_recv(ch, &s), TP_E_TYPE);
    CHECK_INT(tp_channel_size(ch), 1);
    CHECK_OK(tp_try_recv(ch, &wide));
    CHECK_INT(wide, -5);
    CHECK_OK(tp_send(ch, (int64_t)6));
    CHECK_STATUS(tp_try_recv(ch, &narrow), TP_E_TYPE);
    CHECK_OK(tp_try_recv(ch, &wide));
    CHECK_INT(wide, 6);
    CHECK_OK(tp_send(ch, (uint8_t)200));
    CHECK_OK(tp_try_recv(ch, &narrow));
    CHECK_INT(narrow, 200);
    CHECK_OK(tp_send(ch, 1.5F));
    CHECK_OK(tp_try_recv(ch, &d));
    CHECK(d > 1.49 && d < 1.51);
    CHECK_OK(tp_send(ch, 2.5));
    CHECK_STATUS(tp_try_recv(ch, &f), TP_E_TYPE);
    CHECK_OK(tp_try_recv(ch, &d));
    CHECK_OK(tp_send(ch, tp_str_lit("text")));
    CHECK_STATUS(tp_try_recv(ch, &wide), TP_E_TYPE);
    CHECK_OK(tp_try_recv(ch, &s));
    CHECK_TP_STR(s, "text");
    tp_str_release(s);
    CHECK_OK(tp_send(ch, tp_str_lit("left behind"))); /* freed with the channel */
    tp_channel_release(ch);
}

static void deadlines_of_receivers_end(void)
{
    tp_channel *ch = tp_channel_open(1);
    CHECK_OR_EXIT(ch != NULL);
    int64_t v = 5;
    CHECK_STATUS(tp_recv_for(ch, &v, 5), TP_E_TIMEOUT);
    CHECK_INT(v, 0);
    CHECK_STATUS(tp_recv_for(ch, &v, 0), TP_E_EMPTY);
    CHECK_OK(tp_send_for(ch, (int64_t)3, 1));
    CHECK_STATUS(tp_send_for(ch, (int64_t)4, 5), TP_E_TIMEOUT);
    CHECK_OK(tp_recv_for(ch, &v, INT64_MAX));
    CHECK_INT(v, 3);
    CHECK_STATUS(tp_try_recv(ch, &v), TP_E_EMPTY); /* what timed out was not sent */
    tp_channel_release(ch);
}

TP_TASK(send_one, void, (tp_channel *, ch), (int64_t, v))
{
    tp_try(tp_send(ch, v));
}

static void select_does_exactly_one(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    tp_channel *ch[3] = {tp_pool_channel(pool, "0"), tp_pool_channel(pool, "1"), tp_pool_channel_with(pool, "2", 1)};
    int64_t a = 0;
    int64_t b = 0;
    size_t chosen = 9;
    CHECK_OK(tp_send(ch[2], (int64_t)0));
    tp_select_case cases[3] = {tp_case_recv(ch[0], &a), tp_case_recv(ch[1], &b), tp_case_send(ch[2], (int64_t)77)};
    CHECK_STATUS(tp_select(cases, 3, 0, &chosen), TP_E_TIMEOUT);
    CHECK_STATUS(tp_select(cases, 3, 5, &chosen), TP_E_TIMEOUT);

    for (int i = 0; i < 2; i++) { /* woken by a task */
        tp_promise_release(tp_submit(pool, send_one, ch[i], 10 + i));
        CHECK_OK(tp_select(cases, 3, TP_FOREVER, &chosen));
        CHECK_INT(chosen, i);
        CHECK_OK(cases[i].status);
    }
    CHECK_INT(a, 10);
    CHECK_INT(b, 11);

    CHECK_OK(tp_recv(ch[2], &a)); /* room for the case that sends */
    CHECK_OK(tp_select(cases, 3, TP_FOREVER, &chosen));
    CHECK_INT(chosen, 2);
    CHECK_INT(tp_channel_size(ch[2]), 1);

    /* several are possible: over many calls none is forgotten */
    int64_t times[2] = {0};
    for (int i = 0; i < 100; i++) {
        CHECK_OK(tp_send(ch[0], (int64_t)i));
        CHECK_OK(tp_send(ch[1], (int64_t)i));
    }
    for (int i = 0; i < 100; i++) {
        CHECK_OK(tp_select(cases, 2, TP_FOREVER, &chosen));
        if (CHECK(chosen < 2))
            times[chosen]++;
    }
    CHECK(times[0] > 0 && times[1] > 0);
    CHECK_INT(tp_channel_size(ch[0]) + tp_channel_size(ch[1]), 100);

    CHECK_OK(tp_channel_close(ch[0]));
    while (tp_try_recv(ch[0], &a) == TP_OK || tp_try_recv(ch[1], &b) == TP_OK)
        ;
    CHECK_STATUS(tp_select(cases, 2, TP_FOREVER, &chosen), TP_E_CLOSED);
    CHECK_INT(chosen, 0);
    CHECK_STATUS(cases[0].status, TP_E_CLOSED);
}

/* Pipelines of tasks: filter and sum through bounded channels. */
TP_TASK(stage, int64_t, (tp_channel *, in), (tp_channel *, out), (int64_t, add))
{
    int64_t m;
    int64_t count = 0;
    while (tp_recv(in, &m) == TP_OK) {
        tp_try(tp_send(out, m + add));
        count++;
    }
    tp_try(tp_channel_close(out));
    return count;
}

static void a_pipeline_of_bounded_channels(void)
{
    for (int workers = 1; workers <= 2; workers++) {
        tp_auto(tp_pool) pool = test_pool_open(workers);
        tp_channel *ch[5];
        tp_promise *stages[4];
        const int64_t count = CHECK_SCALE(20000, 1000);
        for (int i = 0; i < 5; i++) {
            char name[16];
            snprintf(name, sizeof name, "stage %d", i);
            ch[i] = tp_pool_channel_with(pool, name, i == 0 ? 0 : 64);
        }
        for (int i = 0; i < 4; i++)
            stages[i] = tp_submit(pool, stage, ch[i], ch[i + 1], 1 << (8 * i));
        for (int64_t i = 0; i < count; i++)
            CHECK_OK(tp_send(ch[0], i));
        CHECK_OK(tp_channel_close(ch[0]));
        int64_t m = 0;
        int64_t wrong = 0;
        int64_t got = 0;
        while (tp_recv(ch[4], &m) == TP_OK)
            wrong += m != got++ + 0x01010101;
        CHECK_INT(got, count);
        CHECK_INT(wrong, 0);
        for (int i = 0; i < 4; i++) {
            int64_t v = 0;
            CHECK_OK(tp_await(stages[i], &v));
            CHECK_INT(v, count);
            tp_promise_release(stages[i]);
        }
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(each_message_reaches_one_receiver_in_the_sender_s_order),
        CHECK_TEST(a_full_channel_parks_its_senders),
        CHECK_TEST(what_was_sent_before_the_close_is_received),
        CHECK_TEST(a_close_wakes_everyone),
        CHECK_TEST(messages_widen_and_wrong_types_stay),
        CHECK_TEST(deadlines_of_receivers_end),
        CHECK_TEST(select_does_exactly_one),
        CHECK_TEST(a_pipeline_of_bounded_channels),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
