/* SPDX-License-Identifier: MIT */
/* One worker with a million tasks parked on one channel, then released: all correct. argv[1] sets another number. */
#include "check.h"

#include <stdatomic.h>

static atomic_llong parked;

TP_TASK(park, int64_t, (int64_t, i), (tp_channel *, gate))
{
    int64_t m = 0;
    atomic_fetch_add_explicit(&parked, 1, memory_order_relaxed);
    tp_try(tp_recv(gate, &m));
    return i * 3 + m;
}

TP_TASK(nothing, void)
{
}

/* Resident memory in KiB. */
static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void park_and_release(tp_pool *pool, tp_promise **promises, int64_t count, bool by_closing)
{
    tp_channel *gate = tp_pool_channel(pool, by_closing ? "closed" : "gate");
    CHECK_OR_EXIT(gate != NULL);
    atomic_store(&parked, 0);
    const long before = resident_kib();
    for (int64_t i = 0; i < count; i++) {
        promises[i] = tp_submit(pool, park, i, gate);
        CHECK_OR_EXIT(promises[i] != NULL);
    }
    /* The worker runs one green thread at a time: when this one has run behind them, the others have parked. */
    while (atomic_load(&parked) < count)
        CHECK_OK(tp_run(pool, nothing, NULL));
    CHECK_OK(tp_run(pool, nothing, NULL));
    const long used = resident_kib() - before;
    printf("%jd parked: %.2f KiB each\n", (intmax_t)count, (double)used / (double)count);
    CHECK_INT(tp_pool_pending(pool), count);

    int64_t errors = 0;
    int64_t messages = 0;
    if (by_closing)
        CHECK_OK(tp_channel_close(gate));
    else
        for (int64_t i = 0; i < count; i++)
            errors += tp_send(gate, i) != TP_OK;
    for (int64_t i = 0; i < count; i++) {
        int64_t v = -1;
        const tp_status status = tp_await(promises[i], &v);
        errors += status != (by_closing ? TP_E_CLOSED : TP_OK);
        messages += v - i * 3;
        tp_promise_release(promises[i]);
    }
    CHECK_INT(errors, 0);
    if (!by_closing)
        CHECK_INT(messages, count * (count - 1) / 2);
    CHECK_INT(tp_channel_size(gate), 0);
    CHECK_OK(tp_drain(pool));
    CHECK_INT(tp_pool_pending(pool), 0);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const int64_t count = argc > 1 ? atoll(argv[1]) : CHECK_SCALE(1000000, 5000);
    tp_promise **promises = malloc((size_t)count * sizeof *promises);
    CHECK_OR_EXIT(promises != NULL);
    tp_with (tp_pool, pool, tp_pool_open("local:1")) {
        park_and_release(pool, promises, count, false);
        park_and_release(pool, promises, count / 10, true);
        park_and_release(pool, promises, count / 10, false);
    } else {
        CHECK_STR(tp_last_error()->message, "");
    }
    free(promises);
    return check_result();
}
