/* SPDX-License-Identifier: MIT */
#include "status_view.h"

#include "command.h"
#include "table.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- for people ---- */

static bool print_and_free(struct table *table, FILE *to)
{
    const bool good = table_print(table, to);
    table_free(table);
    return good;
}

bool status_print_nodes(const Taskpool__Answer *answer, FILE *to)
{
    static const struct table_column columns[] = {
        {"NODE", false},    {"STATE", false},     {"WORKERS", true},  {"RUNNING", true},  {"QUEUED", true},
        {"FINISHED", true}, {"PER SECOND", true}, {"SESSIONS", true}, {"VERSION", false}, {NULL, false}};
    struct table *table = table_new(columns);
    for (size_t i = 0; table && i < answer->n_nodes; i++) {
        const Taskpool__NodeStatus *node = answer->nodes[i];
        table_add(table, text_clean(node->name).bytes);
        table_add(table, text_clean(node->condition).bytes);
        table_add(table, text_count(node->workers).bytes);
        table_add(table, text_count(node->running).bytes);
        table_add(table, text_count(node->queued).bytes);
        table_add(table, text_count(node->finished).bytes);
        table_add(table, text_rate(node->rate).bytes);
        table_add(table, text_count(node->sessions).bytes);
        table_add(table, text_clean(node->version).bytes);
    }
    return print_and_free(table, to);
}

static bool print_sessions(const Taskpool__Answer *answer, FILE *to)
{
    static const struct table_column columns[] = {{"SESSION", false}, {"PROGRAM", false}, {"DRIVER", false},
                                                  {"NODES", true},    {"PLACED", true},   {"QUEUED", true},
                                                  {"BYTES", true},    {NULL, false}};
    struct table *table = table_new(columns);
    for (size_t i = 0; table && i < answer->n_sessions; i++) {
        const Taskpool__SessionStatus *session = answer->sessions[i];
        struct text id = text_clean(session->session);
        id.bytes[SESSION_BRIEF] = '\0';
        table_add(table, id.bytes);
        table_add(table, text_clean(session->program).bytes);
        table_add(table, text_clean(session->driver).bytes);
        table_add(table, text_count(session->nodes).bytes);
        table_add(table, text_count(session->placed).bytes);
        table_add(table, text_count(session->queued).bytes);
        table_add(table, text_bytes(session->queued_bytes).bytes);
    }
    return print_and_free(table, to);
}

static void print_coordinator(const Taskpool__CoordinatorStatus *status, const char *endpoint, FILE *to)
{
    (void)fprintf(to, "coordinator %s at %s, version %s, up for %s\n", text_clean(status->name).bytes, endpoint,
                  text_clean(status->version).bytes, text_duration(status->uptime_ms).bytes);
    (void)fprintf(to, "%" PRIu64 " tasks queued, %s placed a second, %" PRIu64 " frames refused\n", status->queued,
                  text_rate(status->rate).bytes, status->refused_frames);
}

bool status_print(const Taskpool__Answer *answer, const char *endpoint, FILE *to)
{
    if (answer->coordinator)
        print_coordinator(answer->coordinator, endpoint, to);
    bool good = true;
    (void)fputc('\n', to);
    if (answer->n_nodes > 0)
        good = status_print_nodes(answer, to);
    else
        (void)fputs("no node is here: start taskpool-node on a machine that is to work\n", to);
    (void)fputc('\n', to);
    if (answer->n_sessions > 0)
        good = print_sessions(answer, to) && good;
    else
        (void)fputs("no session is open\n", to);
    return good;
}

/* ---- as JSON ---- */

json_t *json_text(const char *text)
{
    return json_string(text_clean(text).bytes);
}

json_t *json_number(uint64_t number)
{
    return json_integer(number < INT64_MAX ? (json_int_t)number : INT64_MAX);
}

static json_t *json_rate(double rate)
{
    return json_real(isfinite(rate) ? rate : 0);
}

static json_t *node_json(const Taskpool__NodeStatus *node)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", json_text(node->name), "condition",
                     json_text(node->condition), "workers", json_number(node->workers), "running",
                     json_number(node->running), "queued", json_number(node->queued), "finished",
                     json_number(node->finished), "finished_per_second", json_rate(node->rate), "sessions",
                     json_number(node->sessions), "version", json_text(node->version));
}

static json_t *session_json(const Taskpool__SessionStatus *session)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "session", json_text(session->session), "driver",
                     json_text(session->driver), "program", json_text(session->program), "nodes",
                     json_number(session->nodes), "placed", json_number(session->placed), "queued",
                     json_number(session->queued), "queued_bytes", json_number(session->queued_bytes));
}

static json_t *coordinator_json(const Taskpool__CoordinatorStatus *status, const char *endpoint)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name", json_text(status->name), "endpoint", endpoint,
                     "version", json_text(status->version), "uptime_ms", json_number(status->uptime_ms), "queued",
                     json_number(status->queued), "placed_per_second", json_rate(status->rate), "refused_frames",
                     json_number(status->refused_frames));
}

/* Takes the value over, also if there is no memory: then the array is let go. */
static json_t *append(json_t *array, json_t *value)
{
    if (array && json_array_append_new(array, value) == 0)
        return array;
    json_decref(array);
    return NULL;
}

json_t *status_nodes_json(const Taskpool__Answer *answer)
{
    json_t *nodes = json_array();
    for (size_t i = 0; nodes && i < answer->n_nodes; i++)
        nodes = append(nodes, node_json(answer->nodes[i]));
    return nodes;
}

json_t *status_json(const Taskpool__Answer *answer, const char *endpoint)
{
    Taskpool__CoordinatorStatus unknown;
    taskpool__coordinator_status__init(&unknown);
    json_t *sessions = json_array();
    for (size_t i = 0; sessions && i < answer->n_sessions; i++)
        sessions = append(sessions, session_json(answer->sessions[i]));
    return json_pack("{s:o, s:o, s:o}", "coordinator",
                     coordinator_json(answer->coordinator ? answer->coordinator : &unknown, endpoint), "nodes",
                     status_nodes_json(answer), "sessions", sessions);
}

int json_print(const char *command, json_t *value)
{
    if (!value)
        return command_fail(command, "out of memory");
    const bool good = json_dumpf(value, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(value);
    return good ? EXIT_DONE : command_fail(command, "cannot write to standard output");
}
