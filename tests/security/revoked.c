/* SPDX-License-Identifier: MIT */
/* revoked: tasks that are parked while something happens to keys. Says "parked", waits for a line, says how many ended
 * how; or, told "size N", waits until the pool has that size. */
#include "check.h"
#include "cluster/marks.h"

enum { PARKED = 12 };

TP_TASK(park, int64_t, (tp_channel *, gate), (tp_str, path))
{
    mark(path, "parked");
    int64_t nothing;
    const tp_status status = tp_recv(gate, &nothing);
    return status == TP_E_CLOSED ? 1 : 0;
}

TP_TASK(quick, int64_t, (int64_t, x))
{
    return x + 1;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    struct marks marks;
    char line[32];
    tp_pool *pool = tp_pool_open(NULL);
    if (!pool) {
        printf("not-open %s: %s\n", tp_status_name(tp_last_error()->status), tp_last_error()->message);
        return 3;
    }
    marks_open(&marks);
    tp_channel *gate = tp_pool_channel(pool, "gate");
    tp_promise *promises[PARKED];
    for (int i = 0; i < PARKED; i++)
        promises[i] = tp_submit(pool, park, gate, marks_path(&marks));
    CHECK(marks_wait(marks.path, "parked", PARKED));
    printf("parked\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) && strncmp(line, "size ", 5) == 0) {
        const size_t wanted = (size_t)atoi(line + 5);
        for (int i = 0; tp_pool_size(pool) != wanted && i < 20 * patience_seconds(); i++)
            tp_sleep_ms(50);
        printf("size %zu\n", tp_pool_size(pool));
        fflush(stdout);
    }
    if (strncmp(line, "end", 3) == 0)
        CHECK_OK(tp_channel_close(gate));
    for (int i = 0; i < PARKED; i++) {
        int64_t value;
        const tp_status status = tp_await(promises[i], &value);
        printf("ended %s: %s\n", tp_status_name(status), status == TP_OK ? "" : tp_promise_error(promises[i])->message);
        tp_promise_release(promises[i]);
    }
    int64_t value = 0;
    const tp_status status = tp_run(pool, quick, &value, 1);
    printf("then %s: %s\n", tp_status_name(status), status == TP_OK ? "" : tp_last_error()->message);
    fflush(stdout);
    (void)tp_pool_close(pool);
    marks_close(&marks);
    return check_result();
}
