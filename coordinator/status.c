/* SPDX-License-Identifier: MIT */
#include "status.h"

#include "nodes.h"
#include "peers.h"

#include <stdlib.h>
#include <taskpool/version.h>

enum {
    NODES_SHOWN = 4096, /* what fits into a frame */
    SESSIONS_SHOWN = 4096,
    LOST_SHOWN_MS = 60000,
    RATE_MS = 1000
};

/* A list of messages that is made for one answer. */
struct shown {
    Taskpool__NodeStatus nodes[NODES_SHOWN];
    Taskpool__NodeStatus *node_list[NODES_SHOWN];
    size_t node_count;
    Taskpool__SessionStatus sessions[SESSIONS_SHOWN];
    Taskpool__SessionStatus *session_list[SESSIONS_SHOWN];
    char session_texts[SESSIONS_SHOWN][33];
    size_t session_count;
};

static Taskpool__NodeStatus *next_node(struct shown *shown)
{
    if (shown->node_count == NODES_SHOWN)
        return NULL;
    Taskpool__NodeStatus *status = &shown->nodes[shown->node_count];
    taskpool__node_status__init(status);
    shown->node_list[shown->node_count++] = status;
    return status;
}

static uint64_t count_sessions(const struct node *node)
{
    uint64_t count = 0;
    for (const struct use *use = node->uses; use; use = use->next)
        count += !tp__id_is_none(&use->incarnation);
    return count;
}

static void show_nodes(const struct coordinator *coordinator, struct shown *shown)
{
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        struct node *node = coordinator->nodes[slot];
        Taskpool__NodeStatus *status = node ? next_node(shown) : NULL;
        if (!status)
            continue;
        status->name = node->name;
        status->condition = (char *)(uintptr_t)node_condition(node);
        status->workers = node->workers;
        status->running = node->report.running;
        status->queued = node->report.queued;
        status->finished = node->report.finished;
        status->rate = node->rate;
        status->sessions = count_sessions(node);
        status->version = node->version;
    }
    static char lost_text[] = "lost";
    for (uint32_t i = 0; i < coordinator->lost_count; i++) {
        struct lost_life *lost = &coordinator->lost[i];
        const bool is_shown = !lost->has_left && coordinator->now_ms - lost->at_ms < LOST_SHOWN_MS;
        Taskpool__NodeStatus *status = is_shown ? next_node(shown) : NULL;
        if (!status)
            continue;
        status->name = lost->name;
        status->condition = lost_text;
        status->workers = lost->workers;
    }
}

static void show_sessions(const struct coordinator *coordinator, struct shown *shown)
{
    for (uint32_t slot = 0; slot < coordinator->session_slots && shown->session_count < SESSIONS_SHOWN; slot++) {
        struct session *session = coordinator->sessions[slot];
        if (!session)
            continue;
        char *text = shown->session_texts[shown->session_count];
        Taskpool__SessionStatus *status = &shown->sessions[shown->session_count];
        taskpool__session_status__init(status);
        shown->session_list[shown->session_count++] = status;
        tp__id_text(&session->id, text);
        status->session = text;
        status->driver = session->name;
        status->program = session->program_name;
        status->queued = session->queued_tasks;
        status->queued_bytes = session->queued_bytes;
        status->placed = session->placed_tasks;
        status->nodes = session->nodes.members;
    }
}

void status_answer(struct peer *peer, uint64_t id)
{
    struct coordinator *coordinator = peer->coordinator;
    struct shown *shown = calloc(1, sizeof *shown);
    if (!shown) {
        peer_reset(peer, "no memory for an answer");
        return;
    }
    show_nodes(coordinator, shown);
    show_sessions(coordinator, shown);
    Taskpool__CoordinatorStatus status;
    taskpool__coordinator_status__init(&status);
    status.name = coordinator->options.name;
    status.version = (char *)(uintptr_t)TP_VERSION;
    status.uptime_ms = (uint64_t)(coordinator->now_ms - coordinator->started_ms);
    status.queued = coordinator->queued.tasks;
    status.rate = coordinator->rate;
    status.refused_frames = coordinator->refused_frames;
    Taskpool__Answer answer;
    taskpool__answer__init(&answer);
    answer.id = id;
    answer.n_nodes = shown->node_count;
    answer.nodes = shown->node_list;
    answer.n_sessions = shown->session_count;
    answer.sessions = shown->session_list;
    answer.coordinator = &status;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_ANSWER;
    frame.answer = &answer;
    (void)peer_send(peer, TP__LANE_CONTROL, &frame);
    free(shown);
}

void status_tick(struct coordinator *coordinator)
{
    const int64_t passed_ms = coordinator->now_ms - coordinator->second_ms;
    if (passed_ms < RATE_MS)
        return;
    const double seconds = (double)passed_ms / 1000;
    coordinator->second_ms = coordinator->now_ms;
    coordinator->rate = (double)(coordinator->placed_tasks - coordinator->rate_placed) / seconds;
    coordinator->rate_placed = coordinator->placed_tasks;
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        struct node *node = coordinator->nodes[slot];
        if (!node)
            continue;
        const uint64_t finished = node->report.finished;
        node->rate = finished > node->rate_finished ? (double)(finished - node->rate_finished) / seconds : 0;
        node->rate_finished = finished;
    }
}
