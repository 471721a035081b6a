/* SPDX-License-Identifier: MIT */
/* Design notes. Credit is what a crash takes with it, and what keeps workers busy while results travel: about 10 ms of
 * work. The rate rises with what was measured at once and falls slowly, as a node that gets little to do finishes
 * little. To that comes what could be done while credit travels to the coordinator, tasks come back, and those that run
 * at most once are granted: how long that takes shows when all credit was used. Without it the rate would follow the
 * credit down to the least. Announcements wait until an eighth of what is wanted has gathered and half of it is used:
 * while more is left, the coordinator has nothing that waits for it. What has started is counted by the processes in
 * shared memory and told by nobody: while tasks wait, the agent looks, the more rarely the longer nothing has changed.
 * On a busy link a trip takes the longer the more is under way: with large tasks the credit would grow with what it
 * causes. So as many bytes are asked for as the fastest links carry in 10 ms, and no more.
 * While tasks run, an announcement waits a moment for the next result, to leave with it: somebody who runs one task
 * after the other would have to wait for it at each station of the way.
 * What waits for its driver, which may be gone, keeps no work of others away: after a while it uses no credit. But the
 * driver may only be slow, and other nodes idle: so it is a limited number of tasks. As the coordinator places nothing
 * of a driver that is silent for TP__SILENT_MS, those of one that is gone stay below.
 */
#include "agent_state.h"

#include <stdlib.h>

enum {
    WORK_MS = 10,
    WANT_LIMIT = 4096,
    MEASURE_MS = 20,
    POLL_FIRST_MS = 2,
    POLL_LAST_MS = 100,
    TRIP_LIMIT_MS = 500, /* longer: there was nothing to do */
    AHEAD_BYTES = 16 << 20,
    SMOOTHED_TASKS = 16, /* about so many of those that came last count for the average of their sizes */
    COMPANY_MS = 2,      /* how long an announcement waits for a result */
    PEOPLE_MS = 1000,    /* how old the numbers for people may become */
    DRIVER_PATIENCE_MS = TP__SILENT_MS + 500,
    FORSAKEN_LIMIT = WANT_LIMIT /* tasks of a session that wait for its driver and use no credit */
};

uint64_t credit_waiting(const struct agent *agent)
{
    uint64_t waiting = 0;
    for (const struct session *session = agent->sessions; session; session = session->next)
        for (size_t state = 0; state < WAITING_STATES; state++)
            waiting += session->waiting[state].count;
    for (size_t i = 0; i < agent->worker_count; i++)
        if (agent->workers[i]->session)
            waiting += worker_waiting(agent, agent->workers[i]);
    return waiting;
}

/* Tasks that wait and use no credit: they have waited for the session's driver for too long, to grant them or to take
 * results, or they wait for a process, which may not come before what already has one gets what it waits for. */
static uint64_t without_credit(const struct agent *agent, const struct session *session)
{
    const struct waiting *oldest_claim = session->waiting[WAITING_CLAIM].head;
    const bool is_held_back = session->held_back && agent->now_ms - session->held_back_ms >= DRIVER_PATIENCE_MS;
    uint64_t forsaken = 0;
    if (oldest_claim && agent->now_ms - oldest_claim->progress_ms >= DRIVER_PATIENCE_MS)
        forsaken += session->waiting[WAITING_CLAIM].count;
    if (is_held_back)
        forsaken += session->waiting[WAITING_QUEUE].count;
    if (forsaken > FORSAKEN_LIMIT)
        forsaken = FORSAKEN_LIMIT;
    return is_held_back ? forsaken : forsaken + session_stalled(session);
}

static uint64_t all_without_credit(const struct agent *agent)
{
    uint64_t count = 0;
    for (const struct session *session = agent->sessions; session; session = session->next)
        count += without_credit(agent, session);
    return count;
}

static void measure(struct agent *agent)
{
    struct credit *credit = &agent->credit;
    const int64_t elapsed_ms = agent->now_ms - credit->window_ms;
    if (elapsed_ms < MEASURE_MS)
        return;
    const double rate = (double)credit->window_finished / (double)elapsed_ms;
    if (rate > credit->rate)
        credit->rate = rate;
    else if (agent->tasks > 0 || credit->window_finished > 0)
        credit->rate = (3 * credit->rate + rate) / 4;
    credit->window_finished = 0;
    credit->window_ms = agent->now_ms;
}

static uint64_t not_granted(const struct agent *agent)
{
    uint64_t count = 0;
    for (const struct session *session = agent->sessions; session; session = session->next)
        count += session->waiting[WAITING_CLAIM].count;
    return count;
}

/* Short ones count at once: a long one may only say that there was nothing to do. */
static void time_trip(struct agent *agent, uint64_t waiting)
{
    struct credit *credit = &agent->credit;
    if (!credit->is_asking || credit->received == credit->asked_received ||
        (waiting > 0 && waiting == not_granted(agent)))
        return;
    credit->is_asking = false;
    int64_t trip_ms = agent->now_ms - credit->asked_ms;
    if (trip_ms > TRIP_LIMIT_MS)
        trip_ms = TRIP_LIMIT_MS;
    credit->trip_ms = trip_ms < credit->trip_ms ? trip_ms : credit->trip_ms + (trip_ms - credit->trip_ms + 3) / 4;
}

