/* SPDX-License-Identifier: MIT */
#include "agent_state.h"

static const enum waiting_state recallable[] = {WAITING_QUEUE, WAITING_CLAIM, WAITING_PAYLOAD};
enum { RECALLABLE = sizeof recallable / sizeof *recallable };

static void hand_back(struct agent *agent, struct session *session, struct waiting *waiting)
{
    stream_return(session, waiting->leaf.sequence, waiting->leaf.dispatch, TP__RETURNED_RECALLED, "it was recalled");
    task_remove(agent, session, task_find(session, waiting->leaf.sequence));
}

/* From the agent first, the last received first. Pinned tasks stay: they would only come back here. */
void recall(struct agent *agent, uint32_t count)
{
    for (struct session *session = agent->sessions; session; session = session->next) {
        struct waiting *waiting = session->waiting[WAITING_QUEUE].tail;
        while (waiting && count > 0) {
            struct waiting *previous = waiting->previous;
            if (waiting->leaf.worker == 0) {
                hand_back(agent, session, waiting);
                count--;
            }
            waiting = previous;
        }
    }
    for (size_t i = 0; i < agent->worker_count && count > 0; i++) {
        struct worker *worker = agent->workers[i];
        if (!worker->session || worker->state != WORKER_READY)
            continue;
        const uint64_t waiting = worker_waiting(agent, worker);
        const uint32_t some = waiting < count ? (uint32_t)waiting : count;
        worker_ask_back(agent, worker, some);
        count -= some;
    }
}

void recall_from_workers(struct agent *agent, struct session *session)
{
    for (size_t i = 0; i < agent->worker_count; i++)
        if (agent->workers[i]->session == session && agent->workers[i]->state == WORKER_READY)
            worker_ask_back(agent, agent->workers[i], UINT32_MAX);
}

void recall_all(struct agent *agent)
{
    agent->draining = true;
    for (struct session *session = agent->sessions; session; session = session->next) {
        for (size_t i = 0; i < RECALLABLE; i++)
            while (session->waiting[recallable[i]].head)
                hand_back(agent, session, session->waiting[recallable[i]].head);
        recall_from_workers(agent, session);
    }
}
