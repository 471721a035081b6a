/* SPDX-License-Identifier: MIT */
/** @file
 * A part of a test that is expected to end its process: the program starts itself again with "--child NAME" and reads
 * how that ended and what it wrote to standard error.
 *
 *     static void child_of_that_name(void) { ... }
 *     CHILD_MAIN(argc, argv, {"name", child_of_that_name});   first in main, before or after tp_init
 *     const struct child_end end = child_run("name");
 */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct child_end {
    int signal;    /* that ended it, 0 if none */
    int exit_code; /* -1 after a signal */
    char output[16384];
};

struct child_case {
    const char *name;
    void (*function)(void);
};

#define CHILD_MAIN(argc, argv, ...)                                                                 \
    do {                                                                                            \
        const struct child_case cases_[] = {__VA_ARGS__};                                           \
        for (size_t i_ = 0; i_ < sizeof(cases_) / sizeof(cases_[0]); i_++)                          \
            if ((argc) > 2 && !strcmp((argv)[1], "--child") && !strcmp((argv)[2], cases_[i_].name)) \
                child_be(cases_[i_].function);                                                      \
    } while (0)

__attribute__((unused, noreturn)) static void child_be(void (*function)(void))
{
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(50); /* a child that hangs ends before the test's own limit */
    function();
    fflush(NULL);
    exit(0);
}

__attribute__((unused)) static struct child_end child_run(const char *name)
{
    struct child_end end = {.exit_code = -1};
    int fds[2];
    if (pipe(fds) != 0)
        return end;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    char self[] = "/proc/self/exe";
    char mark[] = "--child";
    char *copy = strdup(name);
    char *const arguments[] = {self, mark, copy, NULL};
    pid_t pid;
    const int failed = posix_spawn(&pid, self, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(copy);
    close(fds[1]);
    if (failed) {
        close(fds[0]);
        return end;
    }
    size_t length = 0;
    ssize_t got;
    char rest[256];
    while ((got = length < sizeof end.output - 1 ? read(fds[0], end.output + length, sizeof end.output - 1 - length)
                                                 : read(fds[0], rest, sizeof rest)) > 0)
        if (length < sizeof end.output - 1)
            length += (size_t)got;
    end.output[length] = '\0';
    close(fds[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        end.signal = WTERMSIG(status);
    else
        end.exit_code = WEXITSTATUS(status);
    return end;
}

#endif
