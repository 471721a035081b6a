/* SPDX-License-Identifier: MIT */
/* Channel operations without a green thread that waits, beside local ones: done at once or once it is possible,
 * withdrawn, ended by a close. */
#include "unit/channel_home_support.h"
#include "unit/waiting.h"

#include "closure/payload.h"
#include "runtime/channels.h"

static void end_with_number(struct order *order, int64_t number)
{
    CHECK_INT(order->done, 1);
    CHECK_STATUS(outcome_of(order)->status, TP_OK);
    int64_t got = -1;
    if (outcome_of(order)->value)
        memcpy(&got, outcome_of(order)->value, sizeof got);
    CHECK_INT(got, number);
    tp__home_end(order->operation);
}

/* A loose string. */
static tp_str loose(const char *text)
{
    tp_str copy;
    const tp_str literal = {.data = text, .length = strlen(text)};
    CHECK_OK(tp__value_copy(TP_KIND_STR, sizeof copy, &copy, &literal));
    return copy;
}

static void what_is_possible_is_done_at_once(void)
{
    tp_channel *channel = tp_channel_open(0);
    struct order order;
    begin_send(&order, channel, 5);
    end_with(&order, TP_OK);
    CHECK_INT(tp_channel_size(channel), 1);
    begin_receive(&order, channel);
    end_with_number(&order, 5);
    tp_str text = loose("a text that is longer than a few bytes");
    struct tp__home_case one = send_case(channel, TP_KIND_STR, sizeof text, &text);
    begin(&order, &one, 1, false);
    end_with(&order, TP_OK);
    tp_str got;
    CHECK_OK(tp_recv(channel, &got));
    CHECK_TP_STR(got, "a text that is longer than a few bytes");
    tp_str_release(got);
    const struct large large = {.number = 7, .rest = "rest"};
    CHECK_OK(tp_send(channel, large));
    one = receive_case(channel, TP_KIND_PLAIN, sizeof large);
    begin(&order, &one, 1, false);
    CHECK_STR(((const struct large *)outcome_of(&order)->value)->rest, "rest");
    end_with(&order, TP_OK);
    tp_channel_release(channel);
}

static void what_is_impossible_now_is_said(void)
{
    tp_channel *channel = tp_channel_open(1);
    struct order order;
    struct tp__home_case one = receive_case(channel, TP_KIND_INT, 8);
    begin(&order, &one, 1, false);
    end_with(&order, TP_E_EMPTY);
    CHECK_OK(tp_send(channel, (int64_t)1));
    tp_str text = loose("a text that is longer than a few bytes");
    one = send_case(channel, TP_KIND_STR, sizeof text, &text);
    begin(&order, &one, 1, false);
    end_with(&order, TP_E_FULL);
    CHECK(count_receivers(channel) == 0 && count_senders(channel) == 0);
    tp_channel_release(channel);
}

static void a_receive_waits_for_a_message(void)
{
    tp_channel *channel = tp_channel_open(0);
    struct order first, second;
    begin_receive(&first, channel);
    begin_receive(&second, channel);
    CHECK_INT(first.done, 0);
    CHECK_INT(count_receivers(channel), 2);
    CHECK_OK(tp_send(channel, (int64_t)1));
    CHECK_OK(tp_send(channel, (int32_t)-2)); /* widens */
    end_with_number(&first, 1);
    end_with_number(&second, -2);
    CHECK_INT(tp_channel_size(channel), 0);
    tp_channel_release(channel);
}

static void a_send_waits_for_room(void)
{
    tp_channel *channel = tp_channel_open(1);
    struct order orders[3];
    for (int64_t i = 0; i < 3; i++)
        begin_send(&orders[i], channel, i);
    CHECK_INT(orders[0].done, 1);
    CHECK_INT(orders[1].done + orders[2].done, 0);
    for (int64_t i = 0; i < 3; i++) {
        int64_t got;
        CHECK_OK(tp_recv(channel, &got));
        CHECK_INT(got, i);
        end_with(&orders[i], TP_OK);
    }
    tp_channel_release(channel);
}

