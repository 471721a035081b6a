/* SPDX-License-Identifier: MIT */
/* taskpool-coordinator: its settings, and what must be done before anything else. */
#include "base/sanitized.h"
#include "daemon/config.h"
#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/signals.h"
#include "shell.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <taskpool/version.h>
#include <unistd.h>

enum { DESCRIPTORS_WANTED = 16384 };

static const struct tp__setting settings[] = {
    {"listen", 'l', TP__SETTING_TEXT, "tcp://HOST:PORT",
     "where drivers, nodes and tools connect to; other machines cannot unless it is said", "tcp://127.0.0.1:7077", 0, 0,
     0},
    {"key", 'k', TP__SETTING_PATH, "FILE",
     "the coordinator's key (default: $TASKPOOL_KEY, else key in $TASKPOOL_HOME or ~/.config/taskpool)", NULL, 0, 0, 0},
    {"authorized-keys", 'a', TP__SETTING_PATH, "FILE",
     "who may connect, and as what (default: $TASKPOOL_AUTHORIZED_KEYS, else authorized_keys in the same folder)", NULL,
     0, 0, 0},
    {"name", 'n', TP__SETTING_TEXT, "NAME", "what people call this coordinator (default: the host's name)", NULL, 0, 0,
     0},
    {"queue-limit", 0, TP__SETTING_SIZE, "BYTES", "of tasks that a session may have queued here", "256M", 4 << 20,
     INT64_MAX / 2, 0},
    {"session-limit", 0, TP__SETTING_NUMBER, "N", "sessions that one key may have at a time", "16", 1, 1 << 20, 0},
    {"lease", 0, TP__SETTING_DURATION, "TIME", "how long a session outlives its driver's silence", "30s", 1000,
     24 * 3600 * 1000, 0},
    {"log-format", 0, TP__SETTING_TEXT, "FORMAT", "text or json", "text", 0, 0, 0},
    {"log-level", 0, TP__SETTING_TEXT, "LEVEL", "debug, info, warning or error", "info", 0, 0, 0},
    {"ready-fd", 0, TP__SETTING_NUMBER, "FD", "writes \"ready ENDPOINT\" there when peers can connect", NULL, 0,
     INT32_MAX, 1},
    {"config", 0, TP__SETTING_PATH, "FILE", "settings, one \"name = value\" a line", "/etc/taskpool/coordinator.conf",
     0, 0, 1},
    {NULL, 0, TP__SETTING_TEXT, NULL, NULL, NULL, 0, 0, 0},
};

static const struct tp__program program = {
    .name = "taskpool-coordinator",
    .version = TP_VERSION,
    .about = "The place where the drivers and nodes of a TaskPool cluster meet: it places tasks on nodes, and relays.",
    .settings = settings,
    .file_setting = "config",
};

/* What the options point to. */
struct store {
    struct tp__key key;
    char key_path[PATH_MAX];
    char authorized_path[PATH_MAX];
};

static bool choose_path(const char *given, const char *variable, const char *home_file, char path[PATH_MAX],
                        struct tp__problem *problem)
{
    const char *chosen = given ? given : getenv(variable);
    if (chosen ? snprintf(path, PATH_MAX, "%s", chosen) < PATH_MAX : tp__home_path(path, PATH_MAX, home_file))
        return true;
    return tp__problem_set(problem, TP_E_ARGUMENT, "no place for %s: say where it is, or set $HOME", home_file);
}

static bool read_key(struct store *store, struct tp__problem *problem)
{
    if (access(store->key_path, F_OK) != 0)
        return tp__problem_set(
            problem, TP_E_ARGUMENT,
            "there is no key at %s: make one with `taskpool keygen %s`, or say where it is with --key", store->key_path,
            store->key_path);
    return tp__key_read(&store->key, store->key_path, problem);
}

