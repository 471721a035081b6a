/* SPDX-License-Identifier: MIT */
/*
 * Design notes.
 *
 * A death is told by the pidfd. What the process had sent before is still in the socket and the pipes and is read
 * first: its results count. Children of its own may hold the other ends open and write on, so the reading is bounded.
 *
 * The user of the process goes back to the others only when a last process of that user has killed all others and
 * removed the directory. It runs as that user: what it can be tricked into touching is that user's anyway.
 */
#include "crash.h"
#include "process_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAST_READS = 256 };

static void warn(const struct process *process, const char *event, const struct tp__problem *problem)
{
    process->all->callbacks.warn(process->all->callbacks.context, event, problem->text);
}

static void list_ended(struct process *process)
{
    process->next = process->all->ended;
    process->all->ended = process;
}

static void unlist_ended(struct process *process)
{
    struct process **at = &process->all->ended;
    while (*at && *at != process)
        at = &(*at)->next;
    if (*at)
        *at = process->next;
}

/* ---- swept ---- */

static void finish(struct process *process)
{
    if (process->user != SPAWN_SAME_USER)
        users_give_back(process->all->users, process->user);
    process_free(process);
}

static void on_swept(struct event_source *source, uint32_t happened)
{
    (void)happened;
    struct process *process = EVENTS_OWNER(source, struct process, end.sweeper_alive);
    struct processes *all = process->all;
    events_remove(all->events, source);
    (void)waitid(P_PIDFD, (id_t)process->end.sweeper.pidfd, &(siginfo_t){.si_pid = 0}, WEXITED);
    process_close_descriptor(&process->end.sweeper.pidfd);
    unlist_ended(process);
    finish(process);
    processes_reap_orphans(all);
}

void process_sweep(struct process *process)
{
    struct processes *all = process->all;
    if (!*process->directory) { /* nothing was started */
        finish(process);
        return;
    }
    char name[] = "rm", flags[] = "-rf", one[] = "--one-file-system", end[] = "--";
    char *arguments[] = {name, flags, one, end, process->directory, NULL};
    char *environment[] = {NULL};
    const int descriptors[] = {all->null, all->null, all->null};
    struct tp__problem problem;
    if (spawn(&(struct spawn_options){.program = all->remover,
                                      .arguments = arguments,
                                      .environment = environment,
                                      .descriptors = descriptors,
                                      .descriptor_count = 3,
                                      .user = process->user,
                                      .processors = all->processors,
                                      .alone = true},
              &process->end.sweeper, &problem)) {
        if (events_add(all->events, &process->end.sweeper_alive, process->end.sweeper.pidfd, EPOLLIN, on_swept,
                       &problem)) {
            list_ended(process);
            return;
        }
        (void)waitid(P_PIDFD, (id_t)process->end.sweeper.pidfd, &(siginfo_t){.si_pid = 0}, WEXITED);
        process_close_descriptor(&process->end.sweeper.pidfd);
        finish(process);
        return;
    }
    /* The user stays taken: something of it may be left. */
    warn(process, "sweep", &problem);
    process_free(process);
}

/* ---- reported ---- */

static bool has_started(void *context, uint64_t task, uint32_t dispatch)
{
    const struct process *process = context;
    (void)dispatch;
    return crash_has_started(process->memory, task);
}

static void report(struct process *process)
{
    const struct process_events *callbacks = &process->all->callbacks;
    const struct crash_end end = {process->end.signal, process->end.exit_status,
                                  *process->killed_because ? process->killed_because : NULL};
    char last_output[TAIL_BYTES + 1];
    tail_text(&process->tail, last_output);
    struct agent_crash crash = {
        .signal = end.signal,
        .exit_status = end.exit_status,
        .backtrace = process->end.backtrace ? process->end.backtrace : "",
        .last_output = last_output,
        .suspects = process->end.suspects,
        .suspect_count = crash_suspects(process->memory, process->threads, &process->end.record, process->end.suspects),
        .has_started = has_started,
        .context = process,
    };
    crash_describe(&end, &process->end.record, crash.text);
    callbacks->ended(callbacks->context, process->worker, &process->root, &crash);
    process_sweep(process);
}

/* ---- symbolized ---- */

