/* SPDX-License-Identifier: MIT */
/** @file
 * What every daemon does before and after its own work: settings, log, libsodium, signals, descriptors; and the
 * settings that all of them have.
 */
#ifndef TP_PROTO_DAEMON_H
#define TP_PROTO_DAEMON_H

#include "daemon/config.h"
#include "wire/names.h"

/** The settings `log-format` and `log-level`, for a table. */
#define TP__DAEMON_LOG_SETTINGS                                                                     \
    {"log-format", 0, TP__SETTING_TEXT, "FORMAT", "text or json", "text", 0, 0, 0},                 \
    {                                                                                               \
        "log-level", 0, TP__SETTING_TEXT, "LEVEL", "debug, info, warning or error", "info", 0, 0, 0 \
    }

/** The daemon's own work, until it is told to end. `signals`: daemon/signals.h. */
typedef bool tp__daemon_run_fn(const struct tp__config *config, int signals, struct tp__problem *problem);

/** main: reads the settings, starts the log, libsodium and the signals, raises the limit of descriptors (a warning, if
 *  there are less than `descriptors`), and runs. Returns the exit status; standard error has said why. Others of its
 *  user cannot read the process's memory. */
int tp__daemon_main(const struct tp__program *program, int argc, char **argv, uint64_t descriptors,
                    tp__daemon_run_fn *run);

/** The name that people call it: `given`, else the host's. */
bool tp__daemon_name(char name[TP__NAME_LIMIT + 1], const char *given, struct tp__problem *problem);

#endif
