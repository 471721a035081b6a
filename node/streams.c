/* SPDX-License-Identifier: MIT */
/* Design notes. Only a data frame that is new counts as a word of the driver: a coordinator that replays old ones, or
 * acknowledgements, keeps no session fresh. What cannot be put into a stream for want of memory would be lost in
 * silence: the session begins anew then, with another incarnation, and the driver sends its tasks again. */
#include "agent_state.h"

enum { HELD_BYTES = 13 };

size_t stream_unacknowledged(const struct session *session)
{
    return session->talk.stream ? tp__stream_unacknowledged(session->talk.stream) : 0;
}

/* ---- for the driver ---- */

void stream_say(struct session *session, const struct tp__record *record)
{
    if (session->talk.stream && !tp__stream_append(session->talk.stream, record))
        session_fail(session, TP_E_NOMEM, "out of memory for a stream");
}

void stream_return(struct session *session, uint64_t task, uint32_t dispatch, enum tp__returned reason,
                   const char *text)
{
    uint8_t body[256];
    const size_t length = strnlen(text, sizeof body - 8);
    uint8_t *end = tp__put_u8(body, (uint8_t)reason);
    end = tp__put_u32(end, (uint32_t)length);
    end = tp__put_bytes(end, text, length);
    stream_say(session, &(struct tp__record){.type = TP__RECORD_RETURNED,
                                             .task = task,
                                             .dispatch = dispatch,
                                             .body = body,
                                             .size = (uint32_t)(end - body)});
}

static void count_dropped(struct session *session, size_t size)
{
    const uint32_t room = UINT32_MAX - session->talk.dropped_output_bytes;
    session->talk.dropped_output_bytes += size < room ? (uint32_t)size : room;
}

void stream_output(struct session *session, int descriptor, uint64_t task, uint32_t dispatch, const uint8_t *bytes,
                   size_t size)
{
    if (!session->talk.stream)
        return;
    struct tp__buffer body = {NULL, 0, 0};
    if (stream_unacknowledged(session) > OUTPUT_LIMIT_BYTES || size > TP__PART_BYTES ||
        !tp__buffer_reserve(&body, 5 + size)) {
        count_dropped(session, size);
        return;
    }
    uint8_t *end = tp__put_u8(body.bytes, (uint8_t)descriptor);
    end = tp__put_u32(end, session->talk.dropped_output_bytes);
    end = tp__put_bytes(end, bytes, size);
    stream_say(session, &(struct tp__record){.type = TP__RECORD_OUTPUT,
                                             .task = task,
                                             .dispatch = dispatch,
                                             .body = body.bytes,
                                             .size = (uint32_t)(end - body.bytes)});
    session->talk.dropped_output_bytes = 0;
    tp__buffer_free(&body);
}

void stream_pump(struct agent *agent, struct session *session)
{
    if (!session->announced || agent->uplink.state != UPLINK_WELCOMED)
        return;
    if (session->talk.dropped_output_bytes > 0 && stream_unacknowledged(session) < OUTPUT_LIMIT_BYTES / 2)
        stream_output(session, 2, 0, 0, NULL, 0); /* nothing more may come that could say it */
    struct tp__sealed sealed;
    while (tp__stream_next(session->talk.stream, &sealed)) {
        Taskpool__StreamFrame stream;
        taskpool__stream_frame__init(&stream);
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        stream.session = tp__field_of_id(&session->offer.content.session);
        stream.incarnation = tp__field_of_id(&session->incarnation);
        stream.position = sealed.position;
        stream.acknowledgement = sealed.acknowledgement;
        stream.sealed = tp__field(sealed.bytes, sealed.size);
        frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
        frame.stream = &stream;
        if (!uplink_send(agent, TP__LANE_BULK, &frame))
            return; /* the link broke: all is sent again over the next */
    }
}

/* ---- from the driver ---- */

/* The common process runs already: it learns the numbers of its workers before its first task. */
static bool open_talk(struct agent *agent, struct session *session, const struct tp__record *record)
{
    struct tp__reader reader = tp__reader_of(record->body, record->size);
    session->talk.first_worker = tp__get_u32(&reader);
    session->talk.opened = reader.ok && tp__reader_left(&reader) == 0;
    if (session->talk.opened && session->common)
        worker_append(agent, session->common, record);
    return session->talk.opened;
}

