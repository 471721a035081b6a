/* SPDX-License-Identifier: MIT */
/* Design notes. Every process ends when this one does, also when it is killed: the kernel sees to that. Nodes and
 * coordinator are in process groups of their own, so that ^C ends the program that runs on them first, as a user
 * expects, and they are ended afterwards, the nodes before the coordinator. */
#include "loopback.h"

#include "child.h"
#include "command.h"
#include "programs.h"
#include "trust/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READY_MS = 30000,
    END_MS = 5000, /* after that they are killed */
    LINE_BYTES = 320,
    TAIL_BYTES = 2000, /* of a log */
    ARGUMENTS = 16
};

struct process {
    char name[16];
    pid_t pid; /* 0: there is none */
    int ready; /* where it says that it is ready; -1: it has */
};

struct loopback {
    loopback_said_fn *said;
    char folder[64];
    char endpoint[LINE_BYTES];
    char programs[2][PATH_MAX]; /* coordinator, node */
    struct process processes[1 + LOOPBACK_NODES_LIMIT];
    size_t count;
    int signals;
    sigset_t mask; /* from before */
    int signal;
};

static void say(const struct loopback *loopback, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct loopback *loopback, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (loopback->said)
        loopback->said(text);
}

/* ---- folder and keys ---- */

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    (void)remove(path); /* what cannot be removed is told by the folder that stays */
    return 0;
}

static bool make_key(const struct loopback *loopback, const char *name, enum tp__role role, enum tp__role second_role,
                     struct tp__problem *problem)
{
    char path[PATH_MAX];
    char list[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s.key", loopback->folder, name);
    (void)snprintf(list, sizeof list, "%s/authorized_keys", loopback->folder);
    struct tp__key key;
    tp__key_generate(&key, name);
    const bool good = tp__key_write(&key, path, problem) &&
                      tp__authorized_add(list, role, &key.public_key, name, problem) &&
                      (!second_role || tp__authorized_add(list, second_role, &key.public_key, name, problem));
    tp__key_wipe(&key);
    return good;
}

static bool make_folder(struct loopback *loopback, struct tp__problem *problem)
{
    const char *base = getenv("TMPDIR");
    if (!base ||
        snprintf(loopback->folder, sizeof loopback->folder, "%s/taskpool-XXXXXX", base) >= (int)sizeof loopback->folder)
        (void)snprintf(loopback->folder, sizeof loopback->folder, "/tmp/taskpool-XXXXXX");
    if (mkdtemp(loopback->folder))
        return true;
    (void)tp__problem_errno(problem, TP_E_SYSTEM, "cannot make the folder %s", loopback->folder);
    loopback->folder[0] = '\0';
    return false;
}

static bool take_signals(struct loopback *loopback, struct tp__problem *problem)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, &loopback->mask);
    loopback->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return loopback->signals >= 0 || tp__problem_errno(problem, TP_E_SYSTEM, "cannot watch signals");
}

struct loopback *loopback_open(loopback_said_fn *said, struct tp__problem *problem)
{
    struct loopback *loopback = calloc(1, sizeof *loopback);
    if (!loopback) {
        (void)tp__problem_set(problem, TP_E_NOMEM, "out of memory");
        return NULL;
    }
    loopback->said = said;
    if (take_signals(loopback, problem) && programs_find("taskpool-coordinator", loopback->programs[0], problem) &&
        programs_find("taskpool-node", loopback->programs[1], problem) && make_folder(loopback, problem) &&
        make_key(loopback, "coordinator", TP__ROLE_COORDINATOR, 0, problem) &&
        make_key(loopback, "driver", TP__ROLE_DRIVER, TP__ROLE_ADMIN, problem))
        return loopback;
    loopback_close(loopback);
    return NULL;
}

/* ---- processes ---- */

static struct process *find(struct loopback *loopback, pid_t pid)
{
    for (size_t i = 0; i < loopback->count; i++)
        if (loopback->processes[i].pid == pid)
            return &loopback->processes[i];
    return NULL;
}

