/* SPDX-License-Identifier: MIT */
/* intruder FOLDER PROCESS...: a task that tries to reach what is not its session's: keys, the agent, processes of
 * another session. Says each thing that it could do. */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { TEXT = 4096 };

static void add(char *text, const char *what, const char *path)
{
    const size_t length = strlen(text);
    snprintf(text + length, TEXT - length, "%s %s\n", what, path);
}

static void try_open(char *could, const char *path, int flags)
{
    const int file = open(path, flags | O_CLOEXEC);
    if (file < 0)
        return;
    add(could, flags == O_RDONLY ? "read" : "write", path);
    close(file);
}

static void try_folder(char *could, const char *folder)
{
    DIR *all = opendir(folder);
    if (!all)
        return;
    const struct dirent *entry;
    char path[512];
    while ((entry = readdir(all))) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        const size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".key") == 0)
            try_open(could, path, O_RDONLY);
        if (length > 6 && strcmp(entry->d_name + length - 6, "-cache") == 0) {
            DIR *cache = opendir(path);
            if (cache) {
                add(could, "list", path);
                closedir(cache);
            }
        }
        if (strcmp(entry->d_name, "authorized_keys") == 0)
            try_open(could, path, O_WRONLY);
    }
    closedir(all);
}

static void try_process(char *could, long process)
{
    char path[64];
    snprintf(path, sizeof path, "%ld", process);
    if (ptrace(PTRACE_SEIZE, (pid_t)process, NULL, NULL) == 0)
        add(could, "trace", path);
    char byte;
    const struct iovec here = {&byte, 1};
    const struct iovec there = {(void *)(uintptr_t)0x10000, 1};
    if (process_vm_readv((pid_t)process, &here, 1, &there, 1, 0) == 1 || errno == EFAULT)
        add(could, "read the memory of", path);
    if (kill((pid_t)process, 0) == 0)
        add(could, "signal", path);
    snprintf(path, sizeof path, "/proc/%ld/mem", process);
    try_open(could, path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/%ld/environ", process);
    try_open(could, path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/%ld/cwd/.", process);
    try_open(could, path, O_RDONLY);
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "/proc/%ld/fd/%d", process, i);
        try_open(could, path, O_RDONLY);
    }
}

TP_TASK(intrude, tp_str, (tp_str, folder), (tp_value, processes))
{
    char could[TEXT] = "";
    try_folder(could, folder.data);
    for (size_t i = 0; i < tp_value_size(processes); i++) {
        tp_value process;
        int64_t number = 0;
        tp_try(tp_value_list_get(processes, i, &process));
        tp_try(tp_value_to_int(process, &number));
        try_process(could, (long)number);
    }
    try_process(could, (long)getppid());
    if (setuid(0) == 0 || seteuid(0) == 0)
        add(could, "become", "root");
    extern char **environ;
    for (char **variable = environ; *variable; variable++)
        if (strstr(*variable, "KEY") || strstr(*variable, "TASKPOOL_AUTH"))
            add(could, "see", *variable);
    return tp_str_new(could);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHECK_OR_EXIT(argc >= 3);
    tp_pool *pool = tp_pool_open(NULL);
    CHECK_OR_EXIT(pool);
    tp_value processes = tp_value_list();
    for (int i = 2; i < argc; i++)
        CHECK_OK(tp_value_list_append(processes, tp_value_int(atoll(argv[i]))));
    for (int worker = 0; worker < (int)tp_pool_size(pool); worker++) {
        tp_str could = {NULL, 0, NULL};
        CHECK_OK(tp_run_with(pool, tp_task_options(.pinned = true, .worker = worker), intrude, &could,
                             tp_str_view(argv[1], strlen(argv[1])), processes));
        CHECK_TP_STR(could, "");
        tp_str_release(could);
    }
    tp_value_release(processes);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
