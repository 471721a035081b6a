/* SPDX-License-Identifier: MIT */
/* Design notes. When a process dies, each of its tasks gets one record: CRASHED as a suspect if it was current on a
 * thread, CRASHED as a bystander if it had started, RETURNED if not. The driver decides what follows. The agent only
 * says what it knows: how the process ended, the task's name, the backtrace and last output.
 *
 * Nobody was alone in the common process: others ran there before, and who kills it from outside picks no task. */
#include "agent_state.h"

#include <stdio.h>

enum { OUTPUT_QUOTED_BYTES = 2048 };

static bool has_started(const struct agent_crash *crash, const struct task *task)
{
    return !crash->has_started || crash->has_started(crash->context, task->sequence, task->dispatch);
}

/* NULL: it is none. */
static const struct agent_suspect *suspect_of(const struct agent_crash *crash, const struct task *task)
{
    for (size_t i = 0; i < crash->suspect_count; i++)
        if (crash->suspects[i].task == task->sequence && crash->suspects[i].dispatch == task->dispatch)
            return &crash->suspects[i];
    return NULL;
}

/* The last whole lines. */
static const char *tail(const char *output)
{
    const size_t length = strlen(output);
    if (length <= OUTPUT_QUOTED_BYTES)
        return output;
    const char *start = output + length - OUTPUT_QUOTED_BYTES;
    const char *line = strchr(start, '\n');
    return line && line[1] ? line + 1 : start;
}

struct report {
    enum tp__crash_role role;
    bool alone;
    tp_status status;
    uint32_t worker;    /* its number in the session, from 1; 0: unknown */
    const char *before; /* "task 'fib' BEFORE HOW on node ..." */
    const char *how;
    const char *backtrace;
    const char *last_output;
};

static void say_crashed(struct agent *agent, struct session *session, const struct task *task,
                        const struct report *report)
{
    char message[OUTPUT_QUOTED_BYTES + 1024];
    size_t name_size;
    const char *name = task_name(session, task->index, &name_size);
    const char *output = tail(report->last_output);
    const int written = snprintf(message, sizeof message, "task '%.*s' %s%.255s on node %s%s%s",
                                 (int)(name_size < 256 ? name_size : 256), name, report->before, report->how,
                                 agent->options.name, *output ? "; its last output:\n" : "", output);
    const size_t length = written < 0 ? 0 : strlen(message);
    struct tp__buffer body = {NULL, 0, 0};
    bool good = tp__buffer_reserve(&body, 10);
    if (good) {
        uint8_t *end = tp__put_u8(body.bytes, (uint8_t)report->role);
        end = tp__put_u8(end, report->alone);
        end = tp__put_u32(end, report->status);
        end = tp__put_u32(end, report->worker);
        body.size = (size_t)(end - body.bytes);
        good = tp__put_text(&body, message, length) && tp__put_text(&body, name, name_size) &&
               tp__put_text(&body, report->backtrace, strlen(report->backtrace));
    }
    if (good)
        stream_say(session, &(struct tp__record){.type = TP__RECORD_CRASHED,
                                                 .task = task->sequence,
                                                 .dispatch = task->dispatch,
                                                 .body = body.bytes,
                                                 .size = (uint32_t)body.size});
    else
        session_fail(session, TP_E_NOMEM, "out of memory for the report of a crash");
    tp__buffer_free(&body);
}

static void blame_tasks(struct agent *agent, struct worker *worker, const struct agent_crash *crash)
{
    struct session *session = worker->session;
    struct task_table *table = &session->tasks;
    size_t started = 0;
    for (size_t i = 0; i < table->capacity; i++) {
        const struct task *task = &table->places[i];
        started += task->sequence != 0 && !task->waiting && task->worker == worker->id &&
                   (suspect_of(crash, task) || has_started(crash, task));
    }
    struct report report = {.alone = started == 1 && worker->cancelled == 0 && !worker->common,
                            .status = TP_E_TASK,
                            .how = worker->verdict ? worker->verdict : crash->text,
                            .last_output = crash->last_output ? crash->last_output : ""};
    size_t left = worker->tasks;
    for (size_t i = 0; left > 0 && i < table->capacity;) {
        struct task *task = &table->places[i];
        if (task->sequence == 0 || task->waiting || task->worker != worker->id) {
            i++;
            continue;
        }
        const struct agent_suspect *suspect = suspect_of(crash, task);
        report.worker = suspect ? session->talk.first_worker + suspect->thread + 1 : 0;
        if (suspect) {
            report.role = TP__CRASH_SUSPECT;
            report.before = worker->verdict ? "ran in a process that " : "";
            report.backtrace = crash->backtrace ? crash->backtrace : "";
            say_crashed(agent, session, task, &report);
        } else if (has_started(crash, task)) {
            report.role = TP__CRASH_BYSTANDER;
            report.before = "was in a process that ";
            report.backtrace = "";
            say_crashed(agent, session, task, &report);
        } else {
            stream_return(session, task->sequence, task->dispatch, TP__RETURNED_RECALLED,
                          "its process died before it started");
        }
        task_remove(agent, session, task); /* another may move to this place: no step */
        left--;
        if (table->capacity == 0)
            return;
    }
}

/* The session's first process did not come up: this is why nodes refuse a program. */
static void refuse_program(struct agent *agent, struct worker *worker, const struct agent_crash *crash)
{
    char reason[1024];
    const char *output = crash->last_output ? crash->last_output : "";
    (void)snprintf(reason, sizeof reason, "the program does not start there: it %.120s%s%.800s",
                   worker->verdict ? worker->verdict : crash->text, *output ? ": " : "", output);
    session_refuse(agent, worker->session, TP_E_UNSUPPORTED, reason);
}

void blame(struct agent *agent, struct worker *worker, const struct agent_crash *crash)
{
    char name[33];
    struct session *session = worker->session;
    if (worker->tasks > 0 || worker->state != WORKER_STOPPING)
        agent_log(agent, worker->tasks > 0 ? AGENT_WARNING : AGENT_INFO, "process-ended",
                  worker->verdict ? worker->verdict : crash->text, "session=%s process=%u tasks=%zu",
                  session_name(session, name), worker->id, worker->tasks);
    worker->state = WORKER_KILLED; /* nobody can end it any more */
    if (!worker->was_ready && session->state == SESSION_STARTING)
        refuse_program(agent, worker, crash);
    else if (!worker->was_ready)
        blame_start(agent, session, worker->cell, worker->isolated, worker->verdict ? worker->verdict : crash->text);
    else if (worker->tasks > 0)
        blame_tasks(agent, worker, crash);
}

void blame_start(struct agent *agent, struct session *session, uint32_t cell, uint64_t isolated, const char *reason)
{
    const struct report report = {.role = TP__CRASH_BYSTANDER,
                                  .status = TP_E_SYSTEM,
                                  .before = "was to run in a process that did not start: ",
                                  .how = reason,
                                  .backtrace = "",
                                  .last_output = ""};
    struct waiting *waiting = session->waiting[WAITING_QUEUE].head;
    while (waiting) {
        struct waiting *following = waiting->next;
        const struct tp__leaf *leaf = &waiting->leaf;
        const bool alone = leaf->flags & TP__LEAF_ISOLATED;
        if (isolated != 0 ? leaf->sequence == isolated : !alone && leaf->cell == cell) {
            struct task *task = task_find(session, leaf->sequence);
            say_crashed(agent, session, task, &report);
            task_remove(agent, session, task);
        }
        waiting = following;
    }
}