static void of_several_operations_exactly_one_is_done(void)
{
    tp_channel *in = tp_channel_open(0);
    tp_channel *out = tp_channel_open(1);
    CHECK_OK(tp_send(out, (int64_t)0));
    for (int round = 0; round < 4; round++) {
        tp_str text = loose("a text that is longer than a few bytes");
        const struct tp__home_case cases[] = {receive_case(in, TP_KIND_INT, 8),
                                              send_case(out, TP_KIND_STR, sizeof text, &text),
                                              receive_case(in, TP_KIND_INT, 8)};
        struct order order;
        begin(&order, cases, 3, true);
        CHECK_INT(order.done, 0);
        CHECK_INT(count_receivers(in), 2);
        CHECK_INT(count_senders(out), 1);
        if (round % 2) {
            CHECK_OK(tp_send(in, (int64_t)9));
            CHECK(outcome_of(&order)->chosen != 1);
            end_with_number(&order, 9);
        } else {
            int64_t got;
            CHECK_OK(tp_recv(out, &got));
            CHECK_INT(outcome_of(&order)->chosen, 1);
            end_with(&order, TP_OK);
            tp_str sent;
            CHECK_OK(tp_recv(out, &sent));
            tp_str_release(sent);
            CHECK_OK(tp_send(out, (int64_t)0));
        }
        CHECK_INT(count_receivers(in), 0);
        CHECK_INT(count_senders(out), 0);
    }
    tp_channel_release(in);
    tp_channel_release(out);
}

static void what_was_withdrawn_takes_nothing(void)
{
    tp_channel *channel = tp_channel_open(0);
    tp_channel *full = tp_channel_open(1);
    CHECK_OK(tp_send(full, (int64_t)1));
    tp_str text = loose("a text that is longer than a few bytes");
    const struct tp__home_case cases[] = {receive_case(channel, TP_KIND_INT, 8),
                                          send_case(full, TP_KIND_STR, sizeof text, &text)};
    struct order order;
    begin(&order, cases, 2, true);
    CHECK(tp__home_withdraw(order.operation));
    CHECK(!tp__home_withdraw(order.operation));
    CHECK_OK(tp_send(channel, (int64_t)1));
    int64_t got;
    CHECK_OK(tp_recv(full, &got));
    CHECK_INT(order.done, 0);
    CHECK_INT(tp_channel_size(channel), 1);
    CHECK_INT(tp_channel_size(full), 0);
    tp__home_end(order.operation);
    begin_receive(&order, channel);
    CHECK(!tp__home_withdraw(order.operation));
    end_with_number(&order, 1);
    tp_channel_release(channel);
    tp_channel_release(full);
}

static void a_message_of_another_type_stays(void)
{
    tp_channel *channel = tp_channel_open(0);
    struct order order;
    begin_receive(&order, channel);
    CHECK_OK(tp_send(channel, 1.5));
    CHECK_INT(outcome_of(&order)->found_kind, TP_KIND_FLOAT);
    CHECK_INT(outcome_of(&order)->found_size, 8);
    CHECK(outcome_of(&order)->value == NULL);
    end_with(&order, TP_E_TYPE);
    begin_receive(&order, channel);
    end_with(&order, TP_E_TYPE);
    CHECK_INT(tp_channel_size(channel), 1);
    tp_channel_release(channel);
}

static void a_close_ends_what_waits(void)
{
    struct tp__channels *channels = tp__channels_new(NULL);
    tp_channel *empty = tp__channels_get(channels, "empty");
    tp_channel *full = tp__channels_get_with(channels, "full", 1);
    CHECK_OK(tp_send(full, (int64_t)1));
    struct order orders[100];
    for (int i = 0; i < 100; i++) {
        tp_str text = loose("a text that is longer than a few bytes");
        const struct tp__home_case cases[] = {receive_case(empty, TP_KIND_INT, 8),
                                              send_case(full, TP_KIND_STR, sizeof text, &text)};
        begin(&orders[i], cases, 2, true);
    }
    CHECK_OK(tp_channel_close(empty));
    for (int i = 0; i < 50; i++)
        end_with(&orders[i], TP_E_CLOSED);
    begin_receive(&orders[0], empty);
    end_with(&orders[0], TP_E_CLOSED);
    tp__channels_free(channels); /* the channels stay while operations have them */
    for (int i = 50; i < 100; i++)
        end_with(&orders[i], TP_E_CLOSED);
}

static void the_pool_may_be_closed_while_something_waits(void)
{
    tp_pool *pool = tp_pool_open("local:1");
    struct order order;
    begin_receive(&order, tp_pool_channel(pool, "c"));
    CHECK_OK(tp_pool_close(pool));
    end_with(&order, TP_E_CLOSED);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(what_is_possible_is_done_at_once),
        CHECK_TEST(what_is_impossible_now_is_said),
        CHECK_TEST(a_receive_waits_for_a_message),
        CHECK_TEST(a_send_waits_for_room),
        CHECK_TEST(of_several_operations_exactly_one_is_done),
        CHECK_TEST(what_was_withdrawn_takes_nothing),
        CHECK_TEST(a_message_of_another_type_stays),
        CHECK_TEST(a_close_ends_what_waits),
        CHECK_TEST(the_pool_may_be_closed_while_something_waits),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
