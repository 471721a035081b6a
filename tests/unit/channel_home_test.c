/* SPDX-License-Identifier: MIT */
/* Channel operations without a green thread that waits: beside local ones, and messages that are put back. */
#include "check.h"
#include "unit/waiting.h"

#include "closure/payload.h"
#include "runtime/channel_home.h"
#include "runtime/channels.h"

#include <pthread.h>

struct large {
    int64_t number;
    char rest[40];
};

/* An operation and what became of it. */
struct order {
    struct tp__home_operation *operation;
    atomic_int done;
};

static void note_done(struct tp__home_operation *operation, void *argument)
{
    struct order *order = argument;
    (void)operation;
    order->done++;
}

static void begin(struct order *order, const struct tp__home_case *cases, size_t count, bool wait)
{
    order->done = 0;
    order->operation = tp__home_begin(cases, count, wait, note_done, order);
    CHECK_OR_EXIT(order->operation != NULL);
}

static struct tp__home_case receive_case(tp_channel *channel, tp_kind kind, uint32_t size)
{
    return (struct tp__home_case){.channel = channel, .kind = kind, .size = size};
}

static struct tp__home_case send_case(tp_channel *channel, tp_kind kind, uint32_t size, const void *value)
{
    return (struct tp__home_case){.channel = channel, .send = true, .kind = kind, .size = size, .value = value};
}

static void begin_receive(struct order *order, tp_channel *channel)
{
    const struct tp__home_case one = receive_case(channel, TP_KIND_INT, 8);
    begin(order, &one, 1, true);
}

static void begin_send(struct order *order, tp_channel *channel, int64_t number)
{
    const struct tp__home_case one = send_case(channel, TP_KIND_INT, 8, &number);
    begin(order, &one, 1, true);
}

static const struct tp__home_outcome *outcome_of(const struct order *order)
{
    return tp__home_outcome(order->operation);
}

static void end_with(struct order *order, tp_status status)
{
    CHECK_INT(order->done, 1);
    CHECK_STATUS(outcome_of(order)->status, status);
    tp__home_end(order->operation);
}

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

/* ---- putting back ---- */

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

static uint64_t next_random(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 11) % below;
}

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

/* ---- several threads ---- */

enum {
    CHANNELS = 3,
    PLAYERS = 3,
    MESSAGES = CHECK_SCALE(4000, 400),
    ROUNDS = CHECK_SCALE(12, 4),
    TOTAL = PLAYERS * 2 * MESSAGES
};

static struct {
    tp_channel *channels[CHANNELS]; /* of numbers, of large ones, of texts */
    uint64_t seed;
    bool puts_back;
    atomic_int received[TOTAL];
    atomic_int left;
    atomic_int failures;
} game;

static void expect(bool condition, const char *text)
{
    if (!condition && atomic_fetch_add(&game.failures, 1) < 10)
        fprintf(stderr, "seed %" PRIu64 ": %s (%s)\n", game.seed, text, tp_last_error()->message);
}
#define EXPECT(condition) expect((condition), #condition)

/* Without putting back each receiver sees each sender's messages of one channel in order. */
static void receive_number(int64_t number, size_t channel, int64_t last[CHANNELS][PLAYERS * 2])
{
    EXPECT(number >= 0 && number < TOTAL);
    EXPECT(atomic_fetch_add(&game.received[number], 1) == 0);
    int64_t *before = &last[channel][number / MESSAGES];
    EXPECT(game.puts_back || *before < number);
    *before = number;
    atomic_fetch_sub(&game.left, 1);
}

static tp_str number_text(int64_t number)
{
    return tp_str_format("%" PRId64 " and a text that is longer than a few bytes", number);
}

static int64_t text_number(tp_str text)
{
    return strtoll(text.data, NULL, 10);
}

static void *send_locally(void *argument)
{
    const int64_t player = (int64_t)(intptr_t)argument;
    uint64_t state = game.seed * 1000 + (uint64_t)player + 1;
    for (int64_t i = 0; i < MESSAGES; i++) {
        const int64_t number = player * MESSAGES + i;
        tp_status status = TP_E_TIMEOUT;
        const size_t channel = next_random(&state, CHANNELS);
        const int64_t timeout = next_random(&state, 4) ? TP_FOREVER : 1;
        while (status == TP_E_TIMEOUT) {
            if (channel == 0) {
                status = tp_send_for(game.channels[0], number, timeout);
            } else if (channel == 1) {
                status = tp_send_for(game.channels[1], ((struct large){.number = number}), timeout);
            } else {
                tp_str text = number_text(number);
                status = tp_send_for(game.channels[2], text, timeout);
                tp_str_release(text);
            }
        }
        EXPECT(status == TP_OK);
    }
    return NULL;
}

static void *receive_locally(void *argument)
{
    uint64_t state = game.seed * 1000 + 100 + (uint64_t)(intptr_t)argument;
    int64_t last[CHANNELS][PLAYERS * 2];
    memset(last, 0xff, sizeof last);
    while (game.left > 0) {
        int64_t number;
        struct large large;
        tp_str text;
        tp_status status;
        size_t channel = next_random(&state, CHANNELS + 1);
        if (channel == 0) {
            status = tp_recv_for(game.channels[0], &number, 1);
        } else if (channel == 1) {
            status = tp_recv_for(game.channels[1], &large, 1);
        } else if (channel == 2) {
            status = tp_recv_for(game.channels[2], &text, 1);
        } else {
            tp_select_case cases[] = {tp_case_recv(game.channels[0], &number), tp_case_recv(game.channels[1], &large),
                                      tp_case_recv(game.channels[2], &text)};
            status = tp_select(cases, CHANNELS, 1, &channel);
        }
        EXPECT(status == TP_OK || status == TP_E_TIMEOUT);
        if (status != TP_OK)
            continue;
        receive_number(channel == 0 ? number : channel == 1 ? large.number : text_number(text), channel, last);
        if (channel == 2)
            tp_str_release(text);
    }
    return NULL;
}