static bool check_authorized(const struct store *store, struct tp__problem *problem)
{
    return access(store->authorized_path, F_OK) == 0 ||
           tp__problem_set(problem, TP_E_ARGUMENT,
                           "there is no list of keys at %s, so nobody could connect: add drivers and nodes with "
                           "`taskpool authorize`, or say where it is with --authorized-keys",
                           store->authorized_path);
}

static bool fill_name(char name[TP__NAME_LIMIT + 1], const char *given, struct tp__problem *problem)
{
    char host[HOST_NAME_MAX + 1] = "";
    if (given && (!*given || strlen(given) > TP__NAME_LIMIT))
        return tp__problem_set(problem, TP_E_ARGUMENT, "name: 1 to %d bytes", TP__NAME_LIMIT);
    if (!given && gethostname(host, sizeof host - 1) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the name of this machine");
    (void)snprintf(name, TP__NAME_LIMIT + 1, "%.*s", TP__NAME_LIMIT, given ? given : host);
    return true;
}

static bool fill(struct shell_options *options, const struct tp__config *config, struct store *store,
                 struct tp__problem *problem)
{
    options->listen = tp__config_text(config, "listen");
    options->ready_fd = tp__config_is_set(config, "ready-fd") ? (int)tp__config_number(config, "ready-fd") : -1;
    options->coordinator.queue_limit_bytes = (uint64_t)tp__config_number(config, "queue-limit");
    options->coordinator.sessions_per_key = (uint32_t)tp__config_number(config, "session-limit");
    options->coordinator.session_lease_ms = tp__config_number(config, "lease");
    options->key = &store->key;
    options->authorized_keys = store->authorized_path;
    return choose_path(tp__config_text(config, "key"), "TASKPOOL_KEY", "key", store->key_path, problem) &&
           choose_path(tp__config_text(config, "authorized-keys"), "TASKPOOL_AUTHORIZED_KEYS", "authorized_keys",
                       store->authorized_path, problem) &&
           fill_name(options->coordinator.name, tp__config_text(config, "name"), problem) && read_key(store, problem) &&
           check_authorized(store, problem);
}

static bool start_log(const struct tp__config *config, struct tp__problem *problem)
{
    enum tp__log_format format;
    enum tp__log_level level;
    if (!tp__log_format_parse(&format, tp__config_text(config, "log-format")))
        return tp__problem_set(problem, TP_E_ARGUMENT, "log-format: text or json");
    if (!tp__log_level_parse(&level, tp__config_text(config, "log-level")))
        return tp__problem_set(problem, TP_E_ARGUMENT, "log-level: debug, info, warning or error");
    tp__log_start(format, level);
    return true;
}

static bool run(const struct tp__config *config, struct tp__problem *problem)
{
    static struct store store;
    struct shell_options options = {.ready_fd = -1};
    uint64_t allowed;
    bool ok = start_log(config, problem);
    if (!tp__trust_start())
        ok = tp__problem_set(problem, TP_E_SYSTEM, "libsodium cannot start");
    const int signals = ok ? tp__signals_open(problem) : -1;
    ok = ok && signals >= 0 && fill(&options, config, &store, problem);
    if (ok && !tp__limits_raise_descriptors(DESCRIPTORS_WANTED, &allowed, problem)) {
        struct tp__pairs pairs = {.length = 0};
        tp__pairs_add(&pairs, "reason", problem->text);
        tp__log(TP__LOG_WARNING, "few-descriptors", pairs.text);
    }
    ok = ok && shell_run(&options, signals, problem);
    tp__key_wipe(&store.key);
    if (signals >= 0)
        close(signals);
    return ok;
}

int main(int argc, char **argv)
{
#ifndef TP__ADDRESS_SANITIZER /* its search for leaks at the end traces the process */
    /* Nobody of the same user reads the key out of this process's memory. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    struct tp__problem problem;
    struct tp__config *config = tp__config_read(&program, argc, argv, &problem);
    const bool ok = config && run(config, &problem);
    if (!ok)
        fprintf(stderr, "taskpool-coordinator: %s\n", problem.text);
    tp__config_free(config);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
