/* SPDX-License-Identifier: MIT */
/* Design notes. Why a task waits is known to its driver: the question goes to the session that it names, or to all if
 * it names none, under a number of the coordinator's own, so that a driver can answer only what it was asked. What
 * comes back is kept packed, and sent on together when all have answered or WAIT_MS have passed. */
#include "query.h"

#include "nodes.h"
#include "peers.h"
#include "report.h"
#include "sessions.h"
#include "status.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SUBJECT_LIMIT_BYTES = 256,
    QUERIES_LIMIT = 64,
    QUERIES_OF_TOOL = 8,
    WAIT_MS = 2000,
    KEPT_ANSWERS = 32,
    KEPT_LIMIT_BYTES = 256 << 10,
    TASKS_LIMIT = 1024
};

struct query {
    struct query *next;
    uint64_t id;      /* the coordinator's */
    uint64_t tool_id; /* the tool's */
    struct peer *tool;
    int64_t end_ms;
    struct set asked; /* slots of sessions that have not answered */
    struct {
        uint8_t *bytes;
        size_t size;
    } kept[KEPT_ANSWERS];
    uint32_t kept_count;
    size_t kept_bytes;
};

static void send_answer(struct peer *peer, Taskpool__Answer *answer)
{
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_ANSWER;
    frame.answer = answer;
    (void)peer_send(peer, TP__LANE_CONTROL, &frame);
}

static void answer_text(struct peer *peer, uint64_t id, tp_status status, const char *text)
{
    Taskpool__Answer answer;
    taskpool__answer__init(&answer);
    answer.id = id;
    answer.status = status;
    answer.text = (char *)(uintptr_t)text;
    send_answer(peer, &answer);
}

/* ---- why ---- */

static void free_query(struct coordinator *coordinator, struct query *query)
{
    struct query **place = &coordinator->queries;
    while (*place != query)
        place = &(*place)->next;
    *place = query->next;
    for (uint32_t i = 0; i < query->kept_count; i++)
        free(query->kept[i].bytes);
    set_free(&query->asked);
    free(query);
}

/* Sends what has come. */
static void finish(struct coordinator *coordinator, struct query *query)
{
    Taskpool__Answer *answers[KEPT_ANSWERS];
    Taskpool__TaskStatus *tasks[TASKS_LIMIT];
    Taskpool__Answer all;
    taskpool__answer__init(&all);
    all.id = query->tool_id;
    all.tasks = tasks;
    for (uint32_t i = 0; i < query->kept_count; i++) {
        answers[i] = taskpool__answer__unpack(NULL, query->kept[i].size, query->kept[i].bytes);
        if (!answers[i])
            continue;
        for (size_t j = 0; j < answers[i]->n_tasks && all.n_tasks < TASKS_LIMIT; j++)
            tasks[all.n_tasks++] = answers[i]->tasks[j];
        if (all.status == TP_OK && answers[i]->status != TP_OK) {
            all.status = answers[i]->status;
            all.text = answers[i]->text;
        }
    }
    static char silence[] = "a driver did not answer";
    if (all.n_tasks > 0) {
        all.status = TP_OK;
    } else if (all.status == TP_OK && query->asked.members > 0) {
        all.status = TP_E_TIMEOUT;
        all.text = silence;
    }
    send_answer(query->tool, &all);
    for (uint32_t i = 0; i < query->kept_count; i++)
        if (answers[i])
            taskpool__answer__free_unpacked(answers[i], NULL);
    free_query(coordinator, query);
}

static bool ask(struct coordinator *coordinator, struct query *query, struct session *session, const char *subject)
{
    if (!session->peer || session->peer->ended || !set_add(&query->asked, session->slot))
        return false;
    Taskpool__Query message;
    taskpool__query__init(&message);
    message.id = query->id;
    message.kind = TASKPOOL__QUERY_KIND__QUERY_WHY;
    message.subject = (char *)(uintptr_t)subject;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_QUERY;
    frame.query = &message;
    return session_send(coordinator, session, &frame);
}

/* Of "SESSION/SEQUENCE". False: the subject names no session. */
static bool session_of_subject(const char *subject, struct tp__id *id)
{
    size_t size;
    const char *end;
    return strlen(subject) > 32 && subject[32] == '/' &&
           sodium_hex2bin(id->bytes, sizeof id->bytes, subject, 32, NULL, &size, &end) == 0 && size == sizeof id->bytes;
}

static bool is_too_many(const struct peer *peer)
{
    uint32_t count = 0;
    uint32_t count_of_tool = 0;
    for (const struct query *query = peer->coordinator->queries; query; query = query->next) {
        count++;
        count_of_tool += query->tool == peer;
    }
    return count >= QUERIES_LIMIT || count_of_tool >= QUERIES_OF_TOOL;
}