static void end_symbolizer(struct process *process)
{
    int descriptor = process->end.symbolizer_output.descriptor;
    events_remove(process->all->events, &process->end.symbolizer_output);
    process_close_descriptor(&descriptor);
    (void)syscall(SYS_pidfd_send_signal, process->end.symbolizer.pidfd, SIGKILL, NULL, 0);
    (void)waitid(P_PIDFD, (id_t)process->end.symbolizer.pidfd, &(siginfo_t){.si_pid = 0}, WEXITED);
    process_close_descriptor(&process->end.symbolizer.pidfd);
    process->end.symbolizer.pid = -1;

    /* It is text from a process that may have been tricked. */
    char *text = process->end.backtrace;
    for (size_t i = 0; i < process->end.backtrace_size; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\n')
            text[i] = '?';
    text[process->end.backtrace_size] = '\0';
}

static void on_symbolized(struct event_source *source, uint32_t happened)
{
    (void)happened;
    struct process *process = EVENTS_OWNER(source, struct process, end.symbolizer_output);
    const size_t room = SYMBOLIZER_OUTPUT_BYTES - process->end.backtrace_size;
    const ssize_t got =
        room == 0 ? 0 : read(source->descriptor, process->end.backtrace + process->end.backtrace_size, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got > 0) {
        process->end.backtrace_size += (size_t)got;
        return;
    }
    end_symbolizer(process);
    unlist_ended(process);
    report(process);
}

static bool start_symbolizer(struct process *process, struct tp__problem *problem)
{
    struct processes *all = process->all;
    process->end.backtrace = calloc(1, SYMBOLIZER_OUTPUT_BYTES + 1);
    if (!process->end.backtrace)
        return tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot connect to the symbolizer");
    struct symbolizer_arguments arguments;
    symbolizer_fill(&arguments, atomic_load_explicit(&process->memory->load_base, memory_order_relaxed),
                    &process->end.record);
    char *environment[] = {NULL};
    const int descriptors[] = {process->program, ends[1], all->null};
    bool ok =
        fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && spawn(&(struct spawn_options){.program = all->self,
                                                                                  .arguments = arguments.pointers,
                                                                                  .environment = environment,
                                                                                  .descriptors = descriptors,
                                                                                  .descriptor_count = 3,
                                                                                  .user = process->user,
                                                                                  .processors = all->processors,
                                                                                  .cpu_seconds = SYMBOLIZER_SECONDS},
                                                          &process->end.symbolizer, problem);
    close(ends[1]);
    if (ok && events_add(all->events, &process->end.symbolizer_output, ends[0], EPOLLIN, on_symbolized, problem)) {
        list_ended(process);
        return true;
    }
    process->end.symbolizer_output.descriptor = ends[0];
    if (ok)
        end_symbolizer(process);
    else
        close(ends[0]);
    process->end.symbolizer_output.descriptor = -1;
    return false;
}

int64_t process_tick_symbolizers(struct processes *processes, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (struct process *process = processes->ended; process; process = process->next) {
        if (process->end.symbolizer.pid < 0)
            continue;
        if (process->end.deadline_ms == 0)
            process->end.deadline_ms = now_ms + SYMBOLIZER_SECONDS * 1000;
        if (now_ms >= process->end.deadline_ms) /* its pipe ends then */
            (void)syscall(SYS_pidfd_send_signal, process->end.symbolizer.pidfd, SIGKILL, NULL, 0);
        else if (process->end.deadline_ms < next)
            next = process->end.deadline_ms;
    }
    return next;
}

void process_stop_symbolizers(struct processes *processes)
{
    for (struct process *process = processes->ended; process; process = process->next)
        if (process->end.symbolizer.pid >= 0)
            (void)syscall(SYS_pidfd_send_signal, process->end.symbolizer.pidfd, SIGKILL, NULL, 0);
}

/* ---- dead ---- */

static void read_the_rest(struct process *process)
{
    for (int i = 0; i < LAST_READS && process->socket.descriptor >= 0 && process_read_socket(process) > 0; i++)
        ;
    for (int which = 0; which < 2; which++) {
        struct process_output *output = &process->outputs[which];
        for (int i = 0; i < LAST_READS && output->source.descriptor >= 0; i++)
            if (!process_read_output(process, output, true))
                break;
    }
}

void process_bury(struct process *process)
{
    struct processes *all = process->all;
    events_remove(all->events, &process->alive);
    /* As long as nobody has waited for it, its number is not given to another group. */
    (void)kill(-process->self.pid, SIGKILL);
    read_the_rest(process);

    siginfo_t info = {.si_pid = 0};
    (void)waitid(P_PIDFD, (id_t)process->self.pidfd, &info, WEXITED);
    process_close_descriptor(&process->self.pidfd);
    process->self.pid = -1;
    if (info.si_code == CLD_EXITED)
        process->end.exit_status = info.si_status;
    else
        process->end.signal = info.si_status;
    process_forget(process);
    process_close(process);
    process->end.record = crash_record(process->memory);

    struct tp__problem problem;
    if (process->end.record.frame_count == 0) {
        report(process);
    } else if (!start_symbolizer(process, &problem)) {
        warn(process, "symbolizer", &problem);
        report(process);
    }
    processes_reap_orphans(all);
}

static bool is_ours(const struct processes *processes, pid_t pid)
{
    for (size_t i = 0; i < PROCESS_BUCKETS; i++)
        for (const struct process *process = processes->running[i]; process; process = process->next)
            if (process->self.pid == pid)
                return true;
    for (const struct process *process = processes->ended; process; process = process->next)
        if (process->end.symbolizer.pid == pid || process->end.sweeper.pid == pid)
            return true;
    return false;
}

void processes_reap_orphans(struct processes *processes)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
            is_ours(processes, info.si_pid))
            return;
        (void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
    }
}
