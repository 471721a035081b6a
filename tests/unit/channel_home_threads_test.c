/* SPDX-License-Identifier: MIT */
/* Channel operations without a green thread that waits, in several threads at once and beside local ones: each message
 * is received exactly once. */
#include "unit/channel_home_support.h"
#include "unit/random.h"
#include "unit/waiting.h"

#include <pthread.h>

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
        CHECK_TEST(each_message_is_received_exactly_once),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
