/* SPDX-License-Identifier: MIT */
/** @file
 * The commands of `taskpool`, one file each, and what all of them share.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "daemon/config.h"

/** Exit codes, as sysexits.h and env(1) have them. The man page lists them. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 64,
    EXIT_UNREACHABLE = 69,
    EXIT_REFUSED = 77,
    EXIT_CANNOT_RUN = 126,
    EXIT_NOT_FOUND = 127
};

/** `argv[0]` is "taskpool keygen" and so on, for messages. Returns the exit code. */
typedef int command_fn(int argc, char **argv);

command_fn command_keygen, command_authorize, command_status, command_top, command_why, command_node, command_run,
    command_demo;

/** One line on standard error, "taskpool keygen: ...". Returns EXIT_FAILED. */
int command_fail(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Reads a command line by its table. NULL: it is wrong, which has been said; exit with EXIT_USAGE. --help and its like
 *  end the program. */
struct tp__config *command_settings(const struct tp__program *program, int argc, char **argv);

/** A command that is a group of others, such as `taskpool node`: ends with one without a name. */
struct subcommand {
    const char *name;
    command_fn *run;
    const char *what;
};
/** Runs the one that argv[1] names; prints help, or what is wrong. `after` stands below the list in the help. */
int command_choose(const struct subcommand *commands, const char *after, int argc, char **argv);

#endif
