/* SPDX-License-Identifier: MIT */
/* Counts the words of every file below some directories, on a pool of any kind.
 *
 * A word is a run of ASCII letters, in lower case; files whose name ends in .gz are unpacked. `wordcount --all DIR`
 * prints what this pipeline of standard tools prints:
 *
 *     { find -H DIR -type f ! -name '*.gz' -exec cat {} \; -exec echo \;
 *       find -H DIR -type f -name '*.gz' -exec zcat {} \; -exec echo \; ; } |
 *         LC_ALL=C tr -cs A-Za-z '\n' | tr A-Z a-z | grep . | LC_ALL=C sort | uniq -c */
#include "support/progress.h"
#include "support/support.h"
#include "wordcount/corpus.h"
#include "wordcount/count.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>
#include <unistd.h>

struct options {
    uint64_t top;
    uint64_t parcel_bytes;
    bool all;
    bool progress;
    char **paths;
};

enum { KEY_PROGRESS = 256 };

static const struct argp_option OPTIONS[] = {
    {"top", 'n', "N", 0, "Print the N most frequent words (default 20)", 0},
    {"all", 'a', NULL, 0, "Print every word with its count, sorted by word, as uniq -c does", 0},
    {"parcel", 'p', "SIZE", 0, "How much a task counts: 4K to 8M (default 512K)", 0},
    {"progress", KEY_PROGRESS, NULL, 0, "Show progress also where standard error is no terminal", 0},
    {0}};

static const char *const DEFAULT_PATHS[] = {
    "/usr/share/doc", "/usr/share/dict", "/usr/share/man", "/usr/share/info", "/usr/share/perl", "/usr/include", NULL};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'n':
        if (!parse_number(argument, 1, UINT32_MAX, &options->top))
            argp_error(state, "--top takes a number from 1 on, not '%s'", argument);
        return 0;
    case 'a':
        options->all = true;
        return 0;
    case 'p':
        if (!parse_number(argument, 4096, 8 << 20, &options->parcel_bytes))
            argp_error(state, "--parcel takes a size from 4K to 8M, not '%s'", argument);
        return 0;
    case KEY_PROGRESS:
        options->progress = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->paths = state->argv + state->next;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp PARSER = {
    .options = OPTIONS,
    .parser = parse_option,
    .args_doc = "[DIRECTORY...]",
    .doc =
        "Counts the words of every file below the directories: runs of ASCII letters, in lower case. Files whose name "
        "ends in .gz are unpacked."
        "\vWithout a directory it reads those of /usr/share/doc, dict, man, info and perl, and /usr/include, that "
        "are there. $TASKPOOL says where the tasks run: local, local:4, tcp://host:port. Exits with 1 if anything "
        "could not be read."};

/* Those of the default directories that are there, NULL at the end. */
static char **default_paths(char *paths[sizeof DEFAULT_PATHS / sizeof *DEFAULT_PATHS])
{
    size_t count = 0;
    for (size_t i = 0; DEFAULT_PATHS[i]; i++)
        if (access(DEFAULT_PATHS[i], R_OK) == 0)
            paths[count++] = (char *)(uintptr_t)DEFAULT_PATHS[i];
    paths[count] = NULL;
    return paths;
}

static void print_all(const struct counts *counts)
{
    for (size_t i = 0; i < counts->word_count; i++)
        printf("%7" PRIu64 " %.*s\n", counts->words[i].count, (int)counts->words[i].length, counts->words[i].letters);
}

static int more_frequent_first(const void *a, const void *b)
{
    const struct word *left = a, *right = b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return word_compare(left, right);
}

static void print_top(struct counts *counts, uint64_t top)
{
    qsort(counts->words, counts->word_count, sizeof *counts->words, more_frequent_first);
    static const char bar[] = "########################################";
    printf(" rank        count   share  word\n");
    for (size_t i = 0; i < counts->word_count && i < top; i++) {
        const struct word *word = &counts->words[i];
        struct grouped count;
        const int width = (int)((double)word->count / (double)counts->words[0].count * (sizeof bar - 1));
        printf("%5zu %12s %6.2f%%  %-14.*s %.*s\n", i + 1, grouped(word->count, &count),
               100 * (double)word->count / (double)counts->sum, (int)word->length, word->letters, width, bar);
    }
}

static void print_summary(const struct counts *counts, struct corpus_size size, size_t workers, double seconds)
{
    struct grouped sum, words, files;
    fprintf(stderr, "%s words, %s different, in %s files of %.1f MB: %.2f s on %zu workers, %.0f MB/s\n",
            grouped(counts->sum, &sum), grouped(counts->word_count, &words), grouped(size.files, &files),
            (double)size.bytes / 1e6, seconds, workers, (double)size.bytes / 1e6 / seconds);
}

static int count_and_print(tp_pool *pool, const struct options *options)
{
    struct progress progress;
    progress_begin(&progress, "bytes", options->progress);
    const uint64_t total_bytes = progress.shown ? corpus_measure(options->paths).bytes : 0;
    struct corpus *corpus = corpus_open(options->paths, (size_t)options->parcel_bytes);
    if (!corpus)
        return complain("cannot walk %s: %s", options->paths[0], strerror(errno));
    const double start = progress.started_s = now_s();
    struct counts counts;
    int result = EXIT_FAILED;
    if (count_corpus(pool, corpus, total_bytes, &progress, &counts)) {
        print_summary(&counts, corpus_read(corpus), tp_pool_size(pool), now_s() - start);
        if (options->all)
            print_all(&counts);
        else
            print_top(&counts, options->top);
        result = corpus_unreadable(corpus) + counts.damaged > 0 ? EXIT_FAILED : EXIT_DONE;
    }
    counts_free(&counts);
    corpus_close(corpus);
    if (fflush(stdout) != 0 || ferror(stdout))
        return complain("cannot write: %s", strerror(errno));
    return result;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    argp_err_exit_status = EXIT_USAGE;
    char *defaults[sizeof DEFAULT_PATHS / sizeof *DEFAULT_PATHS];
    struct options options = {.top = 20, .parcel_bytes = 512 << 10, .paths = default_paths(defaults)};
    argp_parse(&PARSER, argc, argv, 0, NULL, &options);
    if (!options.paths[0])
        return complain("none of the default directories is there: name one");

    int result = EXIT_FAILED;
    tp_with (tp_pool, pool, tp_pool_open(NULL))
        result = count_and_print(pool, &options);
    else
        result = fail("cannot open a pool");
    return result;
}
