/* SPDX-License-Identifier: MIT */
/** @file
 * The stages of the pipeline, as tasks. Each runs until the channel that it receives from is closed.
 *
 * A page travels as a map {"page": its number, "text": string}.
 */
#ifndef PIPELINE_STAGES_H
#define PIPELINE_STAGES_H

#include <taskpool/taskpool.h>

/** What the driver tells the source. */
struct command {
    uint64_t acknowledged; /**< every page below this number is safe: never send it again */
    bool resend;           /**< a stage was lost, and pages with it: send everything again that is not safe */
};

/** A crash on purpose: after so many pages (0: never), by SIGKILL or by raising an error. */
struct crash {
    uint64_t after;
    bool kill;
};

/** What a stage did, and where. */
struct stage_report {
    uint64_t pages;
    int32_t process;
    char host[64];
};

/** Sends the pages from `first` to `end` - 1, at most `window` beyond those that are acknowledged. */
TP_TASK_DECLARE(source, struct stage_report, (uint64_t, first), (uint64_t, end), (uint64_t, window), (uint64_t, seed),
                (tp_channel *, control), (tp_channel *, out), (struct crash, crash));
TP_TASK_DECLARE(parse, struct stage_report, (tp_channel *, in), (tp_channel *, out), (struct crash, crash));
TP_TASK_DECLARE(inspect, struct stage_report, (tp_channel *, in), (tp_channel *, out), (struct crash, crash));

/** Takes a page out of a message that was received; `text` stays the message's. TP_E_TYPE if it is none. */
tp_status page_of_message(tp_value message, uint64_t *page, tp_str *text);

#endif
