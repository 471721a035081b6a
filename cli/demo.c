/* SPDX-License-Identifier: MIT */
/* taskpool demo: a throw-away cluster and a program that shows what it does. */
#include "child.h"
#include "command.h"
#include "connection.h"
#include "loopback.h"
#include "programs.h"

#include <inttypes.h>
#include <stdio.h>
#include <taskpool/version.h>

static const struct tp__setting settings[] = {
    {"nodes", 'n', TP__SETTING_NUMBER, "N", "How many nodes", "3", 2, 16, 0},
    {"workers", 'w', TP__SETTING_NUMBER, "N", "Workers a node", "2", 1, 64, 0},
    SETTINGS_END};

static const struct tp__program program = {
    .name = "taskpool demo",
    .version = TP_VERSION,
    .about = "Shows what a cluster does, in about ten seconds: starts a coordinator and nodes on this machine with "
             "throw-away keys, runs a small program on them (a map, an error, two tasks that talk, a crash that is "
             "contained, "
             "tasks that submit tasks), and removes everything. Needs no configuration and uses none.\v"
             "Exit codes: 0 all was as expected; 1 it was not, or something failed; 64 the command line is wrong; 128 "
             "and the "
             "signal if it was interrupted.",
    .settings = settings,
};

static void say(const char *text)
{
    printf("  %s\n", text);
    (void)fflush(stdout);
}

static int run(const char *command, const struct tp__config *config, struct loopback *loopback,
               struct tp__problem *problem)
{
    char path[PATH_MAX];
    const unsigned nodes = (unsigned)tp__config_number(config, "nodes");
    printf("A coordinator and %u nodes on this machine, with throw-away keys:\n", nodes);
    (void)fflush(stdout);
    if (!programs_find("taskpool-demo-job", path, problem) ||
        !loopback_start(loopback, nodes, (unsigned)tp__config_number(config, "workers"), problem)) {
        if (loopback_signal(loopback))
            return 128 + loopback_signal(loopback);
        return command_fail(command, "%s", problem->text);
    }
    char *arguments[] = {path, NULL};
    return loopback_run(loopback, command, arguments);
}

int command_demo(int argc, char **argv)
{
    struct tp__config *config = command_settings(&program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    struct tp__problem problem;
    const int64_t start_ms = child_now_ms();
    struct loopback *loopback = loopback_open(say, &problem);
    const int code = loopback ? run(argv[0], config, loopback, &problem) : command_fail(argv[0], "%s", problem.text);
    loopback_close(loopback);
    if (code == EXIT_DONE)
        printf("\nAll was as expected. It took %" PRId64 ".%" PRId64 " s, and nothing of it is left on this machine.\n",
               (child_now_ms() - start_ms) / 1000, (child_now_ms() - start_ms) % 1000 / 100);
    tp__config_free(config);
    return code;
}
