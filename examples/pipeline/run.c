/* SPDX-License-Identifier: MIT */
/* Design notes: how stages that may die at any moment lose nothing and double nothing.
 *
 *     source --raw--> parse --parsed--> inspect (two of them) --inspected--> driver
 *        ^                                                                     |
 *        +------------------------------control--------------------------------+
 *
 * What TaskPool promises: a message that a channel accepted is taken exactly once, and a task that took or sent one
 * is not run again when its node dies: its promise fails (TP_E_NODE_LOST), and what it had taken is gone with it. The
 * rest is the application's, and it is little:
 *
 * 1. Every page has a number, and the source can make a page again. So nothing but numbers must be remembered.
 * 2. The driver is the sink. It takes a page with a number that it has not had, in order, and drops any other one: a
 *    page counts once however often it comes. What it took it acknowledges over `control`, cumulatively.
 * 3. The source is at most WINDOW pages ahead of what is acknowledged. So a ring of WINDOW places puts them in order.
 * 4. A supervisor, a green thread of the driver, awaits each stage. When one is lost it starts it again and then
 *    tells the source to send everything again that is not acknowledged. Whatever a stage had in hand when it died
 *    was taken before its promise failed, so it is not acknowledged, so it comes again. A new source begins with what
 *    is not acknowledged.
 *
 * Nobody waits in a circle: the driver never waits to send (`control` has no capacity, and holds at most a command per
 * acknowledgement and restart), so it always comes back to receive, and the pages drain towards it. */
#include "pipeline/run.h"

#include "support/support.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 48,     /* pages that may be on their way */
    CAPACITY = 8,    /* of each channel: a slow stage holds up the ones before it */
    ACKNOWLEDGE = 8, /* after so many pages */
    REGEX_STACK = 1 << 20,
};

struct run;

/* A stage of this run. `start` submits its task. */
struct stage {
    struct run_stage *state;
    tp_promise *(*start)(const struct run *run, struct crash crash);
};

struct run {
    tp_pool *pool;
    const struct run_options *options;
    struct run_result *result;
    struct progress progress;
    tp_channel *control, *raw, *parsed, *inspected;
    struct stage stages[STAGES];
    tp_promise *supervisors[STAGES];
    tp_str ring[WINDOW]; /* page p waits at p % WINDOW for those before it */
    bool is_there[WINDOW];
    uint64_t taken; /* all pages below this number */
    bool failed;
};

static tp_promise *start_source(const struct run *run, struct crash crash)
{
    return tp_submit(run->pool, source, .first = run->taken, .end = run->options->pages, .window = WINDOW,
                     .seed = run->options->seed, .control = run->control, .out = run->raw, .crash = crash);
}

static tp_promise *start_parse(const struct run *run, struct crash crash)
{
    return tp_submit(run->pool, parse, .in = run->raw, .out = run->parsed, .crash = crash);
}

static tp_promise *start_inspect(const struct run *run, struct crash crash)
{
    return tp_submit_with(run->pool, tp_task_options(.stack_bytes = REGEX_STACK), inspect, .in = run->parsed,
                          .out = run->inspected, .crash = crash);
}

/* Ends every stage: each finds its channel closed. */
static void close_all(struct run *run)
{
    tp_channel_close(run->control);
    tp_channel_close(run->raw);
    tp_channel_close(run->parsed);
    tp_channel_close(run->inspected);
}

static bool may_restart(const struct run *run, const struct stage *stage, tp_status status)
{
    return (status == TP_E_NODE_LOST || status == TP_E_TASK) && stage->state->restarts < run->options->restart_limit;
}

/* Keeps a stage running until it ends by itself. A green thread of the driver, so it shares the run's memory. */
TP_LOCAL_TASK(supervise, void, (struct run *, run), (struct stage *, stage))
{
    struct crash crash = {0};
    if (strncmp(stage->state->name, run->options->crash_stage, strlen(run->options->crash_stage)) == 0)
        crash = run->options->crash;
    for (;;) {
        tp_auto(tp_promise) promise = stage->start(run, crash);
        if (promise && stage->state->restarts > 0)
            tp_send(run->control, ((struct command){run->taken, .resend = true}));
        const tp_status status = promise ? tp_await(promise, &stage->state->report) : tp_last_error()->status;
        if (status == TP_OK)
            return;
        const tp_error *error = tp_promise_error(promise);
        progress_clear(&run->progress);
        if (!may_restart(run, stage, status)) {
            if (!run->failed)
                complain("stage %s failed: %s: %s", stage->state->name, tp_status_name(status), error->message);
            run->failed = true;
            close_all(run);
            return;
        }
        stage->state->restarts++;
        complain("stage %s was lost on %s (%s: %s): started again; sending again from page %" PRIu64,
                 stage->state->name, error->node, tp_status_name(status), error->message, run->taken);
        crash.after = 0;
    }
}

