/* SPDX-License-Identifier: MIT */
/* taskpool authorize: adds a line to a file of trusted keys. */
#include "command.h"
#include "trust/keys.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_LIMIT_BYTES = 4096, WORDS = 3 };

struct arguments {
    const char *file;
    const char *words[WORDS];
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'f':
        arguments->file = value;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= WORDS)
            return ARGP_ERR_UNKNOWN;
        arguments->words[state->arg_num] = value;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < WORDS)
            argp_error(state, "a role, a key and a name are wanted");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"file", 'f', "FILE", 0,
     "The file (default: $TASKPOOL_AUTHORIZED_KEYS, else authorized_keys beside the key: see `taskpool keygen --help`)",
     0},
    {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "ROLE KEY NAME",
    .doc = "Trusts a key in a role: driver (whose code runs), node (where it may run), coordinator (who is believed to "
           "be the one), admin (who may look and drain).\v"
           "KEY and NAME are what `taskpool keygen` printed. Daemons read the file again on SIGHUP. Two lines with one "
           "name rotate a key; remove a line by hand to end the trust."};

int command_authorize(int argc, char **argv)
{
    struct arguments arguments = {.file = NULL};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return EXIT_USAGE;
    enum tp__role role;
    struct tp__public_key key;
    if (!tp__role_parse(&role, arguments.words[0]))
        return command_fail(argv[0], "\"%s\" is no role: driver, node, coordinator, admin", arguments.words[0]);
    if (!tp__public_key_parse(&key, arguments.words[1]))
        return command_fail(argv[0], "\"%s\" is no public key: `taskpool keygen --show` prints one",
                            arguments.words[1]);
    char path[PATH_LIMIT_BYTES];
    const char *given = arguments.file ? arguments.file : getenv("TASKPOOL_AUTHORIZED_KEYS");
    if (given ? (size_t)snprintf(path, sizeof path, "%s", given) >= sizeof path
              : !tp__home_path(path, sizeof path, "authorized_keys"))
        return command_fail(argv[0], "no place for the file: name one with --file, or set $HOME");
    struct tp__problem problem;
    if (!tp__authorized_add(path, role, &key, arguments.words[2], &problem))
        return command_fail(argv[0], "%s", problem.text);
    return EXIT_DONE;
}
