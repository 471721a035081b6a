/* SPDX-License-Identifier: MIT */
/* Messages that were received for somebody elsewhere and are put back: they are the next, for whoever waits. */
#include "unit/channel_home_support.h"
#include "unit/random.h"

#include "runtime/channels.h"

static void a_message_that_is_put_back_is_the_next(void)
{
    tp_channel *channel = tp_channel_open(0);
    for (int64_t i = 0; i < 3; i++)
        CHECK_OK(tp_send(channel, i));
    struct order first, second;
    begin_receive(&first, channel);
    begin_receive(&second, channel);
    CHECK_OK(tp__home_put_back(second.operation));
    CHECK(outcome_of(&second)->value == NULL);
    CHECK_STATUS(tp__home_put_back(second.operation), TP_E_ARGUMENT);
    CHECK_OK(tp__home_put_back(first.operation));
    tp__home_end(second.operation);
    tp__home_end(first.operation);
    for (int64_t i = 0; i < 3; i++) {
        int64_t got;
        CHECK_OK(tp_try_recv(channel, &got));
        CHECK_INT(got, i);
    }
    tp_channel_release(channel);
}

static void a_message_that_is_put_back_goes_to_who_waits(void)
{
    tp_channel *channel = tp_channel_open(0);
    CHECK_OK(tp_send(channel, (struct large){.number = 3}));
    struct order taken, wrong, right;
    struct tp__home_case one = receive_case(channel, TP_KIND_PLAIN, sizeof(struct large));
    begin(&taken, &one, 1, true);
    begin_receive(&wrong, channel);
    begin(&right, &one, 1, true);
    CHECK_OK(tp__home_put_back(taken.operation));
    tp__home_end(taken.operation);
    end_with(&wrong, TP_E_TYPE);
    CHECK_INT(((const struct large *)outcome_of(&right)->value)->number, 3);
    end_with(&right, TP_OK);
    CHECK_INT(tp_channel_size(channel), 0);
    tp_channel_release(channel);
}

static void a_message_is_put_back_as_the_type_that_it_had(void)
{
    tp_channel *channel = tp_channel_open(0);
    CHECK_OK(tp_send(channel, (int16_t)-5));
    CHECK_OK(tp_send(channel, 0.1f));
    struct order number, fraction;
    begin_receive(&number, channel);
    const struct tp__home_case one = receive_case(channel, TP_KIND_FLOAT, 8);
    begin(&fraction, &one, 1, true);
    CHECK_OK(tp__home_put_back(fraction.operation));
    CHECK_OK(tp__home_put_back(number.operation));
    tp__home_end(number.operation);
    tp__home_end(fraction.operation);
    int16_t narrow;
    CHECK_OK(tp_try_recv(channel, &narrow));
    CHECK_INT(narrow, -5);
    float small;
    CHECK_OK(tp_try_recv(channel, &small));
    CHECK(small == 0.1f);
    tp_channel_release(channel);
}

static void a_full_channel_takes_back_and_stays_full(void)
{
    tp_channel *channel = tp_channel_open(2);
    struct order sends[5], taken[2];
    for (int64_t i = 0; i < 5; i++)
        begin_send(&sends[i], channel, i);
    begin_receive(&taken[0], channel);
    begin_receive(&taken[1], channel); /* now 2 and 3 are in the channel, and 4 waits */
    CHECK_OK(tp__home_put_back(taken[1].operation));
    CHECK_OK(tp__home_put_back(taken[0].operation));
    CHECK_INT(tp_channel_size(channel), 4);
    CHECK_STATUS(tp_try_send(channel, (int64_t)9), TP_E_FULL);
    for (int64_t i = 0; i < 5; i++) {
        int64_t got;
        CHECK_INT(sends[4].done, i > 2); /* it enters when one place is free again */
        CHECK_OK(tp_try_recv(channel, &got));
        CHECK_INT(got, i);
    }
    for (int i = 0; i < 5; i++)
        end_with(&sends[i], TP_OK);
    tp__home_end(taken[0].operation);
    tp__home_end(taken[1].operation);
    CHECK_INT(tp_channel_size(channel), 0);
    tp_channel_release(channel);
}

