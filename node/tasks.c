/* SPDX-License-Identifier: MIT */
/* Design notes. A million tasks may be parked in a node's processes: an entry has 32 bytes, is found with about one
 * cache miss, and goes away without leaving a tombstone (what probed past it moves up). Payloads exist only for tasks
 * that wait in the agent. Places depend on sequences alone, so that a walk through the table is the same in every run.
 */
#include "agent_state.h"

#include <stdlib.h>

enum { SMALLEST_TABLE = 64 };

/* Four tasks that follow each other, as they mostly come and go, have places next to each other. */
static size_t home(const struct task_table *table, uint64_t sequence)
{
    const uint64_t group = ((sequence >> 2) * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
    return (size_t)(group << 2 | (sequence & 3)) & (table->capacity - 1);
}

struct task *task_find(const struct session *session, uint64_t sequence)
{
    const struct task_table *table = &session->tasks;
    if (table->capacity == 0 || sequence == 0)
        return NULL;
    for (size_t at = home(table, sequence);; at = (at + 1) & (table->capacity - 1)) {
        struct task *task = &table->places[at];
        if (task->sequence == sequence)
            return task;
        if (task->sequence == 0)
            return NULL;
    }
}

struct task *task_find_current(const struct session *session, uint64_t sequence, uint32_t dispatch)
{
    struct task *task = task_find(session, sequence);
    return task && task->dispatch == dispatch ? task : NULL;
}

static struct task *place_for(const struct task_table *table, uint64_t sequence)
{
    size_t at = home(table, sequence);
    while (table->places[at].sequence != 0)
        at = (at + 1) & (table->capacity - 1);
    return &table->places[at];
}

static bool resize(struct task_table *table, size_t capacity)
{
    struct task_table larger = {calloc(capacity, sizeof *larger.places), capacity, table->count};
    if (!larger.places)
        return false;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->places[i].sequence != 0)
            *place_for(&larger, table->places[i].sequence) = table->places[i];
    free(table->places);
    *table = larger;
    return true;
}

struct task *task_insert(struct agent *agent, struct session *session, const struct tp__leaf *leaf)
{
    struct task_table *table = &session->tasks;
    if (2 * (table->count + 1) > table->capacity &&
        !resize(table, table->capacity > 0 ? 2 * table->capacity : SMALLEST_TABLE))
        return NULL;
    struct task *task = place_for(table, leaf->sequence);
    *task = (struct task){.sequence = leaf->sequence, .dispatch = leaf->dispatch, .index = leaf->task};
    table->count++;
    agent->tasks++;
    return task;
}

static void take_out(struct task_table *table, struct task *task)
{
    const size_t mask = table->capacity - 1;
    size_t hole = (size_t)(task - table->places);
    for (size_t at = (hole + 1) & mask; table->places[at].sequence != 0; at = (at + 1) & mask) {
        const size_t wanted = home(table, table->places[at].sequence);
        if (((at - wanted) & mask) < ((at - hole) & mask))
            continue; /* its home lies behind the hole */
        table->places[hole] = table->places[at];
        hole = at;
    }
    table->places[hole] = (struct task){0};
    table->count--;
    if (table->count == 0 && table->capacity > SMALLEST_TABLE) { /* after a flood */
        free(table->places);
        table->places = NULL;
        table->capacity = 0;
    }
}

void task_remove(struct agent *agent, struct session *session, struct task *task)
{
    if (task->waiting) {
        waiting_free(agent, session, task->waiting);
    } else if (task->worker != 0) {
        struct worker *worker = worker_find(agent, task->worker);
        if (worker && --worker->tasks == 0)
            agent->idle_workers = true;
    }
    take_out(&session->tasks, task);
    agent->tasks--;
}

void task_cancel(struct agent *agent, struct session *session, struct task *task)
{
    struct worker *worker = task->waiting || task->worker == 0 ? NULL : worker_find(agent, task->worker);
    if (worker && worker->state != WORKER_KILLED) {
        worker_tell(agent, worker, TP__RECORD_CANCEL, task->sequence, task->dispatch);
        worker->cancelled++;
    }
    task_remove(agent, session, task);
}

void tasks_clear(struct agent *agent, struct session *session)
{
    for (size_t state = 0; state < WAITING_STATES; state++)
        while (session->waiting[state].head)
            waiting_free(agent, session, session->waiting[state].head);
    agent->tasks -= session->tasks.count;
    free(session->tasks.places);
    session->tasks = (struct task_table){NULL, 0, 0};
}

const char *task_name(const struct session *session, uint32_t index, size_t *size)
{
    if (index >= session->names.count) {
        *size = strlen("unknown");
        return "unknown";
    }
    const uint8_t *text = session->names.texts + session->names.offsets[index];
    uint32_t length;
    memcpy(&length, text, sizeof length);
    *size = length;
    return (const char *)text + sizeof length;
}

/* ---- those that wait ---- */

static void enlist(struct waiting_list *list, struct waiting *waiting)
{
    waiting->next = NULL;
    waiting->previous = list->tail;
    if (list->tail)
        list->tail->next = waiting;
    else
        list->head = waiting;
    list->tail = waiting;
    list->count++;
}

static void delist(struct waiting_list *list, struct waiting *waiting)
{
    if (waiting->previous)
        waiting->previous->next = waiting->next;
    else
        list->head = waiting->next;
    if (waiting->next)
        waiting->next->previous = waiting->previous;
    else
        list->tail = waiting->previous;
    list->count--;
}

bool task_wait(struct agent *agent, struct session *session, struct task *task, const struct tp__leaf *leaf,
               enum waiting_state state)
{
    const uint32_t size = leaf->payload ? leaf->length : 0;
    if (agent->waiting_bytes + sizeof(struct waiting) + size > WAITING_LIMIT_BYTES)
        return false;
    struct waiting *waiting = calloc(1, sizeof *waiting);
    if (!waiting)
        return false;
    if (size > 0) {
        waiting->payload = malloc(size);
        if (!waiting->payload) {
            free(waiting);
            return false;
        }
        memcpy(waiting->payload, leaf->payload, size);
    }
    waiting->leaf = *leaf;
    waiting->leaf.payload = waiting->payload;
    waiting->received = waiting->capacity = size;
    waiting->state = state;
    waiting->progress_ms = agent->now_ms;
    agent->waiting_bytes += sizeof *waiting + size;
    enlist(&session->waiting[state], waiting);
    task->waiting = waiting;
    return true;
}

void waiting_move(struct session *session, struct waiting *waiting, enum waiting_state state)
{
    delist(&session->waiting[waiting->state], waiting);
    waiting->state = state;
    enlist(&session->waiting[state], waiting);
    if (state == WAITING_QUEUE)
        session->dirty = true;
}

void waiting_free(struct agent *agent, struct session *session, struct waiting *waiting)
{
    delist(&session->waiting[waiting->state], waiting);
    agent->waiting_bytes -= sizeof *waiting + waiting->capacity;
    free(waiting->payload);
    free(waiting);
}
