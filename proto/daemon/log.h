/* SPDX-License-Identifier: MIT */
/** @file
 * A program's log: one line an event to standard error, as text or as JSON.
 *
 *     2026-03-01T12:00:00.123Z info node-joined name=alpha workers=16
 *     {"time":"2026-03-01T12:00:00.123Z","level":"info","event":"node-joined","name":"alpha","workers":16}
 *
 * Under systemd (standard error is the journal's, as $JOURNAL_STREAM says) the time is left out, and sd-daemon's "<6>"
 * comes first. Safe from any thread; each line is one write.
 */
#ifndef TP_PROTO_LOG_H
#define TP_PROTO_LOG_H

#include "daemon/pairs.h"

#include <stdbool.h>
#include <stdint.h>

enum tp__log_level { TP__LOG_DEBUG, TP__LOG_INFO, TP__LOG_WARNING, TP__LOG_ERROR };
enum tp__log_format { TP__LOG_TEXT, TP__LOG_JSON };

/** "debug", "info", "warning", "error"; "text", "json". */
bool tp__log_level_parse(enum tp__log_level *level, const char *text);
bool tp__log_format_parse(enum tp__log_format *format, const char *text);

/** Before it, lines of INFO and above are written as text. Once, before other threads log. */
void tp__log_start(enum tp__log_format format, enum tp__log_level least);

/** Writes a line. `event` is a word; `pairs` as daemon/pairs.h says, "" or NULL for none. */
void tp__log(enum tp__log_level level, const char *event, const char *pairs);

/** For events that others can cause as often as they like: writes the first, then counts, and writes at most once a
 *  second how many there were ("repeated=N"), when tp__log_flush is called. Counted by event; at most 32 different ones
 *  at a time, what is more shares the count "other". */
void tp__log_limited(enum tp__log_level level, const char *event, const char *pairs, int64_t now_ms);
/** Writes the counts that are due. Returns when it wants to be called next; INT64_MAX: no need. */
int64_t tp__log_flush(int64_t now_ms);

#endif