static void a_closed_channel_takes_back(void)
{
    struct tp__channels *channels = tp__channels_new(NULL);
    tp_channel *channel = tp__channels_get(channels, "c");
    struct order orders[2];
    const struct tp__home_case one = receive_case(channel, TP_KIND_STR, sizeof(tp_str));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(tp_send(channel, tp_str_lit("a text that is longer than a few bytes")));
        begin(&orders[i], &one, 1, true);
    }
    CHECK_OK(tp_channel_close(channel));
    CHECK_OK(tp__home_put_back(orders[0].operation));
    tp_str got;
    CHECK_OK(tp_recv(channel, &got));
    tp_str_release(got);
    CHECK_STATUS(tp_recv(channel, &got), TP_E_CLOSED);
    tp__channels_free(channels);
    CHECK_OK(tp__home_put_back(orders[1].operation)); /* nobody can receive it: it is dropped */
    CHECK_INT(tp_channel_size(channel), 0);
    tp__home_end(orders[0].operation);
    tp__home_end(orders[1].operation);
}

/* Whatever is sent, received and put back, in whatever order: the channel is a queue with two ends. */
enum { MODEL_SLOTS = 1 << 14, MODEL_STEPS = CHECK_SCALE(200000, 20000), MODEL_TAKEN = 40 };

static void play_against_model(uint64_t seed, size_t capacity)
{
    static int64_t model[MODEL_SLOTS];
    uint64_t state = seed * 7919 + capacity + 1;
    size_t first = MODEL_SLOTS / 2;
    size_t last = first;
    int64_t next = 0;
    struct order taken[MODEL_TAKEN];
    size_t taken_count = 0;
    tp_channel *channel = tp_channel_open(capacity);
    bool right = true;
    for (int step = 0; step < MODEL_STEPS && right; step++) {
        /* Phases in which it grows, and in which it shrinks. */
        const bool grows = step / 2000 % 2 == 0;
        const uint64_t dice = next_random(&state, 10);
        if (first < 100 || last > MODEL_SLOTS - 100) {
            memmove(model + MODEL_SLOTS / 4, model + first, (last - first) * sizeof model[0]);
            last = MODEL_SLOTS / 4 + (last - first);
            first = MODEL_SLOTS / 4;
        }
        if (dice < (grows ? 6 : 3) && last - first < MODEL_SLOTS / 4) {
            const tp_status status = tp_try_send(channel, next);
            right = status == (capacity > 0 && last - first >= capacity ? TP_E_FULL : TP_OK);
            if (status == TP_OK)
                model[last++] = next++;
        } else if (dice < 8 && taken_count < MODEL_TAKEN) {
            begin_receive(&taken[taken_count], channel);
            if (first == last) {
                right = tp__home_withdraw(taken[taken_count].operation);
                tp__home_end(taken[taken_count].operation);
            } else {
                int64_t got = -1;
                memcpy(&got, outcome_of(&taken[taken_count])->value, sizeof got);
                right = got == model[first++];
                taken_count++;
            }
        } else if (taken_count > 0) {
            struct order *order = &taken[--taken_count];
            if (next_random(&state, 3) > 0) {
                memcpy(&model[--first], outcome_of(order)->value, sizeof model[0]);
                right = tp__home_put_back(order->operation) == TP_OK;
            }
            tp__home_end(order->operation);
        }
        right = right && tp_channel_size(channel) == last - first;
        if (!right)
            check_failed(__FILE__, __LINE__, "seed %" PRIu64 ", capacity %zu: step %d", seed, capacity, step);
    }
    while (taken_count > 0)
        tp__home_end(taken[--taken_count].operation);
    tp_channel_release(channel);
}

static void a_channel_is_a_queue_with_two_ends(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        static const size_t capacities[] = {0, 1, 2, 7, 8, 100, 1000};
        for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++)
            play_against_model(seed, capacities[i]);
    }
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_message_that_is_put_back_is_the_next),
        CHECK_TEST(a_message_that_is_put_back_goes_to_who_waits),
        CHECK_TEST(a_message_is_put_back_as_the_type_that_it_had),
        CHECK_TEST(a_full_channel_takes_back_and_stays_full),
        CHECK_TEST(a_closed_channel_takes_back),
        CHECK_TEST(a_channel_is_a_queue_with_two_ends),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
