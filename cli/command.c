/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/version.h>

int command_fail(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%s: ", command);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    return EXIT_FAILED;
}

struct tp__config *command_settings(const struct tp__program *program, int argc, char **argv)
{
    struct tp__problem problem;
    struct tp__config *config = tp__config_read(program, argc, argv, &problem);
    if (!config)
        (void)fprintf(stderr, "%s: %s\nTry `%s --help' for more information.\n", program->name, problem.text,
                      program->name);
    return config;
}

static void print_help(FILE *to, const struct subcommand *commands, const char *name, const char *after)
{
    (void)fprintf(to, "Usage: %s COMMAND [OPTION...]\n\n", name);
    for (const struct subcommand *command = commands; command->name; command++)
        (void)fprintf(to, "  %-10s %s\n", command->name, command->what);
    (void)fprintf(to, "\n`%s COMMAND --help` says more.%s\n", name, after);
}

static bool is_one_of(const char *text, const char *first, const char *second, const char *third)
{
    return strcmp(text, first) == 0 || strcmp(text, second) == 0 || strcmp(text, third) == 0;
}

int command_choose(const struct subcommand *commands, const char *after, int argc, char **argv)
{
    const char *name = argv[0];
    if (argc < 2) {
        print_help(stderr, commands, name, after);
        return EXIT_USAGE;
    }
    const bool wants_help = is_one_of(argv[1], "--help", "-?", "help");
    if (wants_help && argc == 2) {
        print_help(stdout, commands, name, after);
        return EXIT_DONE;
    }
    if (is_one_of(argv[1], "--version", "-V", "version")) {
        puts("taskpool " TP_VERSION);
        return EXIT_DONE;
    }
    /* "taskpool help status" is "taskpool status --help" */
    static char help[] = "--help";
    char *asked[] = {NULL, help, NULL};
    const char *wanted = argv[wants_help ? 2 : 1];
    for (const struct subcommand *command = commands; command->name; command++) {
        if (strcmp(wanted, command->name) != 0)
            continue;
        static char full_name[64]; /* grows by a word in each group */
        const size_t length = strlen(full_name);
        (void)snprintf(full_name + length, sizeof full_name - length, "%s %s", length > 0 ? "" : name, command->name);
        if (wants_help) {
            asked[0] = full_name;
            return command->run(2, asked);
        }
        argv[1] = full_name;
        return command->run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "%s: there is no command \"%s\"\n", name, wanted);
    print_help(stderr, commands, name, after);
    return EXIT_USAGE;
}
