/* SPDX-License-Identifier: MIT */
/** @file
 * What flows through the pipeline: pages of a web server's access log, and what the stages make of them. Nothing here
 * knows of pools and channels.
 */
#ifndef PIPELINE_LOG_H
#define PIPELINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_LINES = 256, LINE_LIMIT = 256, PAGE_LIMIT = PAGE_LINES * LINE_LIMIT };

/** Text of a page, as it goes from stage to stage. */
struct page_text {
    char *text; /**< room for PAGE_LIMIT bytes; no 0 byte behind them */
    size_t size;
};

/** The source: writes page number `page` of the log, in the combined format. As from a file, the same page comes out
 *  whenever it is asked for. */
void log_page(uint64_t page, uint64_t seed, struct page_text *out);

/** The first stage: a line of the log becomes "LINE,ADDRESS,METHOD,STATUS,BYTES,PATH". False if a line is no line of
 *  such a log. */
bool log_parse(uint64_t page, const char *text, size_t size, struct page_text *out);

/** The second stage: adds a column in front of the path that says what the request is: "ok" or an attack's name. */
struct inspector;
struct inspector *inspector_new(void);
void inspector_free(struct inspector *inspector);
bool log_inspect(const struct inspector *inspector, const char *text, size_t size, struct page_text *out);

#endif
