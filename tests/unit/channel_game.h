/* SPDX-License-Identifier: MIT */
/** @file
 * A game for senders and receivers that do everything at random: whatever they do, each message that was accepted is
 * received exactly once, and each receiver sees the messages of one sender through one channel in order.
 */
#ifndef TESTS_UNIT_CHANNEL_GAME_H
#define TESTS_UNIT_CHANNEL_GAME_H

#include "check.h"
#include "unit/random.h"

#include <stdatomic.h>

enum {
    GAME_CHANNELS = 3,
    GAME_PLAYERS = 8,                      /* the most of each kind */
    GAME_MESSAGES = CHECK_SCALE(3000, 500) /* of each sender */
};

/* A message: its number alone, or a struct around it. */
struct game_large {
    int64_t number;
    char more[40];
};

static struct game {
    tp_channel *channels[GAME_CHANNELS];
    int senders, receivers;
    bool closes; /* senders may close a channel */
    uint64_t seed;
    atomic_int senders_left;
    atomic_int failures;
    bool sent[GAME_PLAYERS * GAME_MESSAGES]; /* each written by its sender */
    atomic_int received[GAME_PLAYERS * GAME_MESSAGES];
} game;

static void game_expect(bool condition, const char *text)
{
    if (!condition && atomic_fetch_add(&game.failures, 1) < 10)
        fprintf(stderr, "seed %" PRIu64 ": %s (%s)\n", game.seed, text, tp_last_error()->message);
}
#define GAME_EXPECT(condition) game_expect((condition), #condition)

static bool game_send(uint64_t *state, int64_t number, bool *closed)
{
    const size_t first = next_random(state, GAME_CHANNELS);
    const size_t second = next_random(state, GAME_CHANNELS);
    tp_channel *channel = game.channels[first];
    const struct game_large large = {.number = number};
    tp_status status = TP_OK;
    size_t chosen;
    switch (next_random(state, 6)) {
    case 0:
        status = tp_send(channel, number);
        break;
    case 1:
        status = tp_send(channel, large);
        break;
    case 2:
        while ((status = tp_try_send(channel, number)) == TP_E_FULL)
            GAME_EXPECT(tp_yield() == TP_OK);
        break;
    case 3:
        status = tp_send_for(channel, number, (int64_t)next_random(state, 2));
        break;
    default: {
        tp_select_case cases[] = {tp_case_send(channel, number), tp_case_send(game.channels[second], large)};
        status = tp_select(cases, 2, next_random(state, 4) == 0 ? 1 : TP_FOREVER, &chosen);
        break;
    }
    }
    *closed = status == TP_E_CLOSED;
    GAME_EXPECT(status == TP_OK || status == TP_E_TIMEOUT || status == TP_E_CLOSED || status == TP_E_FULL);
    return status == TP_OK;
}

static void game_play_sender(int player)
{
    uint64_t state = game.seed * 1000 + (uint64_t)player + 1;
    for (int i = 0; i < GAME_MESSAGES; i++) {
        const int64_t number = (int64_t)player * GAME_MESSAGES + i;
        bool closed;
        game.sent[number] = game_send(&state, number, &closed);
        if (game.closes && next_random(&state, GAME_MESSAGES * 2) == 0)
            GAME_EXPECT(tp_channel_close(game.channels[next_random(&state, GAME_CHANNELS)]) == TP_OK);
    }
    if (atomic_fetch_sub(&game.senders_left, 1) == 1)
        for (size_t i = 0; i < GAME_CHANNELS; i++)
            GAME_EXPECT(tp_channel_close(game.channels[i]) == TP_OK);
}

struct game_hand {
    int64_t number;
    struct game_large large;
    bool wants_large;
    int64_t last[GAME_CHANNELS][GAME_PLAYERS];
};

static void game_take(struct game_hand *hand, size_t channel, bool large)
{
    const int64_t number = large ? hand->large.number : hand->number;
    if (number < 0 || number >= (int64_t)game.senders * GAME_MESSAGES) {
        game_expect(false, "a message came that nobody sent");
        return;
    }
    int64_t *last = &hand->last[channel][number / GAME_MESSAGES];
    GAME_EXPECT(number > *last);
    *last = number;
    GAME_EXPECT(atomic_fetch_add(&game.received[number], 1) == 0);
}

