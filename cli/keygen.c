/* SPDX-License-Identifier: MIT */
/* taskpool keygen: makes a key, or shows the public half of one. */
#include "command.h"
#include "identity.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <taskpool/version.h>
#include <unistd.h>

static const struct tp__setting settings[] = {
    {"name", 'n', TP__SETTING_TEXT, "NAME",
     "What the key is called in messages and in authorized_keys (default: user@host)", NULL, 0, 0, 0},
    {"show", 's', TP__SETTING_FLAG, NULL, "Make nothing: print the public half of the key in FILE", NULL, 0, 0, 0},
    {NULL, 0, TP__SETTING_TEXT, NULL, NULL, NULL, 0, 0, 0}};

static const struct tp__program program = {
    .name = "taskpool keygen",
    .version = TP_VERSION,
    .about =
        "Makes the key of a driver, a node, a coordinator or an admin and prints its public half, \"KEY NAME\", which "
        "goes with a role into the authorized_keys of others: see `taskpool authorize`.\v"
        "FILE is $TASKPOOL_KEY if that is set, else key in $TASKPOOL_HOME or ~/.config/taskpool. An existing one is "
        "never overwritten. The file must stay readable by its owner alone.\n\n"
        "Exit codes: 0 done, 1 failed, 64 the command line is wrong.",
    .arguments = "[FILE]",
    .most_arguments = 1,
    .settings = settings,
};

/* Makes the folders above the file. */
static bool make_folders(const char *path)
{
    char folder[TP__PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s", path);
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
    (void)gethostname(host, sizeof host - 1);
    const struct passwd *user = getpwuid(geteuid());
    (void)snprintf(name, TP__NAME_LIMIT + 1, "%.30s@%.30s", user ? user->pw_name : "user", host);
}

static void print_public(const struct tp__key *key)
{
    char text[45];
    tp__public_key_text(&key->public_key, text);
    printf("%s %s\n", text, key->name);
}

static bool make(const char *path, const char *name, struct tp__problem *problem)
{
    char standard[TP__NAME_LIMIT + 1];
    default_name(standard);
    if (name && (!*name || strlen(name) > TP__NAME_LIMIT))
        return tp__problem_set(problem, TP_E_ARGUMENT, "a name has 1 to %d bytes", (int)TP__NAME_LIMIT);
    if (!make_folders(path))
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot make the folder of %.150s", path);
    struct tp__key key;
    tp__key_generate(&key, name ? name : standard);
    const bool good = tp__key_write(&key, path, problem);
    if (good)
        print_public(&key);
    tp__key_wipe(&key);
    return good;
}

static bool show(const char *path, struct tp__problem *problem)
{
    struct tp__key key;
    const bool good = tp__key_read(&key, path, problem);
    if (good)
        print_public(&key);
    tp__key_wipe(&key);
    return good;
}

int command_keygen(int argc, char **argv)
{
    struct tp__config *config = command_settings(&program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    char path[TP__PATH_BYTES];
    struct tp__problem problem;
    const bool good = tp__identity_key_path(tp__config_argument(config, 0), path, &problem) &&
                      (tp__config_flag(config, "show") ? show(path, &problem)
                                                       : make(path, tp__config_text(config, "name"), &problem));
    tp__config_free(config);
    return good ? EXIT_DONE : command_fail(argv[0], "%s", problem.text);
}
