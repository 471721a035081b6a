/* SPDX-License-Identifier: MIT */
/* Design notes. A node takes a task of depth d only while it has fewer than task_limit + d tasks of its session: tasks
 * that wait for deeper ones keep the way of those free, and never stand in a circle (docs/protocol.md). It is the same
 * with those that wait for a process. The coordinator counts what it sends; it is told how many of depth 0 it may send
 * in all, which is exact whatever is under way.
 *
 * It is told so with each Accept, and with credit of those sessions that could get to their limit by it: not of others,
 * which are nearly all. While it may still send some that are not deep, only what has gathered is told. */
#include "agent_state.h"

#include <stdlib.h>

/* Few of them may wait for a process, or may come to that. */
static uint64_t limit_of(const struct agent *agent, const struct session *session)
{
    const uint64_t given = agent->options.task_limit;
    const uint64_t limit = given > 0 && given < AGENT_TASK_LIMIT ? given : AGENT_TASK_LIMIT;
    const uint64_t stalled =
        session_stalled(session) + session->waiting[WAITING_CLAIM].count + session->waiting[WAITING_PAYLOAD].count;
    const uint64_t others = session->tasks.count - stalled;
    return others + STALLED_LIMIT < limit ? others + STALLED_LIMIT : limit;
}

int64_t room_of(const struct agent *agent, const struct session *session)
{
    return (int64_t)(session->room.received + limit_of(agent, session)) - (int64_t)session->tasks.count;
}

bool room_is_there(const struct agent *agent, const struct session *session, uint32_t depth)
{
    return session->tasks.count < limit_of(agent, session) + (depth < TP__DEPTH_LIMIT ? depth : TP__DEPTH_LIMIT);
}

static bool is_near(const struct agent *agent, const struct session *session, uint64_t under_way)
{
    return session->state == SESSION_ACCEPTED && session->tasks.count + under_way > limit_of(agent, session);
}

void rooms_reset(struct agent *agent)
{
    for (struct session *session = agent->sessions; session; session = session->next) {
        session->room.received = 0;
        session->room.is_said = false;
    }
}

bool rooms_are_news(const struct agent *agent)
{
    for (const struct session *session = agent->sessions; session; session = session->next) {
        const int64_t more = room_of(agent, session) - session->room.said;
        const bool may_block = session->room.said <= (int64_t)session->room.received;
        if (session->room.is_said && more > 0 && (may_block || (uint64_t)more > limit_of(agent, session) / 8))
            return true;
    }
    return false;
}

bool rooms_write(const struct agent *agent, uint64_t under_way, Taskpool__Credit *message)
{
    size_t count = 0;
    for (const struct session *session = agent->sessions; session; session = session->next)
        count += is_near(agent, session, under_way);
    if (count == 0)
        return true;
    Taskpool__Room **rooms = malloc(count * (sizeof *rooms + sizeof **rooms));
    if (!rooms)
        return false;
    Taskpool__Room *next = (Taskpool__Room *)(void *)(rooms + count);
    message->rooms = rooms;
    message->n_rooms = count;
    for (const struct session *session = agent->sessions; session; session = session->next) {
        if (!is_near(agent, session, under_way))
            continue;
        taskpool__room__init(next);
        next->session = tp__field_of_id(&session->offer.content.session);
        next->total = room_of(agent, session);
        *rooms++ = next++;
    }
    return true;
}

void rooms_said(struct agent *agent, uint64_t under_way)
{
    for (struct session *session = agent->sessions; session; session = session->next) {
        session->room.is_said = is_near(agent, session, under_way);
        session->room.said = room_of(agent, session);
    }
}