/* Takes the page if it is new, and gives the sink those that are now in order. */
static bool take(struct run *run, struct sink *sink, uint64_t page, tp_str text)
{
    if (page >= run->options->pages || (page >= run->taken && page - run->taken >= WINDOW)) {
        complain("page %" PRIu64 " cannot come after page %" PRIu64, page, run->taken);
        return false;
    }
    if (page < run->taken || run->is_there[page % WINDOW]) {
        run->result->twice++;
        return true;
    }
    run->ring[page % WINDOW] = tp_str_retain(text);
    run->is_there[page % WINDOW] = true;
    for (size_t place; run->is_there[place = run->taken % WINDOW];) {
        tp_auto(tp_str) next = run->ring[place];
        run->is_there[place] = false;
        if (!sink_take(sink, next))
            return false;
        run->taken++;
        progress_update(&run->progress, run->taken, run->options->pages);
        if (run->taken % ACKNOWLEDGE == 0)
            tp_send(run->control, ((struct command){run->taken, .resend = false}));
    }
    return true;
}

static bool take_all(struct run *run, struct sink *sink)
{
    while (run->taken < run->options->pages) {
        tp_auto(tp_value) message = {0};
        uint64_t page;
        tp_str text;
        tp_status status = tp_recv(run->inspected, &message);
        if (status == TP_OK)
            status = page_of_message(message, &page, &text);
        if (status != TP_OK) {
            if (!run->failed) /* else the supervisor that closed the channels has said why */
                fail("cannot receive a page");
            return false;
        }
        if (!take(run, sink, page, text))
            return false;
    }
    return true;
}

static bool open_channels(struct run *run)
{
    run->control = tp_pool_channel(run->pool, "control");
    run->raw = tp_pool_channel_with(run->pool, "raw", CAPACITY);
    run->parsed = tp_pool_channel_with(run->pool, "parsed", CAPACITY);
    run->inspected = tp_pool_channel_with(run->pool, "inspected", CAPACITY);
    if (run->control && run->raw && run->parsed && run->inspected)
        return true;
    fail("cannot make a channel");
    return false;
}

static bool start_supervisors(struct run *run)
{
    for (int i = 0; i < STAGES; i++) {
        run->supervisors[i] = tp_async(supervise, .run = run, .stage = &run->stages[i]);
        if (!run->supervisors[i]) {
            fail("cannot supervise a stage");
            return false;
        }
    }
    return true;
}

bool run_pipeline(tp_pool *pool, const struct run_options *options, struct sink *sink, struct run_result *result)
{
    *result = (struct run_result){
        .stages = {{.name = "source"}, {.name = "parse"}, {.name = "inspect"}, {.name = "inspect 2"}}};
    struct run run = {
        .pool = pool,
        .options = options,
        .result = result,
        .stages = {{&result->stages[0], start_source},
                   {&result->stages[1], start_parse},
                   {&result->stages[2], start_inspect},
                   {&result->stages[3], start_inspect}},
    };
    if (!open_channels(&run))
        return false;
    progress_begin(&run.progress, "pages", options->progress);
    bool whole = start_supervisors(&run) && take_all(&run, sink);
    close_all(&run);
    for (int i = 0; i < STAGES; i++) {
        tp_auto(tp_promise) supervisor = run.supervisors[i];
        if (supervisor && tp_await(supervisor, NULL) != TP_OK) {
            fail("a supervisor failed");
            whole = false;
        }
    }
    for (size_t i = 0; i < WINDOW; i++)
        if (run.is_there[i])
            tp_str_release(run.ring[i]);
    return whole && !run.failed;
}
