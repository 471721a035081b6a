/* SPDX-License-Identifier: MIT */
/* Design notes. A link never recovers: when it breaks (a gap, a Reset, silence, a frame for which there is no memory)
 * the session drops it, asks for a new socket and says Hello again, for as long as it takes. What was on the way is
 * found out by session_reconcile.c. Only a Refusal of the coordinator ends the session. */
#include "cluster/session_state.h"

#include <stdio.h>
#include <taskpool/version.h>

bool tp__session_is_linked(const struct tp__session *session)
{
    return session->wire.link && session->wire.welcomed && !session->wire.broken;
}

void tp__session_unlink(struct tp__session *session, const char *why)
{
    if (session->wire.broken)
        return;
    session->wire.broken = true;
    tp__session_copy_text(session->wire.trouble, sizeof session->wire.trouble, why);
}

void tp__session_send(struct tp__session *session, enum tp__lane lane, Taskpool__Frame *frame)
{
    if (session->wire.broken || !session->wire.link)
        return; /* it is lost, as what is on the way is */
    if (!tp__link_send(session->wire.link, lane, frame))
        tp__session_unlink(session, "a frame could not be packed");
}

void tp__session_copy_text(char *to, size_t size, const char *from)
{
    const size_t length = strnlen(from, size - 1);
    for (size_t i = 0; i < length; i++)
        to[i] = from[i];
    for (char *at = to; at < to + length; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    to[length] = '\0';
}

/* ---- frames ---- */

static void send_offer(struct tp__session *session)
{
    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    offer.session = tp__field_of_id(&session->id);
    offer.signed_offer = tp__field(session->keys.offer, session->keys.offer_size);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    tp__session_send(session, TP__LANE_CONTROL, &frame);
}

static void welcomed(struct tp__session *session, const Taskpool__Welcome *welcome)
{
    session->wire.welcomed = true;
    session->wire.expected_answers = welcome->nodes;
    session->wire.answers = 0;
    session->wire.queue_limit_bytes =
        welcome->queue_limit_bytes ? welcome->queue_limit_bytes : TP__DEFAULT_QUEUE_LIMIT_BYTES;
    tp__session_copy_text(session->wire.coordinator, sizeof session->wire.coordinator, welcome->name);
    session->state = TP__SESSION_OPEN;
    send_offer(session);
    tp__session_reconcile_welcomed(session);
}

static void refused(struct tp__session *session, const Taskpool__Refusal *refusal)
{
    const bool known = refusal->status != TP_OK && refusal->status <= TP_E_OVERFLOW;
    char reason[160];
    char text[256];
    tp__session_copy_text(reason, sizeof reason, refusal->reason);
    (void)snprintf(text, sizeof text, "the coordinator refused the session: %s",
                   reason[0] ? reason : "it gave no reason");
    tp__session_fail(session, known ? (tp_status)refusal->status : TP_E_SESSION_LOST, text);
}

static bool is_ours(const struct tp__session *session, const ProtobufCBinaryData *id)
{
    return id->len == sizeof session->id && memcmp(id->data, &session->id, sizeof session->id) == 0;
}

static void received(void *context, const Taskpool__Frame *frame)
{
    struct tp__session *session = context;
    if (session->wire.broken || session->state == TP__SESSION_FAILED)
        return;
    if (frame->body_case == TASKPOOL__FRAME__BODY_REFUSAL) {
        refused(session, frame->refusal);
        return;
    }
    if (frame->body_case == TASKPOOL__FRAME__BODY_BYE) {
        tp__session_unlink(session, frame->bye->reason[0] ? frame->bye->reason : "the coordinator stopped");
        return;
    }
    if (session->wire.welcomed == (frame->body_case == TASKPOOL__FRAME__BODY_WELCOME)) {
        tp__session_unlink(session, "the coordinator answered the Hello with something else, or twice");
        return;
    }
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_WELCOME:
        welcomed(session, frame->welcome);
        return;
    case TASKPOOL__FRAME__BODY_ACCEPT:
        tp__session_accepted(session, frame->accept);
        return;
    case TASKPOOL__FRAME__BODY_NODE_STATE:
        tp__session_node_state(session, frame->node_state);
        return;
    case TASKPOOL__FRAME__BODY_PLACED:
        tp__session_placed(session, frame->placed->runs, frame->placed->n_runs);
        return;
    case TASKPOOL__FRAME__BODY_STREAM:
        tp__session_placed(session, frame->stream->placed, frame->stream->n_placed);
        if (is_ours(session, &frame->stream->session))
            tp__session_stream(session, frame->stream);
        else
            session->tasks.refused++;
        return;
    case TASKPOOL__FRAME__BODY_NEED:
        tp__session_need(session, frame->need);
        return;
    case TASKPOOL__FRAME__BODY_QUERY:
        tp__session_query(session, frame->query);
        return;
    default: /* not for drivers */
        session->tasks.refused++;
    }
}

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct tp__session *session = context;
    session->actions.transmit(session->actions.context, bytes, size);
}