static void show_log(const struct loopback *loopback, const struct process *process)
{
    char path[PATH_MAX];
    char tail[TAIL_BYTES + 1];
    (void)snprintf(path, sizeof path, "%s/%s.log", loopback->folder, process->name);
    FILE *log = fopen(path, "re");
    if (!log)
        return;
    (void)fseek(log, 0, SEEK_END);
    const long size = ftell(log);
    (void)fseek(log, size > TAIL_BYTES ? size - TAIL_BYTES : 0, SEEK_SET);
    const size_t length = fread(tail, 1, TAIL_BYTES, log);
    (void)fclose(log);
    if (length > 0)
        (void)fprintf(stderr, "%s said last:\n%.*s", process->name, (int)length, tail);
}

static struct process *start_process(struct loopback *loopback, const char *name, char **arguments,
                                     struct tp__problem *problem)
{
    struct process *process = &loopback->processes[loopback->count];
    (void)snprintf(process->name, sizeof process->name, "%s", name);
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s.log", loopback->folder, name);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        (void)tp__problem_errno(problem, TP_E_SYSTEM, "cannot make a pipe");
        return NULL;
    }
    const int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    /* nothing of the user's own settings, and nothing to whoever watches this process */
    static char no_file[] = "--config=/dev/null", no_notices[] = "NOTIFY_SOCKET", ready_option[32];
    (void)snprintf(ready_option, sizeof ready_option, "--ready-fd=%d", ready[1]);
    size_t count = 0;
    while (arguments[count])
        count++;
    arguments[count++] = no_file;
    arguments[count++] = ready_option;
    arguments[count] = NULL;
    char *const variables[] = {no_notices, NULL};
    const struct child child = {.path = arguments[0],
                                .arguments = arguments,
                                .variables = variables,
                                .output = log,
                                .kept = ready[1],
                                .is_apart = true,
                                .mask = &loopback->mask};
    const pid_t pid = log < 0 ? -1 : child_start(&child, name, problem);
    if (log < 0)
        (void)tp__problem_errno(problem, TP_E_SYSTEM, "cannot make %s", path);
    else
        (void)close(log);
    (void)close(ready[1]);
    if (pid < 0) {
        (void)close(ready[0]);
        return NULL;
    }
    (void)fcntl(ready[0], F_SETFL, O_NONBLOCK);
    process->pid = pid;
    process->ready = ready[0];
    loopback->count++;
    return process;
}

/* What it says when it is ready: a line, of which what stands behind "ready" is stored. */
static bool wait_ready(struct loopback *loopback, struct process *process, char rest[LINE_BYTES],
                       struct tp__problem *problem)
{
    static const char word[] = "ready";
    const int64_t end_ms = child_now_ms() + READY_MS;
    char line[LINE_BYTES] = "";
    size_t length = 0;
    bool is_ended = false;
    while (!is_ended && !memchr(line, '\n', length) && length < sizeof line - 1 && child_now_ms() < end_ms) {
        struct signalfd_siginfo info;
        if (child_wait_signal(loopback->signals, process->ready, end_ms, &info)) {
            if (info.ssi_signo == SIGCHLD)
                continue; /* the end of the pipe says which one */
            loopback->signal = (int)info.ssi_signo;
            return tp__problem_set(problem, TP_E_CANCELLED, "interrupted");
        }
        const ssize_t got = read(process->ready, line + length, sizeof line - 1 - length);
        is_ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
        length += got > 0 ? (size_t)got : 0;
    }
    (void)close(process->ready);
    process->ready = -1;
    line[length] = '\0';
    if (strncmp(line, word, strlen(word)) == 0 && strchr(line, '\n')) {
        *strchr(line, '\n') = '\0';
        const char *from = line + strlen(word);
        (void)snprintf(rest, LINE_BYTES, "%s", from + (*from == ' '));
        return true;
    }
    show_log(loopback, process);
    return tp__problem_set(problem, TP_E_SYSTEM, "%s did not become ready", process->name);
}

