/* SPDX-License-Identifier: MIT */
#include "agent_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_ORPHAN_MS = 600000 };

/* ---- for people ---- */

enum { TEXT_BYTES = 1024, REASON_BYTES = 512 };

/* Appends ` reason="..."`: as proto/daemon/pairs.h reads it. */
static void add_reason(char text[TEXT_BYTES], const char *reason)
{
    size_t length = strlen(text);
    size_t left = TEXT_BYTES - length - sizeof " reason=\"\"";
    if (left > REASON_BYTES)
        left = REASON_BYTES;
    char *to = stpcpy(text + length, " reason=\"");
    for (; *reason && left >= 2; reason++, left--) {
        if (*reason == '"' || *reason == '\\') {
            *to++ = '\\';
            left--;
        }
        const bool is_control = (unsigned char)*reason < ' ' || *reason == 0x7f;
        *to++ = *reason;
        if (is_control)
            to[-1] = ' ';
    }
    (void)stpcpy(to, "\"");
}

__attribute__((format(printf, 6, 0))) static void log_line(const struct agent *agent, enum agent_level level,
                                                           const char *event, const char *reason, uint64_t count,
                                                           const char *format, va_list arguments)
{
    char text[TEXT_BYTES];
    int start = 0;
    if (count > 0)
        start = snprintf(text, sizeof text, "count=%llu ", (unsigned long long)count);
    (void)vsnprintf(text + start, REASON_BYTES - (size_t)start, format, arguments);
    if (reason)
        add_reason(text, reason);
    if (agent->actions.log)
        agent->actions.log(agent->actions.context, level, event, text);
}

void agent_log(struct agent *agent, enum agent_level level, const char *event, const char *reason, const char *format,
               ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(agent, level, event, reason, 0, format, arguments);
    va_end(arguments);
}

void agent_refuse(struct agent *agent, enum refused_kind kind, const char *reason, const char *format, ...)
{
    static const char *const names[REFUSED_KINDS] = {
        [REFUSED_FRAME] = "frame-refused",   [REFUSED_OFFER] = "offer-refused",   [REFUSED_SESSION] = "frame-ignored",
        [REFUSED_RUN] = "tasks-refused",     [REFUSED_LEAF] = "task-refused",     [REFUSED_PAYLOAD] = "payload-refused",
        [REFUSED_STREAM] = "stream-refused", [REFUSED_CHUNK] = "program-refused", [REFUSED_RECORD] = "process-refused",
    };
    const uint64_t count = ++agent->refused[kind];
    if ((count & (count - 1)) != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    log_line(agent, AGENT_WARNING, names[kind], reason, count, format, arguments);
    va_end(arguments);
}

/* ---- what follows every event ---- */

static void act_on_failures(struct agent *agent)
{
    for (struct session *session = agent->sessions; session; session = session->next)
        if (session->failed.status != TP_OK)
            session_act_on_failure(agent, session);
}

static void start_tasks(struct agent *agent, struct session *session)
{
    const bool may = session_may_start(agent, session);
    if (!may && !session->held_back) {
        session->held_back_ms = agent->now_ms;
        recall_from_workers(agent, session);
    }
    if (may && session->held_back)
        session->dirty = true;
    session->held_back = !may;
    if (may && session->dirty)
        give_queue(agent, session);
}

static void leave_if_done(struct agent *agent)
{
    if (!agent->leaving || agent->said_bye || !agent_is_drained(agent))
        return;
    Taskpool__Bye bye;
    taskpool__bye__init(&bye);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    bye.reason = (char *)(uintptr_t) "drained";
    frame.body_case = TASKPOOL__FRAME__BODY_BYE;
    frame.bye = &bye;
    agent->said_bye = uplink_send(agent, TP__LANE_CONTROL, &frame);
}

static void settle(struct agent *agent)
{
    act_on_failures(agent);
    for (struct session *session = agent->sessions; session; session = session->next)
        if (session->state == SESSION_ACCEPTED)
            start_tasks(agent, session);
    if (agent->fetches)
        program_sweep(agent);
    workers_settle(agent);
    act_on_failures(agent);
    for (struct session *session = agent->sessions; session; session = session->next)
        if (session->state == SESSION_ACCEPTED)
            stream_pump(agent, session);
    credit_update(agent);
    leave_if_done(agent);
    if (agent->uplink.wants_socket && agent->now_ms >= agent->uplink.retry_ms) {
        agent->uplink.wants_socket = false;
        uplink_free(agent);
        agent->actions.reconnect(agent->actions.context); /* last: agent_connected may come in the call */
    }
}

/* ---- the calls of agent.h ---- */

struct agent *agent_new(const struct agent_options *options, const struct tp__key *key,
                        const struct tp__authorized *authorized, const struct agent_actions *actions, int64_t now_ms)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return NULL;
    agent->options = *options;
    if (agent->options.workers == 0)
        agent->options.workers = 1;
    if (agent->options.program_limit_bytes == 0 || agent->options.program_limit_bytes > TP__PROGRAM_LIMIT_BYTES)
        agent->options.program_limit_bytes = TP__PROGRAM_LIMIT_BYTES;
    if (agent->options.orphan_ms == 0)
        agent->options.orphan_ms = DEFAULT_ORPHAN_MS;
    agent->key = key;
    agent->authorized = authorized;
    agent->actions = *actions;
    agent->now_ms = now_ms;
    agent->uplink.heard_ms = now_ms;
    agent->credit.window_ms = now_ms;
    agent->life = tp__id_new();
    return agent;
}