/* What is here, after what came only in part: the rest of that may be lost as well. */
static bool reconcile(struct agent *agent, struct session *session, const struct tp__record *record)
{
    struct tp__reader reader = tp__reader_of(record->body, record->size);
    const uint64_t nonce = tp__get_u64(&reader);
    if (!reader.ok)
        return false;
    payload_forget(agent, session);
    const struct task_table *table = &session->tasks;
    struct tp__buffer body = {NULL, 0, 0};
    if (!tp__buffer_reserve(&body, sizeof nonce + table->count * HELD_BYTES)) {
        session_fail(session, TP_E_NOMEM, "out of memory for a list of tasks");
        return true;
    }
    uint8_t *end = tp__put_u64(body.bytes, nonce);
    for (size_t i = 0; i < table->capacity; i++) {
        const struct task *task = &table->places[i];
        if (task->sequence == 0)
            continue;
        enum tp__held held = TP__HELD_RUNNING;
        if (task->waiting)
            held = task->waiting->state == WAITING_CLAIM ? TP__HELD_CLAIMED : TP__HELD_QUEUED;
        end = tp__put_u64(end, task->sequence);
        end = tp__put_u32(end, task->dispatch);
        end = tp__put_u8(end, (uint8_t)held);
    }
    stream_say(session,
               &(struct tp__record){.type = TP__RECORD_HELD, .body = body.bytes, .size = (uint32_t)(end - body.bytes)});
    tp__buffer_free(&body);
    return true;
}

static void claim_answered(struct agent *agent, struct session *session, struct task *task, bool granted)
{
    if (!task || !task->waiting || task->waiting->state != WAITING_CLAIM)
        return; /* it was recalled or cancelled meanwhile */
    if (granted)
        waiting_move(session, task->waiting, WAITING_QUEUE);
    else
        task_remove(agent, session, task);
}

/* For the process that has the task; parts as they come. */
static void pass_on(struct agent *agent, struct task *task, const struct tp__record *record)
{
    struct worker *worker = task && !task->waiting ? worker_find(agent, task->worker) : NULL;
    if (!worker || worker->state == WORKER_KILLED)
        return;
    if (!tp__record_append(&worker->out, record))
        worker_kill(agent, worker, "could not be told something for want of memory");
}

/* False if no driver would say that. */
static bool obey(struct agent *agent, struct session *session, const struct tp__record *record)
{
    if (!session->talk.opened)
        return record->type == TP__RECORD_OPEN && open_talk(agent, session, record);
    struct task *task = task_find_current(session, record->task, record->dispatch);
    switch (record->type) {
    case TP__RECORD_GRANT:
    case TP__RECORD_REFUSE:
        claim_answered(agent, session, task, record->type == TP__RECORD_GRANT);
        return true;
    case TP__RECORD_RECONCILE:
        return reconcile(agent, session, record);
    case TP__RECORD_TICK:
        return true;
    case TP__RECORD_CANCEL:
        if (task)
            task_cancel(agent, session, task);
        return true;
    case TP__RECORD_REPLY:
    case TP__RECORD_CHILD_RESULT:
    case TP__RECORD_CHILD_FAILURE:
        pass_on(agent, task, record);
        return true;
    default:
        return false;
    }
}

void stream_received(struct agent *agent, const Taskpool__StreamFrame *frame)
{
    char name[33];
    struct session *session = session_find(agent, frame->session.data, frame->session.len);
    struct tp__id incarnation;
    if (!session || session->state != SESSION_ACCEPTED ||
        !tp__id_read(&incarnation, frame->incarnation.data, frame->incarnation.len) ||
        !tp__id_equal(&incarnation, &session->incarnation)) {
        agent_refuse(agent, REFUSED_SESSION, "no such incarnation", "frame=stream");
        return;
    }
    struct tp__reader records;
    switch (tp__stream_receive(session->talk.stream, frame->position, frame->acknowledgement, frame->sealed.data,
                               frame->sealed.len, &records)) {
    case TP__STREAM_NOTHING:
        return;
    case TP__STREAM_GAP:
        agent_log(agent, AGENT_DEBUG, "stream-gap", NULL, "session=%s position=%llu", session_name(session, name),
                  (unsigned long long)frame->position);
        return;
    case TP__STREAM_FORGED:
        agent_refuse(agent, REFUSED_STREAM, "it does not open", "session=%s position=%llu", session_name(session, name),
                     (unsigned long long)frame->position);
        return;
    case TP__STREAM_FRESH:
        break;
    }
    session->talk.fresh_ms = session->heard_ms = agent->now_ms;
    struct tp__record record;
    enum tp__record_next next;
    while ((next = tp__record_read(&records, &record)) == TP__RECORD_FOUND)
        if (!obey(agent, session, &record))
            break;
    if (next == TP__RECORD_INCOMPLETE && tp__reader_left(&records) == 0)
        return;
    agent_refuse(agent, REFUSED_STREAM, "the driver says what it may not", "session=%s type=%u",
                 session_name(session, name), record.type);
    session_fail(session, TP_E_DECODE, "the driver's stream cannot be understood");
}