void credit_arrived(struct agent *agent, uint32_t bytes)
{
    struct credit *credit = &agent->credit;
    credit->task_bytes += ((double)bytes - credit->task_bytes) / SMOOTHED_TASKS;
}

static uint64_t wanted(const struct agent *agent)
{
    if (agent->draining)
        return 0;
    /* Half a trip more, so that the rate can grow. */
    double work = agent->credit.rate * (WORK_MS + 1.5 * (double)agent->credit.trip_ms);
    if (work * agent->credit.task_bytes > AHEAD_BYTES)
        work = AHEAD_BYTES / agent->credit.task_bytes;
    const uint64_t least = 2 * (uint64_t)agent->options.workers;
    const uint64_t want = work < WANT_LIMIT ? (uint64_t)work : WANT_LIMIT;
    if (want >= least)
        return want;
    return least < WANT_LIMIT ? least : WANT_LIMIT;
}

static void announce(struct agent *agent, uint64_t total, uint64_t waiting)
{
    struct credit *credit = &agent->credit;
    credit->waits = false;
    Taskpool__Credit message;
    taskpool__credit__init(&message);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    const uint64_t most = credit->most > total ? credit->most : total;
    const uint64_t under_way = most > credit->received ? most - credit->received : 0;
    if (!rooms_write(agent, under_way, &message))
        return; /* the next event tries again */
    message.total = total;
    message.queued = (uint32_t)waiting;
    message.running = (uint32_t)(agent->tasks - waiting);
    message.finished = agent->finished;
    message.drained = agent_is_drained(agent);
    frame.body_case = TASKPOOL__FRAME__BODY_CREDIT;
    frame.credit = &message;
    const bool is_sent = uplink_send(agent, TP__LANE_CONTROL, &frame);
    free(message.rooms);
    if (!is_sent)
        return;
    rooms_said(agent, under_way);
    credit->most = most;
    if (credit->announced && !credit->is_asking && credit->sent <= credit->received && total > credit->received) {
        credit->is_asking = true;
        credit->asked_ms = agent->now_ms;
        credit->asked_received = credit->received;
    }
    credit->announced = true;
    credit->sent = total;
    credit->sent_ms = agent->now_ms;
    credit->queued = message.queued;
    credit->running = message.running;
    credit->finished = message.finished;
    credit->drained = message.drained;
}

static bool is_news(const struct credit *credit, uint64_t total, uint64_t want)
{
    const uint64_t step = want / 8 > 1 ? want / 8 : 1;
    if (!credit->announced)
        return true;
    if (total > credit->sent)
        return credit->sent <= credit->received ||
               (total - credit->sent >= step && credit->sent - credit->received < total - credit->sent);
    return credit->sent - total >= 2 * step || (want == 0 && total != credit->sent);
}

/* An announcement that is due, and need not leave yet. */
static bool waits_for_company(struct agent *agent, uint64_t waiting)
{
    struct credit *credit = &agent->credit;
    if (!credit->waits) {
        credit->waits = true;
        credit->waits_ms = agent->now_ms;
        credit->waits_finished = agent->finished;
    }
    const bool may_come = agent->tasks > waiting && agent->finished == credit->waits_finished;
    return may_come && credit->announced && !agent->draining && agent->now_ms - credit->waits_ms < COMPANY_MS;
}

void credit_reset(struct agent *agent)
{
    agent->credit.received = agent->credit.most = 0;
    agent->credit.announced = false;
    agent->credit.is_asking = false;
    agent->credit.trip_ms = 0;
    rooms_reset(agent);
}

static bool is_old_for_people(const struct agent *agent, uint64_t waiting)
{
    const struct credit *credit = &agent->credit;
    return agent->now_ms - credit->sent_ms >= PEOPLE_MS &&
           (credit->queued != waiting || credit->running != agent->tasks - waiting ||
            credit->finished != agent->finished);
}

void credit_update(struct agent *agent)
{
    struct credit *credit = &agent->credit;
    measure(agent);
    const uint64_t waiting = credit_waiting(agent);
    time_trip(agent, waiting);
    const uint64_t want = wanted(agent);
    const uint64_t due = waiting - all_without_credit(agent);
    const uint64_t total = credit->received + (want > due ? want - due : 0);
    if (waiting != credit->polled)
        credit->poll_ms = POLL_FIRST_MS;
    credit->polled = waiting;
    if (agent->uplink.state != UPLINK_WELCOMED) {
        credit->waits = false;
        return;
    }
    const bool is_urgent = credit->drained != agent_is_drained(agent) || rooms_are_news(agent);
    const bool is_due = is_news(credit, total, want) || is_old_for_people(agent, waiting);
    if (is_urgent || (is_due && !waits_for_company(agent, waiting)))
        announce(agent, total, waiting);
    else if (!is_due)
        credit->waits = false;
}

/* settle has looked just now. */
int64_t credit_tick(struct agent *agent)
{
    struct credit *credit = &agent->credit;
    int64_t next = credit->waits ? credit->waits_ms + COMPANY_MS : INT64_MAX;
    if (credit->polled == 0)
        return next;
    if (agent->now_ms + credit->poll_ms < next)
        next = agent->now_ms + credit->poll_ms;
    if (credit->poll_ms < POLL_LAST_MS)
        credit->poll_ms *= 2;
    return next;
}