void agent_free(struct agent *agent)
{
    if (!agent)
        return;
    for (size_t i = 0; i < agent->worker_count; i++)
        agent->workers[i]->state = WORKER_KILLED; /* by the shell, in its own time */
    while (agent->sessions)
        session_free(agent, agent->sessions);
    program_sweep(agent);
    while (agent->worker_count > 0)
        worker_forget(agent, agent->workers[agent->worker_count - 1]);
    free(agent->workers);
    uplink_free(agent);
    free(agent);
}

void agent_connected(struct agent *agent, int64_t now_ms)
{
    agent->now_ms = now_ms;
    uplink_connect(agent);
    settle(agent);
}

void agent_receive(struct agent *agent, const uint8_t *bytes, size_t size, int64_t now_ms)
{
    agent->now_ms = now_ms;
    if (agent->uplink.link && agent->uplink.state != UPLINK_NONE) {
        tp__link_receive(agent->uplink.link, bytes, size, now_ms);
        if (agent->uplink.state == UPLINK_WELCOMED)
            agent->uplink.heard_ms = tp__link_heard_ms(agent->uplink.link);
    }
    settle(agent);
}

void agent_worker_received(struct agent *agent, uint32_t worker, const uint8_t *bytes, size_t size, int64_t now_ms)
{
    agent->now_ms = now_ms;
    struct worker *sender = worker_find(agent, worker);
    if (sender)
        worker_records(agent, sender, bytes, size);
    settle(agent);
}

void agent_worker_output(struct agent *agent, uint32_t worker, int descriptor, uint64_t task, uint32_t dispatch,
                         const uint8_t *bytes, size_t size, int64_t now_ms)
{
    agent->now_ms = now_ms;
    const struct worker *sender = worker_find(agent, worker);
    if (sender && sender->session)
        stream_output(sender->session, descriptor, task, dispatch, bytes, size);
    settle(agent);
}

void agent_worker_ended(struct agent *agent, uint32_t worker, const struct agent_crash *crash, int64_t now_ms)
{
    agent->now_ms = now_ms;
    struct worker *ended = worker_find(agent, worker);
    if (ended) {
        if (ended->session)
            blame(agent, ended, crash);
        worker_forget(agent, ended);
    }
    settle(agent);
}