/* Waits for a while, then withdraws. True if the operation was done. */
static bool finish(struct order *order, uint64_t *state)
{
    const uint64_t looks = 1 + next_random(state, 200);
    for (uint64_t i = 0; i < looks && order->done == 0; i++)
        sched_yield();
    if (order->done == 0 && tp__home_withdraw(order->operation)) {
        EXPECT(order->done == 0);
        tp__home_end(order->operation);
        return false;
    }
    while (order->done == 0)
        sched_yield();
    EXPECT(order->done == 1);
    return true;
}

static void *send_from_home(void *argument)
{
    const int64_t player = (int64_t)(intptr_t)argument;
    uint64_t state = game.seed * 1000 + 200 + (uint64_t)player;
    for (int64_t i = 0; i < MESSAGES; i++) {
        const int64_t number = player * MESSAGES + i;
        for (bool sent = false; !sent;) {
            const struct large large = {.number = number};
            tp_str text = number_text(number); /* outside tasks the caller's: loose */
            const struct tp__home_case all[] = {
                send_case(game.channels[2], TP_KIND_STR, sizeof text, &text), /* in each, so that it is taken over */
                send_case(game.channels[0], TP_KIND_INT, 8, &number),
                send_case(game.channels[1], TP_KIND_PLAIN, sizeof large, &large)};
            const size_t count = 1 + next_random(&state, 3);
            struct order order = {.done = 0};
            order.operation = tp__home_begin(all, count, next_random(&state, 4) > 0, note_done, &order);
            if (finish(&order, &state)) {
                const tp_status status = outcome_of(&order)->status;
                EXPECT(status == TP_OK || status == TP_E_FULL);
                sent = status == TP_OK;
                tp__home_end(order.operation);
            }
        }
    }
    return NULL;
}

static void *receive_from_home(void *argument)
{
    uint64_t state = game.seed * 1000 + 300 + (uint64_t)(intptr_t)argument;
    int64_t last[CHANNELS][PLAYERS * 2];
    memset(last, 0xff, sizeof last);
    while (game.left > 0) {
        const struct tp__home_case all[] = {receive_case(game.channels[0], TP_KIND_INT, 8),
                                            receive_case(game.channels[1], TP_KIND_PLAIN, sizeof(struct large)),
                                            receive_case(game.channels[2], TP_KIND_STR, sizeof(tp_str))};
        const size_t first = next_random(&state, 3);
        struct order order = {.done = 0};
        order.operation = tp__home_begin(&all[first], 3 - first, next_random(&state, 4) > 0, note_done, &order);
        if (!finish(&order, &state))
            continue;
        const struct tp__home_outcome *outcome = outcome_of(&order);
        EXPECT(outcome->status == TP_OK || outcome->status == TP_E_EMPTY);
        if (outcome->status == TP_OK) {
            const size_t channel = first + outcome->chosen;
            if (game.puts_back && next_random(&state, 3) == 0) {
                EXPECT(tp__home_put_back(order.operation) == TP_OK);
            } else if (channel == 2) {
                receive_number(text_number(*(const tp_str *)outcome->value), channel, last);
            } else {
                int64_t number;
                memcpy(&number, outcome->value, sizeof number); /* the first member of a large one */
                receive_number(number, channel, last);
            }
        }
        tp__home_end(order.operation);
    }
    return NULL;
}

static void play(uint64_t seed)
{
    memset(&game, 0, sizeof game);
    game.seed = seed;
    game.puts_back = seed % 2;
    game.left = TOTAL;
    for (size_t i = 0; i < CHANNELS; i++)
        game.channels[i] = tp_channel_open((seed + i) % 3 == 0 ? 0 : (seed + i) % 3 == 1 ? 1 : 5);
    pthread_t threads[PLAYERS * 4];
    void *(*const bodies[])(void *) = {send_locally, send_from_home, receive_locally, receive_from_home};
    for (intptr_t i = 0; i < PLAYERS * 4; i++)
        if (pthread_create(&threads[i], NULL, bodies[i / PLAYERS], (void *)i))
            abort();
    for (int i = 0; i < PLAYERS * 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < TOTAL; i++)
        EXPECT(game.received[i] == 1);
    for (size_t i = 0; i < CHANNELS; i++) {
        EXPECT(tp_channel_size(game.channels[i]) == 0);
        EXPECT(count_receivers(game.channels[i]) == 0 && count_senders(game.channels[i]) == 0);
        tp_channel_release(game.channels[i]);
    }
    CHECK_INT(game.failures, 0);
}

static void each_message_is_received_exactly_once(void)
{
    for (uint64_t seed = 1; seed <= ROUNDS; seed++)
        play(seed);
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
        CHECK_TEST(a_message_that_is_put_back_is_the_next),
        CHECK_TEST(a_message_that_is_put_back_goes_to_who_waits),
        CHECK_TEST(a_message_is_put_back_as_the_type_that_it_had),
        CHECK_TEST(a_full_channel_takes_back_and_stays_full),
        CHECK_TEST(a_closed_channel_takes_back),
        CHECK_TEST(a_channel_is_a_queue_with_two_ends),
        CHECK_TEST(each_message_is_received_exactly_once),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
