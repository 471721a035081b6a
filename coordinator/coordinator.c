/* SPDX-License-Identifier: MIT */
#include "nodes.h"
#include "peers.h"
#include "placement.h"
#include "programs.h"
#include "query.h"
#include "recall.h"
#include "sessions.h"
#include "status.h"

#include <stdlib.h>

enum { DEFAULT_QUEUE_LIMIT_BYTES = 256 << 20, DEFAULT_SESSIONS_PER_KEY = 16, DEFAULT_LEASE_MS = 30000 };

struct coordinator *coordinator_new(const struct coordinator_options *options, const struct tp__authorized *authorized,
                                    const struct coordinator_actions *actions, int64_t now_ms)
{
    struct coordinator *coordinator = calloc(1, sizeof *coordinator);
    if (!coordinator)
        return NULL;
    coordinator->options = *options;
    if (tp__id_is_none(&options->life))
        coordinator->options.life = tp__id_new();
    if (options->queue_limit_bytes == 0)
        coordinator->options.queue_limit_bytes = DEFAULT_QUEUE_LIMIT_BYTES;
    if (options->sessions_per_key == 0)
        coordinator->options.sessions_per_key = DEFAULT_SESSIONS_PER_KEY;
    if (options->session_lease_ms == 0)
        coordinator->options.session_lease_ms = DEFAULT_LEASE_MS;
    coordinator->authorized = authorized;
    coordinator->actions = *actions;
    coordinator->now_ms = coordinator->started_ms = coordinator->second_ms = now_ms;
    return coordinator;
}

void coordinator_free(struct coordinator *coordinator)
{
    if (!coordinator)
        return;
    peers_free(coordinator);
    query_free(coordinator);
    sessions_free(coordinator);
    nodes_free(coordinator);
    programs_free(coordinator);
    set_free(&coordinator->with_credit);
    set_free(&coordinator->with_work);
    free(coordinator);
}

/* The end of an event: links that have ended are forgotten, which may be news to others. */
static void settle(struct coordinator *coordinator)
{
    while (coordinator->ended_peers)
        peers_sweep(coordinator);
}

void coordinator_receive(struct coordinator *coordinator, const struct tp__peer *peer,
                         const struct tp__public_key *sender, const uint8_t *bytes, size_t size, int64_t now_ms)
{
    coordinator->now_ms = now_ms;
    peers_receive(coordinator, peer, sender, bytes, size);
    settle(coordinator);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t coordinator_tick(struct coordinator *coordinator, int64_t now_ms)
{
    coordinator->now_ms = now_ms;
    status_tick(coordinator);
    int64_t due_ms = nodes_tick(coordinator);
    due_ms = earlier(due_ms, sessions_tick(coordinator));
    due_ms = earlier(due_ms, recall_tick(coordinator));
    due_ms = earlier(due_ms, programs_tick(coordinator));
    due_ms = earlier(due_ms, query_tick(coordinator));
    due_ms = earlier(due_ms, peers_tick(coordinator));
    placement_tell_all(coordinator);
    settle(coordinator);
    return due_ms;
}

void coordinator_authorize(struct coordinator *coordinator, const struct tp__authorized *authorized, int64_t now_ms)
{
    coordinator->now_ms = now_ms;
    coordinator->authorized = authorized;
    sessions_authorize(coordinator);
    nodes_authorize(coordinator);
    peers_authorize(coordinator);
    settle(coordinator);
}

void coordinator_stop(struct coordinator *coordinator, int64_t now_ms)
{
    coordinator->now_ms = now_ms;
    coordinator->stopped = true;
    placement_tell_all(coordinator);
    peers_say_bye(coordinator, "the coordinator stops");
    settle(coordinator);
}

bool coordinator_is_alone(const struct coordinator *coordinator)
{
    return coordinator->session_count <= 1;
}

struct coordinator_counts coordinator_count(const struct coordinator *coordinator)
{
    struct coordinator_counts counts = {
        .links = coordinator->peer_count,
        .nodes = coordinator->node_count,
        .sessions = coordinator->session_count,
        .queued_tasks = coordinator->queued.tasks,
        .queued_bytes = coordinator->queued.bytes,
        .placed_tasks = coordinator->placed_tasks,
        .refused_frames = coordinator->refused_frames,
    };
    counts.memory_bytes = coordinator->queued.memory_bytes + coordinator->program_bytes + peers_bytes(coordinator) +
                          nodes_bytes(coordinator) + sessions_bytes(coordinator);
    return counts;
}