static tp_status game_receive_one(struct game_hand *hand, size_t channel, int64_t limit)
{
    tp_channel *from = game.channels[channel];
    tp_status status =
        hand->wants_large ? tp_recv_for(from, &hand->large, limit) : tp_recv_for(from, &hand->number, limit);
    if (status == TP_OK)
        game_take(hand, channel, hand->wants_large);
    else if (status == TP_E_TYPE)
        hand->wants_large = !hand->wants_large;
    return status;
}

/* Waits for all channels that are open. */
static tp_status game_receive_any(struct game_hand *hand, const bool *open, size_t *channel)
{
    tp_select_case cases[GAME_CHANNELS];
    size_t indexes[GAME_CHANNELS];
    size_t count = 0;
    for (size_t i = 0; i < GAME_CHANNELS; i++) {
        if (!open[i])
            continue;
        indexes[count] = i;
        if (hand->wants_large)
            cases[count++] = (tp_select_case)tp_case_recv(game.channels[i], &hand->large);
        else
            cases[count++] = (tp_select_case)tp_case_recv(game.channels[i], &hand->number);
    }
    size_t chosen = 0;
    const tp_status status = tp_select(cases, count, TP_FOREVER, &chosen);
    *channel = indexes[chosen];
    if (status == TP_OK)
        game_take(hand, *channel, hand->wants_large);
    else if (status == TP_E_TYPE)
        hand->wants_large = !hand->wants_large;
    return status;
}

static void game_play_receiver(int player)
{
    uint64_t state = game.seed * 1000 + 500 + (uint64_t)player;
    struct game_hand hand = {.wants_large = player % 2 == 0};
    memset(hand.last, -1, sizeof hand.last);
    bool open[GAME_CHANNELS] = {true, true, true};
    while (open[0] || open[1] || open[2]) {
        size_t channel = next_random(&state, GAME_CHANNELS);
        tp_status status;
        if (next_random(&state, 3) > 0)
            status = game_receive_any(&hand, open, &channel);
        else
            status = game_receive_one(&hand, channel, (int64_t)next_random(&state, 2));
        GAME_EXPECT(status == TP_OK || status == TP_E_TIMEOUT || status == TP_E_CLOSED || status == TP_E_TYPE ||
                    status == TP_E_EMPTY);
        if (status == TP_E_CLOSED)
            open[channel] = false;
    }
}

static void game_set_up(uint64_t seed)
{
    memset(&game, 0, sizeof game);
    game.seed = seed;
    uint64_t state = seed * 77 + 1;
    game.senders = 1 + (int)next_random(&state, GAME_PLAYERS);
    game.receivers = 1 + (int)next_random(&state, GAME_PLAYERS);
    game.closes = next_random(&state, 2) == 0;
    atomic_store(&game.senders_left, game.senders);
    const size_t capacities[] = {0, 1, 2, 7, 64};
    for (size_t i = 0; i < GAME_CHANNELS; i++) {
        game.channels[i] = tp_channel_open(capacities[next_random(&state, 5)]);
        CHECK_OR_EXIT(game.channels[i] != NULL);
    }
}

static void game_end(void)
{
    CHECK_INT(atomic_load(&game.failures), 0);
    for (size_t i = 0; i < (size_t)game.senders * GAME_MESSAGES; i++) {
        const int received = atomic_load(&game.received[i]);
        if (received != (game.sent[i] ? 1 : 0)) {
            check_failed(__FILE__, __LINE__, "seed %" PRIu64 ": message %zu was %ssent and received %d times",
                         game.seed, i, game.sent[i] ? "" : "not ", received);
            break;
        }
    }
    for (size_t i = 0; i < GAME_CHANNELS; i++) {
        CHECK_INT(tp_channel_size(game.channels[i]), 0);
        tp_channel_release(game.channels[i]);
    }
}

#endif
