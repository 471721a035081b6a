/* SPDX-License-Identifier: MIT */
/* tp_select: one of several operations, exactly one. */
#include "base/alloc.h"
#include "check.h"
#include "unit/waiting.h"

#include <pthread.h>

static void it_does_what_is_possible_and_nothing_else(void)
{
    tp_channel *empty = tp_channel_open(0);
    tp_channel *filled = tp_channel_open(0);
    CHECK_OK(tp_send(filled, (int64_t)7));
    for (int i = 0; i < 10; i++) {
        int64_t a = -1;
        int64_t b = -1;
        size_t chosen = 99;
        tp_select_case cases[] = {tp_case_recv(empty, &a), tp_case_recv(filled, &b)};
        CHECK_OK(tp_select(cases, 2, TP_FOREVER, &chosen));
        CHECK_INT(chosen, 1);
        CHECK_STATUS(cases[1].status, TP_OK);
        CHECK_INT(b, 7);
        CHECK_INT(a, -1);
        CHECK_OK(tp_send(filled, (int64_t)7));
    }
    tp_channel_release(empty);
    tp_channel_release(filled);
}

static void with_nothing_possible_it_times_out_and_leaves_no_trace(void)
{
    tp_channel *empty = tp_channel_open(0);
    tp_channel *full = tp_channel_open(1);
    CHECK_OK(tp_send(full, (int64_t)1));
    int64_t got = 5;
    size_t chosen = 99;
    tp_select_case cases[] = {tp_case_recv(empty, &got), tp_case_send(full, (int64_t)2), tp_case_recv(empty, &got)};
    CHECK_STATUS(tp_select(cases, 3, 0, &chosen), TP_E_TIMEOUT);
    CHECK_STATUS(tp_select(cases, 3, 1, &chosen), TP_E_TIMEOUT);
    CHECK_INT(count_receivers(empty), 0);
    CHECK_INT(count_senders(full), 0);
    CHECK_INT(chosen, 99);
    CHECK_INT(got, 5);
    CHECK_INT(tp_channel_size(full), 1);
    tp_channel_release(empty);
    tp_channel_release(full);
}

static void it_takes_turns_among_the_possible(void)
{
    tp_channel *channels[3];
    int taken[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        channels[i] = tp_channel_open(0);
        for (int64_t n = 0; n < 3000; n++)
            CHECK_OK(tp_send(channels[i], n));
    }
    for (int n = 0; n < 3000; n++) {
        int64_t got;
        size_t chosen;
        tp_select_case cases[] = {tp_case_recv(channels[0], &got), tp_case_recv(channels[1], &got),
                                  tp_case_recv(channels[2], &got)};
        CHECK_OK(tp_select(cases, 3, TP_FOREVER, &chosen));
        taken[chosen]++;
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(taken[i] > 500);
        tp_channel_release(channels[i]);
    }
}

static void a_closed_channel_and_a_wrong_type_are_results(void)
{
    tp_channel *closed = tp_channel_open(0);
    tp_channel *other = tp_channel_open(0);
    CHECK_OK(tp_channel_close(closed));
    int64_t got = 5;
    size_t chosen;
    tp_select_case receive[] = {tp_case_recv(other, &got), tp_case_recv(closed, &got)};
    CHECK_STATUS(tp_select(receive, 2, TP_FOREVER, &chosen), TP_E_CLOSED);
    CHECK_INT(chosen, 1);
    CHECK_STATUS(receive[1].status, TP_E_CLOSED);
    CHECK_INT(got, 0);
    tp_select_case send[] = {tp_case_send(closed, (int64_t)1)};
    CHECK_STATUS(tp_select(send, 1, TP_FOREVER, &chosen), TP_E_CLOSED);
    CHECK_OK(tp_send(other, 1.5));
    tp_select_case wrong[] = {tp_case_recv(other, &got)};
    CHECK_STATUS(tp_select(wrong, 1, TP_FOREVER, &chosen), TP_E_TYPE);
    CHECK_INT(tp_channel_size(other), 1);
    tp_channel_release(closed);
    tp_channel_release(other);
}

static void nonsense_is_refused(void)
{
    tp_channel *channel = tp_channel_open(0);
    int64_t got;
    size_t chosen;
    tp_select_case cases[65];
    for (size_t i = 0; i < 65; i++)
        cases[i] = (tp_select_case)tp_case_recv(channel, &got);
    CHECK_STATUS(tp_select(cases, 65, 0, &chosen), TP_E_ARGUMENT);
    CHECK_STATUS(tp_select(cases, 64, 0, &chosen), TP_E_TIMEOUT);
    CHECK_STATUS(tp_select(cases, 0, 0, &chosen), TP_E_ARGUMENT);
    CHECK_STATUS(tp_select(NULL, 1, 0, &chosen), TP_E_ARGUMENT);
    CHECK_STATUS(tp_select(cases, 1, 0, NULL), TP_E_ARGUMENT);
    cases[3].channel = NULL;
    CHECK_STATUS(tp_select(cases, 5, 0, &chosen), TP_E_ARGUMENT);
    CHECK_CONTAINS(tp_last_error()->message, "case 3");
    cases[3].channel = channel;
    cases[2].data = NULL;
    CHECK_STATUS(tp_select(cases, 5, 0, &chosen), TP_E_ARGUMENT);
    tp_channel_release(channel);
}

