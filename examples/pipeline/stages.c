/* SPDX-License-Identifier: MIT */
#include "pipeline/stages.h"

#include "pipeline/log.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

tp_status page_of_message(tp_value message, uint64_t *page, tp_str *text)
{
    tp_value item = tp_value_nil();
    int64_t number = 0;
    *page = 0;
    *text = (tp_str){0};
    tp_status status = tp_value_map_get(message, "page", &item);
    if (status == TP_OK)
        status = tp_value_to_int(item, &number);
    if (status == TP_OK)
        status = tp_value_map_get(message, "text", &item);
    if (status == TP_OK)
        status = tp_value_to_str(item, text);
    *page = (uint64_t)number;
    return status;
}

static tp_status send_page(tp_channel *out, uint64_t page, const struct page_text *text)
{
    tp_auto(tp_value) message = tp_value_map();
    tp_status status = tp_value_map_set(message, "page", tp_value_int((int64_t)page));
    if (status == TP_OK)
        status = tp_value_map_set(message, "text", tp_value_str(tp_str_view(text->text, text->size)));
    return status == TP_OK ? tp_send(out, message) : status;
}

static struct stage_report report_here(uint64_t pages)
{
    struct stage_report report = {.pages = pages, .process = (int32_t)getpid()};
    if (gethostname(report.host, sizeof report.host - 1) != 0)
        report.host[0] = '\0';
    return report;
}

/* Freed when the task ends, however it ends. */
static struct page_text new_page(void)
{
    struct page_text page = {.text = malloc(PAGE_LIMIT)};
    if (!page.text)
        tp_raise("out of memory");
    tp_defer(free, page.text);
    return page;
}

static void crash_if_due(struct crash crash, uint64_t pages)
{
    if (crash.after == 0 || pages < crash.after)
        return;
    if (crash.kill)
        kill(getpid(), SIGKILL);
    tp_raise("crashed on purpose, with its page number %" PRIu64 " in hand", pages);
}

TP_TASK_DEFINE(source, struct stage_report, (uint64_t, first), (uint64_t, end), (uint64_t, window), (uint64_t, seed),
               (tp_channel *, control), (tp_channel *, out), (struct crash, crash))
{
    struct page_text page = new_page();
    uint64_t safe = first, next = first, sent = 0;
    for (;;) {
        struct command command;
        const bool must_wait = next == end || next - safe >= window;
        tp_status status = must_wait ? tp_recv(control, &command) : tp_try_recv(control, &command);
        if (status == TP_OK) {
            safe = command.acknowledged > safe ? command.acknowledged : safe;
            next = command.resend || next < safe ? safe : next;
            continue;
        }
        if (status == TP_E_EMPTY) {
            log_page(next, seed, &page);
            crash_if_due(crash, sent + 1);
            status = send_page(out, next, &page);
            next++;
            sent++;
        }
        if (status == TP_E_CLOSED)
            return report_here(sent);
        tp_try(status);
    }
}

/* What a stage makes of a page. */
typedef bool page_fn(const void *tool, uint64_t page, tp_str text, struct page_text *out);

/* A crash between receiving a page and sending it on is the worst one: the page is gone from every channel. */
static struct stage_report run_stage(tp_channel *in, tp_channel *out, struct crash crash, page_fn *work,
                                     const void *tool)
{
    struct page_text made = new_page();
    for (uint64_t pages = 0;; pages++) {
        tp_auto(tp_value) message = {0};
        tp_status status = tp_recv(in, &message);
        if (status == TP_OK) {
            uint64_t page;
            tp_str text;
            tp_try(page_of_message(message, &page, &text));
            crash_if_due(crash, pages + 1);
            if (!work(tool, page, text, &made))
                tp_raise("page %" PRIu64 " is no page of an access log", page);
            status = send_page(out, page, &made);
        }
        if (status == TP_E_CLOSED)
            return report_here(pages);
        tp_try(status);
    }
}

static bool parse_page(const void *tool, uint64_t page, tp_str text, struct page_text *out)
{
    (void)tool;
    return log_parse(page, text.data, text.length, out);
}

TP_TASK_DEFINE(parse, struct stage_report, (tp_channel *, in), (tp_channel *, out), (struct crash, crash))
{
    return run_stage(in, out, crash, parse_page, NULL);
}

static bool inspect_page(const void *inspector, uint64_t page, tp_str text, struct page_text *out)
{
    (void)page;
    return log_inspect(inspector, text.data, text.length, out);
}

static void inspector_leave(void *inspector)
{
    inspector_free(inspector);
}

/* The patterns are compiled where the stage runs, each time it starts. */
TP_TASK_DEFINE(inspect, struct stage_report, (tp_channel *, in), (tp_channel *, out), (struct crash, crash))
{
    struct inspector *inspector = inspector_new();
    if (!inspector)
        tp_raise("the patterns do not compile");
    tp_defer(inspector_leave, inspector);
    return run_stage(in, out, crash, inspect_page, inspector);
}
