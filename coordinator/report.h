/* SPDX-License-Identifier: MIT */
/** @file
 * What the coordinator says in its log. Text from peers is quoted, and made printable.
 */
#ifndef COORDINATOR_REPORT_H
#define COORDINATOR_REPORT_H

#include "state.h"

void report(const struct coordinator *coordinator, enum coordinator_level level, const char *event, const char *format,
            ...) __attribute__((format(printf, 4, 5)));

/** A frame that has no effect, and why: counted, and named in the log. */
void report_refused(const struct peer *peer, const char *frame, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The same for a frame that an honest peer may send, as it cannot know yet that something has ended. */
void report_late(const struct peer *peer, const char *frame, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Copies a text from a peer: UTF-8 without control characters, quotes and backslashes, at most `size` - 1 bytes. */
void report_clean(char *to, size_t size, const char *text);
/** As report_clean, for a name: without blanks and = as well. */
void report_clean_name(char *to, size_t size, const char *text);

/** "TP_E_LIMIT"; static. The library has tp_status_name, but what runs no tasks does not link it. */
const char *report_status(tp_status status);

/** How a peer is called: "driver=alice", "node=n7", "key=Ab3dE6gH". */
struct peer_text {
    char text[96];
};
struct peer_text report_peer(const struct peer *peer);

#endif