static void ask_why(struct peer *peer, const Taskpool__Query *message)
{
    struct coordinator *coordinator = peer->coordinator;
    struct tp__id id;
    struct session *session = NULL;
    const bool names_session = session_of_subject(message->subject, &id);
    if (names_session && !(session = map_find(&coordinator->sessions_by_id, &id))) {
        answer_text(peer, message->id, TP_E_SESSION_LOST, "there is no such session here");
        return;
    }
    struct query *query = is_too_many(peer) ? NULL : calloc(1, sizeof *query);
    if (!query) {
        answer_text(peer, message->id, TP_E_LIMIT, "too many questions are open: ask again later");
        return;
    }
    query->id = ++coordinator->last_query;
    query->tool_id = message->id;
    query->tool = peer;
    query->end_ms = coordinator->now_ms + WAIT_MS;
    query->next = coordinator->queries;
    coordinator->queries = query;
    bool was_asked = session && ask(coordinator, query, session, message->subject);
    if (!names_session)
        for (uint32_t slot = 0; slot < coordinator->session_slots; slot++)
            if (coordinator->sessions[slot])
                was_asked |= ask(coordinator, query, coordinator->sessions[slot], message->subject);
    if (was_asked)
        return;
    free_query(coordinator, query);
    answer_text(peer, message->id, TP_E_SESSION_LOST,
                names_session ? "its driver is not connected" : "no driver is connected");
}

void query_answer_received(struct peer *peer, const Taskpool__Answer *answer)
{
    struct coordinator *coordinator = peer->coordinator;
    struct query *query = coordinator->queries;
    while (query && query->id != answer->id)
        query = query->next;
    if (!query || !set_has(&query->asked, peer->session->slot)) {
        report_late(peer, "answer", "it was not asked");
        return;
    }
    set_remove(&query->asked, peer->session->slot);
    Taskpool__Answer kept;
    taskpool__answer__init(&kept);
    kept.status = answer->status;
    kept.text = answer->text;
    kept.n_tasks = answer->n_tasks;
    kept.tasks = answer->tasks;
    const size_t size = taskpool__answer__get_packed_size(&kept);
    const bool fits = query->kept_count < KEPT_ANSWERS && size <= KEPT_LIMIT_BYTES - query->kept_bytes;
    uint8_t *bytes = fits ? malloc(size > 0 ? size : 1) : NULL;
    if (bytes) {
        query->kept[query->kept_count].bytes = bytes;
        query->kept[query->kept_count++].size = taskpool__answer__pack(&kept, bytes);
        query->kept_bytes += size;
    } else {
        report_refused(peer, "answer", "it is too long");
    }
    if (query->asked.members == 0)
        finish(coordinator, query);
}

void query_session_left(struct coordinator *coordinator, const struct session *session)
{
    struct query *query = coordinator->queries;
    while (query) {
        struct query *next = query->next;
        if (set_has(&query->asked, session->slot)) {
            set_remove(&query->asked, session->slot);
            if (query->asked.members == 0)
                finish(coordinator, query);
        }
        query = next;
    }
}

void query_peer_left(struct coordinator *coordinator, const struct peer *peer)
{
    struct query *query = coordinator->queries;
    while (query) {
        struct query *next = query->next;
        if (query->tool == peer)
            free_query(coordinator, query);
        query = next;
    }
}

int64_t query_tick(struct coordinator *coordinator)
{
    int64_t due_ms = INT64_MAX;
    struct query *query = coordinator->queries;
    while (query) {
        struct query *next = query->next;
        if (query->end_ms <= coordinator->now_ms)
            finish(coordinator, query);
        else if (query->end_ms < due_ms)
            due_ms = query->end_ms;
        query = next;
    }
    return due_ms;
}

void query_free(struct coordinator *coordinator)
{
    while (coordinator->queries)
        free_query(coordinator, coordinator->queries);
}

/* ---- all questions ---- */

static void drain(struct peer *peer, const Taskpool__Query *query)
{
    struct coordinator *coordinator = peer->coordinator;
    uint32_t found = 0;
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        struct node *node = coordinator->nodes[slot];
        if (!node || strcmp(node->name, query->subject) != 0)
            continue;
        node_drain(coordinator, node);
        found++;
    }
    char text[TP__NAME_LIMIT + 64];
    (void)snprintf(text, sizeof text, "no node is called '%.*s'", TP__NAME_LIMIT, query->subject);
    answer_text(peer, query->id, found > 0 ? TP_OK : TP_E_ARGUMENT, found > 0 ? "" : text);
}

void query_received(struct peer *peer, const Taskpool__Query *query)
{
    if (strlen(query->subject) > SUBJECT_LIMIT_BYTES) {
        answer_text(peer, query->id, TP_E_ARGUMENT, "the name is too long");
        return;
    }
    switch (query->kind) {
    case TASKPOOL__QUERY_KIND__QUERY_STATUS:
        status_answer(peer, query->id);
        return;
    case TASKPOOL__QUERY_KIND__QUERY_WHY:
        ask_why(peer, query);
        return;
    case TASKPOOL__QUERY_KIND__QUERY_DRAIN:
        drain(peer, query);
        return;
    default:
        answer_text(peer, query->id, TP_E_UNSUPPORTED, "this coordinator does not know that question");
        return;
    }
}
