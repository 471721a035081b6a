/* SPDX-License-Identifier: MIT */
/* taskpool authorize: adds a line to a file of trusted keys. */
#include "command.h"
#include "identity.h"

#include <taskpool/version.h>

static const struct tp__setting settings[] = {
    {"file", 'f', TP__SETTING_PATH, "FILE",
     "The file (default: $TASKPOOL_AUTHORIZED_KEYS, else authorized_keys in $TASKPOOL_HOME or ~/.config/taskpool)",
     NULL, 0, 0, 0},
    {NULL, 0, TP__SETTING_TEXT, NULL, NULL, NULL, 0, 0, 0}};

static const struct tp__program program = {
    .name = "taskpool authorize",
    .version = TP_VERSION,
    .about =
        "Trusts a key in a role: driver (whose code runs), node (where it may run), coordinator (who is believed to "
        "be the one), admin (who may look and drain).\v"
        "KEY and NAME are what `taskpool keygen` printed. Daemons read the file again on SIGHUP. Two lines with one "
        "name rotate a key; remove a line by hand to end the trust.\n\n"
        "Exit codes: 0 done, 1 failed, 64 the command line is wrong.",
    .arguments = "ROLE KEY NAME",
    .least_arguments = 3,
    .most_arguments = 3,
    .settings = settings,
};

int command_authorize(int argc, char **argv)
{
    struct tp__config *config = command_settings(&program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    const char *role_text = tp__config_argument(config, 0);
    const char *key_text = tp__config_argument(config, 1);
    enum tp__role role;
    struct tp__public_key key;
    char path[TP__PATH_BYTES];
    struct tp__problem problem;
    int code = EXIT_DONE;
    if (!tp__role_parse(&role, role_text)) {
        (void)command_fail(argv[0], "\"%s\" is no role: driver, node, coordinator, admin", role_text);
        code = EXIT_USAGE;
    } else if (!tp__public_key_parse(&key, key_text)) {
        (void)command_fail(argv[0], "\"%s\" is no public key: `taskpool keygen --show` prints one", key_text);
        code = EXIT_USAGE;
    } else if (!tp__identity_authorized_path(tp__config_text(config, "file"), path, &problem) ||
               !tp__authorized_add(path, role, &key, tp__config_argument(config, 2), &problem)) {
        code = command_fail(argv[0], "%s", problem.text);
    }
    tp__config_free(config);
    return code;
}
