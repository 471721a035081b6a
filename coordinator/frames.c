/* SPDX-License-Identifier: MIT */
#include "frames.h"

#include "hello.h"
#include "nodes.h"
#include "offers.h"
#include "peers.h"
#include "programs.h"
#include "query.h"
#include "relay.h"
#include "report.h"
#include "tasks.h"

/* False: a driver sends no such frame. */
static bool receive_from_driver(struct peer *peer, const Taskpool__Frame *frame)
{
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_TASKS:
        tasks_received(peer, frame->tasks);
        return true;
    case TASKPOOL__FRAME__BODY_PAYLOAD:
        tasks_payload_received(peer, frame->payload);
        return true;
    case TASKPOOL__FRAME__BODY_STREAM:
        relay_stream_received(peer, frame->stream);
        return true;
    case TASKPOOL__FRAME__BODY_OFFER:
        offers_received(peer, frame->offer);
        return true;
    case TASKPOOL__FRAME__BODY_USE:
        offers_use_received(peer, frame->use);
        return true;
    case TASKPOOL__FRAME__BODY_FORGET:
        offers_forget_received(peer, frame->forget);
        return true;
    case TASKPOOL__FRAME__BODY_CHUNK:
        programs_chunk_received(peer, frame->chunk);
        return true;
    case TASKPOOL__FRAME__BODY_ANSWER:
        query_answer_received(peer, frame->answer);
        return true;
    default:
        return false;
    }
}

static bool receive_from_node(struct peer *peer, const Taskpool__Frame *frame)
{
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_STREAM:
        relay_stream_received(peer, frame->stream);
        return true;
    case TASKPOOL__FRAME__BODY_CREDIT:
        node_credit_received(peer->node, frame->credit);
        return true;
    case TASKPOOL__FRAME__BODY_ACCEPT:
        offers_accept_received(peer, frame->accept);
        return true;
    case TASKPOOL__FRAME__BODY_NEED:
        programs_need_received(peer, frame->need);
        return true;
    default:
        return false;
    }
}

static bool receive_from_tool(struct peer *peer, const Taskpool__Frame *frame)
{
    if (frame->body_case != TASKPOOL__FRAME__BODY_QUERY)
        return false;
    query_received(peer, frame->query);
    return true;
}

void frames_received(struct peer *peer, const Taskpool__Frame *frame)
{
    if (frame->body_case == TASKPOOL__FRAME__BODY_HELLO) {
        hello_received(peer, frame->hello);
        return;
    }
    if (frame->body_case == TASKPOOL__FRAME__BODY_BYE) {
        hello_bye_received(peer, frame->bye);
        return;
    }
    const bool is_expected = peer->session ? receive_from_driver(peer, frame)
                             : peer->node  ? receive_from_node(peer, frame)
                                           : receive_from_tool(peer, frame);
    if (!is_expected)
        report_refused(peer, tp__frame_name(frame), "the role %s sends no such frame", tp__role_name(peer->role));
}
