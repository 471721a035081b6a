/* SPDX-License-Identifier: MIT */
/* Prices a grid of European calls by simulation on a pool of any kind, and holds each price against the closed form.
 *
 * Thousands of unequal tasks: a call is simulated until its price is known well enough, which takes a calm one of
 * half a year a thousand paths of 6 steps, and a wild one of three years many thousands of 36. */
#include "support/progress.h"
#include "support/support.h"
#include "sweep/call.h"
#include "sweep/plot.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>

enum { STRIKES = 21, VOLATILITIES = 13, MATURITIES = 11, COUNT = STRIKES * VOLATILITIES * MATURITIES };

TP_TASK(price, struct estimate, (struct call, call), (double, precision), (uint64_t, path_limit), (uint64_t, seed))
{
    return call_simulate(&call, precision, path_limit, seed);
}

struct options {
    double precision;
    double tolerance;
    uint64_t path_limit;
    uint64_t seed;
    const char *csv;
    const char *plot;
    bool progress;
};

enum { KEY_PROGRESS = 256, KEY_SEED, KEY_PLOT };

static const struct argp_option OPTIONS[] = {
    {"precision", 'e', "ERROR", 0, "Simulate until the standard error is at most so much (default 0.5)", 0},
    {"paths", 'p', "N", 0, "but at most N paths a call (default 1M)", 0},
    {"seed", KEY_SEED, "N", 0, "The random numbers (default 1)", 0},
    {"tolerance", 'k', "K", 0, "Fail if a price is more than K standard errors from the formula (default 5)", 0},
    {"output", 'o', "FILE", 0, "The prices as CSV (default sweep.csv)", 0},
    {"plot", KEY_PLOT, "FILE", 0, "The picture as SVG (default sweep.svg)", 0},
    {"progress", KEY_PROGRESS, NULL, 0, "Show progress also where standard error is no terminal", 0},
    {0}};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'e':
        if (!parse_real(argument, 1e-6, 1e6, &options->precision))
            argp_error(state, "--precision takes a number from 1e-6 on, not '%s'", argument);
        return 0;
    case 'p':
        if (!parse_number(argument, 1000, UINT64_C(1) << 40, &options->path_limit))
            argp_error(state, "--paths takes a number from 1000 on, not '%s'", argument);
        return 0;
    case KEY_SEED:
        if (!parse_number(argument, 0, UINT64_MAX, &options->seed))
            argp_error(state, "--seed takes a number, not '%s'", argument);
        return 0;
    case 'k':
        if (!parse_real(argument, 0, 1000, &options->tolerance))
            argp_error(state, "--tolerance takes a number from 0 to 1000, not '%s'", argument);
        return 0;
    case 'o':
        options->csv = argument;
        return 0;
    case KEY_PLOT:
        options->plot = argument;
        return 0;
    case KEY_PROGRESS:
        options->progress = true;
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
    .doc = "Prices thousands of European calls by simulation on a pool, over a grid of strikes, volatilities and "
           "maturities, and holds each price against the formula of Black and Scholes."
           "\v$TASKPOOL says where the tasks run: local, local:4, tcp://host:port. Exits with 1 if a price is off by "
           "more than the tolerance."};

/* One of the maturities, for the picture. */
static const double SHOWN_YEARS = 1.0;

static void make_grid(struct call grid[COUNT])
{
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t strike = i % STRIKES, volatility = i / STRIKES % VOLATILITIES;
        const uint32_t maturity = i / STRIKES / VOLATILITIES;
        grid[i] = (struct call){
            .number = i,
            .spot = 100,
            .strike = 80 + 2 * strike,
            .volatility = 0.20 + 0.025 * volatility,
            .years = 0.5 + 0.25 * maturity,
            .rate = 0.03,
        };
    }
}

static int write_csv(const char *path, const struct call *grid, const struct estimate *estimates)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return complain("cannot write %s: %s", path, strerror(errno));
    fputs("strike,volatility,years,paths,steps,price,standard_error,black_scholes,deviation\n", out);
    for (size_t i = 0; i < COUNT; i++)
        fprintf(out, "%.0f,%.3f,%.2f,%" PRIu64 ",%" PRIu32 ",%.6f,%.6f,%.6f,%.3f\n", grid[i].strike, grid[i].volatility,
                grid[i].years, estimates[i].paths, estimates[i].steps, estimates[i].price, estimates[i].standard_error,
                call_closed_form(&grid[i]), call_deviation(&grid[i], &estimates[i]));
    const bool failed = ferror(out);
    if (fclose(out) != 0 || failed)
        return complain("cannot write %s: %s", path, strerror(errno));
    return EXIT_DONE;
}