static bool start_coordinator(struct loopback *loopback, struct tp__problem *problem)
{
    char key[PATH_MAX];
    char list[PATH_MAX];
    (void)snprintf(key, sizeof key, "--key=%s/coordinator.key", loopback->folder);
    (void)snprintf(list, sizeof list, "--authorized-keys=%s/authorized_keys", loopback->folder);
    char listen[] = "--listen=tcp://127.0.0.1:*", name[] = "--name=loopback";
    char *arguments[ARGUMENTS] = {loopback->programs[0], key, list, listen, name};
    struct process *process = start_process(loopback, "coordinator", arguments, problem);
    return process && wait_ready(loopback, process, loopback->endpoint, problem);
}

static bool start_node(struct loopback *loopback, unsigned number, unsigned workers, struct tp__problem *problem)
{
    char name[16];
    (void)snprintf(name, sizeof name, "node%u", number);
    char texts[7][PATH_MAX];
    (void)snprintf(texts[0], PATH_MAX, "--key=%s/%s.key", loopback->folder, name);
    (void)snprintf(texts[1], PATH_MAX, "--authorized-keys=%s/authorized_keys", loopback->folder);
    (void)snprintf(texts[2], PATH_MAX, "--cache=%s/%s", loopback->folder, name);
    (void)snprintf(texts[3], PATH_MAX, "--coordinator=%s", loopback->endpoint);
    (void)snprintf(texts[4], PATH_MAX, "--name=%s", name);
    (void)snprintf(texts[5], PATH_MAX, "--workers=%u", workers);
    (void)snprintf(texts[6], PATH_MAX, "--temp-dir=%s", loopback->folder);
    /* at its end there is nothing to wait for: the program has ended */
    char at_once[] = "--drain-timeout=0";
    /* whoever starts it runs a program of their own, and root is not needed for it */
    char same_user[] = "--same-user";
    char *arguments[ARGUMENTS] = {loopback->programs[1],
                                  texts[0],
                                  texts[1],
                                  texts[2],
                                  texts[3],
                                  texts[4],
                                  texts[5],
                                  texts[6],
                                  at_once,
                                  same_user};
    return start_process(loopback, name, arguments, problem) != NULL;
}

static unsigned share_of_processors(unsigned nodes)
{
    cpu_set_t set;
    const int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return (unsigned)processors > nodes ? (unsigned)processors / nodes : 1;
}

bool loopback_start(struct loopback *loopback, unsigned nodes, unsigned workers, struct tp__problem *problem)
{
    if (nodes < 1 || nodes > LOOPBACK_NODES_LIMIT)
        return tp__problem_set(problem, TP_E_LIMIT, "1 to %d nodes", LOOPBACK_NODES_LIMIT);
    if (workers == 0)
        workers = share_of_processors(nodes);
    char name[16];
    for (unsigned i = 1; i <= nodes; i++) {
        (void)snprintf(name, sizeof name, "node%u", i);
        if (!make_key(loopback, name, TP__ROLE_NODE, 0, problem))
            return false;
    }
    if (!start_coordinator(loopback, problem))
        return false;
    say(loopback, "coordinator at %s", loopback->endpoint);
    for (unsigned i = 1; i <= nodes; i++)
        if (!start_node(loopback, i, workers, problem))
            return false;
    for (unsigned i = 1; i <= nodes; i++) {
        char nothing[LINE_BYTES];
        if (!wait_ready(loopback, &loopback->processes[i], nothing, problem))
            return false;
        say(loopback, "%s with %u worker%s", loopback->processes[i].name, workers, workers == 1 ? "" : "s");
    }
    return true;
}

int loopback_signal(const struct loopback *loopback)
{
    return loopback->signal;
}

/* ---- the program ---- */