static void strings_are_sent_once_or_dropped(void)
{
    tp_channel *a = tp_channel_open(1);
    tp_channel *b = tp_channel_open(1);
    tp_str text = tp_str_new("a string to be sent to one of two");
    size_t chosen[3];
    for (int i = 0; i < 2; i++) {
        tp_select_case cases[] = {tp_case_send(a, text), tp_case_send(b, text)};
        CHECK_OK(tp_select(cases, 2, TP_FOREVER, &chosen[i]));
    }
    CHECK(chosen[0] != chosen[1]);
    tp_select_case cases[] = {tp_case_send(a, text), tp_case_send(b, text)};
    CHECK_STATUS(tp_select(cases, 2, 1, &chosen[2]), TP_E_TIMEOUT);
    tp_str_release(text);
    tp_str got;
    CHECK_OK(tp_recv(a, &got));
    CHECK_TP_STR(got, "a string to be sent to one of two");
    tp_str_release(got);
    tp_channel_release(a);
    tp_channel_release(b);
}

struct selector {
    pthread_t thread;
    tp_channel *channels[3]; /* two to receive from, one to send to */
    int64_t got;
    size_t chosen;
    tp_status status;
};

static void *select_of_three(void *argument)
{
    struct selector *selector = argument;
    tp_select_case cases[] = {tp_case_recv(selector->channels[0], &selector->got),
                              tp_case_recv(selector->channels[1], &selector->got),
                              tp_case_send(selector->channels[2], (int64_t)3)};
    selector->status = tp_select(cases, 3, TP_FOREVER, &selector->chosen);
    return NULL;
}

/* Starts a thread that selects, and returns when it waits for all three. */
static void start(struct selector *selector)
{
    for (size_t i = 0; i < 3; i++)
        selector->channels[i] = tp_channel_open(1);
    CHECK_OK(tp_send(selector->channels[2], (int64_t)2));
    CHECK_INT(pthread_create(&selector->thread, NULL, select_of_three, selector), 0);
    until_receivers(selector->channels[0], 1);
    until_receivers(selector->channels[1], 1);
    until_senders(selector->channels[2], 1);
}

static void end(struct selector *selector)
{
    CHECK_INT(count_receivers(selector->channels[0]), 0);
    CHECK_INT(count_receivers(selector->channels[1]), 0);
    CHECK_INT(count_senders(selector->channels[2]), 0);
    for (size_t i = 0; i < 3; i++)
        tp_channel_release(selector->channels[i]);
}

static void one_that_waits_is_woken_by_a_message(void)
{
    struct selector selector = {.got = 0};
    start(&selector);
    CHECK_OK(tp_send(selector.channels[1], (int64_t)11));
    /* The one that came second stays in its channel. */
    CHECK_OK(tp_send(selector.channels[0], (int64_t)10));
    pthread_join(selector.thread, NULL);
    CHECK_STATUS(selector.status, TP_OK);
    CHECK_INT(selector.chosen, 1);
    CHECK_INT(selector.got, 11);
    CHECK_INT(tp_channel_size(selector.channels[0]), 1);
    end(&selector);
}

static void one_that_waits_is_woken_by_room(void)
{
    struct selector selector = {.got = 0};
    start(&selector);
    int64_t got;
    CHECK_OK(tp_recv(selector.channels[2], &got));
    CHECK_INT(got, 2);
    pthread_join(selector.thread, NULL);
    CHECK_STATUS(selector.status, TP_OK);
    CHECK_INT(selector.chosen, 2);
    CHECK_OK(tp_try_recv(selector.channels[2], &got));
    CHECK_INT(got, 3);
    end(&selector);
}

static void one_that_waits_is_woken_by_a_close(void)
{
    struct selector selector = {.got = 9};
    start(&selector);
    CHECK_OK(tp_channel_close(selector.channels[0]));
    pthread_join(selector.thread, NULL);
    CHECK_STATUS(selector.status, TP_E_CLOSED);
    CHECK_INT(selector.chosen, 0);
    CHECK_INT(selector.got, 0);
    end(&selector);
}

static bool refusing;

static bool refuse(size_t size)
{
    (void)size;
    return refusing;
}

static void without_memory_it_fails_and_sends_nothing(void)
{
    tp_channel *channel = tp_channel_open(0);
    int64_t got;
    size_t chosen;
    tp_select_case send[] = {tp_case_send(channel, (int64_t)1)};
    tp_select_case many[5];
    for (size_t i = 0; i < 5; i++)
        many[i] = (tp_select_case)tp_case_recv(channel, &got);
    refusing = true;
    tp__alloc_set_refuse(refuse);
    const tp_status sent = tp_select(send, 1, 0, &chosen);
    const tp_status received = tp_select(many, 5, 0, &chosen);
    tp__alloc_set_refuse(NULL);
    CHECK_INT(sent, TP_E_NOMEM);
    CHECK_INT(received, TP_E_NOMEM);
    CHECK_INT(tp_channel_size(channel), 0);
    tp_channel_release(channel);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        CHECK_TEST(it_does_what_is_possible_and_nothing_else),
        CHECK_TEST(with_nothing_possible_it_times_out_and_leaves_no_trace),
        CHECK_TEST(it_takes_turns_among_the_possible),
        CHECK_TEST(a_closed_channel_and_a_wrong_type_are_results),
        CHECK_TEST(nonsense_is_refused),
        CHECK_TEST(strings_are_sent_once_or_dropped),
        CHECK_TEST(one_that_waits_is_woken_by_a_message),
        CHECK_TEST(one_that_waits_is_woken_by_room),
        CHECK_TEST(one_that_waits_is_woken_by_a_close),
        CHECK_TEST(without_memory_it_fails_and_sends_nothing),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
