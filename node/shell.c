/* SPDX-License-Identifier: MIT */
/*
 * Design notes.
 *
 * One thread, one epoll. The agent's actions never call back into the agent: what must follow (a new socket) is done by
 * the loop.
 */
#include "shell.h"

#include "cache.h"
#include "clock.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/signals.h"
#include "events.h"
#include "installed.h"
#include "wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MEMORY_CHECK_MS = 100,
    END_MS = 10000 /* for processes to be cleaned up after, at the end */
};

struct shell {
    const struct shell_options *options;
    struct tp__authorized *authorized;
    struct agent *agent;
    struct events events;
    struct processes *processes;
    struct cache *cache;
    struct installed *installed;
    struct wire wire;
    struct event_source signal_source;
    int signals;

    bool busy; /* something has come since the last look at the memory */
    int64_t check_ms;
    bool draining;
    int64_t drain_until_ms;
    bool ended;
};

static void log_text(enum tp__log_level level, const char *event, const char *key, const char *text)
{
    struct tp__pairs pairs = {.length = 0};
    tp__pairs_add(&pairs, key, text);
    tp__log(level, event, pairs.text);
}

/* ---- what the agent does ---- */

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct shell *shell = context;
    wire_send(&shell->wire, bytes, size);
}

static void transmit_block(void *context, void *block, const uint8_t *bytes, size_t size)
{
    struct shell *shell = context;
    wire_send_block(&shell->wire, block, bytes, size);
}

static void reconnect(void *context)
{
    struct shell *shell = context;
    wire_reconnect(&shell->wire);
}

static int find_program(struct shell *shell, const struct tp__hash *root, uint64_t length)
{
    struct tp__problem problem;
    const int descriptor = shell->installed ? installed_find(shell->installed, root, length, &problem)
                                            : cache_find(shell->cache, root, length, &problem);
    if (problem.status != TP_OK)
        log_text(TP__LOG_WARNING, "program-damaged", "reason", problem.text);
    return descriptor;
}

static bool program_find(void *context, const struct tp__hash *root, uint64_t length)
{
    return find_program(context, root, length) >= 0;
}

static bool program_begin(void *context, const struct tp__hash *root, uint64_t length, struct tp__problem *problem)
{
    struct shell *shell = context;
    if (shell->installed)
        return tp__problem_set(problem, TP_E_UNSUPPORTED,
                               "the program is not installed on this node, and nothing is shipped to it");
    return cache_begin(shell->cache, root, length, problem);
}

static bool program_chunk(void *context, const struct tp__hash *root, uint32_t index, const uint8_t *bytes, size_t size,
                          struct tp__problem *problem)
{
    struct shell *shell = context;
    return cache_chunk(shell->cache, root, index, bytes, size, problem);
}

static bool program_complete(void *context, const struct tp__hash *root, struct tp__problem *problem)
{
    struct shell *shell = context;
    return cache_complete(shell->cache, root, problem);
}

/* Processes go with the agent. */
static void gather(const struct shell *shell)
{
    const struct tp__gathering *gathering = shell->wire.gathering;
    processes_gather(shell->processes, tp__gathering_processor(gathering), tp__gathering_before(gathering));
}

static bool worker_start(void *context, uint32_t worker, const struct agent_worker_options *options,
                         struct tp__problem *problem)
{
    struct shell *shell = context;
    const int program = find_program(shell, &options->program, options->program_length);
    if (program < 0)
        return tp__problem_set(problem, TP_E_SYSTEM, "the program is no longer on this node");
    gather(shell); /* it may have changed since the last turn */
    if (!process_start(shell->processes, worker, options, program, problem))
        return false;
    if (shell->cache)
        cache_hold(shell->cache, &options->program);
    return true;
}

static void worker_send(void *context, uint32_t worker, const uint8_t *records, size_t size)
{
    const struct shell *shell = context;
    process_send(shell->processes, worker, records, size);
}

static void worker_kill(void *context, uint32_t worker)
{
    const struct shell *shell = context;
    process_kill(shell->processes, worker);
}

static void worker_pause(void *context, uint32_t worker, bool pause)
{
    const struct shell *shell = context;
    process_pause(shell->processes, worker, pause);
}

static void worker_fresh(void *context, uint32_t worker, int64_t until_ms)
{
    struct shell *shell = context;
    process_fresh(shell->processes, worker, until_ms); /* now_ms is of the same clock */
}

static uint64_t worker_started(void *context, uint32_t worker)
{
    const struct shell *shell = context;
    return process_started_count(shell->processes, worker);
}

static void log_event(void *context, enum agent_level level, const char *event, const char *text)
{
    (void)context;
    static const enum tp__log_level levels[] = {
        [AGENT_DEBUG] = TP__LOG_DEBUG, [AGENT_INFO] = TP__LOG_INFO, [AGENT_WARNING] = TP__LOG_WARNING};
    char word[64];
    (void)snprintf(word, sizeof word, "%s", event);
    for (char *at = word; *at; at++)
        if (*at == ' ')
            *at = '-';
    tp__log(levels[level], word, text); /* the agent itself limits what peers can cause as often as they like */
}

