/* SPDX-License-Identifier: MIT */
/* Design notes. The way of most tasks is give_or_wait: from the verified leaf straight into the outgoing bytes of the
 * session's common process. What cannot go that way (nothing may start now, its process is not there yet) waits in the
 * session's queue; `dirty` says that something has changed and give_queue should look again.
 *
 * Tasks that have processes of their own may wait for tasks that need one as well: these may have one more for each
 * level of depth, so that the former never take the last one. Those that stall ask for no credit less, so that what has
 * a process gets what it waits for; rooms.c sees to it that they do not pile up. */
#include "agent_state.h"

enum { TASK_HEAD_BYTES = 16 };

bool session_may_start(const struct agent *agent, const struct session *session)
{
    return session->state == SESSION_ACCEPTED && session->talk.opened &&
           agent->now_ms - session->talk.fresh_ms <= FRESH_MS && stream_unacknowledged(session) <= STREAM_LIMIT_BYTES;
}

/* A process of its own may have fewer workers than the node: then any will do. */
static uint32_t own_worker(const struct worker *worker, const struct tp__leaf *leaf)
{
    return leaf->worker <= worker->threads ? leaf->worker : 0;
}

static void put_head(uint8_t to[TASK_HEAD_BYTES], const struct worker *worker, const struct tp__leaf *leaf)
{
    to = tp__put_u32(to, leaf->flags);
    to = tp__put_u32(to, leaf->depth);
    to = tp__put_u32(to, own_worker(worker, leaf));
    tp__put_u32(to, leaf->stack_kib);
}

static bool append_task(struct worker *worker, const struct tp__leaf *leaf)
{
    uint8_t head[TASK_HEAD_BYTES];
    put_head(head, worker, leaf);
    return tp__record_append_headed(&worker->out,
                                    &(struct tp__record){.type = TP__RECORD_TASK,
                                                         .task = leaf->sequence,
                                                         .dispatch = leaf->dispatch,
                                                         .body = leaf->payload,
                                                         .size = leaf->length},
                                    head, sizeof head);
}

/* Of a task that is not in a list. False without memory: it is where it was. */
static bool give(struct task *task, struct worker *worker, const struct tp__leaf *leaf)
{
    if (!append_task(worker, leaf))
        return false;
    task->worker = worker->id;
    worker->tasks++;
    worker->given++;
    return true;
}

static void give_back(struct agent *agent, struct session *session, struct task *task)
{
    stream_return(session, task->sequence, task->dispatch, TP__RETURNED_RECALLED, "the node is out of memory");
    task_remove(agent, session, task);
}

void give_or_wait(struct agent *agent, struct session *session, struct task *task, const struct tp__leaf *leaf)
{
    struct worker *common = session->common;
    if (leaf->cell == 0 && !(leaf->flags & TP__LEAF_ISOLATED) && common && common->state == WORKER_READY &&
        session->waiting[WAITING_QUEUE].count == 0 && session_may_start(agent, session)) {
        if (!give(task, common, leaf))
            give_back(agent, session, task);
        return;
    }
    if (task_wait(agent, session, task, leaf, WAITING_QUEUE))
        session->dirty = true;
    else
        give_back(agent, session, task);
}

/* The process that a waiting task is for. NULL: there is none yet, and none more may be started now, or `*failed`. */
static struct worker *process_for(struct agent *agent, struct session *session, struct waiting *waiting,
                                  struct tp__problem *problem, bool *failed)
{
    const bool isolated = waiting->leaf.flags & TP__LEAF_ISOLATED;
    const uint32_t cell = isolated ? 0 : waiting->leaf.cell;
    struct worker *worker = isolated ? worker_find(agent, waiting->worker) : worker_of_cell(agent, session, cell);
    if (worker && worker->state != WORKER_STARTING && worker->state != WORKER_READY)
        worker = NULL; /* it ends, for want of tasks: another one */
    *failed = false;
    const size_t most =
        PROCESSES_LIMIT + (size_t)(waiting->leaf.depth < TP__DEPTH_LIMIT ? waiting->leaf.depth : TP__DEPTH_LIMIT);
    if (worker || ((isolated || cell != 0) && session->processes >= most))
        return worker;
    worker = worker_begin(agent, session, cell, isolated ? waiting->leaf.sequence : 0, problem);
    *failed = !worker;
    if (worker && isolated)
        waiting->worker = worker->id;
    else if (worker && cell == 0)
        session->common = worker;
    return worker;
}

uint64_t session_stalled(const struct session *session)
{
    const uint64_t waiting = session->waiting[WAITING_QUEUE].count;
    return session->stalled < waiting ? session->stalled : waiting;
}

void give_queue(struct agent *agent, struct session *session)
{
    session->dirty = false;
    session->stalled = 0;
    struct waiting *waiting = session->waiting[WAITING_QUEUE].head;
    while (waiting) {
        struct waiting *following = waiting->next;
        struct tp__problem problem = {TP_OK, ""};
        bool failed;
        struct worker *worker = process_for(agent, session, waiting, &problem, &failed);
        struct task *task = task_find(session, waiting->leaf.sequence);
        if (failed) {
            const bool isolated = waiting->leaf.flags & TP__LEAF_ISOLATED;
            blame_start(agent, session, waiting->leaf.cell, isolated ? waiting->leaf.sequence : 0, problem.text);
            session->dirty = true; /* others may have gone that `following` was one of */
            return;
        }
        session->stalled += !worker;
        if (worker && worker->state == WORKER_READY) {
            if (give(task, worker, &waiting->leaf)) {
                task->waiting = NULL;
                waiting_free(agent, session, waiting);
            } else {
                give_back(agent, session, task);
            }
        }
        waiting = following;
    }
}
