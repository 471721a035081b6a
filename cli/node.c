/* SPDX-License-Identifier: MIT */
/* taskpool node: list and drain. */
#include "command.h"
#include "connection.h"
#include "status_view.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <taskpool/version.h>
#include <unistd.h>

enum { LOOK_MS = 200, SECOND_MS = 1000 };

/* ---- list ---- */

static const struct tp__setting list_settings[] = {
    {"json", 'j', TP__SETTING_FLAG, NULL, "As JSON, for scripts", NULL, 0, 0, 0},
    {"names", 'n', TP__SETTING_FLAG, NULL, "Their names only, one a line; without those that were lost", NULL, 0, 0, 0},
    CONNECTION_SETTINGS,
    SETTINGS_END};

static const struct tp__program list_program = {
    .name = "taskpool node list",
    .version = TP_VERSION,
    .about = "Lists the nodes of a cluster; those that were lost, for a minute.\v" CONNECTION_EXIT_CODES,
    .settings = list_settings,
};

static bool is_lost(const Taskpool__NodeStatus *node)
{
    return strcmp(node->condition, "lost") == 0;
}

static int list(int argc, char **argv)
{
    struct tp__config *config = command_settings(&list_program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    struct tp__problem problem;
    int code;
    struct connection *connection = connection_new(config, &problem, &code);
    const Taskpool__Answer *answer =
        connection ? connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_STATUS, "", &problem, &code) : NULL;
    if (!answer)
        (void)command_fail(argv[0], "%s", problem.text);
    else if (tp__config_flag(config, "json"))
        code = json_print(argv[0], status_nodes_json(answer));
    else if (!tp__config_flag(config, "names"))
        code = status_print_nodes(answer, stdout) ? EXIT_DONE : command_fail(argv[0], "out of memory");
    else
        for (size_t i = 0; i < answer->n_nodes; i++)
            if (!is_lost(answer->nodes[i]))
                puts(text_clean(answer->nodes[i]->name).bytes);
    connection_free(connection);
    tp__config_free(config);
    return code;
}

/* ---- drain ---- */

static const struct tp__setting drain_settings[] = {
    {"no-wait", 'n', TP__SETTING_FLAG, NULL, "Only say that it is to be drained", NULL, 0, 0, 0},
    {"wait", 'w', TP__SETTING_DURATION, "TIME", "How long its tasks may take; 0: as long as they want", "0", 0, 0, 0},
    CONNECTION_SETTINGS,
    SETTINGS_END};

static const struct tp__program drain_program = {
    .name = "taskpool node drain",
    .version = TP_VERSION,
    .about = "Drains a node: it gets no new tasks, hands back those that have not started, and ends the others. Waits "
             "until it has, and then the node can be stopped. Its drain ends with its process.\v" CONNECTION_EXIT_CODES,
    .arguments = "NODE",
    .least_arguments = 1,
    .most_arguments = 1,
    .settings = drain_settings,
};

enum drained { DRAINED, DRAINS, GONE };

/* All those of that name; `left` is how many tasks they still have. */
static enum drained look(const Taskpool__Answer *answer, const char *name, uint64_t *left)
{
    enum drained drained = GONE;
    *left = 0;
    for (size_t i = 0; i < answer->n_nodes; i++) {
        const Taskpool__NodeStatus *node = answer->nodes[i];
        if (strcmp(node->name, name) != 0 || is_lost(node))
            continue;
        if (strcmp(node->condition, "drained") != 0)
            drained = DRAINS;
        else if (drained == GONE)
            drained = DRAINED;
        *left += (uint64_t)node->running + node->queued;
    }
    return drained;
}

/* On a terminal one line says how far it is. */
static void show_left(const char *name, uint64_t left)
{
    if (!isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r\033[K%s: %" PRIu64 " tasks left", name, left);
    (void)fflush(stderr);
}

static void wipe_left(void)
{
    if (isatty(STDERR_FILENO))
        (void)fputs("\r\033[K", stderr);
}

static bool wait_drained(struct connection *connection, const char *name, int64_t limit_ms, struct tp__problem *problem,
                         int *code)
{
    uint64_t left = 0;
    enum drained drained = DRAINS;
    for (int64_t waited_ms = 0; limit_ms == 0 || waited_ms < limit_ms; waited_ms += LOOK_MS) {
        const Taskpool__Answer *answer =
            connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_STATUS, "", problem, code);
        if (!answer)
            break;
        drained = look(answer, name, &left);
        if (drained != DRAINS)
            break;
        if (waited_ms % SECOND_MS == 0)
            show_left(name, left);
        connection_wait(connection, LOOK_MS);
    }
    wipe_left();
    if (drained == DRAINED)
        return true;
    if (*code != EXIT_DONE)
        return false;
    *code = EXIT_FAILED;
    if (drained == GONE)
        return tp__problem_set(problem, TP_E_NODE_LOST, "node %.63s left before it was drained", name);
    return tp__problem_set(problem, TP_E_TIMEOUT, "node %.63s still has %" PRIu64 " tasks; it goes on draining", name,
                           left);
}

static int drain(int argc, char **argv)
{
    struct tp__config *config = command_settings(&drain_program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    struct tp__problem problem;
    int code;
    const char *name = tp__config_argument(config, 0);
    struct connection *connection = connection_new(config, &problem, &code);
    bool good = connection && connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_DRAIN, name, &problem, &code);
    if (good && !tp__config_flag(config, "no-wait"))
        good = wait_drained(connection, name, tp__config_number(config, "wait"), &problem, &code);
    if (!good)
        (void)command_fail(argv[0], "%s", problem.text);
    connection_free(connection);
    tp__config_free(config);
    return code;
}

/* ---- both ---- */

static const struct subcommand commands[] = {
    {"list", list, "the nodes of the cluster"}, {"drain", drain, "give a node nothing more to do"}, {NULL, NULL, NULL}};

int command_node(int argc, char **argv)
{
    return command_choose(commands, "", argc, argv);
}