/* ---- what processes tell ---- */

static void on_received(void *context, uint32_t worker, const uint8_t *bytes, size_t size)
{
    struct shell *shell = context;
    shell->busy = true;
    agent_worker_received(shell->agent, worker, bytes, size, node_now_ms());
}

static void on_output(void *context, uint32_t worker, int descriptor, uint64_t task, uint32_t dispatch,
                      const uint8_t *bytes, size_t size)
{
    struct shell *shell = context;
    agent_worker_output(shell->agent, worker, descriptor, task, dispatch, bytes, size, node_now_ms());
}

static void on_ended(void *context, uint32_t worker, const struct tp__hash *program, const struct agent_crash *crash)
{
    struct shell *shell = context;
    if (shell->cache)
        cache_release(shell->cache, program);
    agent_worker_ended(shell->agent, worker, crash, node_now_ms());
}

static void on_warning(void *context, const char *event, const char *text)
{
    (void)context;
    log_text(TP__LOG_WARNING, event, "reason", text);
}

/* ---- signals ---- */

static bool choose_coordinator(struct shell *shell, struct tp__problem *problem)
{
    const struct tp__public_key *key = shell->options->coordinator_key;
    if (!key) {
        if (tp__authorized_count(shell->authorized, TP__ROLE_COORDINATOR) != 1)
            return tp__problem_set(problem, TP_E_ARGUMENT,
                                   "%s must have exactly one line of a coordinator, or say which with coordinator-key",
                                   shell->options->authorized_keys);
        const char *name;
        key = tp__authorized_at(shell->authorized, TP__ROLE_COORDINATOR, 0, &name);
    }
    wire_believe(&shell->wire, key);
    return true;
}

static void reload(struct shell *shell)
{
    tp__notify_reloading();
    struct tp__problem problem;
    struct tp__authorized *before = shell->authorized;
    struct tp__authorized *fresh = tp__authorized_read(shell->options->authorized_keys, &problem);
    bool ok = fresh != NULL;
    if (fresh) {
        shell->authorized = fresh;
        ok = choose_coordinator(shell, &problem);
        if (!ok)
            shell->authorized = before;
        tp__authorized_free(ok ? NULL : fresh);
    }
    if (ok) {
        agent_authorize(shell->agent, shell->authorized, node_now_ms());
        tp__authorized_free(before);
    } else {
        log_text(TP__LOG_ERROR, "not-reloaded", "reason", problem.text);
    }
    if (shell->installed && !installed_rescan(shell->installed, &problem))
        log_text(TP__LOG_WARNING, "program-unreadable", "reason", problem.text);
    if (ok)
        tp__log(TP__LOG_INFO, "reloaded", NULL);
    tp__notify_reloaded();
}

static void drain(struct shell *shell)
{
    tp__notify_stopping();
    if (shell->draining || shell->options->drain_ms == 0) {
        shell->ended = true;
        return;
    }
    tp__log(TP__LOG_INFO, "draining", NULL);
    shell->draining = true;
    shell->drain_until_ms = node_now_ms() + shell->options->drain_ms;
    agent_drain(shell->agent, node_now_ms());
}

static void on_signal(struct event_source *source, uint32_t happened)
{
    (void)happened;
    struct shell *shell = EVENTS_OWNER(source, struct shell, signal_source);
    int number;
    while ((number = tp__signals_next(shell->signals)) != 0) {
        if (number == SIGTERM || number == SIGINT)
            drain(shell);
        else if (number == SIGHUP)
            reload(shell);
        else if (number == SIGCHLD)
            processes_reap_orphans(shell->processes);
    }
}

