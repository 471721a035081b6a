/* SPDX-License-Identifier: MIT */
/** @file
 * A throw-away cluster on this machine: a coordinator and nodes on loopback, with keys and folders of their own that go
 * when it ends. One at a time, in a program with one thread: it takes over SIGINT, SIGTERM, SIGHUP, SIGQUIT and
 * SIGCHLD.
 *
 *     loopback_open, loopback_start, loopback_run as often as wanted, loopback_close
 */
#ifndef CLI_LOOPBACK_H
#define CLI_LOOPBACK_H

#include "wire/problem.h"

enum { LOOPBACK_NODES_LIMIT = 64 };

struct loopback;

/** One line about what happens, such as that a node is there. */
typedef void loopback_said_fn(const char *text);

/** Makes folder and keys. `said` may be NULL. NULL on failure. */
struct loopback *loopback_open(loopback_said_fn *said, struct tp__problem *problem);
/** Starts a coordinator and 1 to LOOPBACK_NODES_LIMIT nodes (node1, node2, ...), each with so many workers (0: the
 *  processors are shared out), and waits until all are there. False: then what has started is ended by loopback_close.
 *  The last lines of a process that failed are on standard error. */
bool loopback_start(struct loopback *loopback, unsigned nodes, unsigned workers, struct tp__problem *problem);
/** Runs a program on it, with $TASKPOOL and the variables for keys set, and waits for its end. Its key is also that of
 *  an admin. Returns its exit code, 128 and the signal if one killed it, or that of a program that cannot be run. */
int loopback_run(struct loopback *loopback, const char *command, char **arguments);
/** The signal that ended the start early; 0: none. */
int loopback_signal(const struct loopback *loopback);
/** Ends every process, waits for them, removes every file. NULL is allowed. */
void loopback_close(struct loopback *loopback);

#endif