/* Prints what came out, and whether every price is near enough. */
static int judge(const struct options *options, const struct call *grid, const struct estimate *estimates)
{
    size_t within[4] = {0}, worst = 0;
    uint64_t steps = 0, least = UINT64_MAX, most = 0;
    double squares = 0;
    for (size_t i = 0; i < COUNT; i++) {
        const double deviation = fabs(call_deviation(&grid[i], &estimates[i]));
        const uint64_t cost = estimates[i].paths * estimates[i].steps;
        steps += cost;
        least = cost < least ? cost : least;
        most = cost > most ? cost : most;
        squares += deviation * deviation;
        for (int k = 1; k <= 3; k++)
            within[k] += deviation <= k;
        if (deviation > fabs(call_deviation(&grid[worst], &estimates[worst])))
            worst = i;
    }
    struct grouped text[3];
    printf("%d calls, %s steps of a path; the easiest took %s, the hardest %s\n", COUNT, grouped(steps, &text[0]),
           grouped(least, &text[1]), grouped(most, &text[2]));
    printf("deviations from the closed form, in standard errors (a perfect simulation in brackets):\n");
    printf("  within 1: %5.1f%% (68.3%%)   within 2: %5.1f%% (95.4%%)   within 3: %5.1f%% (99.7%%)   mean square: %.3f "
           "(1)\n",
           100.0 * (double)within[1] / COUNT, 100.0 * (double)within[2] / COUNT, 100.0 * (double)within[3] / COUNT,
           squares / COUNT);
    const double deviation = call_deviation(&grid[worst], &estimates[worst]);
    printf("  the farthest: %+.2f, strike %.0f, volatility %.3f, %.2f years: %.4f instead of %.4f\n", deviation,
           grid[worst].strike, grid[worst].volatility, grid[worst].years, estimates[worst].price,
           call_closed_form(&grid[worst]));
    if (fabs(deviation) <= options->tolerance)
        return EXIT_DONE;
    return complain("a price is more than %g standard errors from the formula", options->tolerance);
}

static int sweep(tp_pool *pool, const struct options *options, struct call *grid, struct estimate *estimates)
{
    struct progress progress;
    progress_begin(&progress, "calls", options->progress);
    make_grid(grid);
    const double start = now_s();
    const tp_status status = tp_map_with(
        pool, tp_map_options(.progress = progress_of_map, .progress_argument = &progress), price, grid, estimates,
        COUNT, .precision = options->precision, .path_limit = options->path_limit, .seed = options->seed);
    if (status != TP_OK) {
        progress_clear(&progress);
        return fail("a call has no price");
    }
    fprintf(stderr, "%.2f s on %zu workers\n", now_s() - start, tp_pool_size(pool));
    if (write_csv(options->csv, grid, estimates) != EXIT_DONE)
        return EXIT_FAILED;
    if (!plot_write(options->plot, grid, estimates, COUNT, SHOWN_YEARS))
        return complain("cannot write %s: %s", options->plot, strerror(errno));
    const int result = judge(options, grid, estimates);
    printf("wrote %s and %s\n", options->csv, options->plot);
    return result;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    argp_err_exit_status = EXIT_USAGE;
    struct options options = {
        .precision = 0.5, .tolerance = 5, .path_limit = 1 << 20, .seed = 1, .csv = "sweep.csv", .plot = "sweep.svg"};
    argp_parse(&PARSER, argc, argv, 0, NULL, &options);

    struct call *grid = calloc(COUNT, sizeof *grid);
    struct estimate *estimates = calloc(COUNT, sizeof *estimates);
    int result = EXIT_FAILED;
    if (!grid || !estimates) {
        complain("no memory for %d calls", COUNT);
    } else {
        tp_with (tp_pool, pool, tp_pool_open(NULL))
            result = sweep(pool, &options, grid, estimates);
        else
            result = fail("cannot open a pool");
    }
    free(grid);
    free(estimates);
    return result;
}
