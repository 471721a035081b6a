/* SPDX-License-Identifier: MIT */
/* taskpool-node: its settings, and what must be done before anything else. */
#include "daemon/daemon.h"
#include "memory.h"
#include "shell.h"
#include "symbolizer.h"
#include "trust/identity.h"
#include "users.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <taskpool/version.h>
#include <unistd.h>

enum {
    VARIABLES_LIMIT = 32,
    DESCRIPTORS_WANTED = 4096,
    PARKED_TASK_BYTES = 5632, /* on a node, the agent's part included */
    LEAST_TASK_LIMIT = 1000
};

static const struct tp__setting settings[] = {
    {"coordinator", 'c', TP__SETTING_TEXT, "tcp://HOST:PORT", "where the coordinator listens; required", NULL, 0, 0, 0},
    {"coordinator-key", 0, TP__SETTING_TEXT, "KEY", "its key, where authorized-keys has not exactly one coordinator",
     NULL, 0, 0, 0},
    {"key", 'k', TP__SETTING_PATH, "FILE",
     "this node's key (default: $TASKPOOL_KEY, else key in $TASKPOOL_HOME or ~/.config/taskpool)", NULL, 0, 0, 0},
    {"authorized-keys", 'a', TP__SETTING_PATH, "FILE",
     "whose programs run here, and the coordinator (default: $TASKPOOL_AUTHORIZED_KEYS, else authorized_keys in the "
     "same"
     " folder)",
     NULL, 0, 0, 0},
    {"name", 'n', TP__SETTING_TEXT, "NAME", "what people call this node (default: the host's name)", NULL, 0, 0, 0},
    {"workers", 'w', TP__SETTING_NUMBER, "N", "threads that run tasks (default: the usable processors)", NULL, 0,
     TP__WORKER_THREADS_LIMIT, 0},
    {"cache", 0, TP__SETTING_PATH, "DIR",
     "where programs are kept (default: /var/cache/taskpool/programs for root, else taskpool/programs in "
     "$XDG_CACHE_HOME or ~/.cache)",
     NULL, 0, 0, 0},
    {"cache-limit", 0, TP__SETTING_SIZE, "BYTES", "how much of them is kept", "4G", 1 << 20, INT64_MAX, 0},
    {"programs", 0, TP__SETTING_PATH, "DIR", "run only what is installed there; nothing is shipped", NULL, 0, 0, 0},
    {"memory-limit", 0, TP__SETTING_SIZE, "BYTES",
     "what one worker process may use; 0: 80 % of the machine's or the control group's", "0", 0, INT64_MAX, 0},
    {"task-limit", 0, TP__SETTING_NUMBER, "N",
     "how many tasks of a session are here at a time, parked ones included; deeper ones are taken past it, one more a "
     "level; 0: what half of memory-limit has room for",
     "0", 0, AGENT_TASK_LIMIT, 0},
    {"same-user", 0, TP__SETTING_FLAG, NULL, "run tasks as the node's own user: they can read its key", NULL, 0, 0, 0},
    {"worker-uid-base", 0, TP__SETTING_NUMBER, "UID", "the first of the users that worker processes run as", "70000", 1,
     INT32_MAX, 0},
    {"worker-uid-count", 0, TP__SETTING_NUMBER, "N", "how many there are", "4096", 1, 1 << 20, 0},
    {"temp-dir", 0, TP__SETTING_PATH, "DIR", "where worker processes get their private directories", "/tmp", 0, 0, 0},
    {"environment", 0, TP__SETTING_TEXT, "NAME,...", "variables that worker processes get as well", NULL, 0, 0, 0},
    {"descriptors", 0, TP__SETTING_NUMBER, "N", "how many a worker process may open; 0: what the system allows", "0", 0,
     INT32_MAX, 0},
    {"drain-timeout", 0, TP__SETTING_DURATION, "TIME", "how long tasks may go on after SIGTERM", "30s", 0, INT64_MAX,
     0},
    TP__DAEMON_LOG_SETTINGS,
    {"ready-fd", 0, TP__SETTING_NUMBER, "FD", "writes \"ready\" there when the coordinator has welcomed the node", NULL,
     0, INT32_MAX, 1},
    {"config", 0, TP__SETTING_PATH, "FILE", "settings, one \"name = value\" a line", "/etc/taskpool/node.conf", 0, 0,
     1},
    {NULL, 0, TP__SETTING_TEXT, NULL, NULL, NULL, 0, 0, 0},
};

static const struct tp__program program = {
    .name = "taskpool-node",
    .version = TP_VERSION,
    .about = "Runs the tasks of a TaskPool cluster on this machine, each session's in processes of its own.",
    .settings = settings,
    .file_setting = "config",
};

/* What the options point to. */
struct store {
    struct tp__key key;
    struct tp__public_key coordinator_key;
    char key_path[TP__PATH_BYTES];
    char authorized_path[TP__PATH_BYTES];
    char cache_path[TP__PATH_BYTES];
    char variables[1024];
    const char *names[VARIABLES_LIMIT + 1];
};

