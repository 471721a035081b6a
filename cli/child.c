/* SPDX-License-Identifier: MIT */
#include "child.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int child_become(const char *command, const char *path, char **arguments)
{
    (void)execvp(path, arguments);
    const int number = errno;
    (void)command_fail(command, "cannot run %s: %s", path, strerror(number));
    return number == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

static void redirect(const struct child *child)
{
    if (child->output < 0)
        return;
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(child->output, STDOUT_FILENO) < 0 ||
        dup2(child->output, STDERR_FILENO) < 0)
        _exit(EXIT_CANNOT_RUN);
}

_Noreturn static void run(const struct child *child, const char *command, pid_t parent)
{
    /* It ends with its parent, which may have ended already. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != parent)
        _exit(EXIT_CANNOT_RUN);
    if (child->is_apart)
        (void)setpgid(0, 0);
    redirect(child);
    if (child->kept >= 0)
        (void)fcntl(child->kept, F_SETFD, 0);
    for (char *const *variable = child->variables; *variable; variable++)
        (void)putenv(*variable);
    (void)sigprocmask(SIG_SETMASK, child->mask, NULL);
    _exit(child_become(command, child->path, child->arguments));
}

pid_t child_start(const struct child *child, const char *command, struct tp__problem *problem)
{
    const pid_t parent = getpid();
    (void)fflush(NULL); /* or it would be printed twice */
    const pid_t pid = fork();
    if (pid == 0)
        run(child, command, parent);
    if (pid < 0)
        (void)tp__problem_errno(problem, TP_E_SYSTEM, "cannot start %.100s", child->path);
    return pid;
}

int64_t child_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int child_wait_signal(int signals, int other, int64_t end_ms, struct signalfd_siginfo *info)
{
    struct pollfd items[] = {{.fd = signals, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    const int64_t now_ms = child_now_ms();
    const int left_ms = end_ms < 0 ? -1 : end_ms > now_ms ? (int)(end_ms - now_ms) : 0;
    (void)poll(items, 2, left_ms);
    return items[0].revents & POLLIN && read(signals, info, sizeof *info) == (ssize_t)sizeof *info;
}
