/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "trust/keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <taskpool/version.h>

static const struct command {
    const char *name;
    command_fn *run;
    const char *what;
} commands[] = {
    {"keygen", command_keygen, "make a key, or show its public half"},
    {"authorize", command_authorize, "trust somebody's key"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

int command_fail(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", command);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return EXIT_FAILED;
}

static void print_help(FILE *to)
{
    fputs("Usage: taskpool COMMAND [OPTIONS]\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].what);
    fputs("\n`taskpool COMMAND --help` says more.\n", to);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("taskpool " TP_VERSION);
        return EXIT_DONE;
    }
    if (!tp__trust_start())
        return command_fail("taskpool", "libsodium cannot start");
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        char name[64];
        snprintf(name, sizeof name, "taskpool %s", commands[i].name);
        argv[1] = name;
        return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "taskpool: there is no command \"%s\"\n\n", argv[1]);
    print_help(stderr);
    return EXIT_USAGE;
}
