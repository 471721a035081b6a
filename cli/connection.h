/* SPDX-License-Identifier: MIT */
/** @file
 * A link to the coordinator as an admin: questions and answers, one at a time.
 */
#ifndef CLI_CONNECTION_H
#define CLI_CONNECTION_H

#include "command.h"
#include "wire/frame.h"

#include <signal.h>

/** The settings of every command that asks. */
#define CONNECTION_SETTINGS                                                                                  \
    {"coordinator",                                                                                          \
     'c',                                                                                                    \
     TP__SETTING_TEXT,                                                                                       \
     "ENDPOINT",                                                                                             \
     "Where it listens: tcp://HOST:PORT (default: $TASKPOOL)",                                               \
     NULL,                                                                                                   \
     0,                                                                                                      \
     0,                                                                                                      \
     0},                                                                                                     \
        IDENTITY_SETTINGS,                                                                                   \
    {                                                                                                        \
        "timeout", 't', TP__SETTING_DURATION, "TIME", "How long to wait for an answer", "5s", 1, 86400000, 0 \
    }
#define IDENTITY_SETTINGS                                                                                              \
    {"key",                                                                                                            \
     'k',                                                                                                              \
     TP__SETTING_PATH,                                                                                                 \
     "FILE",                                                                                                           \
     "Your key (default: $TASKPOOL_KEY, else key in $TASKPOOL_HOME or ~/.config/taskpool)",                            \
     NULL,                                                                                                             \
     0,                                                                                                                \
     0,                                                                                                                \
     0},                                                                                                               \
    {                                                                                                                  \
        "authorized-keys", 'a', TP__SETTING_PATH, "FILE",                                                              \
            "Whom you believe (default: $TASKPOOL_AUTHORIZED_KEYS, else authorized_keys in the same folder)", NULL, 0, \
            0, 0                                                                                                       \
    }
#define SETTINGS_END                                         \
    {                                                        \
        NULL, 0, TP__SETTING_TEXT, NULL, NULL, NULL, 0, 0, 0 \
    }
/** What their help ends with. */
#define CONNECTION_EXIT_CODES                                                                               \
    "Exit codes: 0 done, 1 failed, 64 the command line is wrong, 69 no coordinator answers, 77 it refuses " \
    "this key."

struct connection;

/** Reads keys as the command line says; nothing is connected yet. NULL: `*code` is the exit code. */
struct connection *connection_new(const struct tp__config *config, struct tp__problem *problem, int *code);
void connection_free(struct connection *connection);
/** Makes waiting end early when it becomes true, in a signal's handler. */
void connection_stop_at(struct connection *connection, const volatile sig_atomic_t *stop);

/** Asks, on a new link if there is none, and waits for the answer, which is valid until the next question. NULL:
 *  `*code` is the exit code, and the next question makes a new link. */
const Taskpool__Answer *connection_ask(struct connection *connection, Taskpool__QueryKind kind, const char *subject,
                                       struct tp__problem *problem, int *code);
/** Keeps the link alive for a while. */
void connection_wait(struct connection *connection, int64_t ms);
const char *connection_endpoint(const struct connection *connection);

#endif
