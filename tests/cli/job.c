/* SPDX-License-Identifier: MIT */
/* A program whose tasks wait until it is told to go on: job TASKS. One task ends at once, TASKS wait for its channel
 * "go"; then it says "submitted", reads standard input to its end, lets them go, and ends with 0 if all ended well. */
#include <stdio.h>
#include <stdlib.h>
#include <taskpool/taskpool.h>

TP_TASK(end_at_once, int64_t, (int64_t, x))
{
    return x;
}

TP_TASK(wait_for_go, int64_t, (tp_channel *, go))
{
    int64_t message;
    tp_try(tp_recv(go, &message));
    return message;
}

static int run(tp_pool *pool, int count)
{
    int64_t value = 0;
    if (tp_pool_size(pool) > 0 && (tp_run(pool, end_at_once, &value, 5) != TP_OK || value != 5))
        return 1;
    tp_channel *go = tp_pool_channel(pool, "go");
    tp_promise **promises = go ? calloc((size_t)count, sizeof(tp_promise *)) : NULL;
    if (!promises)
        return 1;
    for (int i = 0; i < count; i++)
        promises[i] = tp_submit(pool, wait_for_go, go);
    puts("submitted");
    (void)fflush(stdout);
    while (getchar() != EOF)
        ;
    int bad = 0;
    for (int i = 0; i < count; i++)
        bad += tp_send(go, (int64_t)i) != TP_OK;
    for (int i = 0; i < count; i++) {
        bad += tp_await(promises[i], &value) != TP_OK;
        tp_promise_release(promises[i]);
    }
    free(promises);
    return bad > 0;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const int count = argc > 1 ? atoi(argv[1]) : 1;
    tp_with (tp_pool, pool, tp_pool_open(NULL)) {
        return run(pool, count);
    } else {
        (void)fprintf(stderr, "%s\n", tp_last_error()->message);
    }
    return 2;
}
