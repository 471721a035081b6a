/* SPDX-License-Identifier: MIT */
/* taskpool why: why a task waits, or what runs it. */
#include "command.h"
#include "connection.h"
#include "status_view.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <taskpool/version.h>

enum { SESSION_DIGITS = 32, SUBJECT_BYTES = 300 };

static const struct tp__setting settings[] = {
    {"json", 'j', TP__SETTING_FLAG, NULL, "As JSON, for scripts", NULL, 0, 0, 0}, CONNECTION_SETTINGS, SETTINGS_END};

static const struct tp__program program = {
    .name = "taskpool why",
    .version = TP_VERSION,
    .about =
        "Says why a task waits, or what runs it. TASK is SESSION/NUMBER, where the first digits of the session, as "
        "`taskpool status` shows them, are enough, or a task's name: then every driver is asked for its unresolved "
        "tasks of that name, and answers with the first 20.\v" CONNECTION_EXIT_CODES,
    .arguments = "TASK",
    .least_arguments = 1,
    .most_arguments = 1,
    .settings = settings,
};

/* Is it SESSION/NUMBER? Stores how many digits of the session there are. */
static bool names_session(const char *task, size_t *digits)
{
    *digits = strspn(task, "0123456789abcdef");
    return *digits > 0 && *digits <= SESSION_DIGITS && task[*digits] == '/' && task[*digits + 1] &&
           strspn(task + *digits + 1, "0123456789") == strlen(task + *digits + 1);
}

/* The whole session in place of its first digits. */
static bool complete(struct connection *connection, const char *task, size_t digits, char subject[SUBJECT_BYTES],
                     struct tp__problem *problem, int *code)
{
    const Taskpool__Answer *answer = connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_STATUS, "", problem, code);
    if (!answer)
        return false;
    const char *found = NULL;
    size_t count = 0;
    for (size_t i = 0; i < answer->n_sessions; i++) {
        const char *session = answer->sessions[i]->session;
        if (strlen(session) != SESSION_DIGITS || strncmp(session, task, digits) != 0)
            continue;
        found = session;
        count++;
    }
    *code = EXIT_FAILED;
    if (count != 1)
        return tp__problem_set(problem, TP_E_ARGUMENT,
                               count == 0 ? "no session begins with %.*s: `taskpool status` shows them"
                                          : "more than one session begins with %.*s: give more digits",
                               (int)digits, task);
    if (snprintf(subject, SUBJECT_BYTES, "%s%s", found, task + digits) >= SUBJECT_BYTES)
        return tp__problem_set(problem, TP_E_ARGUMENT, "the number of the task is too long");
    return true;
}

static const Taskpool__Answer *ask(struct connection *connection, const char *task, struct tp__problem *problem,
                                   int *code)
{
    char subject[SUBJECT_BYTES];
    size_t digits;
    if (!names_session(task, &digits))
        return connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_WHY, task, problem, code);
    if (!complete(connection, task, digits, subject, problem, code))
        return NULL;
    return connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_WHY, subject, problem, code);
}

static int print_tasks(const char *command, const Taskpool__Answer *answer)
{
    static const struct table_column columns[] = {{"TASK", false}, {"NAME", false}, {"STATE", false}, {"NODE", false},
                                                  {"SENT", true},  {"WHY", false},  {NULL, false}};
    struct table *table = table_new(columns);
    for (size_t i = 0; table && i < answer->n_tasks; i++) {
        const Taskpool__TaskStatus *task = answer->tasks[i];
        const struct text id = text_clean(task->task);
        /* the session as short as in the status */
        const char *number = strchr(id.bytes, '/');
        char brief[TEXT_BYTES];
        (void)snprintf(brief, sizeof brief, "%.*s%.100s", number ? SESSION_BRIEF : 100, id.bytes, number ? number : "");
        table_add(table, brief);
        table_add(table, text_clean(task->name).bytes);
        table_add(table, text_clean(task->state).bytes);
        table_add(table, task->node[0] ? text_clean(task->node).bytes : "-");
        table_add(table, task->dispatch > 0 ? text_count(task->dispatch).bytes : "-");
        table_add(table, text_clean(task->reason).bytes);
    }
    const bool good = table_print(table, stdout);
    table_free(table);
    return good ? EXIT_DONE : command_fail(command, "out of memory");
}

static json_t *make_json(const Taskpool__Answer *answer)
{
    json_t *tasks = json_array();
    for (size_t i = 0; tasks && i < answer->n_tasks; i++) {
        const Taskpool__TaskStatus *task = answer->tasks[i];
        json_t *value = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "task", json_text(task->task), "name",
                                  json_text(task->name), "state", json_text(task->state), "node", json_text(task->node),
                                  "dispatch", json_number(task->dispatch), "reason", json_text(task->reason));
        if (!value || json_array_append_new(tasks, value) != 0) {
            json_decref(tasks);
            tasks = NULL;
        }
    }
    return json_pack("{s:o}", "tasks", tasks);
}

int command_why(int argc, char **argv)
{
    struct tp__config *config = command_settings(&program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    struct tp__problem problem;
    int code;
    struct connection *connection = connection_new(config, &problem, &code);
    const Taskpool__Answer *answer =
        connection ? ask(connection, tp__config_argument(config, 0), &problem, &code) : NULL;
    if (!answer)
        (void)command_fail(argv[0], "%s", problem.text);
    else if (tp__config_flag(config, "json"))
        code = json_print(argv[0], make_json(answer));
    else
        code = print_tasks(argv[0], answer);
    connection_free(connection);
    tp__config_free(config);
    return code;
}
