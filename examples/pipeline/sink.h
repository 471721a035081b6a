/* SPDX-License-Identifier: MIT */
/** @file
 * Where the pages end: a CSV file with a line a request, and counts of what was found.
 */
#ifndef PIPELINE_SINK_H
#define PIPELINE_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <taskpool/value.h>

enum { VERDICT_LIMIT = 16 };

struct verdict {
    char name[32];
    uint64_t requests;
};

struct sink {
    FILE *file; /**< NULL: only count */
    const char *path;
    uint64_t requests;
    uint64_t bytes;
    struct verdict verdicts[VERDICT_LIMIT]; /**< in the order in which they came up first */
    int verdict_count;
};

/** `path` NULL: only count. False, after a message on standard error, on failure; so for all. */
bool sink_open(struct sink *sink, const char *path);
/** The next page. */
bool sink_take(struct sink *sink, tp_str text);
bool sink_close(struct sink *sink);

/** The counts, as a table for people. */
void sink_print(const struct sink *sink);

#endif