/* ---- the loop ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t check_memory(struct shell *shell, int64_t now)
{
    if (now >= shell->check_ms) {
        const bool has_tasks = agent_count(shell->agent).tasks > 0;
        if (has_tasks)
            processes_check_memory(shell->processes);
        shell->check_ms = has_tasks ? now + MEMORY_CHECK_MS : INT64_MAX;
        shell->busy = false;
    }
    if (shell->busy && shell->check_ms == INT64_MAX)
        shell->check_ms = now + MEMORY_CHECK_MS;
    return shell->check_ms;
}

static int64_t check_drain(struct shell *shell, int64_t now)
{
    if (!shell->draining)
        return INT64_MAX;
    if (agent_is_drained(shell->agent)) {
        tp__log(TP__LOG_INFO, "drained", NULL);
        shell->ended = true;
    } else if (now >= shell->drain_until_ms) {
        tp__log(TP__LOG_WARNING, "drain-timeout", "reason=\"tasks are left behind\"");
        shell->ended = true;
    }
    return shell->drain_until_ms;
}

static int wait_time(struct shell *shell, int64_t next, int64_t now)
{
    if (wire_has_message(&shell->wire))
        return 0;
    if (next == INT64_MAX)
        return -1;
    if (next <= now)
        return 0;
    return next - now < INT32_MAX ? (int)(next - now) : INT32_MAX;
}

static void turn(struct shell *shell)
{
    const bool more = wire_receive(&shell->wire, &shell->busy);
    gather(shell);
    int64_t next = agent_tick(shell->agent, node_now_ms());
    next = sooner(next, wire_mend(&shell->wire));
    processes_flush(shell->processes);
    const int64_t now = node_now_ms();
    next = sooner(next, processes_tick(shell->processes, now));
    next = sooner(next, check_memory(shell, now));
    next = sooner(next, check_drain(shell, now));
    next = sooner(next, tp__log_flush(now));
    if (!shell->ended)
        events_wait(&shell->events, more ? 0 : wait_time(shell, next, now));
}

static void end_processes(struct shell *shell)
{
    processes_stop(shell->processes);
    const int64_t until = node_now_ms() + END_MS;
    while (processes_count(shell->processes) > 0 && node_now_ms() < until) {
        const int64_t next = sooner(processes_tick(shell->processes, node_now_ms()), until);
        events_wait(&shell->events, wait_time(shell, next, node_now_ms()));
    }
    if (processes_count(shell->processes) > 0)
        tp__log(TP__LOG_WARNING, "processes-left", NULL);
}

/* ---- start and end ---- */

static bool open_programs(struct shell *shell, struct tp__problem *problem)
{
    const struct shell_options *options = shell->options;
    if (options->programs)
        shell->installed = installed_open(options->programs, problem);
    else
        shell->cache = cache_open(options->cache, options->cache_limit_bytes, problem);
    return shell->installed || shell->cache;
}

static bool open_agent(struct shell *shell, struct tp__problem *problem)
{
    const struct agent_actions actions = {
        .transmit = transmit,
        .transmit_block = transmit_block,
        .reconnect = reconnect,
        .program_find = program_find,
        .program_begin = program_begin,
        .program_chunk = program_chunk,
        .program_complete = program_complete,
        .worker_start = worker_start,
        .worker_send = worker_send,
        .worker_kill = worker_kill,
        .worker_pause = worker_pause,
        .worker_fresh = worker_fresh,
        .worker_started = worker_started,
        .log = log_event,
        .context = shell,
    };
    shell->agent = agent_new(&shell->options->agent, shell->options->key, shell->authorized, &actions, node_now_ms());
    shell->wire.agent = shell->agent;
    return shell->agent || tp__problem_set(problem, TP_E_NOMEM, "out of memory");
}

static bool start(struct shell *shell, struct tp__problem *problem)
{
    const struct process_events callbacks = {on_received, on_output, on_ended, on_warning, shell};
    shell->authorized = tp__authorized_read(shell->options->authorized_keys, problem);
    if (!shell->authorized || !choose_coordinator(shell, problem) || !events_open(&shell->events, problem) ||
        !events_add(&shell->events, &shell->signal_source, shell->signals, EPOLLIN, on_signal, problem) ||
        !open_programs(shell, problem) || !open_agent(shell, problem))
        return false;
    shell->processes = processes_new(&shell->events, &shell->options->processes, &callbacks, problem);
    if (!shell->processes)
        return false;
    return wire_open(&shell->wire, problem);
}

static void stop(struct shell *shell)
{
    wire_close(&shell->wire);
    if (shell->processes && processes_count(shell->processes) == 0)
        processes_free(shell->processes);
    agent_free(shell->agent);
    installed_close(shell->installed);
    cache_close(shell->cache);
    events_close(&shell->events);
    tp__authorized_free(shell->authorized);
}

bool shell_run(const struct shell_options *options, int signals, struct tp__problem *problem)
{
    struct shell shell = {
        .options = options,
        .events.descriptor = -1,
        .wire = {.endpoint = options->coordinator,
                 .own_key = options->key,
                 .events = &shell.events,
                 .ready_fd = options->ready_fd},
        .signal_source.descriptor = -1,
        .signals = signals,
        .check_ms = INT64_MAX,
    };
    const bool started = start(&shell, problem);
    if (started) {
        struct tp__pairs pairs = {.length = 0};
        tp__pairs_add(&pairs, "name", options->agent.name);
        tp__pairs_add_number(&pairs, "workers", options->agent.workers);
        tp__pairs_add(&pairs, "coordinator", options->coordinator);
        if (shell.installed)
            tp__pairs_add_number(&pairs, "programs", (int64_t)installed_count(shell.installed));
        tp__log(TP__LOG_INFO, "started", pairs.text);
        agent_connected(shell.agent, node_now_ms());
        while (!shell.ended)
            turn(&shell);
        end_processes(&shell);
        tp__log(TP__LOG_INFO, "ended", NULL);
    }
    stop(&shell);
    return started;
}
