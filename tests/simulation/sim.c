/* SPDX-License-Identifier: MIT */
/* The program: runs a range of seeds, or one. The first failing seed is printed and ends it. */
#include "plan.h"
#include "simulation.h"
#include "trust/keys.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEED_LONGEST_S = 300 };

static volatile uint64_t current_seed;

static void usage(void)
{
    (void)fprintf(stderr, "usage: sim [--seed N | --from N --count N] [--trace] [--twice] [--with HEX] [--without HEX] "
                          "[--big] [--quiet]\n");
    exit(2);
}

/* A state machine has crashed, or does not return. Only what may be done in a signal handler. */
static void on_signal(int number)
{
    char text[64] = "failing seed: ";
    char digits[24];
    size_t count = 0;
    for (uint64_t seed = current_seed; count == 0 || seed > 0; seed /= 10)
        digits[count++] = (char)('0' + seed % 10);
    size_t length = strlen(text);
    while (count > 0)
        text[length++] = digits[--count];
    text[length++] = '\n';
    (void)!write(STDERR_FILENO, text, length);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},    {"from", required_argument, NULL, 'f'},
        {"count", required_argument, NULL, 'c'},   {"trace", no_argument, NULL, 't'},
        {"twice", no_argument, NULL, '2'},         {"with", required_argument, NULL, 'w'},
        {"without", required_argument, NULL, 'o'}, {"big", no_argument, NULL, 'b'},
        {"quiet", no_argument, NULL, 'q'},         {NULL, 0, NULL, 0}};
    struct simulation_options chosen = {0};
    struct simulation_counts counts = {0};
    uint64_t from = 1;
    uint64_t count = 1;
    bool twice = false;
    bool quiet = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            from = strtoull(optarg, NULL, 10);
            count = 1;
            break;
        case 'f':
            from = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            count = strtoull(optarg, NULL, 10);
            break;
        case 't':
            chosen.trace = true;
            break;
        case '2':
            twice = true;
            break;
        case 'w':
            chosen.with |= (unsigned)strtoul(optarg, NULL, 16);
            break;
        case 'o':
            chosen.without = (unsigned)strtoul(optarg, NULL, 16);
            break;
        case 'b':
            chosen.with |= PLAN_BIG;
            break;
        case 'q':
            quiet = true;
            break;
        default:
            usage();
        }
    }
    static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGALRM};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        (void)signal(signals[i], on_signal);

    for (uint64_t seed = from; seed - from < count; seed++) {
        current_seed = seed;
        (void)alarm(SEED_LONGEST_S);
        const uint64_t digest = simulation_run(seed, &chosen, &counts);
        if (twice && digest != simulation_run(seed, &chosen, &counts)) {
            (void)fprintf(stderr, "two runs of one seed differ\nfailing seed: %llu\n", (unsigned long long)seed);
            return 1;
        }
    }
    if (!quiet)
        (void)printf(
            "%llu runs: %llu tasks, %llu starts, %llu values, %llu failures (%llu lost), %llu cancelled, %llu "
            "crashes, %llu messages, %llu events, %llu breaks, %llu frames lost, %.0f virtual seconds, the "
            "longest wait after the last fault %.1f s\n",
            (unsigned long long)counts.runs, (unsigned long long)counts.tasks, (unsigned long long)counts.starts,
            (unsigned long long)counts.values, (unsigned long long)counts.failures, (unsigned long long)counts.lost,
            (unsigned long long)counts.cancelled, (unsigned long long)counts.crashed,
            (unsigned long long)counts.messages, (unsigned long long)counts.events, (unsigned long long)counts.breaks,
            (unsigned long long)counts.frames_lost, counts.virtual_seconds, counts.longest_seconds);
    return 0;
}
