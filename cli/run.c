/* SPDX-License-Identifier: MIT */
/* taskpool run: a program on a cluster, or on a throw-away one. */
#include "child.h"
#include "command.h"
#include "connection.h"
#include "identity.h"
#include "loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <taskpool/version.h>

static const struct tp__setting settings[] = {
    {"coordinator", 'c', TP__SETTING_TEXT, "ENDPOINT", "The cluster: tcp://HOST:PORT (default: $TASKPOOL)", NULL, 0, 0,
     0},
    IDENTITY_SETTINGS,
    {"loopback", 'l', TP__SETTING_NUMBER, "N", "On a throw-away cluster of N nodes on this machine", NULL, 1,
     LOOPBACK_NODES_LIMIT, 0},
    {"workers", 'w', TP__SETTING_NUMBER, "N", "With --loopback: workers a node (default: the processors shared out)",
     NULL, 1, 4096, 0},
    SETTINGS_END};

static const struct tp__program program = {
    .name = "taskpool run",
    .version = TP_VERSION,
    .about =
        "Runs a program on a cluster: sets $TASKPOOL, $TASKPOOL_KEY and $TASKPOOL_AUTHORIZED_KEYS and becomes the "
        "program. With --loopback starts a coordinator and nodes with throw-away keys on this machine, runs the "
        "program on them, and ends them; no key or setting of yours is used.\v"
        "The exit code is the program's; 128 and the signal if one killed it (with --loopback). Else: 1 failed, 64 "
        "the command line is wrong, 126 PROGRAM cannot be run, 127 there is no PROGRAM.",
    .arguments = "PROGRAM [ARGUMENT...]",
    .least_arguments = 1,
    .most_arguments = 1,
    .ends_at_argument = true,
    .settings = settings,
};

static int run_on_cluster(const char *command, const struct tp__config *config)
{
    struct tp__problem problem;
    struct identity identity;
    struct tp__public_key coordinator;
    char endpoint[ENDPOINT_BYTES];
    if (!identity_endpoint(tp__config_text(config, "coordinator"), endpoint, &problem)) {
        (void)command_fail(command, "%s", problem.text);
        return EXIT_USAGE;
    }
    /* What is wrong with them is better said here than by the program. */
    const bool good = identity_read(&identity, tp__config_text(config, "key"),
                                    tp__config_text(config, "authorized-keys"), &problem) &&
                      identity_coordinator(&identity, endpoint, &coordinator, &problem);
    identity_fini(&identity);
    if (!good)
        return command_fail(command, "%s", problem.text);
    if (setenv("TASKPOOL", endpoint, 1) != 0 || setenv("TASKPOOL_KEY", identity.key_path, 1) != 0 ||
        setenv("TASKPOOL_AUTHORIZED_KEYS", identity.authorized_path, 1) != 0)
        return command_fail(command, "out of memory");
    char **arguments = tp__config_arguments(config);
    return child_become(command, arguments[0], arguments);
}

static int run_on_loopback(const char *command, const struct tp__config *config)
{
    struct tp__problem problem;
    int code;
    struct loopback *loopback = loopback_open(NULL, &problem);
    if (loopback && loopback_start(loopback, (unsigned)tp__config_number(config, "loopback"),
                                   (unsigned)tp__config_number(config, "workers"), &problem))
        code = loopback_run(loopback, command, tp__config_arguments(config));
    else if (loopback && loopback_signal(loopback))
        code = 128 + loopback_signal(loopback);
    else
        code = command_fail(command, "%s", problem.text);
    loopback_close(loopback);
    return code;
}

static bool check(const struct tp__config *config)
{
    static const char *const others[] = {"coordinator", "key", "authorized-keys"};
    if (!tp__config_is_set(config, "loopback") && tp__config_is_set(config, "workers")) {
        (void)command_fail(program.name, "--workers is for --loopback");
        return false;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (tp__config_is_set(config, "loopback") && tp__config_is_set(config, others[i])) {
            (void)command_fail(program.name, "--loopback makes its own cluster: --%s cannot be with it", others[i]);
            return false;
        }
    return true;
}

int command_run(int argc, char **argv)
{
    struct tp__config *config = command_settings(&program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    int code = EXIT_USAGE;
    if (check(config))
        code =
            tp__config_is_set(config, "loopback") ? run_on_loopback(argv[0], config) : run_on_cluster(argv[0], config);
    tp__config_free(config);
    return code;
}
