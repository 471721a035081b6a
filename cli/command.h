/* SPDX-License-Identifier: MIT */
/** @file
 * The commands of `taskpool`, one file each. Exit codes: 0 done; 1 it failed, and standard error says why; 2 (64 from
 * argp) the command line is wrong.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 64 };

/** `argv[0]` is "taskpool keygen" and so on, for messages. Returns the exit code. */
typedef int command_fn(int argc, char **argv);

command_fn command_keygen, command_authorize;

/** One line on standard error, "taskpool keygen: ...". Returns EXIT_FAILED. */
int command_fail(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
