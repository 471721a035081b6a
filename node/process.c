/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "memory.h"
#include "process_private.h"
#include "wire/output_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SEND_AT_ONCE_BYTES = 256 << 10, DISCONNECTED_MS = 1000, READS_AT_ONCE = 16 };

/* ---- all of them ---- */

static struct processes *refuse(struct processes *processes)
{
    processes_free(processes);
    return NULL;
}

static bool open_program(int *descriptor, const char *path, int flags, struct tp__problem *problem)
{
    *descriptor = open(path, flags | O_CLOEXEC);
    return *descriptor >= 0 || tp__problem_errno(problem, TP_E_SYSTEM, "cannot open %s", path);
}

struct processes *processes_new(struct events *events, const struct processes_options *options,
                                const struct process_events *callbacks, struct tp__problem *problem)
{
    struct processes *processes = calloc(1, sizeof *processes);
    if (!processes) {
        tp__problem_set(problem, TP_E_NOMEM, "out of memory");
        return NULL;
    }
    processes->events = events;
    processes->callbacks = *callbacks;
    processes->descriptor_limit = options->descriptor_limit;
    processes->processor = -1;
    processes->environment = options->environment;
    processes->memory_limit_bytes = options->memory_limit_bytes;
    if (!processes->memory_limit_bytes)
        processes->memory_limit_bytes = memory_of_machine() / 5 * 4;
    processes->send_limit_bytes = options->send_limit_bytes ? options->send_limit_bytes : UINT64_C(512) << 20;
    processes->null = processes->self = processes->remover = -1;
    if (snprintf(processes->scratch, sizeof processes->scratch, "%s", options->scratch) >=
        (int)sizeof processes->scratch) {
        tp__problem_set(problem, TP_E_ARGUMENT, "the path of the temporary directory is too long");
        return refuse(processes);
    }
    if (!open_program(&processes->null, "/dev/null", O_RDWR, problem) ||
        !open_program(&processes->self, "/proc/self/exe", O_RDONLY, problem) ||
        !open_program(&processes->remover, "/bin/rm", O_RDONLY, problem))
        return refuse(processes);
    if (!options->same_user) {
        const uid_t base = options->uid_base ? options->uid_base : USERS_BASE;
        const uint32_t count = options->uid_count ? options->uid_count : USERS_COUNT;
        if (!users_possible(base, count, problem) || !(processes->users = users_open(base, count, problem)))
            return refuse(processes);
    }
    return processes;
}

void processes_free(struct processes *processes)
{
    if (!processes)
        return;
    const int descriptors[] = {processes->null, processes->self, processes->remover};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    users_close(processes->users);
    free(processes);
}

size_t processes_count(const struct processes *processes)
{
    return processes->count;
}

struct process *process_find(const struct processes *processes, uint32_t worker)
{
    struct process *process = processes->running[worker % PROCESS_BUCKETS];
    while (process && process->worker != worker)
        process = process->next;
    return process;
}

void process_close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void process_close(struct process *process)
{
    struct event_source *const sources[] = {&process->socket, &process->outputs[0].source, &process->outputs[1].source};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        int descriptor = sources[i]->descriptor;
        events_remove(process->all->events, sources[i]);
        process_close_descriptor(&descriptor);
    }
}

void process_forget(struct process *process)
{
    if (process->socket.descriptor < 0)
        process->all->disconnected--;
    struct process **at = &process->all->running[process->worker % PROCESS_BUCKETS];
    while (*at && *at != process)
        at = &(*at)->next;
    if (*at)
        *at = process->next;
    for (at = &process->all->to_flush; *at && *at != process; at = &(*at)->next_to_flush)
        ;
    if (*at)
        *at = process->next_to_flush;
}

void process_free(struct process *process)
{
    process->all->count--;
    process_close_descriptor(&process->program);
    tp__buffer_free(&process->sending);
    if (process->memory)
        (void)munmap(process->memory, process->memory_size);
    free(process->end.backtrace);
    free(process->end.suspects);
    free(process);
}

