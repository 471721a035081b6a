/* SPDX-License-Identifier: MIT */
/* Design notes. A link is never repaired. uplink_break only notes that it is over, for it may run inside the link's own
 * callback; settle asks the shell for a new socket, and uplink_connect replaces the link. Between Hello and Welcome
 * nothing else is sent, and whatever else comes breaks the link. The first failure is followed by a new link at once,
 * further ones a second after the link before. */
#include "agent_state.h"

#include <taskpool/version.h>

enum { RETRY_MS = 1000 };

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    const struct agent *agent = context;
    agent->actions.transmit(agent->actions.context, bytes, size);
}

static void transmit_block(void *context, void *block, const uint8_t *bytes, size_t size)
{
    const struct agent *agent = context;
    agent->actions.transmit_block(agent->actions.context, block, bytes, size);
}

static void welcomed(struct agent *agent)
{
    agent->uplink.state = UPLINK_WELCOMED;
    agent->uplink.failures = 0;
    agent->uplink.heard_ms = agent->now_ms;
    agent_log(agent, AGENT_INFO, "linked", NULL, "sessions=%zu tasks=%llu", agent_count(agent).sessions,
              (unsigned long long)agent->tasks);
    credit_reset(agent);
    for (struct session *session = agent->sessions; session; session = session->next)
        if (session->state == SESSION_ACCEPTED)
            session_announce(agent, session);
    program_ask_again(agent);
}

static void refused(struct agent *agent, const Taskpool__Refusal *refusal)
{
    agent_log(agent, AGENT_WARNING, "refused", refusal->reason, "status=%u", refusal->status);
    if (refusal->status == TP_E_NODE_LOST) { /* what ran here runs elsewhere now */
        while (agent->sessions)
            session_end(agent, agent->sessions, "the coordinator declared this node lost");
        agent->life = tp__id_new();
    }
    uplink_break(agent, "refused");
}

static void received(void *context, const Taskpool__Frame *frame)
{
    struct agent *agent = context;
    if (agent->uplink.state == UPLINK_NONE)
        return; /* the rest of a link that has just been given up */
    if (frame->body_case == TASKPOOL__FRAME__BODY_REFUSAL) {
        refused(agent, frame->refusal);
        return;
    }
    if ((agent->uplink.state == UPLINK_HELLO) != (frame->body_case == TASKPOOL__FRAME__BODY_WELCOME)) {
        agent_refuse(agent, REFUSED_FRAME, "out of place", "frame=%s", tp__frame_name(frame));
        uplink_break(agent, "a frame out of place");
        return;
    }
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_WELCOME:
        welcomed(agent);
        break;
    case TASKPOOL__FRAME__BODY_BYE:
        uplink_break(agent, "the coordinator says goodbye");
        break;
    case TASKPOOL__FRAME__BODY_OFFER:
        session_offered(agent, frame->offer);
        break;
    case TASKPOOL__FRAME__BODY_FORGET:
        session_forgotten(agent, frame->forget);
        break;
    case TASKPOOL__FRAME__BODY_SESSION_END:
        session_ended(agent, frame->session_end);
        break;
    case TASKPOOL__FRAME__BODY_TASKS:
        run_received(agent, frame->tasks);
        break;
    case TASKPOOL__FRAME__BODY_PAYLOAD:
        payload_received(agent, frame->payload);
        break;
    case TASKPOOL__FRAME__BODY_STREAM:
        stream_received(agent, frame->stream);
        break;
    case TASKPOOL__FRAME__BODY_RECALL:
        if (frame->recall->drain)
            recall_all(agent);
        else
            recall(agent, frame->recall->count);
        break;
    case TASKPOOL__FRAME__BODY_CHUNK:
        program_chunk(agent, frame->chunk);
        break;
    default:
        agent_refuse(agent, REFUSED_FRAME, "not for a node", "frame=%s", tp__frame_name(frame));
    }
}

static void broken(void *context, const char *reason)
{
    struct agent *agent = context;
    if (agent->uplink.state != UPLINK_NONE)
        uplink_break(agent, reason);
}

/* What was under way is not known to have come through. */
static void lose(struct agent *agent)
{
    agent->uplink.state = UPLINK_NONE;
    for (struct session *session = agent->sessions; session; session = session->next) {
        session->announced = false;
        payload_forget(agent, session);
    }
}

void uplink_break(struct agent *agent, const char *reason)
{
    if (agent->uplink.state == UPLINK_WELCOMED)
        agent_log(agent, AGENT_WARNING, "link-broken", reason, "tasks=%llu", (unsigned long long)agent->tasks);
    else
        agent_log(agent, AGENT_DEBUG, "no-link", reason, "failures=%u", agent->uplink.failures);
    lose(agent);
    agent->uplink.retry_ms = agent->uplink.failures++ == 0 ? agent->now_ms : agent->uplink.connected_ms + RETRY_MS;
    agent->uplink.wants_socket = true;
}

static bool say_hello(struct agent *agent)
{
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = TASKPOOL__ROLE__ROLE_NODE;
    hello.life = tp__field_of_id(&agent->life);
    hello.name = agent->options.name;
    hello.workers = agent->options.workers;
    hello.version = (char *)(uintptr_t)TP_VERSION;
    hello.draining = agent->draining;
    hello.machine = agent->options.machine;
    frame.body_case = TASKPOOL__FRAME__BODY_HELLO;
    frame.hello = &hello;
    return tp__link_send(agent->uplink.link, TP__LANE_CONTROL, &frame);
}

void uplink_connect(struct agent *agent)
{
    const struct tp__link_events events = {.transmit = transmit,
                                           .transmit_block = agent->actions.transmit_block ? transmit_block : NULL,
                                           .received = received,
                                           .broken = broken,
                                           .context = agent};
    lose(agent);
    tp__link_free(agent->uplink.link);
    agent->uplink.wants_socket = false;
    agent->uplink.connected_ms = agent->now_ms;
    agent->uplink.link = tp__link_new(&events, agent->now_ms);
    if (agent->uplink.link)
        agent->uplink.state = UPLINK_HELLO;
    if (!agent->uplink.link || !say_hello(agent))
        uplink_break(agent, "out of memory");
}

bool uplink_send(struct agent *agent, enum tp__lane lane, Taskpool__Frame *frame)
{
    if (agent->uplink.state != UPLINK_WELCOMED)
        return false;
    if (tp__link_send(agent->uplink.link, lane, frame))
        return true;
    if (agent->uplink.state == UPLINK_WELCOMED) /* no memory */
        uplink_break(agent, "a frame could not be sent");
    return false;
}

int64_t uplink_tick(struct agent *agent)
{
    if (agent->uplink.wants_socket)
        return agent->uplink.retry_ms;
    if (agent->uplink.state == UPLINK_NONE)
        return INT64_MAX;
    const int64_t due_ms = tp__link_tick(agent->uplink.link, agent->now_ms);
    /* heartbeats are no welcome */
    const int64_t heard_ms =
        agent->uplink.state == UPLINK_WELCOMED ? tp__link_heard_ms(agent->uplink.link) : agent->uplink.connected_ms;
    if (agent->now_ms - heard_ms >= TP__LOST_MS) {
        uplink_break(agent, "the coordinator is silent");
        return agent->uplink.retry_ms;
    }
    return due_ms < heard_ms + TP__LOST_MS ? due_ms : heard_ms + TP__LOST_MS;
}

void uplink_free(struct agent *agent)
{
    tp__link_free(agent->uplink.link);
    agent->uplink.link = NULL;
    agent->uplink.state = UPLINK_NONE;
}
