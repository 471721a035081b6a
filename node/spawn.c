/* SPDX-License-Identifier: MIT */
/*
 * Design notes.
 *
 * - The agent has threads (ZeroMQ's), so between fork and exec the child makes system calls and nothing else. Those
 * that change the user are made raw: glibc's wrappers would talk to the threads that the child no longer has.
 * - The death signal comes after the change of user, which clears it, and getppid after that: the agent may have died
 *   in between. It is sent when the *thread* that forked ends: spawn belongs to the main thread.
 * - Capabilities are dropped by hand: only a change from user 0 drops them, and an agent may be another user that holds
 *   CAP_SETUID. NO_NEW_PRIVS keeps set-id programs and the capabilities of files from giving any back.
 * - A pipe that exec closes tells how it went. The agent waits for it, so no two children are between fork and exec at
 *   once, and none holds a descriptor that writes to a program which another one executes (ETXTBSY).
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum step {
    STEP_SESSION,
    STEP_DESCRIPTORS,
    STEP_LIMITS,
    STEP_USER,
    STEP_PRIVILEGES,
    STEP_PARENT,
    STEP_DIRECTORY,
    STEP_EXECUTE
};

static const char *const step_texts[] = {
    [STEP_SESSION] = "cannot make a session for the process",
    [STEP_DESCRIPTORS] = "cannot set up the descriptors of the process",
    [STEP_LIMITS] = "cannot limit the process",
    [STEP_USER] = "cannot change to the user of the process",
    [STEP_PRIVILEGES] = "cannot take its privileges from the process",
    [STEP_PARENT] = "cannot tie the process to the agent",
    [STEP_DIRECTORY] = "cannot make the temporary directory of the process",
    [STEP_EXECUTE] = "cannot execute the program",
};

struct report {
    enum step step;
    int error;
};

struct child {
    const struct spawn_options *options;
    int report_descriptor;
    pid_t parent;
};

/* ---- in the child: system calls only ---- */

__attribute__((noreturn)) static void give_up(const struct child *child, enum step step)
{
    const struct report report = {step, errno};
    (void)!write(child->report_descriptor, &report, sizeof report);
    _exit(127);
}

/* Moves the descriptors out of the way of each other, then to where they belong. What is above is closed by exec. */
static void place_descriptors(struct child *child, int *program)
{
    const struct spawn_options *options = child->options;
    int high[SPAWN_DESCRIPTORS_LIMIT];
    const int floor = SPAWN_DESCRIPTORS_LIMIT + 8;
    const int report = fcntl(child->report_descriptor, F_DUPFD_CLOEXEC, floor);
    if (report < 0)
        give_up(child, STEP_DESCRIPTORS);
    child->report_descriptor = report;
    *program = fcntl(options->program, F_DUPFD_CLOEXEC, floor);
    if (*program < 0)
        give_up(child, STEP_DESCRIPTORS);
    for (size_t i = 0; i < options->descriptor_count; i++)
        if ((high[i] = fcntl(options->descriptors[i], F_DUPFD_CLOEXEC, floor)) < 0)
            give_up(child, STEP_DESCRIPTORS);
    for (size_t i = 0; i < options->descriptor_count; i++)
        if (dup2(high[i], (int)i) < 0)
            give_up(child, STEP_DESCRIPTORS);
    if (syscall(SYS_close_range, (unsigned)options->descriptor_count, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */) != 0)
        give_up(child, STEP_DESCRIPTORS);
}

static void limit(const struct child *child)
{
    const struct rlimit no_core = {0, 0};
    struct rlimit descriptors;
    if (setrlimit(RLIMIT_CORE, &no_core) != 0 || getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        give_up(child, STEP_LIMITS);
    const rlim_t wanted = child->options->descriptor_limit;
    if (wanted && wanted < descriptors.rlim_max)
        descriptors.rlim_max = wanted;
    descriptors.rlim_cur = descriptors.rlim_max;
    const rlim_t seconds = child->options->cpu_seconds;
    const struct rlimit processor = {seconds, seconds};
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0 || (seconds && setrlimit(RLIMIT_CPU, &processor) != 0))
        give_up(child, STEP_LIMITS);
}

static void leave_gathering(const struct child *child)
{
    const struct tp__processors *processors = child->options->processors;
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    if (processors && sched_setaffinity(0, sizeof processors->set, &processors->set) != 0)
        (void)sched_setaffinity(0, sizeof all, &all); /* the container has others by now */
}

static void change_user(const struct child *child)
{
    const uid_t user = child->options->user;
    if (user == SPAWN_SAME_USER)
        return;
    if (syscall(SYS_setgroups, 0, NULL) != 0 || syscall(SYS_setresgid, user, user, user) != 0 ||
        syscall(SYS_setresuid, user, user, user) != 0)
        give_up(child, STEP_USER);
}

static void drop_privileges(const struct child *child)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) ||
        syscall(SYS_capset, &header, none) != 0)
        give_up(child, STEP_PRIVILEGES);
}

__attribute__((noreturn)) static void be_child(struct child *child)
{
    const struct spawn_options *options = child->options;
    int program;
    if (setsid() < 0)
        give_up(child, STEP_SESSION);
    place_descriptors(child, &program);
    limit(child);
    leave_gathering(child);
    change_user(child);
    drop_privileges(child);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        give_up(child, STEP_PARENT);
    if (getppid() != child->parent)
        _exit(127); /* nobody is left to hear of it */

    umask(077);
    const char *directory = options->new_directory;
    if ((directory && mkdir(directory, 0700) != 0) || chdir(directory ? directory : "/") != 0)
        give_up(child, STEP_DIRECTORY);
    if (options->alone && options->user != SPAWN_SAME_USER && getuid() == options->user)
        (void)kill(-1, SIGKILL); /* not this process itself; ESRCH is the usual answer */

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* EINVAL for those that cannot be set */
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)syscall(SYS_execveat, program, "", options->arguments, options->environment, AT_EMPTY_PATH);
    give_up(child, STEP_EXECUTE);
}

/* ---- in the agent ---- */

static bool wait_for_exec(int pipe_end, struct spawned *spawned, struct tp__problem *problem)
{
    struct report report;
    ssize_t got;
    while ((got = read(pipe_end, &report, sizeof report)) < 0 && errno == EINTR)
        ;
    if (got == 0)
        return true;
    (void)waitpid(spawned->pid, NULL, 0);
    if (got != sizeof report)
        return tp__problem_set(problem, TP_E_SYSTEM, "cannot start a process: it ended before it ran the program");
    errno = report.error;
    return tp__problem_errno(problem, TP_E_SYSTEM, "%s", step_texts[report.step]);
}

bool spawn(const struct spawn_options *options, struct spawned *spawned, struct tp__problem *problem)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot start a process");
    struct child child = {options, report[1], getpid()};

    /* No handler of the agent's runs in the child. */
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    if (pid == 0)
        be_child(&child);
    const int error = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        errno = error;
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot start a process");
    }

    *spawned = (struct spawned){.pid = pid, .pidfd = -1};
    bool ok = wait_for_exec(report[0], spawned, problem);
    close(report[0]);
    if (ok && (spawned->pidfd = (int)syscall(SYS_pidfd_open, pid, 0)) < 0) {
        ok = tp__problem_errno(problem, TP_E_SYSTEM, "cannot watch the process");
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return ok;
}