/* ---- what it writes ---- */

/* Of a line without a mark: the task that runs, if only one does. */
static void guess(const struct process *process, struct tp__output_mark *writer)
{
    *writer = (struct tp__output_mark){.task = 0};
    for (uint32_t i = 0; i < process->threads; i++) {
        const struct tp__worker_slot *slot = &process->memory->slots[i];
        const uint64_t current = atomic_load_explicit(&slot->current_task, memory_order_acquire);
        if (current && writer->task) {
            *writer = (struct tp__output_mark){.task = 0};
            return;
        }
        if (current) {
            writer->task = current;
            writer->dispatch = atomic_load_explicit(&slot->current_dispatch, memory_order_relaxed);
        }
    }
}

static void tell(struct process *process, const struct process_output *output, const struct tp__output_mark *writer,
                 const uint8_t *bytes, size_t size)
{
    const struct process_events *callbacks = &process->all->callbacks;
    if (size == 0)
        return;
    if (output->number == 2)
        tail_add(&process->tail, bytes, size);
    callbacks->output(callbacks->context, process->worker, output->number, writer->task, writer->dispatch, bytes, size);
}

/* Takes the marks off the line at `from`, which moves to `to`. Returns how long it was; `*kept`: how long it is. */
static size_t unmark_line(uint8_t *from, size_t size, uint8_t *to, size_t *kept, struct tp__output_mark *writer)
{
    size_t at = 0;
    bool is_marked = false;
    *kept = 0;
    while (at < size) {
        struct tp__output_mark mark;
        if (tp__output_mark_read(from + at, size - at, &mark)) {
            if (!is_marked)
                *writer = mark;
            is_marked = true;
            at += TP__OUTPUT_MARK_BYTES;
            continue;
        }
        const uint8_t byte = from[at++];
        to[(*kept)++] = byte;
        if (byte == '\n')
            break;
    }
    return at;
}

/* Lines of one writer are told of in one go. */
static void tell_lines(struct process *process, struct process_output *output, size_t size)
{
    uint8_t *bytes = output->lines.bytes;
    size_t at = 0, run = 0, end = 0; /* what is told of next is from `run` to `end` */
    struct tp__output_mark of_run = {.task = 0};
    while (at < size) {
        size_t kept;
        struct tp__output_mark writer;
        guess(process, &writer);
        at += unmark_line(bytes + at, size - at, bytes + end, &kept, &writer);
        if (end > run && (writer.task != of_run.task || writer.dispatch != of_run.dispatch)) {
            tell(process, output, &of_run, bytes + run, end - run);
            run = end;
        }
        of_run = writer;
        end += kept;
    }
    tell(process, output, &of_run, bytes + run, end - run);
}

bool process_read_output(struct process *process, struct process_output *output, bool all)
{
    size_t room;
    uint8_t *at = lines_room(&output->lines, &room);
    ssize_t got;
    while ((got = read(output->source.descriptor, at, room)) < 0 && errno == EINTR)
        ;
    if (got > 0)
        lines_came(&output->lines, (size_t)got);
    const size_t ready = lines_ready(&output->lines, all && got <= 0);
    if (ready > 0) {
        tell_lines(process, output, ready);
        lines_taken(&output->lines, ready);
    }
    return got > 0;
}

/* What tasks wrote before they sent what has just been read goes first. */
static void read_written(struct process *process)
{
    const uint32_t writes = atomic_load_explicit(&process->memory->writes, memory_order_acquire);
    if (writes == process->writes)
        return;
    process->writes = writes;
    for (int which = 0; which < 2; which++)
        for (int i = 0; i < READS_AT_ONCE && process->outputs[which].source.descriptor >= 0; i++)
            if (!process_read_output(process, &process->outputs[which], false))
                break;
}

