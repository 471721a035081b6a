/* SPDX-License-Identifier: MIT */
/* Design notes. What a process says is not trusted: it may speak of tasks that it has, in records that a process may
 * send. What concerns a task that is not here (it was cancelled; the process could not know) is dropped; anything else
 * that is wrong ends the process. Good records go to the driver's stream as they stand, a run of them at a time.
 *
 * A session's process goes through STARTING, READY, STOPPING in this order, and through KILLED from anywhere; it is
 * removed by agent_worker_ended alone. When its session is dropped before that, it is KILLED and belongs to nobody. */
#include "agent_state.h"

#include <stdlib.h>

enum { READY_LIMIT_BYTES = 4 << 20, OUT_KEPT_BYTES = 1 << 20, GIVE_BACK_AT_ONCE = 4096 };

struct worker *worker_find(const struct agent *agent, uint32_t id)
{
    size_t low = 0, high = agent->worker_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (agent->workers[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < agent->worker_count && agent->workers[low]->id == id ? agent->workers[low] : NULL;
}

struct worker *worker_of_cell(const struct agent *agent, const struct session *session, uint32_t cell)
{
    if (cell == 0)
        return session->common;
    for (size_t i = 0; i < agent->worker_count; i++) {
        struct worker *worker = agent->workers[i];
        if (worker->session == session && worker->cell == cell && worker->isolated == 0 &&
            (worker->state == WORKER_STARTING || worker->state == WORKER_READY))
            return worker;
    }
    return NULL;
}

static void free_buffers(struct worker *worker)
{
    tp__buffer_free(&worker->in);
    tp__buffer_free(&worker->out);
    tp__buffer_free(&worker->ready);
}

static bool make_place(struct agent *agent)
{
    if (agent->worker_count < agent->worker_capacity)
        return true;
    const size_t capacity = agent->worker_capacity > 0 ? 2 * agent->worker_capacity : 16;
    struct worker **workers = realloc(agent->workers, capacity * sizeof *workers);
    if (!workers)
        return false;
    agent->workers = workers;
    agent->worker_capacity = capacity;
    return true;
}

struct worker *worker_begin(struct agent *agent, struct session *session, uint32_t cell, uint64_t isolated,
                            struct tp__problem *problem)
{
    struct worker *worker = make_place(agent) ? calloc(1, sizeof *worker) : NULL;
    if (!worker) {
        (void)tp__problem_set(problem, TP_E_NOMEM, "node %s is out of memory", agent->options.name);
        return NULL;
    }
    worker->id = ++agent->last_worker;
    worker->session = session;
    worker->common = cell == 0 && isolated == 0;
    worker->cell = cell;
    worker->isolated = isolated;
    worker->threads = isolated != 0 ? 1 : agent->options.workers;

    struct agent_worker_options options = {.session = session->offer.content.session,
                                           .program = session->offer.content.program,
                                           .program_length = session->offer.content.program_length,
                                           .threads = worker->threads,
                                           .first_worker = session->talk.first_worker};
    memcpy(options.program_name, session->offer.content.program_name, sizeof options.program_name);
    if (!agent->actions.worker_start(agent->actions.context, worker->id, &options, problem)) {
        free(worker);
        return NULL;
    }
    agent->workers[agent->worker_count++] = worker;
    session->processes += !worker->common;
    return worker;
}

void worker_kill(struct agent *agent, struct worker *worker, const char *verdict)
{
    if (worker->state == WORKER_KILLED)
        return;
    worker->state = WORKER_KILLED;
    worker->verdict = verdict;
    free_buffers(worker);
    if (worker->session && worker->session->common == worker) {
        worker->session->common = NULL;
        worker->session->dirty = true;
    }
    agent->actions.worker_kill(agent->actions.context, worker->id);
}

void worker_forget(struct agent *agent, struct worker *worker)
{
    struct session *session = worker->session;
    if (session) {
        session->processes -= !worker->common;
        if (session->common == worker)
            session->common = NULL;
        session->dirty = true;
    }
    size_t at = 0;
    while (agent->workers[at] != worker)
        at++;
    agent->worker_count--;
    memmove(agent->workers + at, agent->workers + at + 1, (agent->worker_count - at) * sizeof(struct worker *));
    free_buffers(worker);
    free(worker);
}

void workers_abandon(struct agent *agent, struct session *session)
{
    for (size_t i = 0; i < agent->worker_count; i++)
        if (agent->workers[i]->session == session) {
            worker_kill(agent, agent->workers[i], NULL);
            agent->workers[i]->session = NULL;
            agent->workers[i]->tasks = 0;
        }
    session->common = NULL;
    session->processes = 0;
}

/* ---- to a process ---- */

void worker_append(struct agent *agent, struct worker *worker, const struct tp__record *record)
{
    if (!tp__record_append(&worker->out, record))
        worker_kill(agent, worker, "could not be told something for want of memory");
}

void worker_tell(struct agent *agent, struct worker *worker, enum tp__record_type type, uint64_t task,
                 uint32_t dispatch)
{
    worker_append(agent, worker, &(struct tp__record){.type = (uint8_t)type, .task = task, .dispatch = dispatch});
}

void worker_ask_back(struct agent *agent, struct worker *worker, uint32_t count)
{
    if (count > worker->tasks)
        count = (uint32_t)worker->tasks;
    while (count > 0 && worker->state != WORKER_KILLED) {
        const uint32_t some = count < GIVE_BACK_AT_ONCE ? count : GIVE_BACK_AT_ONCE;
        uint8_t body[sizeof some];
        tp__put_u32(body, some);
        worker_append(agent, worker,
                      &(struct tp__record){.type = TP__RECORD_GIVE_BACK, .body = body, .size = sizeof body});
        count -= some;
    }
}

static uint64_t unstarted(const struct agent *agent, const struct worker *worker)
{
    const uint64_t started = agent->actions.worker_started(agent->actions.context, worker->id);
    return worker->given > started ? worker->given - started : 0;
}

uint64_t worker_waiting(const struct agent *agent, const struct worker *worker)
{
    if (worker->state == WORKER_KILLED || worker->tasks == 0)
        return 0;
    const uint64_t all = unstarted(agent, worker);
    const uint64_t waiting = all > worker->settled ? all - worker->settled : 0;
    return waiting < worker->tasks ? waiting : worker->tasks;
}

/* ---- READY ---- */

/* Takes over the body with the names of the program's tasks. NULL, or what is wrong. */
static const char *read_names(struct session *session, struct tp__buffer *body)
{
    struct tp__reader reader = tp__reader_of(body->bytes, body->size);
    const uint32_t protocol = tp__get_u32(&reader);
    const uint32_t count = tp__get_u32(&reader);
    if (!reader.ok || count > tp__reader_left(&reader) / sizeof(uint32_t))
        return "said READY in a way that cannot be read";
    if (protocol != TP__PROTOCOL_VERSION)
        return "speaks another version of the protocol";
    if (session->names.texts)
        return NULL; /* every process of a session runs the same program */
    uint32_t *offsets = malloc(count > 0 ? count * sizeof *offsets : 1);
    if (!offsets)
        return "could not be listened to for want of memory";
    for (uint32_t i = 0; i < count; i++) {
        size_t size;
        offsets[i] = (uint32_t)(reader.at - body->bytes);
        (void)tp__get_text(&reader, &size);
    }
    if (!reader.ok || tp__reader_left(&reader) > 0) {
        free(offsets);
        return "said READY in a way that cannot be read";
    }
    session->names = (struct task_names){body->bytes, offsets, count};
    *body = (struct tp__buffer){NULL, 0, 0};
    return NULL;
}

/* NULL, or what is wrong. */
static const char *ready(struct agent *agent, struct worker *worker, const struct tp__record *record)
{
    struct session *session = worker->session;
    if (worker->ready.size + record->size > READY_LIMIT_BYTES)
        return "said READY in a way that cannot be read";
    if (!tp__buffer_append(&worker->ready, record->body, record->size))
        return "could not be listened to for want of memory";
    if (record->flags & TP__RECORD_MORE)
        return NULL;
    const char *wrong = read_names(session, &worker->ready);
    tp__buffer_free(&worker->ready);
    if (wrong)
        return wrong;
    worker->state = WORKER_READY;
    worker->was_ready = true;
    session->dirty = true;
    agent->idle_workers = true;
    if (session->state == SESSION_STARTING)
        session_ready(agent, session);
    return NULL;
}

/* ---- records ---- */

enum fate { FATE_FORWARD, FATE_DROP, FATE_KILL };

static enum fate output(struct worker *worker, const struct tp__record *record)
{
    struct tp__reader reader = tp__reader_of(record->body, record->size);
    const uint8_t descriptor = tp__get_u8(&reader);
    (void)tp__get_u32(&reader);
    if (!reader.ok || (record->flags & TP__RECORD_MORE))
        return FATE_KILL;
    stream_output(worker->session, descriptor == 1 ? 1 : 2, record->task, record->dispatch, reader.at,
                  tp__reader_left(&reader));
    return FATE_DROP;
}

static bool may_be_returned_so(const struct tp__record *record)
{
    return record->size > 0 && (record->body[0] == TP__RETURNED_RECALLED || record->body[0] == TP__RETURNED_UNREADABLE);
}

/* One that was cancelled before it started: it waits no longer, and may be among the settled ones. */
static void came_back(struct worker *worker)
{
    worker->given -= worker->given > 0;
    worker->settled -= worker->settled > 0;
    worker->cancelled -= worker->cancelled > 0;
}

/* Of a process that is READY. */
static enum fate judge(struct agent *agent, struct worker *worker, const struct tp__record *record)
{
    switch (record->type) {
    case TP__RECORD_RESULT:
    case TP__RECORD_FAILURE:
    case TP__RECORD_RETURNED:
    case TP__RECORD_OPERATION:
    case TP__RECORD_WITHDRAW:
    case TP__RECORD_CONFIRM:
    case TP__RECORD_CHILD:
    case TP__RECORD_CHILD_CANCEL:
        break;
    case TP__RECORD_OUTPUT:
        return output(worker, record);
    default:
        return FATE_KILL;
    }
    struct session *session = worker->session;
    struct task *task = task_find_current(session, record->task, record->dispatch);
    if (!task) {
        if (record->type == TP__RECORD_RETURNED)
            came_back(worker);
        agent->late++;
        return FATE_DROP;
    }
    if (task->waiting || task->worker != worker->id)
        return FATE_KILL;
    const bool ends =
        record->type == TP__RECORD_RESULT || record->type == TP__RECORD_FAILURE || record->type == TP__RECORD_RETURNED;
    if (record->type == TP__RECORD_RETURNED) {
        if ((record->flags & TP__RECORD_MORE) || !may_be_returned_so(record))
            return FATE_KILL;
        worker->given--;
    }
    if (ends && !(record->flags & TP__RECORD_MORE)) {
        if (record->type != TP__RECORD_RETURNED) {
            agent->finished++;
            agent->credit.window_finished++;
        }
        task_remove(agent, session, task);
    }
    return FATE_FORWARD;
}

static void forward(struct session *session, const uint8_t *from, const uint8_t *to)
{
    if (from && to > from && !tp__stream_append_raw(session->talk.stream, from, (size_t)(to - from)))
        session_fail(session, TP_E_NOMEM, "out of memory for a stream");
}

/* Reads whole records; what is left over is not whole. */
static void read_records(struct agent *agent, struct worker *worker, struct tp__reader *reader)
{
    struct session *session = worker->session;
    const uint8_t *good = NULL; /* start of the records that are to be forwarded */
    struct tp__record record;
    enum tp__record_next next;
    const uint8_t *start = reader->at;
    const char *wrong = NULL;
    while (!wrong && (next = tp__record_read(reader, &record)) == TP__RECORD_FOUND) {
        enum fate fate;
        if (worker->state == WORKER_STARTING && record.type == TP__RECORD_READY) {
            wrong = ready(agent, worker, &record);
            if (worker->state == WORKER_KILLED)
                return; /* the session was refused */
            fate = FATE_DROP;
        } else {
            fate = worker->state == WORKER_STARTING ? FATE_KILL : judge(agent, worker, &record);
        }
        if (fate != FATE_FORWARD) {
            forward(session, good, start);
            good = NULL;
        } else if (!good) {
            good = start;
        }
        if (fate == FATE_KILL)
            wrong = "sent a record that it may not send";
        start = reader->at;
    }
    forward(session, good, start);
    if (!wrong && next == TP__RECORD_MALFORMED)
        wrong = "sent a malformed record";
    if (wrong) {
        agent_refuse(agent, REFUSED_RECORD, wrong, "process=%u", worker->id);
        worker_kill(agent, worker, wrong);
    }
}

void worker_records(struct agent *agent, struct worker *worker, const uint8_t *bytes, size_t size)
{
    if (!worker->session || worker->state == WORKER_KILLED)
        return;
    const bool kept = worker->in.size > 0;
    if (kept && !tp__buffer_append(&worker->in, bytes, size)) {
        worker_kill(agent, worker, "could not be listened to for want of memory");
        return;
    }
    struct tp__reader reader = kept ? tp__reader_of(worker->in.bytes, worker->in.size) : tp__reader_of(bytes, size);
    read_records(agent, worker, &reader);
    if (worker->state == WORKER_KILLED)
        return;
    const size_t left = tp__reader_left(&reader);
    if (kept)
        tp__buffer_consume(&worker->in, worker->in.size - left);
    else if (left > 0 && !tp__buffer_append(&worker->in, reader.at, left))
        worker_kill(agent, worker, "could not be listened to for want of memory");
    if (worker->in.size == 0 && worker->in.capacity > OUT_KEPT_BYTES)
        tp__buffer_free(&worker->in);
}

/* ---- after each event ---- */

/* Nobody's tasks are in there any more: what still runs was cancelled. */
static void stop_if_idle(struct agent *agent, struct worker *worker)
{
    if (worker->tasks > 0 || worker->state != WORKER_READY)
        return;
    worker->settled = unstarted(agent, worker); /* cancelled before they started: they never will */
    if (worker->common)
        return;
    worker_tell(agent, worker, TP__RECORD_STOP, 0, 0);
    if (worker->state == WORKER_READY) {
        worker->state = WORKER_STOPPING;
        worker->stop_ms = agent->now_ms + STOP_PATIENCE_MS;
    }
}

/* A driver that lags behind is waited for. */
static void pause_if_behind(struct agent *agent, struct worker *worker)
{
    const size_t behind = stream_unacknowledged(worker->session);
    if (behind > STREAM_KILL_BYTES) {
        agent_refuse(agent, REFUSED_RECORD, "floods its driver", "process=%u", worker->id);
        worker_kill(agent, worker, "sent more than its driver can take");
        return;
    }
    const bool pause = behind > (worker->paused ? STREAM_LIMIT_BYTES : STREAM_PAUSE_BYTES);
    if (pause == worker->paused || !agent->actions.worker_pause)
        return;
    worker->paused = pause;
    agent->actions.worker_pause(agent->actions.context, worker->id, pause);
}

static void renew(struct agent *agent, struct worker *worker)
{
    const struct session *session = worker->session;
    const int64_t until_ms = session->talk.fresh_ms + FRESH_MS;
    if (!session->talk.opened || worker->fresh_until_ms == until_ms)
        return;
    worker->fresh_until_ms = until_ms;
    agent->actions.worker_fresh(agent->actions.context, worker->id, until_ms);
}

static void flush(struct agent *agent, struct worker *worker)
{
    if (worker->out.size == 0 || worker->state == WORKER_STARTING)
        return;
    agent->actions.worker_send(agent->actions.context, worker->id, worker->out.bytes, worker->out.size);
    worker->out.size = 0;
    if (worker->out.capacity > OUT_KEPT_BYTES)
        tp__buffer_free(&worker->out);
}

void workers_settle(struct agent *agent)
{
    const bool look = agent->idle_workers;
    agent->idle_workers = false;
    for (size_t i = 0; i < agent->worker_count; i++) {
        struct worker *worker = agent->workers[i];
        if (!worker->session)
            continue;
        if (look)
            stop_if_idle(agent, worker);
        if (worker->state != WORKER_KILLED)
            pause_if_behind(agent, worker);
        if (worker->state == WORKER_KILLED)
            continue;
        renew(agent, worker);
        flush(agent, worker);
    }
}

int64_t workers_tick(struct agent *agent)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < agent->worker_count; i++) {
        struct worker *worker = agent->workers[i];
        if (worker->state != WORKER_STOPPING)
            continue;
        if (worker->stop_ms <= agent->now_ms)
            worker_kill(agent, worker, NULL);
        else if (worker->stop_ms < next)
            next = worker->stop_ms;
    }
    return next;
}
