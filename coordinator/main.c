/* SPDX-License-Identifier: MIT */
/* taskpool-coordinator: its settings, and what must be done before anything else. */
#include "daemon/daemon.h"
#include "shell.h"
#include "trust/identity.h"

#include <stdint.h>
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
    TP__DAEMON_LOG_SETTINGS,
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
    char key_path[TP__PATH_BYTES];
    char authorized_path[TP__PATH_BYTES];
};

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
    return tp__identity_key_path(tp__config_text(config, "key"), store->key_path, problem) &&
           tp__identity_authorized_path(tp__config_text(config, "authorized-keys"), store->authorized_path, problem) &&
           tp__daemon_name(options->coordinator.name, tp__config_text(config, "name"), problem) &&
           read_key(store, problem) && check_authorized(store, problem);
}

static bool run(const struct tp__config *config, int signals, struct tp__problem *problem)
{
    static struct store store;
    struct shell_options options = {.ready_fd = -1};
    const bool ok = fill(&options, config, &store, problem) && shell_run(&options, signals, problem);
    tp__key_wipe(&store.key);
    return ok;
}

int main(int argc, char **argv)
{
    return tp__daemon_main(&program, argc, argv, DESCRIPTORS_WANTED, run);
}
