/* SPDX-License-Identifier: MIT */
#include "daemon/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int tp__signals_open(struct tp__problem *problem)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    /* a SIGCHLD that is ignored (inherited so) would never come, and children would vanish unasked */
    struct sigaction plain = {.sa_handler = SIG_DFL};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigaction(SIGCHLD, &plain, NULL) != 0 ||
        sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        (void)tp__problem_errno(problem, TP_E_SYSTEM, "cannot set up signals");
        return -1;
    }
    const int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (descriptor < 0)
        (void)tp__problem_errno(problem, TP_E_SYSTEM, "signalfd");
    return descriptor;
}

int tp__signals_next(int descriptor)
{
    struct signalfd_siginfo info;
    return read(descriptor, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void tp__signals_restore(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGPIPE, &plain, NULL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}
