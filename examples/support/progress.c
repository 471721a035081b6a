/* SPDX-License-Identifier: MIT */
#include "support/progress.h"

#include "support/support.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 30 };

void progress_begin(struct progress *progress, const char *unit, bool wanted)
{
    const bool terminal = isatty(STDERR_FILENO);
    *progress = (struct progress){
        .unit = unit, .terminal = terminal, .shown = wanted || terminal, .started_s = now_s(), .drawn_s = -1};
}

static void draw(const struct progress *progress, uint64_t done, uint64_t total, double elapsed_s)
{
    const double part = total > 0 ? (double)done / (double)total : 1;
    const int full = (int)(part * BAR_WIDTH);
    struct grouped done_text, total_text;
    fputs(progress->terminal ? "\r[" : "[", stderr);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f%%  %s of %s %s  %.1f s", part * 100, grouped(done, &done_text),
            grouped(total, &total_text), progress->unit, elapsed_s);
    if (done > 0 && done < total)
        fprintf(stderr, ", about %.0f s left", elapsed_s * (1 - part) / part);
    fputs(progress->terminal ? "\033[K" : "\n", stderr);
    if (progress->terminal && done >= total)
        fputc('\n', stderr);
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    if (!progress->shown)
        return;
    const double now = now_s();
    const unsigned tenths = total > 0 ? (unsigned)(done * 10 / total) : 10;
    if (progress->terminal) {
        if (done < total && progress->drawn_s >= 0 && now < progress->drawn_s + 0.1)
            return;
    } else if (tenths <= progress->drawn_tenths) {
        return;
    }
    progress->drawn_tenths = tenths;
    progress->drawn_s = now;
    draw(progress, done < total ? done : total, total, now - progress->started_s);
}

void progress_of_map(size_t resolved, size_t total, void *progress)
{
    progress_update(progress, resolved, total);
}

void progress_clear(const struct progress *progress)
{
    if (progress->shown && progress->terminal)
        fputs("\r\033[K", stderr);
}
