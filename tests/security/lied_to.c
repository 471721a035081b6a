/* SPDX-License-Identifier: MIT */
/* lied_to ordinary|once|untrusted|refused COUNT: a map under a coordinator that lies. What may be expected depends on
 * the lie; what has run shows in marks. */
#include "check.h"
#include "cluster/marks.h"

TP_TASK(work, int64_t, (int64_t, x), (tp_str, path))
{
    mark(path, "%d", (int)x);
    return 3 * x + 1;
}

/* How often each ran. */
static void count_runs(const struct marks *marks, unsigned char *runs, size_t count)
{
    char line[32];
    FILE *file = fopen(marks->path, "re");
    CHECK_OR_EXIT(file);
    while (fgets(line, sizeof line, file)) {
        const long long element = atoll(line);
        CHECK_OR_EXIT(element >= 0 && (size_t)element < count); /* another one was never submitted */
        runs[element]++;
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHECK_OR_EXIT(argc == 3);
    const char *what = argv[1];
    const size_t count = (size_t)atoll(argv[2]);
    const bool once = strcmp(what, "once") == 0;
    struct marks marks;
    marks_open(&marks);
    int64_t *in = calloc(count, sizeof *in);
    int64_t *out = calloc(count, sizeof *out);
    tp_status *statuses = calloc(count, sizeof *statuses);
    unsigned char *runs = calloc(count, 1);
    CHECK_OR_EXIT(in && out && statuses && runs);
    for (size_t i = 0; i < count; i++)
        in[i] = (int64_t)i;
    tp_pool *pool = tp_pool_open(NULL);
    CHECK_OR_EXIT(pool);
    tp_map_options options = {.statuses = statuses};
    options.task.at_most_once = once;
    (void)tp_map_with(pool, options, work, in, out, count, .path = marks_path(&marks));
    count_runs(&marks, runs, count);

    size_t wrong = 0;
    size_t more_than_once = 0;
    size_t never = 0;
    size_t lost = 0;
    size_t untrusted = 0;
    size_t other = 0;
    for (size_t i = 0; i < count; i++) {
        wrong += out[i] != (statuses[i] == TP_OK ? 3 * (int64_t)i + 1 : 0);
        more_than_once += runs[i] > 1;
        never += statuses[i] == TP_OK && runs[i] == 0;
        lost += statuses[i] == TP_E_NODE_LOST;
        untrusted += statuses[i] == TP_E_UNTRUSTED;
        other += statuses[i] != TP_OK && statuses[i] != TP_E_NODE_LOST && statuses[i] != TP_E_UNTRUSTED;
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(never, 0);
    if (once)
        CHECK_INT(more_than_once, 0);
    if (strcmp(what, "untrusted") == 0) {
        CHECK_INT(untrusted, (intmax_t)count);
        for (size_t i = 0; i < count; i++)
            CHECK_INT(runs[i], 0);
        CHECK_CONTAINS(tp_last_error()->message, "refused");
    } else if (strcmp(what, "refused") != 0) {
        CHECK_INT(lost + untrusted + other, 0);
    } else {
        CHECK_INT(lost + untrusted + other, (intmax_t)count);
    }
    printf("ran-twice %zu\n", more_than_once);
    CHECK_INT(tp_pool_pending(pool), 0);
    CHECK_OK(tp_pool_close(pool));
    marks_close(&marks);
    free(in);
    free(out);
    free(statuses);
    free(runs);
    return check_result();
}
