/* SPDX-License-Identifier: MIT */
/* Design notes. A node asks for some 10 ms of work; where tasks are that short, what waits is gone before it could come
 * back. So tasks are called back only from a node that had some waiting at two looks in a row, while nothing was queued
 * here. What a node was sent since it reported last is not in its report: such a node is not taken to be idle. */
#include "recall.h"

#include "peers.h"
#include "report.h"

enum { LOOK_MS = 100 };

void recall_send(struct node *node, uint32_t count, bool drain)
{
    Taskpool__Recall recall;
    taskpool__recall__init(&recall);
    recall.count = count;
    recall.drain = drain;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_RECALL;
    frame.recall = &recall;
    (void)peer_send(node->peer, TP__LANE_CONTROL, &frame);
}

static bool is_here(const struct node *node)
{
    return node && node->peer && !node->silent && !node->draining;
}

/* Workers that have nothing to do and could be given something. */
static uint64_t idle_of(const struct node *node)
{
    if (!is_here(node) || node->report.queued > 0 || node->report.sent != node->sent ||
        node->report.running >= node->workers || node->credit <= node->sent)
        return 0;
    return node->workers - node->report.running;
}

static void look(struct coordinator *coordinator)
{
    const bool is_empty = coordinator->queued.tasks == 0;
    uint64_t idle = 0;
    uint64_t waiting = 0;
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        const struct node *node = coordinator->nodes[slot];
        idle += idle_of(node);
        if (is_here(node) && node->had_waiting)
            waiting += node->report.queued;
    }
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++) {
        struct node *node = coordinator->nodes[slot];
        if (!node)
            continue;
        const uint64_t here = is_here(node) ? node->report.queued : 0;
        const bool had_waiting = node->had_waiting;
        node->had_waiting = is_empty && here > 0;
        if (!is_empty || idle == 0 || !had_waiting || here == 0)
            continue;
        const uint64_t share = (idle * here + waiting - 1) / waiting;
        const uint32_t count = (uint32_t)(share < here ? share : here);
        node->had_waiting = false; /* its report must show that it still has some */
        report(coordinator, COORDINATOR_DEBUG, "recall", "node=%s count=%u", node->name, count);
        recall_send(node, count, false);
    }
}

int64_t recall_tick(struct coordinator *coordinator)
{
    if (coordinator->node_count == 0)
        return INT64_MAX;
    if (coordinator->now_ms >= coordinator->recall_ms) {
        look(coordinator);
        coordinator->recall_ms = coordinator->now_ms + LOOK_MS;
    }
    return coordinator->recall_ms;
}