static bool choose_cache(const char *given, char path[TP__PATH_BYTES], struct tp__problem *problem)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    if (given)
        length = snprintf(path, TP__PATH_BYTES, "%s", given);
    else if (geteuid() == 0)
        length = snprintf(path, TP__PATH_BYTES, "/var/cache/taskpool/programs");
    else if (base && *base)
        length = snprintf(path, TP__PATH_BYTES, "%s/taskpool/programs", base);
    else if (home && *home)
        length = snprintf(path, TP__PATH_BYTES, "%s/.cache/taskpool/programs", home);
    else
        return tp__problem_set(problem, TP_E_ARGUMENT, "no place for the cache: set cache, or $HOME");
    return length < TP__PATH_BYTES || tp__problem_set(problem, TP_E_ARGUMENT, "the path of the cache is too long");
}

static bool split_variables(const char *list, struct store *store, struct tp__problem *problem)
{
    if (list && snprintf(store->variables, sizeof store->variables, "%s", list) >= (int)sizeof store->variables)
        return tp__problem_set(problem, TP_E_LIMIT, "environment: too long");
    size_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(store->variables, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        if (count == VARIABLES_LIMIT)
            return tp__problem_set(problem, TP_E_LIMIT, "environment: at most %d names", VARIABLES_LIMIT);
        if (strchr(name, '=') || strncmp(name, "TASKPOOL_", 9) == 0)
            return tp__problem_set(problem, TP_E_ARGUMENT, "environment: \"%s\" cannot be handed on", name);
        store->names[count++] = name;
    }
    return true;
}

/* Memory is known to be short before the kernel says so; the other half is for what tasks take themselves. */
static uint32_t choose_task_limit(const struct tp__config *config)
{
    const int64_t given = tp__config_number(config, "task-limit");
    if (given > 0)
        return (uint32_t)given;
    const int64_t memory = tp__config_number(config, "memory-limit");
    const uint64_t bytes = memory > 0 ? (uint64_t)memory : memory_of_machine() / 5 * 4;
    const uint64_t tasks = bytes / 2 / PARKED_TASK_BYTES;
    return tasks < LEAST_TASK_LIMIT ? LEAST_TASK_LIMIT : tasks < AGENT_TASK_LIMIT ? (uint32_t)tasks : AGENT_TASK_LIMIT;
}

static bool fill_agent(struct agent_options *agent, const struct tp__config *config, struct tp__problem *problem)
{
    struct utsname machine;
    cpu_set_t processors;
    if (uname(&machine) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the kind of this machine");
    if (!tp__daemon_name(agent->name, tp__config_text(config, "name"), problem))
        return false;
    (void)snprintf(agent->machine, sizeof agent->machine, "%.*s", (int)sizeof agent->machine - 1, machine.machine);
    agent->workers = (uint32_t)tp__config_number(config, "workers");
    if (agent->workers == 0 && sched_getaffinity(0, sizeof processors, &processors) == 0)
        agent->workers = (uint32_t)CPU_COUNT(&processors);
    if (agent->workers == 0)
        agent->workers = 1;
    agent->task_limit = choose_task_limit(config);
    return true;
}

static bool fill_processes(struct processes_options *processes, const struct tp__config *config, struct store *store,
                           struct tp__problem *problem)
{
    *processes = (struct processes_options){
        .same_user = tp__config_flag(config, "same-user"),
        .uid_base = (uid_t)tp__config_number(config, "worker-uid-base"),
        .uid_count = (uint32_t)tp__config_number(config, "worker-uid-count"),
        .scratch = tp__config_text(config, "temp-dir"),
        .memory_limit_bytes = (uint64_t)tp__config_number(config, "memory-limit"),
        .descriptor_limit = (unsigned)tp__config_number(config, "descriptors"),
        .environment = store->names,
    };
    return split_variables(tp__config_text(config, "environment"), store, problem);
}

static bool fill(struct shell_options *options, const struct tp__config *config, struct store *store,
                 struct tp__problem *problem)
{
    options->coordinator = tp__config_text(config, "coordinator");
    if (!options->coordinator)
        return tp__problem_set(problem, TP_E_ARGUMENT,
                               "coordinator is not set: say where it listens, as --coordinator tcp://HOST:PORT");
    const char *coordinator_key = tp__config_text(config, "coordinator-key");
    if (coordinator_key && !tp__public_key_parse(&store->coordinator_key, coordinator_key))
        return tp__problem_set(problem, TP_E_ARGUMENT, "coordinator-key: not a public key");
    options->coordinator_key = coordinator_key ? &store->coordinator_key : NULL;

    if (!tp__identity_key_path(tp__config_text(config, "key"), store->key_path, problem) ||
        !tp__identity_authorized_path(tp__config_text(config, "authorized-keys"), store->authorized_path, problem) ||
        !choose_cache(tp__config_text(config, "cache"), store->cache_path, problem) ||
        !tp__key_read(&store->key, store->key_path, problem) || !fill_agent(&options->agent, config, problem) ||
        !fill_processes(&options->processes, config, store, problem))
        return false;
    options->key = &store->key;
    options->authorized_keys = store->authorized_path;
    options->cache = store->cache_path;
    options->cache_limit_bytes = (uint64_t)tp__config_number(config, "cache-limit");
    options->programs = tp__config_text(config, "programs");
    options->drain_ms = tp__config_number(config, "drain-timeout");
    options->ready_fd = tp__config_is_set(config, "ready-fd") ? (int)tp__config_number(config, "ready-fd") : -1;
    return true;
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
    symbolizer_run_if_asked(argc, argv);
    return tp__daemon_main(&program, argc, argv, DESCRIPTORS_WANTED, run);
}
