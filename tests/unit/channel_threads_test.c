/* SPDX-License-Identifier: MIT */
/* Channels between OS threads: who waits, who is woken, in what order. */
#include "check.h"
#include "unit/waiting.h"

#include <pthread.h>

enum { MANY = 20 };

struct party {
    pthread_t thread;
    tp_channel *channel;
    int64_t number; /* sent, or received */
    int64_t timeout_ms;
    tp_status status;
    char error[256];
};

static void *receive_one(void *argument)
{
    struct party *party = argument;
    party->status = tp_recv_for(party->channel, &party->number, party->timeout_ms);
    snprintf(party->error, sizeof party->error, "%s", tp_last_error()->message);
    return NULL;
}

static void *receive_a_double(void *argument)
{
    struct party *party = argument;
    double number = 1;
    party->status = tp_recv_for(party->channel, &number, party->timeout_ms);
    party->number = (int64_t)number;
    snprintf(party->error, sizeof party->error, "%s", tp_last_error()->message);
    return NULL;
}

static void *send_one(void *argument)
{
    struct party *party = argument;
    party->status = tp_send_for(party->channel, party->number, party->timeout_ms);
    return NULL;
}

static void start(struct party *party, tp_channel *channel, void *(*body)(void *), int64_t number)
{
    party->channel = channel;
    party->number = number;
    party->timeout_ms = party->timeout_ms ? party->timeout_ms : TP_FOREVER;
    CHECK_INT(pthread_create(&party->thread, NULL, body, party), 0);
}

static void join(struct party *party)
{
    pthread_join(party->thread, NULL);
}

static void receivers_are_served_first_come_first_served(void)
{
    tp_channel *channel = tp_channel_open(0);
    struct party parties[MANY] = {0};
    for (size_t i = 0; i < MANY; i++) {
        start(&parties[i], channel, receive_one, -1);
        until_receivers(channel, i + 1);
    }
    for (int64_t i = 0; i < MANY; i++)
        CHECK_OK(tp_send(channel, i));
    for (int64_t i = 0; i < MANY; i++) {
        join(&parties[i]);
        CHECK_STATUS(parties[i].status, TP_OK);
        CHECK_INT(parties[i].number, i);
    }
    tp_channel_release(channel);
}

static void senders_enter_in_order(size_t capacity)
{
    tp_channel *channel = tp_channel_open(capacity);
    struct party parties[MANY] = {0};
    for (int64_t i = -(int64_t)capacity; i < 0; i++)
        CHECK_OK(tp_send(channel, i));
    for (size_t i = 0; i < MANY; i++) {
        start(&parties[i], channel, send_one, (int64_t)i);
        until_senders(channel, i + 1);
    }
    for (int64_t i = -(int64_t)capacity; i < MANY; i++) {
        int64_t got;
        CHECK_OK(tp_recv(channel, &got));
        CHECK_INT(got, i);
    }
    for (int64_t i = 0; i < MANY; i++) {
        join(&parties[i]);
        CHECK_STATUS(parties[i].status, TP_OK);
    }
    tp_channel_release(channel);
}

static void senders_enter_a_full_channel_in_order(void)
{
    senders_enter_in_order(2);
    senders_enter_in_order(20); /* its queue has grown to two rings, of which the second has not room for all */
    senders_enter_in_order(600);
}

static void room_for_a_waiting_sender_is_used_at_once(void)
{
    tp_channel *channel = tp_channel_open(3);
    struct party party = {0};
    for (int64_t i = 0; i < 3; i++)
        CHECK_OK(tp_send(channel, i));
    start(&party, channel, send_one, 3);
    until_senders(channel, 1);
    int64_t got;
    CHECK_OK(tp_recv(channel, &got));
    join(&party);
    CHECK_STATUS(party.status, TP_OK);
    CHECK_INT(tp_channel_size(channel), 3);
    tp_channel_release(channel);
}

static void a_closed_channel_delivers_no_message_of_a_waiting_sender(void)
{
    tp_channel *channel = tp_channel_open(1);
    struct party parties[MANY] = {0};
    CHECK_OK(tp_send(channel, (int64_t)100));
    for (size_t i = 0; i < MANY; i++)
        start(&parties[i], channel, send_one, (int64_t)i);
    until_senders(channel, MANY);
    CHECK_OK(tp_channel_close(channel));
    for (size_t i = 0; i < MANY; i++) {
        join(&parties[i]);
        CHECK_STATUS(parties[i].status, TP_E_CLOSED);
    }
    int64_t got;
    CHECK_OK(tp_recv(channel, &got));
    CHECK_INT(got, 100);
    CHECK_STATUS(tp_recv(channel, &got), TP_E_CLOSED);
    tp_channel_release(channel);
}

static void a_close_wakes_every_receiver(void)
{
    enum { MORE_THAN_ONE_PORTION = 100 };
    tp_channel *channel = tp_channel_open(0);
    static struct party parties[MORE_THAN_ONE_PORTION];
    for (size_t i = 0; i < MORE_THAN_ONE_PORTION; i++)
        start(&parties[i], channel, receive_one, 5);
    until_receivers(channel, MORE_THAN_ONE_PORTION);
    tp_channel_release(channel); /* who waits keeps it until it has returned */
    for (size_t i = 0; i < MORE_THAN_ONE_PORTION; i++) {
        join(&parties[i]);
        CHECK_STATUS(parties[i].status, TP_E_CLOSED);
        CHECK_INT(parties[i].number, 0);
    }
}

