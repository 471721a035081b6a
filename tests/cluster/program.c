/* SPDX-License-Identifier: MIT */
/* program [steps]: its only task says which version of the program it is. "steps" waits for a line before and after.
 *
 * PROGRAM_VERSION is said when it is built; with PROGRAM_NEEDS it needs a library that nodes do not have. */
#include "check.h"
#include "test_pool.h"

#ifdef PROGRAM_NEEDS
int needed_number(void);
#else
static int needed_number(void)
{
    return 0;
}
#endif

TP_TASK(version, int64_t, (int64_t, x))
{
    return 1000 * x + PROGRAM_VERSION + needed_number();
}

static void run_all(tp_pool *pool)
{
    enum { COUNT = 60 };
    int64_t in[COUNT];
    int64_t out[COUNT];
    for (int64_t i = 0; i < COUNT; i++)
        in[i] = i;
    CHECK_OK(tp_map(pool, version, in, out, COUNT));
    for (int64_t i = 0; i < COUNT; i++)
        CHECK_INT(out[i], 1000 * i + PROGRAM_VERSION);
}

static void step(const char *word)
{
    char line[16];
    printf("%s\n", word);
    fflush(stdout);
    CHECK_OR_EXIT(fgets(line, sizeof line, stdin));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const bool steps = argc > 1 && strcmp(argv[1], "steps") == 0;
    tp_pool *pool = tp_pool_open(NULL);
    if (!pool) {
        printf("not-open %s: %s\n", tp_status_name(tp_last_error()->status), tp_last_error()->message);
        return 3;
    }
    printf("size %zu\n", tp_pool_size(pool));
    if (steps)
        step("open");
    if (argc > 1 && strcmp(argv[1], "refused") == 0) {
        int64_t value;
        const tp_status status = tp_run(pool, version, &value, 1);
        printf("not-run %s: %s\n", tp_status_name(status), tp_last_error()->message);
        CHECK(status != TP_OK);
    } else {
        run_all(pool);
    }
    if (steps) {
        step("ran");
        run_all(pool);
    }
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
