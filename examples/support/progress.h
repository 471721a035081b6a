/* SPDX-License-Identifier: MIT */
/** @file
 * A progress bar on standard error: where that is a terminal, or where it was asked for.
 */
#ifndef EXAMPLES_SUPPORT_PROGRESS_H
#define EXAMPLES_SUPPORT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One bar. `unit` is what is counted, in the plural. */
struct progress {
    const char *unit;
    bool shown;
    bool terminal;
    unsigned drawn_tenths; /* not on a terminal: a line every tenth of the way */
    double started_s;
    double drawn_s;
};

/** A bar that is drawn on a terminal, or anywhere if `wanted`. */
void progress_begin(struct progress *progress, const char *unit, bool wanted);

/** Draws the bar again, at most ten times a second; a full one always. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);

/** The same as tp_map_options wants it; `progress` is the argument. */
void progress_of_map(size_t resolved, size_t total, void *progress);

/** Wipes the bar off a terminal, so that something else can be printed there. */
void progress_clear(const struct progress *progress);

#endif
