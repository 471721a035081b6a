/* SPDX-License-Identifier: MIT */
/* Looks for attacks in a web server's access log, in stages that talk over bounded channels and may run on different
 * nodes. A stage that dies is started again, and no request is lost or counted twice: run.c says how. */
#include "pipeline/log.h"
#include "pipeline/run.h"
#include "pipeline/sink.h"
#include "support/progress.h"
#include "support/support.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>

struct options {
    struct run_options run;
    const char *output;
    bool serial;
};

enum { KEY_SERIAL = 256, KEY_PROGRESS, KEY_SEED, KEY_FAIL_AFTER, KEY_FAIL_STAGE, KEY_RESTARTS };

static const struct argp_option OPTIONS[] = {
    {"pages", 'n', "N", 0, "Pages of 256 requests (default 2500)", 0},
    {"output", 'o', "FILE", 0, "Write every request with its verdict as CSV", 0},
    {"seed", KEY_SEED, "N", 0, "The log (default 1)", 0},
    {"serial", KEY_SERIAL, NULL, 0, "Run all stages here, one after the other, without a pool", 0},
    {"fail-stage-after", KEY_FAIL_AFTER, "N", 0,
     "A stage crashes with its page number N in hand: on a cluster it kills its process, in a local pool it raises an "
     "error",
     0},
    {"fail-stage", KEY_FAIL_STAGE, "NAME", 0, "That stage: source, parse (the default) or inspect", 0},
    {"restarts", KEY_RESTARTS, "N", 0, "Give up when a stage is lost more than N times (default 10)", 0},
    {"progress", KEY_PROGRESS, NULL, 0, "Show progress also where standard error is no terminal", 0},
    {0}};

static void take_number(struct argp_state *state, const char *name, const char *argument, uint64_t lowest,
                        uint64_t highest, uint64_t *out)
{
    if (!parse_number(argument, lowest, highest, out))
        argp_error(state, "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'", name, lowest, highest,
                   argument);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'n':
        take_number(state, "pages", argument, 1, UINT64_C(1) << 40, &options->run.pages);
        return 0;
    case 'o':
        options->output = argument;
        return 0;
    case KEY_SEED:
        take_number(state, "seed", argument, 0, UINT64_MAX, &options->run.seed);
        return 0;
    case KEY_SERIAL:
        options->serial = true;
        return 0;
    case KEY_FAIL_AFTER:
        take_number(state, "fail-stage-after", argument, 1, UINT64_C(1) << 40, &options->run.crash.after);
        return 0;
    case KEY_FAIL_STAGE:
        if (strcmp(argument, "source") != 0 && strcmp(argument, "parse") != 0 && strcmp(argument, "inspect") != 0)
            argp_error(state, "--fail-stage takes source, parse or inspect, not '%s'", argument);
        options->run.crash_stage = argument;
        return 0;
    case KEY_RESTARTS:
        take_number(state, "restarts", argument, 0, 1000000, &options->run.restart_limit);
        return 0;
    case KEY_PROGRESS:
        options->run.progress = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp PARSER = {
    .options = OPTIONS,
    .parser = parse_option,
    .doc =
        "Looks for attacks in a (made up) access log of a web server. The stages source, parse and two of inspect talk "
        "over bounded channels; one that dies is started again, and no request is lost or counted twice."
        "\v$TASKPOOL says where the stages run: local, local:4, tcp://host:port."};

static bool run_serially(const struct run_options *options, struct sink *sink)
{
    struct page_text raw = {.text = malloc(PAGE_LIMIT)}, parsed = {.text = malloc(PAGE_LIMIT)};
    struct page_text inspected = {.text = malloc(PAGE_LIMIT)};
    struct inspector *inspector = inspector_new();
    struct progress progress;
    progress_begin(&progress, "pages", options->progress);
    bool well = raw.text && parsed.text && inspected.text && inspector;
    for (uint64_t page = 0; well && page < options->pages; page++) {
        log_page(page, options->seed, &raw);
        well = log_parse(page, raw.text, raw.size, &parsed) &&
               log_inspect(inspector, parsed.text, parsed.size, &inspected);
        if (!well)
            complain("page %" PRIu64 " is no page of an access log", page);
        well = well && sink_take(sink, tp_str_view(inspected.text, inspected.size));
        progress_update(&progress, page + 1, options->pages);
    }
    inspector_free(inspector);
    free(raw.text);
    free(parsed.text);
    free(inspected.text);
    return well;
}

static void print_stages(const struct run_result *result)
{
    struct grouped pages;
    printf("stage        restarts    pages  its last process\n");
    for (int i = 0; i < STAGES; i++) {
        const struct run_stage *stage = &result->stages[i];
        printf("  %-10s %8" PRIu64 " %8s  %" PRId32 " on %.63s\n", stage->name, stage->restarts,
               grouped(stage->report.pages, &pages), stage->report.process, stage->report.host);
    }
    printf("%s pages came twice and were dropped\n", grouped(result->twice, &pages));
}

static int run_on_pool(tp_pool *pool, const struct options *options, struct sink *sink)
{
    struct run_result result;
    const double start = now_s();
    if (!run_pipeline(pool, &options->run, sink, &result))
        return EXIT_FAILED;
    fprintf(stderr, "%.2f s on %zu workers\n", now_s() - start, tp_pool_size(pool));
    print_stages(&result);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    argp_err_exit_status = EXIT_USAGE;
    struct options options = {.run = {.pages = 2500, .seed = 1, .restart_limit = 10, .crash_stage = "parse"}};
    argp_parse(&PARSER, argc, argv, 0, NULL, &options);
    /* In a local pool the stages share the driver's process, which is not to be killed. */
    const char *where = getenv("TASKPOOL");
    options.run.crash.kill = where && strncmp(where, "tcp://", 6) == 0;

    struct sink sink;
    if (!sink_open(&sink, options.output))
        return EXIT_FAILED;
    int result = EXIT_FAILED;
    if (options.serial) {
        result = run_serially(&options.run, &sink) ? EXIT_DONE : EXIT_FAILED;
    } else {
        tp_with (tp_pool, pool, tp_pool_open(NULL))
            result = run_on_pool(pool, &options, &sink);
        else
            result = fail("cannot open a pool");
    }
    if (!sink_close(&sink))
        result = EXIT_FAILED;
    if (result == EXIT_DONE)
        sink_print(&sink);
    return result;
}
