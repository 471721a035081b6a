/* SPDX-License-Identifier: MIT */
/* survive map|once COUNT NODES [LOST]: a map to which something happens in the middle.
 *
 * It says where it is on standard output ("middle", "done"), waits there for a line, and checks at the end that every
 * element resolved, with the right result, and that what runs at most once did. "once" is a map of at-most-once tasks,
 * of which LOST (default: half of them) may fail with TP_E_NODE_LOST. At the end the pool has the workers of NODES
 * nodes (two each) again. */
#include "check.h"
#include "cluster/marks.h"
#include "test_pool.h"

static struct marks marks;
static tp_status *statuses;
static bool is_over_the_middle;

TP_TASK(work, int64_t, (int64_t, x))
{
    volatile uint64_t spin = (uint64_t)x;
    for (int i = 0; i < 8000; i++)
        spin = spin * 6364136223846793005u + 1;
    return 3 * x + 1;
}

TP_TASK(work_once, int64_t, (int64_t, x), (tp_str, path))
{
    mark(path, "%d", (int)x);
    return 3 * x + 1;
}

TP_TASK(process_number, int64_t, (int, unused))
{
    (void)unused;
    return getpid();
}

static void say_and_wait(const char *word)
{
    char line[16];
    printf("%s\n", word);
    fflush(stdout);
    CHECK_OR_EXIT(fgets(line, sizeof line, stdin));
}

static void on_progress(size_t resolved, size_t total, void *argument)
{
    (void)argument;
    if (is_over_the_middle || resolved < total / 10)
        return;
    is_over_the_middle = true;
    say_and_wait("middle");
}

static void say_process_numbers(tp_pool *pool)
{
    int64_t last = 0;
    for (int worker = 0; worker < (int)tp_pool_size(pool); worker++) {
        int64_t number = 0;
        CHECK_OK(tp_run_with(pool, tp_task_options(.pinned = true, .worker = worker), process_number, &number, 0));
        if (number != last) /* those of one node have their numbers in a row */
            printf("process %d\n", (int)number);
        last = number;
    }
    fflush(stdout);
}

/* Each element's mark is there at most once, that of a successful one exactly once. */
static void check_marks(size_t count)
{
    char line[32];
    unsigned char *seen = calloc(count, 1);
    FILE *file = fopen(marks.path, "re");
    CHECK_OR_EXIT(seen && file);
    size_t twice = 0;
    while (fgets(line, sizeof line, file)) {
        const size_t element = (size_t)atoll(line);
        CHECK_OR_EXIT(element < count);
        twice += seen[element]++ != 0;
    }
    size_t missing = 0;
    for (size_t i = 0; i < count; i++)
        missing += !seen[i] && statuses[i] == TP_OK;
    CHECK_INT(twice, 0);
    CHECK_INT(missing, 0);
    fclose(file);
    free(seen);
}

static void check_results(const int64_t *out, size_t count, bool once, size_t most_lost)
{
    size_t wrong = 0;
    size_t failed = 0;
    size_t lost = 0;
    for (size_t i = 0; i < count; i++) {
        wrong += out[i] != (statuses[i] == TP_OK ? 3 * (int64_t)i + 1 : 0);
        lost += statuses[i] == TP_E_NODE_LOST;
        failed += statuses[i] != TP_OK && statuses[i] != TP_E_NODE_LOST;
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(failed, 0);
    CHECK(lost <= (once ? most_lost : 0));
    if (once)
        check_marks(count);
    printf("lost %zu\n", lost);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHECK_OR_EXIT(argc == 4 || argc == 5);
    const bool once = strcmp(argv[1], "once") == 0;
    const size_t count = (size_t)atoll(argv[2]);
    const size_t workers = 2 * (size_t)atoi(argv[3]);
    const size_t most_lost = argc == 5 ? (size_t)atoll(argv[4]) : count / 2;
    marks_open(&marks);
    tp_pool *pool = test_pool_open(2);
    int64_t *in = calloc(count, sizeof *in);
    int64_t *out = calloc(count, sizeof *out);
    statuses = calloc(count, sizeof *statuses);
    CHECK_OR_EXIT(in && out && statuses);
    for (size_t i = 0; i < count; i++)
        in[i] = (int64_t)i;
    say_process_numbers(pool);

    tp_map_options options = {.progress = on_progress, .statuses = statuses};
    options.task.at_most_once = once;
    tp_status status;
    if (once)
        status = tp_map_with(pool, options, work_once, in, out, count, .path = marks_path(&marks));
    else
        status = tp_map_with(pool, options, work, in, out, count);
    CHECK(status == TP_OK || (once && status == TP_E_NODE_LOST));
    check_results(out, count, once, most_lost);
    CHECK_INT(tp_pool_pending(pool), 0);

    say_and_wait("done");
    for (int i = 0; tp_pool_size(pool) != workers && i < 20 * patience_seconds(); i++)
        tp_sleep_ms(50);
    CHECK_INT(tp_pool_size(pool), workers);
    const size_t again = count < 2000 ? count : 2000;
    CHECK_OK(tp_map(pool, work, in, out, again));
    for (size_t i = 0; i < again; i++)
        CHECK_INT(out[i], 3 * (int64_t)i + 1);
    CHECK_OK(tp_pool_close(pool));
    marks_close(&marks);
    free(in);
    free(out);
    free(statuses);
    return check_result();
}
