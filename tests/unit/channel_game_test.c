/* SPDX-License-Identifier: MIT */
/* The game of senders and receivers, played by OS threads. A seed as argument plays that one. */
#include "unit/channel_game.h"

#include <pthread.h>

static void *send_as_thread(void *player)
{
    game_play_sender((int)(intptr_t)player);
    return NULL;
}

static void *receive_as_thread(void *player)
{
    game_play_receiver((int)(intptr_t)player);
    return NULL;
}

static void play(uint64_t seed)
{
    game_set_up(seed);
    pthread_t threads[2 * GAME_PLAYERS];
    int started = 0;
    for (int i = 0; i < game.receivers; i++)
        CHECK_INT(pthread_create(&threads[started++], NULL, receive_as_thread, (void *)(intptr_t)i), 0);
    for (int i = 0; i < game.senders; i++)
        CHECK_INT(pthread_create(&threads[started++], NULL, send_as_thread, (void *)(intptr_t)i), 0);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    game_end();
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        play(strtoull(argv[1], NULL, 10));
        return check_result();
    }
    for (uint64_t seed = 1; seed <= CHECK_SCALE(12, 4); seed++)
        play(seed);
    return check_result();
}
