/* SPDX-License-Identifier: MIT */
#include "pipeline/sink.h"

#include "support/support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool cannot_write(const struct sink *sink)
{
    complain("cannot write %s: %s", sink->path, strerror(errno));
    return false;
}

bool sink_open(struct sink *sink, const char *path)
{
    *sink = (struct sink){.path = path, .file = path ? fopen(path, "we") : NULL};
    if (path && !sink->file)
        return cannot_write(sink);
    if (sink->file)
        fputs("request,address,method,status,bytes,verdict,path\n", sink->file);
    return true;
}

/* Counts a request by its verdict. */
static bool count(struct sink *sink, const char *name, size_t length)
{
    struct verdict *verdict = sink->verdicts;
    const struct verdict *end = sink->verdicts + sink->verdict_count;
    while (verdict < end && (strlen(verdict->name) != length || memcmp(verdict->name, name, length) != 0))
        verdict++;
    if (verdict == end) {
        if (sink->verdict_count == VERDICT_LIMIT || length >= sizeof verdict->name)
            return false;
        sink->verdict_count++;
        memcpy(verdict->name, name, length);
    }
    verdict->requests++;
    return true;
}

/* The line "request,address,method,status,bytes,verdict,path". */
static bool take_line(struct sink *sink, const char *line, const char *end)
{
    const char *column[7] = {line};
    for (int i = 1; i < 7; i++) {
        column[i] = memchr(column[i - 1], ',', (size_t)(end - column[i - 1]));
        if (!column[i]++)
            return false;
    }
    sink->requests++;
    sink->bytes += strtoul(column[4], NULL, 10);
    return count(sink, column[5], (size_t)(column[6] - 1 - column[5]));
}

bool sink_take(struct sink *sink, tp_str text)
{
    const char *line = text.data, *end = text.data + text.length;
    while (line < end) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        if (!line_end || !take_line(sink, line, line_end)) {
            complain("a line is not what the stages write");
            return false;
        }
        line = line_end + 1;
    }
    if (!sink->file || fwrite(text.data, 1, text.length, sink->file) == text.length)
        return true;
    cannot_write(sink);
    fclose(sink->file);
    sink->file = NULL;
    return false;
}

bool sink_close(struct sink *sink)
{
    if (!sink->file)
        return true;
    const bool failed = ferror(sink->file);
    return (fclose(sink->file) == 0 && !failed) || cannot_write(sink);
}

void sink_print(const struct sink *sink)
{
    struct grouped requests;
    printf("%s requests, %.1f MB sent\n", grouped(sink->requests, &requests), (double)sink->bytes / 1e6);
    for (int i = 0; i < sink->verdict_count; i++)
        printf("  %-18s %12s  %6.2f%%\n", sink->verdicts[i].name, grouped(sink->verdicts[i].requests, &requests),
               100 * (double)sink->verdicts[i].requests / (double)sink->requests);
}
