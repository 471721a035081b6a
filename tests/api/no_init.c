/* SPDX-License-Identifier: MIT */
/* Without tp_init, opening any pool fails with TP_E_NO_INIT and says what to do; tp_init mends it. */
#include "check.h"

TP_TASK(answer, int64_t)
{
    return 42;
}

int main(int argc, char **argv)
{
    CHECK_STATUS(tp_last_error()->status, TP_OK);
    CHECK(tp_promise_error(NULL) != NULL);
    const char *const where[] = {NULL, "local", "local:2", "tcp://head:7077", "nonsense", "local:0"};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        CHECK(tp_pool_open(where[i]) == NULL);
        CHECK_STATUS(tp_last_error()->status, TP_E_NO_INIT);
        CHECK_CONTAINS(tp_last_error()->message, "tp_init");
        CHECK(tp_async_pool_open(where[i]) == NULL);
        CHECK_STATUS(tp_last_error()->status, TP_E_NO_INIT);
    }
    bool skipped = true;
    tp_with (tp_pool, pool, tp_pool_open("local:1")) {
        skipped = false;
    } else {
        CHECK_STATUS(tp_last_error()->status, TP_E_NO_INIT);
    }
    CHECK(skipped);

    tp_init(argc, argv);
    tp_init(argc, argv); /* twice does no harm */
    int64_t v = 0;
    tp_with (tp_pool, pool, tp_pool_open("local:1"))
        CHECK_OK(tp_run(pool, answer, &v));
    CHECK_INT(v, 42);
    return check_result();
}
