/* SPDX-License-Identifier: MIT */
/* taskpool keygen: makes a key, or shows the public half of one. */
#include "command.h"
#include "trust/keys.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_LIMIT_BYTES = 4096 };

struct arguments {
    const char *path;
    const char *name;
    bool show;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'n':
        arguments->name = value;
        return 0;
    case 's':
        arguments->show = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            return ARGP_ERR_UNKNOWN;
        arguments->path = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"name", 'n', "NAME", 0, "What the key is called in messages and in authorized_keys (default: user@host)", 0},
    {"show", 's', NULL, 0, "Make nothing: print the public half of the key in FILE", 0},
    {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[FILE]",
    .doc =
        "Makes the key of a driver, a node or a coordinator and prints its public half, \"KEY NAME\", which goes with "
        "a role into the authorized_keys of others: see `taskpool authorize`.\v"
        "FILE is $TASKPOOL_KEY, else $TASKPOOL_HOME/key, else ~/.config/taskpool/key. An existing one is never "
        "overwritten. The file must stay readable by its owner alone."};

/* Makes the folders above the file. */
static bool make_folders(const char *path)
{
    char folder[PATH_LIMIT_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0755) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

static void default_name(char name[TP__NAME_LIMIT + 1])
{
    char host[TP__NAME_LIMIT + 1] = "localhost";
    const char *user = getlogin();
    (void)gethostname(host, sizeof host - 1);
    snprintf(name, TP__NAME_LIMIT + 1, "%.30s@%.30s", user ? user : "root", host);
}

static void print_public(const struct tp__key *key)
{
    char text[45];
    tp__public_key_text(&key->public_key, text);
    printf("%s %s\n", text, key->name);
}

int command_keygen(int argc, char **argv)
{
    struct arguments arguments = {.path = NULL};
    const error_t error = argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (error)
        return EXIT_USAGE;
    char path[PATH_LIMIT_BYTES];
    const char *given = arguments.path ? arguments.path : getenv("TASKPOOL_KEY");
    if (given ? (size_t)snprintf(path, sizeof path, "%s", given) >= sizeof path
              : !tp__home_path(path, sizeof path, "key"))
        return command_fail(argv[0], "no place for the key: name a file, or set $HOME");
    struct tp__key key;
    struct tp__problem problem;
    bool is_done;
    if (arguments.show) {
        is_done = tp__key_read(&key, path, &problem);
    } else {
        char name[TP__NAME_LIMIT + 1];
        default_name(name);
        if (arguments.name && strlen(arguments.name) > TP__NAME_LIMIT)
            return command_fail(argv[0], "a name has at most %d bytes", (int)TP__NAME_LIMIT);
        if (!make_folders(path))
            return command_fail(argv[0], "the folder of %s cannot be made: %s", path, strerror(errno));
        tp__key_generate(&key, arguments.name ? arguments.name : name);
        is_done = tp__key_write(&key, path, &problem);
    }
    if (is_done)
        print_public(&key);
    tp__key_wipe(&key);
    return is_done ? EXIT_DONE : command_fail(argv[0], "%s", problem.text);
}