static void end_orphans(struct agent *agent)
{
    if (agent->uplink.state == UPLINK_WELCOMED || agent->now_ms - agent->uplink.heard_ms < agent->options.orphan_ms)
        return;
    while (agent->sessions)
        session_end(agent, agent->sessions, "no coordinator for too long");
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The coordinator says when a driver has gone, unless it was restarted meanwhile: then it has never heard of it. */
static int64_t end_forsaken(struct agent *agent)
{
    int64_t next = INT64_MAX;
    if (agent->uplink.state != UPLINK_WELCOMED)
        return next;
    struct session *session = agent->sessions;
    while (session) {
        struct session *following = session->next;
        const int64_t linked_ms = agent->uplink.connected_ms;
        const int64_t end_ms = (session->heard_ms > linked_ms ? session->heard_ms : linked_ms) + GONE_MS;
        if (session->state != SESSION_STARTING && end_ms <= agent->now_ms)
            session_end(agent, session, "nothing was heard of its driver for too long");
        else if (session->state != SESSION_STARTING && end_ms < next)
            next = end_ms;
        session = following;
    }
    return next;
}

int64_t agent_tick(struct agent *agent, int64_t now_ms)
{
    agent->now_ms = now_ms;
    (void)uplink_tick(agent);
    end_orphans(agent);
    int64_t next = end_forsaken(agent);
    next = sooner(next, sooner(program_tick(agent), workers_tick(agent)));
    for (struct session *session = agent->sessions; session; session = session->next)
        next = sooner(next, payload_tick(agent, session));
    settle(agent);
    for (const struct session *session = agent->sessions; session; session = session->next)
        if (session->talk.opened && !session->held_back)
            next = sooner(next, session->talk.fresh_ms + FRESH_MS + 1);
    if (agent->sessions && agent->uplink.state != UPLINK_WELCOMED)
        next = sooner(next, agent->uplink.heard_ms + agent->options.orphan_ms);
    next = sooner(next, credit_tick(agent));
    return sooner(next, uplink_tick(agent));
}

void agent_authorize(struct agent *agent, const struct tp__authorized *authorized, int64_t now_ms)
{
    agent->now_ms = now_ms;
    agent->authorized = authorized;
    session_check_keys(agent);
    settle(agent);
}

void agent_drain(struct agent *agent, int64_t now_ms)
{
    agent->now_ms = now_ms;
    agent->leaving = true;
    recall_all(agent);
    settle(agent);
}

bool agent_is_drained(const struct agent *agent)
{
    if (!agent->draining || agent->tasks > 0)
        return false;
    for (const struct session *session = agent->sessions; session; session = session->next)
        if (stream_unacknowledged(session) > 0)
            return false;
    return true;
}

bool agent_is_alone(const struct agent *agent)
{
    return agent->tasks <= 1;
}

struct agent_counts agent_count(const struct agent *agent)
{
    struct agent_counts counts = {.workers = agent->worker_count,
                                  .tasks = agent->tasks,
                                  .waiting = credit_waiting(agent),
                                  .finished = agent->finished,
                                  .memory_bytes = agent->waiting_bytes};
    counts.running = counts.tasks - counts.waiting;
    for (size_t kind = 0; kind < REFUSED_KINDS; kind++)
        counts.refused += agent->refused[kind];
    for (const struct session *session = agent->sessions; session; session = session->next) {
        counts.sessions++;
        if (session->tasks.count > counts.most_tasks)
            counts.most_tasks = session->tasks.count;
        counts.memory_bytes +=
            sizeof *session + session->tasks.capacity * sizeof(struct task) + stream_unacknowledged(session);
    }
    for (size_t i = 0; i < agent->worker_count; i++) {
        const struct worker *worker = agent->workers[i];
        counts.memory_bytes += sizeof *worker + worker->in.capacity + worker->out.capacity + worker->ready.capacity;
    }
    for (const struct fetch *fetch = agent->fetches; fetch; fetch = fetch->next)
        counts.memory_bytes += sizeof *fetch + fetch->count * sizeof *fetch->hashes;
    if (agent->uplink.link)
        for (int lane = 0; lane < TP__LANES; lane++)
            counts.memory_bytes += tp__link_queued(agent->uplink.link, (enum tp__lane)lane);
    return counts;
}
