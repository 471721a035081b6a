/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "process_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENVIRONMENT_LIMIT = 64, VARIABLE_BYTES = 4096, SOCKET_BYTES = 1 << 20 };

/* The memory cannot change its size: the agent reads it without fear of a fault. */
static bool share_memory(struct process *process, const struct agent_worker_options *options, int *descriptor,
                         struct tp__problem *problem)
{
    const size_t size = tp__worker_memory_size(options->threads);
    *descriptor = memfd_create("taskpool-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*descriptor < 0 || ftruncate(*descriptor, (off_t)size) != 0 ||
        fcntl(*descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot make the memory to share with the process");
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *descriptor, 0);
    if (memory == MAP_FAILED)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot map the memory to share with the process");
    process->memory = memory;
    process->memory_size = size;
    process->threads = options->threads;
    process->memory->magic = TP__WORKER_MEMORY_MAGIC;
    process->memory->version = TP__WORKER_MEMORY_VERSION;
    process->memory->size = size;
    process->memory->threads = options->threads;
    process->memory->first_worker = options->first_worker;
    process->memory->processor = process->all->processor;
    return true;
}

struct environment {
    char *pointers[ENVIRONMENT_LIMIT + 1];
    size_t count;
    bool failed;
};

static void set_variable(struct environment *environment, const char *name, const char *value)
{
    if (!value || environment->failed)
        return;
    char *text;
    if (environment->count == ENVIRONMENT_LIMIT || strlen(value) > VARIABLE_BYTES ||
        asprintf(&text, "%s=%s", name, value) < 0) {
        environment->failed = true;
        return;
    }
    environment->pointers[environment->count++] = text;
}

static bool make_environment(const struct process *process, struct environment *environment,
                             struct tp__problem *problem)
{
    const char *path = getenv("PATH"), *language = getenv("LANG");
    set_variable(environment, "PATH", path ? path : "/usr/local/bin:/usr/bin:/bin");
    set_variable(environment, "LANG", language ? language : "C.UTF-8");
    set_variable(environment, "TZ", getenv("TZ"));
    set_variable(environment, "TMPDIR", process->directory);
    set_variable(environment, TP__WORKER_VARIABLE, "3,4");
    for (const char *const *name = process->all->environment; name && *name; name++)
        set_variable(environment, *name, getenv(*name));
    return !environment->failed || tp__problem_set(problem, TP_E_LIMIT,
                                                   "the environment of the process is too large: at most %d variables "
                                                   "of %d bytes",
                                                   ENVIRONMENT_LIMIT, VARIABLE_BYTES);
}

static void free_environment(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        free(environment->pointers[i]);
}

static bool take_user(struct process *process, struct tp__problem *problem)
{
    struct processes *all = process->all;
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot name the temporary directory of the process");
    if (all->users && !users_take(all->users, &process->user, problem))
        return false;
    (void)snprintf(process->directory, sizeof process->directory, "%s/taskpool-%016" PRIx64, all->scratch, number);
    return true;
}

/* Both ends of the socket and of the pipes. */
struct channels {
    int socket[2];
    int pipes[2][2];
};

static bool open_channels(struct channels *channels, struct tp__problem *problem)
{
    *channels = (struct channels){{-1, -1}, {{-1, -1}, {-1, -1}}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channels->socket) != 0 ||
        pipe2(channels->pipes[0], O_CLOEXEC) != 0 || pipe2(channels->pipes[1], O_CLOEXEC) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot connect to the process");
    /* A part of a payload fits: else node and process wake each other for every fifth of it. By default the system
     * allows less; root may have it all the same. */
    for (size_t i = 0; i < 2; i++) {
        const int size = SOCKET_BYTES;
        if (setsockopt(channels->socket[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
            (void)setsockopt(channels->socket[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    const int own[] = {channels->socket[0], channels->pipes[0][0], channels->pipes[1][0]};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (fcntl(own[i], F_SETFL, O_NONBLOCK) != 0)
            return tp__problem_errno(problem, TP_E_SYSTEM, "cannot connect to the process");
    return true;
}

static void close_channels(struct channels *channels, int end)
{
    process_close_descriptor(&channels->socket[end]);
    process_close_descriptor(&channels->pipes[0][end ? 1 : 0]);
    process_close_descriptor(&channels->pipes[1][end ? 1 : 0]);
}

enum { SCORE_PATH_BYTES = 64 };

static void put_score_path(const struct process *process, char path[SCORE_PATH_BYTES])
{
    (void)snprintf(path, SCORE_PATH_BYTES, "/proc/%d/oom_score_adj", (int)process->self.pid);
}

bool process_set_score(const struct process *process)
{
    char path[SCORE_PATH_BYTES];
    put_score_path(process, path);
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    const bool good = file >= 0 && write(file, "1000", 4) == 4;
    const int error = errno;
    if (file >= 0)
        close(file);
    errno = error;
    return good;
}

void process_offer_to_oom_killer(struct process *process, bool is_last)
{
    process->has_score = process_set_score(process);
    const int error = errno;
    char path[SCORE_PATH_BYTES];
    put_score_path(process, path);
    if (process->has_score || !is_last || process->all->warned_of_score)
        return;
    if (memory_of_process(process->self.pid) == 0)
        return; /* it has ended, or is about to: the file belongs to root then, or is gone */
    process->all->warned_of_score = true;
    char text[160];
    (void)snprintf(text, sizeof text,
                   "cannot write %s (%s): when memory runs out the kernel may end another process than a worker", path,
                   strerrordesc_np(error));
    process->all->callbacks.warn(process->all->callbacks.context, "oom-score", text);
}

static bool execute(struct process *process, const struct agent_worker_options *options, int memory,
                    const struct channels *channels, struct tp__problem *problem)
{
    char name[TP__NAME_LIMIT + 1];
    memcpy(name, options->program_name, sizeof name);
    name[sizeof name - 1] = '\0';
    char *arguments[] = {name, NULL};
    const int descriptors[] = {process->all->null, channels->pipes[0][1], channels->pipes[1][1], channels->socket[1],
                               memory};
    struct environment environment = {.count = 0};
    const bool ok = make_environment(process, &environment, problem) &&
                    spawn(&(struct spawn_options){.program = process->program,
                                                  .arguments = arguments,
                                                  .environment = environment.pointers,
                                                  .descriptors = descriptors,
                                                  .descriptor_count = sizeof descriptors / sizeof descriptors[0],
                                                  .user = process->user,
                                                  .processors = process->all->processors,
                                                  .new_directory = process->directory,
                                                  .descriptor_limit = process->all->descriptor_limit},
                          &process->self, problem);
    free_environment(&environment);
    return ok;
}

static bool watch(struct process *process, struct channels *channels, struct tp__problem *problem)
{
    struct events *events = process->all->events;
    if (!events_add(events, &process->alive, process->self.pidfd, EPOLLIN, process_on_alive, problem) ||
        !events_add(events, &process->socket, channels->socket[0], EPOLLIN, process_on_socket, problem))
        return false;
    channels->socket[0] = -1;
    for (int i = 0; i < 2; i++) {
        process->outputs[i].number = i + 1;
        if (!events_add(events, &process->outputs[i].source, channels->pipes[i][0], EPOLLIN, process_on_output,
                        problem))
            return false;
        channels->pipes[i][0] = -1;
    }
    return true;
}

/* The process was executed, but the agent cannot watch it. */
static void abandon(struct process *process)
{
    (void)kill(process->self.pid, SIGKILL);
    (void)waitid(P_PIDFD, (id_t)process->self.pidfd, &(siginfo_t){.si_pid = 0}, WEXITED);
    process->self.pid = -1;
    events_remove(process->all->events, &process->alive);
    process_close_descriptor(&process->self.pidfd);
    process_close(process);
}

bool process_start(struct processes *processes, uint32_t worker, const struct agent_worker_options *options,
                   int program, struct tp__problem *problem)
{
    if (options->threads == 0 || options->threads > TP__WORKER_THREADS_LIMIT || process_find(processes, worker))
        return tp__problem_set(problem, TP_E_ARGUMENT, "a process of %" PRIu32 " threads, number %" PRIu32,
                               options->threads, worker);
    struct process *process = calloc(1, sizeof *process);
    struct agent_suspect *suspects = calloc(options->threads, sizeof *suspects);
    if (!process || !suspects) {
        free(process);
        free(suspects);
        return tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    }
    process->end.suspects = suspects;
    process->all = processes;
    process->worker = worker;
    process->root = options->program;
    process->user = SPAWN_SAME_USER;
    process->self = process->end.symbolizer = process->end.sweeper = (struct spawned){-1, -1};
    struct event_source *const sources[] = {&process->alive,
                                            &process->socket,
                                            &process->outputs[0].source,
                                            &process->outputs[1].source,
                                            &process->end.symbolizer_output,
                                            &process->end.sweeper_alive};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        sources[i]->descriptor = -1;
    processes->count++;

    int memory = -1;
    struct channels channels;
    bool ok = open_channels(&channels, problem);
    process->program = fcntl(program, F_DUPFD_CLOEXEC, 0);
    if (ok && process->program < 0)
        ok = tp__problem_errno(problem, TP_E_SYSTEM, "cannot open the program");
    ok = ok && share_memory(process, options, &memory, problem);
    ok = ok && take_user(process, problem);
    bool executed = false;
    if (ok && (ok = executed = execute(process, options, memory, &channels, problem)))
        ok = watch(process, &channels, problem);
    process_close_descriptor(&memory);
    close_channels(&channels, 0);
    close_channels(&channels, 1);
    if (ok) {
        process->next = processes->running[worker % PROCESS_BUCKETS];
        processes->running[worker % PROCESS_BUCKETS] = process;
        process_offer_to_oom_killer(process, false);
        return true;
    }
    if (executed)
        abandon(process);
    process_sweep(process);
    return false;
}