/* True when the program has ended. */
static bool reap(struct loopback *loopback, pid_t program, int *status)
{
    bool is_ended = false;
    int how;
    for (pid_t pid = waitpid(-1, &how, WNOHANG); pid > 0; pid = waitpid(-1, &how, WNOHANG)) {
        struct process *process = find(loopback, pid);
        if (pid == program) {
            *status = how;
            is_ended = true;
        } else if (process) {
            process->pid = 0;
            (void)fprintf(stderr, "taskpool: %s of the throw-away cluster ended (%s %d)\n", process->name,
                          WIFSIGNALED(how) ? "signal" : "status", WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
            show_log(loopback, process);
        }
    }
    return is_ended;
}

int loopback_run(struct loopback *loopback, const char *command, char **arguments)
{
    char where[LINE_BYTES + 16];
    char key[PATH_MAX];
    char list[PATH_MAX];
    (void)snprintf(where, sizeof where, "TASKPOOL=%s", loopback->endpoint);
    (void)snprintf(key, sizeof key, "TASKPOOL_KEY=%s/driver.key", loopback->folder);
    (void)snprintf(list, sizeof list, "TASKPOOL_AUTHORIZED_KEYS=%s/authorized_keys", loopback->folder);
    char *const variables[] = {where, key, list, NULL};
    const struct child child = {.path = arguments[0],
                                .arguments = arguments,
                                .variables = variables,
                                .output = -1,
                                .kept = -1,
                                .mask = &loopback->mask};
    struct tp__problem problem;
    const pid_t program = child_start(&child, command, &problem);
    if (program < 0)
        return command_fail(command, "%s", problem.text);
    int status = 0;
    while (!reap(loopback, program, &status)) {
        struct signalfd_siginfo info;
        if (!child_wait_signal(loopback->signals, -1, -1, &info) || info.ssi_signo == SIGCHLD)
            continue;
        /* A terminal sends its signals to the program as well. */
        if (info.ssi_code != SI_KERNEL)
            (void)kill(program, (int)info.ssi_signo);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- the end ---- */

static bool is_any_left(struct loopback *loopback, size_t from, size_t to)
{
    bool is_left = false;
    for (size_t i = from; i < to; i++) {
        struct process *process = &loopback->processes[i];
        if (process->pid > 0 && waitpid(process->pid, NULL, WNOHANG) == process->pid)
            process->pid = 0;
        is_left |= process->pid > 0;
    }
    return is_left;
}

static void signal_all(struct loopback *loopback, size_t from, size_t to, int number)
{
    for (size_t i = from; i < to; i++)
        if (loopback->processes[i].pid > 0)
            (void)kill(loopback->processes[i].pid, number);
}

/* Those that do not end in time, or when the user does not want to wait, are killed. */
static void end_processes(struct loopback *loopback, size_t from, size_t to)
{
    const int64_t end_ms = child_now_ms() + END_MS;
    signal_all(loopback, from, to, SIGTERM);
    while (is_any_left(loopback, from, to)) {
        struct signalfd_siginfo info;
        const bool has_come = child_wait_signal(loopback->signals, -1, end_ms, &info);
        if (has_come ? info.ssi_signo != SIGCHLD : child_now_ms() >= end_ms) {
            signal_all(loopback, from, to, SIGKILL);
            for (size_t i = from; i < to; i++)
                if (loopback->processes[i].pid > 0)
                    (void)waitpid(loopback->processes[i].pid, NULL, 0);
            return;
        }
    }
}

void loopback_close(struct loopback *loopback)
{
    if (!loopback)
        return;
    if (loopback->count > 0) {
        end_processes(loopback, 1, loopback->count);
        end_processes(loopback, 0, 1);
    }
    for (size_t i = 0; i < loopback->count; i++)
        if (loopback->processes[i].ready >= 0)
            (void)close(loopback->processes[i].ready);
    if (loopback->folder[0])
        (void)nftw(loopback->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (loopback->signals >= 0)
        (void)close(loopback->signals);
    (void)sigprocmask(SIG_SETMASK, &loopback->mask, NULL);
    free(loopback);
}