void process_on_output(struct event_source *source, uint32_t happened)
{
    struct process_output *output = EVENTS_OWNER(source, struct process_output, source);
    struct process_output *first = output - (output->number - 1);
    struct process *process = EVENTS_OWNER(first, struct process, outputs);
    if (process_read_output(process, output, (happened & EPOLLHUP) != 0) || !(happened & (EPOLLHUP | EPOLLERR)))
        return;
    /* It closed its standard output: its right. */
    int descriptor = source->descriptor;
    events_remove(process->all->events, source);
    process_close_descriptor(&descriptor);
}

/* ---- what it sends ---- */

ssize_t process_read_socket(struct process *process)
{
    struct processes *all = process->all;
    ssize_t got;
    while ((got = read(process->socket.descriptor, all->input, sizeof all->input)) < 0 && errno == EINTR)
        ;
    if (got > 0 && !process->has_score) {
        process_offer_to_oom_killer(process, true);
        process->has_score = true;
    }
    if (got > 0) {
        read_written(process);
        all->callbacks.received(all->callbacks.context, process->worker, all->input, (size_t)got);
    }
    return got;
}

void process_on_alive(struct event_source *source, uint32_t happened)
{
    (void)happened;
    process_bury(EVENTS_OWNER(source, struct process, alive));
}

/* ---- what it is sent ---- */

static void want(struct process *process)
{
    const uint32_t read = process->paused ? 0 : EPOLLIN, write = process->sending.size > 0 ? EPOLLOUT : 0;
    events_want(process->all->events, &process->socket, read | write);
}