static void a_waiting_receiver_of_another_type_is_woken_and_the_message_stays(void)
{
    tp_channel *channel = tp_channel_open(0);
    struct party wrong[3] = {0};
    struct party right = {0};
    start(&wrong[0], channel, receive_a_double, 0);
    until_receivers(channel, 1);
    start(&wrong[1], channel, receive_a_double, 0);
    until_receivers(channel, 2);
    start(&right, channel, receive_one, 0);
    until_receivers(channel, 3);
    start(&wrong[2], channel, receive_a_double, 0);
    until_receivers(channel, 4);
    CHECK_OK(tp_send(channel, (int32_t)42)); /* widens for the third */
    join(&right);
    CHECK_INT(right.number, 42);
    join(&wrong[0]);
    join(&wrong[1]);
    CHECK_STATUS(wrong[0].status, TP_E_TYPE);
    CHECK_STATUS(wrong[1].status, TP_E_TYPE);
    CHECK_CONTAINS(wrong[0].error, "signed integer of 4 bytes");
    CHECK_CONTAINS(wrong[0].error, "floating-point number of 8 bytes");
    CHECK_INT(wrong[0].number, 0);
    CHECK_OK(tp_send(channel, (int64_t)43));
    join(&wrong[2]);
    CHECK_STATUS(wrong[2].status, TP_E_TYPE);
    int64_t got;
    CHECK_OK(tp_try_recv(channel, &got));
    CHECK_INT(got, 43);
    tp_channel_release(channel);
}

static void a_sender_whose_time_ran_out_has_sent_nothing(void)
{
    tp_channel *channel = tp_channel_open(1);
    struct party patient = {0};
    struct party hasty = {.timeout_ms = 1};
    CHECK_OK(tp_send(channel, (int64_t)0));
    start(&hasty, channel, send_one, 1);
    start(&patient, channel, send_one, 2);
    join(&hasty);
    CHECK_STATUS(hasty.status, TP_E_TIMEOUT);
    until_senders(channel, 1);
    int64_t got;
    CHECK_OK(tp_recv(channel, &got));
    CHECK_OK(tp_recv(channel, &got));
    CHECK_INT(got, 2);
    join(&patient);
    CHECK_STATUS(tp_try_recv(channel, &got), TP_E_EMPTY);
    tp_channel_release(channel);
}

static void *receive_string(void *argument)
{
    struct party *party = argument;
    tp_str got;
    party->status = tp_recv(party->channel, &got);
    party->number = (int64_t)got.length;
    tp_str_release(got);
    return NULL;
}

static void *receive_value(void *argument)
{
    struct party *party = argument;
    tp_value got;
    party->status = tp_recv(party->channel, &got);
    party->number = (int64_t)tp_value_size(got);
    tp_value_release(got);
    return NULL;
}

static void strings_and_values_reach_one_who_waits(void)
{
    tp_channel *channel = tp_channel_open(0);
    struct party party = {0};
    start(&party, channel, receive_string, 0);
    until_receivers(channel, 1);
    tp_str text = tp_str_new("twelve bytes");
    CHECK_OK(tp_send(channel, text));
    tp_str_release(text);
    join(&party);
    CHECK_STATUS(party.status, TP_OK);
    CHECK_INT(party.number, 12);

    start(&party, channel, receive_value, 0);
    until_receivers(channel, 1);
    tp_value list = tp_value_list();
    CHECK_OK(tp_value_list_append(list, tp_value_nil()));
    CHECK_OK(tp_send(channel, list));
    tp_value_release(list);
    join(&party);
    CHECK_STATUS(party.status, TP_OK);
    CHECK_INT(party.number, 1);
    tp_channel_release(channel);
}

static void *send_string(void *argument)
{
    struct party *party = argument;
    tp_str text = tp_str_new("a string in a full channel");
    party->status = tp_send(party->channel, text);
    tp_str_release(text);
    return NULL;
}

static void the_string_of_a_sender_who_waits_arrives_or_is_dropped(void)
{
    tp_channel *channel = tp_channel_open(1);
    struct party parties[2] = {0};
    CHECK_OK(tp_send(channel, tp_str_lit("first")));
    start(&parties[0], channel, send_string, 0);
    until_senders(channel, 1);
    start(&parties[1], channel, send_string, 0);
    until_senders(channel, 2);
    tp_str got;
    CHECK_OK(tp_recv(channel, &got));
    tp_str_release(got);
    join(&parties[0]);
    CHECK_OK(tp_channel_close(channel));
    join(&parties[1]);
    CHECK_STATUS(parties[0].status, TP_OK);
    CHECK_STATUS(parties[1].status, TP_E_CLOSED);
    CHECK_OK(tp_recv(channel, &got));
    CHECK_TP_STR(got, "a string in a full channel");
    tp_str_release(got);
    tp_channel_release(channel);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        CHECK_TEST(receivers_are_served_first_come_first_served),
        CHECK_TEST(senders_enter_a_full_channel_in_order),
        CHECK_TEST(room_for_a_waiting_sender_is_used_at_once),
        CHECK_TEST(a_closed_channel_delivers_no_message_of_a_waiting_sender),
        CHECK_TEST(a_close_wakes_every_receiver),
        CHECK_TEST(a_waiting_receiver_of_another_type_is_woken_and_the_message_stays),
        CHECK_TEST(a_sender_whose_time_ran_out_has_sent_nothing),
        CHECK_TEST(strings_and_values_reach_one_who_waits),
        CHECK_TEST(the_string_of_a_sender_who_waits_arrives_or_is_dropped),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
