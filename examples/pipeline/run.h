/* SPDX-License-Identifier: MIT */
/** @file
 * A run of the pipeline: starts the stages, starts those again that are lost, and takes each page once and in order.
 */
#ifndef PIPELINE_RUN_H
#define PIPELINE_RUN_H

#include "pipeline/sink.h"
#include "pipeline/stages.h"
#include "support/progress.h"

enum { STAGES = 4 };

struct run_options {
    uint64_t pages;
    uint64_t seed;
    uint64_t restart_limit;  /**< a stage that is lost more often fails the run */
    const char *crash_stage; /**< which crashes on purpose: "source", "parse", "inspect" (both of them) */
    struct crash crash;
    bool progress;
};

/** What became of a stage. */
struct run_stage {
    const char *name;
    uint64_t restarts;
    struct stage_report report; /**< of its last start */
};

struct run_result {
    struct run_stage stages[STAGES];
    uint64_t twice; /**< pages that came again, and were dropped */
};

/** Runs the pipeline into the sink. False on failure, after a message on standard error. */
bool run_pipeline(tp_pool *pool, const struct run_options *options, struct sink *sink, struct run_result *result);

#endif