/* As much as the socket takes. All of it if the process is ending: on_alive or on_socket will find out. */
static size_t write_some(const struct process *process, const uint8_t *bytes, size_t size)
{
    size_t written = 0;
    while (process->socket.descriptor >= 0 && written < size) {
        const ssize_t sent =
            send(process->socket.descriptor, bytes + written, size - written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            written += (size_t)sent;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            written = size;
    }
    return written;
}

static void flush(struct process *process)
{
    struct tp__buffer *sending = &process->sending;
    process->sent += write_some(process, sending->bytes + process->sent, sending->size - process->sent);
    if (process->sent == sending->size)
        process->sent = sending->size = 0;
    if (sending->size == 0 && sending->capacity > SEND_AT_ONCE_BYTES)
        tp__buffer_free(sending);
    want(process);
}

void process_pause(struct processes *processes, uint32_t worker, bool pause)
{
    struct process *process = process_find(processes, worker);
    if (!process)
        return;
    process->paused = pause;
    want(process);
}

void process_on_socket(struct event_source *source, uint32_t happened)
{
    struct process *process = EVENTS_OWNER(source, struct process, socket);
    if (happened & EPOLLOUT)
        flush(process);
    if (!(happened & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    const ssize_t got = process_read_socket(process);
    if (got > 0 || (got < 0 && errno == EAGAIN))
        return;
    /* Most likely it is ending, and alive's event is next; if not, processes_tick ends it. */
    int descriptor = source->descriptor;
    events_remove(process->all->events, source);
    process_close_descriptor(&descriptor);
    process->all->disconnected++;
}

void process_send(struct processes *processes, uint32_t worker, const uint8_t *records, size_t size)
{
    struct process *process = process_find(processes, worker);
    if (!process || process->socket.descriptor < 0 || *process->killed_because)
        return;
    struct tp__buffer *sending = &process->sending;
    if (process->sent > sending->size / 2) {
        tp__buffer_consume(sending, process->sent);
        process->sent = 0;
    }
    if (sending->size - process->sent + size > processes->send_limit_bytes) {
        process_kill_because(process, "did not read what it was sent: more than %" PRIu64 " MiB wait",
                             processes->send_limit_bytes >> 20);
        return;
    }
    size_t written = 0;
    if (sending->size == 0 && size >= SEND_AT_ONCE_BYTES)
        written = write_some(process, records, size); /* much, and most of it need not be copied */
    if (!tp__buffer_append(sending, records + written, size - written)) {
        process_kill_because(process, "could not be sent its tasks: the node is out of memory");
        return;
    }
    if (sending->size >= SEND_AT_ONCE_BYTES && process->sent == 0) {
        flush(process);
    } else if (!process->to_flush) {
        process->to_flush = true;
        process->next_to_flush = processes->to_flush;
        processes->to_flush = process;
    }
}

void processes_flush(struct processes *processes)
{
    while (processes->to_flush) {
        struct process *process = processes->to_flush;
        processes->to_flush = process->next_to_flush;
        process->to_flush = false;
        flush(process);
    }
}

/* ---- ending it ---- */

void process_kill_because(struct process *process, const char *format, ...)
{
    if (*process->killed_because)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(process->killed_because, sizeof process->killed_because, format, arguments);
    va_end(arguments);
    (void)syscall(SYS_pidfd_send_signal, process->self.pidfd, SIGKILL, NULL, 0);
}

void process_kill(struct processes *processes, uint32_t worker)
{
    struct process *process = process_find(processes, worker);
    if (process)
        process_kill_because(process, "was ended by its node");
}

void processes_stop(struct processes *processes)
{
    for (size_t i = 0; i < PROCESS_BUCKETS; i++)
        for (struct process *process = processes->running[i]; process; process = process->next)
            process_kill_because(process, "was ended by its node");
    process_stop_symbolizers(processes);
}

void process_fresh(struct processes *processes, uint32_t worker, int64_t until_ms)
{
    struct process *process = process_find(processes, worker);
    if (process)
        atomic_store_explicit(&process->memory->fresh_until_ms, until_ms, memory_order_relaxed);
}

void processes_gather(struct processes *processes, int processor, const struct tp__processors *before)
{
    processes->processors = before;
    if (processes->processor == processor)
        return;
    processes->processor = processor;
    for (size_t i = 0; i < PROCESS_BUCKETS; i++)
        for (const struct process *process = processes->running[i]; process; process = process->next)
            atomic_store_explicit(&process->memory->processor, processor, memory_order_relaxed);
}

uint64_t process_started_count(const struct processes *processes, uint32_t worker)
{
    const struct process *process = process_find(processes, worker);
    uint64_t count = 0;
    for (uint32_t i = 0; process && i < process->threads; i++)
        count += atomic_load_explicit(&process->memory->slots[i].started_count, memory_order_relaxed);
    return count;
}

/* Those that closed their socket and live on. */
static int64_t end_disconnected(struct processes *processes, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < PROCESS_BUCKETS && processes->disconnected > 0; i++) {
        for (struct process *process = processes->running[i]; process; process = process->next) {
            if (process->socket.descriptor >= 0 || *process->killed_because)
                continue;
            if (process->disconnected_deadline_ms == 0)
                process->disconnected_deadline_ms = now_ms + DISCONNECTED_MS;
            if (now_ms >= process->disconnected_deadline_ms)
                process_kill_because(process, "closed its connection to the node");
            else if (process->disconnected_deadline_ms < next)
                next = process->disconnected_deadline_ms;
        }
    }
    return next;
}

int64_t processes_tick(struct processes *processes, int64_t now_ms)
{
    const int64_t disconnected = end_disconnected(processes, now_ms);
    const int64_t symbolizers = process_tick_symbolizers(processes, now_ms);
    return disconnected < symbolizers ? disconnected : symbolizers;
}

static void check_memory(struct process *process)
{
    (void)process_set_score(process); /* it may have lowered it */
    if (memory_of_process(process->self.pid) > process->all->memory_limit_bytes)
        process_kill_because(process, "used more than its %" PRIu64 " MiB of memory",
                             process->all->memory_limit_bytes >> 20);
}

void processes_check_memory(struct processes *processes)
{
    for (size_t i = 0; i < PROCESS_BUCKETS; i++)
        for (struct process *process = processes->running[i]; process; process = process->next)
            check_memory(process);
}