static void transmit_block(void *context, void *block, const uint8_t *bytes, size_t size)
{
    struct tp__session *session = context;
    session->actions.transmit_block(session->actions.context, block, bytes, size);
}

static void broken(void *context, const char *reason)
{
    tp__session_unlink(context, reason);
}

/* ---- making it anew ---- */

static void say_hello(struct tp__session *session)
{
    char machine[sizeof session->options.machine];
    memcpy(machine, session->options.machine, sizeof machine);
    char version[] = TP_VERSION;
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = TASKPOOL__ROLE__ROLE_DRIVER;
    hello.life = tp__field_of_id(&session->id);
    hello.name = session->options.program_name;
    hello.version = version;
    hello.machine = machine;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_HELLO;
    frame.hello = &hello;
    tp__session_send(session, TP__LANE_CONTROL, &frame);
}

/* What was queued or on the way is in doubt. */
static void drop_link(struct tp__session *session)
{
    if (!session->wire.link)
        return;
    tp__link_free(session->wire.link);
    session->wire.link = NULL;
    session->wire.welcomed = false;
    tp__session_nodes_unlinked(session);
    tp__session_drop_batches(session, NULL);
    tp__session_reconcile_unlinked(session);
}

void tp__session_wire_connected(struct tp__session *session)
{
    drop_link(session);
    session->wire.broken = false;
    session->wire.connected_ms = session->now_ms;
    session->wire.reconnect_ms = INT64_MAX;
    const struct tp__link_events events = {.transmit = transmit,
                                           .transmit_block = session->actions.transmit_block ? transmit_block : NULL,
                                           .received = received,
                                           .broken = broken,
                                           .context = session};
    session->wire.link = tp__link_new(&events, session->now_ms);
    if (session->wire.link)
        say_hello(session);
    else
        session->wire.reconnect_ms = session->now_ms + TP__UNHEARD_MS;
}

void tp__session_wire_settle(struct tp__session *session)
{
    if (session->wire.broken) {
        session->wire.broken = false;
        drop_link(session);
        const int64_t soonest = session->wire.connected_ms + TP__RECONNECT_MS;
        session->wire.reconnect_ms = soonest > session->now_ms ? soonest : session->now_ms;
    }
    if (session->now_ms < session->wire.reconnect_ms)
        return;
    /* If no socket can be had, or it says nothing, once more later. */
    session->wire.reconnect_ms = session->now_ms + TP__UNHEARD_MS;
    session->actions.reconnect(session->actions.context);
}

int64_t tp__session_wire_tick(struct tp__session *session)
{
    if (!session->wire.link || session->wire.broken)
        return session->wire.reconnect_ms;
    const int64_t silent_ms = tp__link_heard_ms(session->wire.link) + TP__LOST_MS;
    if (session->now_ms >= silent_ms) {
        tp__session_unlink(session, "the coordinator was silent");
        return session->now_ms;
    }
    const int64_t next_ms = tp__link_tick(session->wire.link, session->now_ms);
    return next_ms < silent_ms ? next_ms : silent_ms;
}

void tp__session_wire_close(struct tp__session *session, const char *reason)
{
    if (session->wire.link && !session->wire.broken) {
        char text[128];
        tp__session_copy_text(text, sizeof text, reason);
        Taskpool__Bye bye;
        taskpool__bye__init(&bye);
        bye.reason = text;
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        frame.body_case = TASKPOOL__FRAME__BODY_BYE;
        frame.bye = &bye;
        tp__session_send(session, TP__LANE_CONTROL, &frame);
    }
    session->wire.broken = true; /* nothing goes either way any more */
    session->wire.reconnect_ms = INT64_MAX;
}
