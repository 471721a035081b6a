/* SPDX-License-Identifier: MIT */
/* Design notes. The coordinator checks an offer, and keeps it, because it must know the program; whether a node's
 * accept is good is for the driver to find out. What a node answers goes to the driver of a session that was offered to
 * it, and only so often: a node must not be able to drown a driver. */
#include "offers.h"

#include "peers.h"
#include "placement.h"
#include "programs.h"
#include "report.h"
#include "sessions.h"
#include "uses.h"

#include <stdlib.h>

enum {
    ANSWERS_LIMIT = 64, /* of one node to one session, in the life of a link */
    REASON_LIMIT_BYTES = 16 << 10
};

/* ---- offers ---- */

static void send_offer(const struct session *session, struct node *node)
{
    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    offer.signed_offer = tp__field(session->signed_offer, session->signed_offer_size);
    offer.session = tp__field_of_id(&session->id);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    (void)peer_send(node->peer, TP__LANE_CONTROL, &frame);
}

void offers_send_all(struct coordinator *coordinator, struct node *node)
{
    for (uint32_t slot = 0; slot < coordinator->session_slots; slot++)
        if (coordinator->sessions[slot] && coordinator->sessions[slot]->signed_offer)
            send_offer(coordinator->sessions[slot], node);
}

/* Keeps the offer. False if the driver was refused. */
static bool keep(struct peer *peer, const Taskpool__Offer *message)
{
    struct session *session = peer->session;
    const ProtobufCBinaryData *bytes = &message->signed_offer;
    struct tp__offer offer;
    if (bytes->len > TP__OFFER_LIMIT_BYTES || !tp__offer_verify(&offer, bytes->data, bytes->len)) {
        peer_refuse(peer, TP_E_UNTRUSTED, "the offer is malformed, or its signature wrong");
        return false;
    }
    if (memcmp(&offer.driver, &peer->key, sizeof peer->key) != 0 || !tp__id_equal(&offer.session, &session->id)) {
        peer_refuse(peer, TP_E_UNTRUSTED, "the offer is that of another driver or session");
        return false;
    }
    session->signed_offer = malloc(bytes->len);
    if (!session->signed_offer || !programs_add_source(peer->coordinator, session, &offer)) {
        free(session->signed_offer);
        session->signed_offer = NULL;
        peer_reset(peer, "no memory for its offer");
        return false;
    }
    memcpy(session->signed_offer, bytes->data, bytes->len);
    session->signed_offer_size = (uint32_t)bytes->len;
    report_clean_name(session->program_name, sizeof session->program_name, offer.program_name);
    return true;
}

void offers_received(struct peer *peer, const Taskpool__Offer *offer)
{
    struct session *session = peer->session;
    struct coordinator *coordinator = peer->coordinator;
    if (session->offered) {
        report_refused(peer, "offer", "this link has brought the session's offer already");
        return;
    }
    if (!session->signed_offer) {
        if (!keep(peer, offer))
            return;
    } else if (offer->signed_offer.len != session->signed_offer_size ||
               memcmp(offer->signed_offer.data, session->signed_offer, session->signed_offer_size) != 0) {
        peer_refuse(peer, TP_E_ARGUMENT, "the session has offered something else before");
        return;
    }
    session->offered = true;
    for (uint32_t slot = 0; slot < coordinator->node_slots; slot++)
        if (coordinator->nodes[slot])
            send_offer(session, coordinator->nodes[slot]);
    programs_source_back(coordinator, session);
}

/* ---- accepts ---- */

static struct session *find_session(struct peer *peer, const char *frame, const ProtobufCBinaryData *bytes)
{
    struct tp__id id;
    struct session *session = NULL;
    if (!tp__id_read(&id, bytes->data, bytes->len))
        report_refused(peer, frame, "its session is not 16 bytes");
    else if (!(session = map_find(&peer->coordinator->sessions_by_id, &id)) || !session->signed_offer) {
        report_late(peer, frame, "its session is not offered to it");
        session = NULL;
    }
    return session;
}

/* The incarnation that the answer is about; none if it is a refusal. False: the frame was refused. */
static bool read_answer(struct peer *peer, const Taskpool__Accept *accept, struct tp__id *incarnation)
{
    *incarnation = (struct tp__id){{0}};
    if (accept->signed_accept.len > TP__ACCEPT_LIMIT_BYTES || strlen(accept->reason) > REASON_LIMIT_BYTES) {
        report_refused(peer, "accept", "it is too long");
        return false;
    }
    if (accept->signed_accept.len == 0)
        return true;
    if (!tp__id_read(incarnation, accept->incarnation.data, accept->incarnation.len) || tp__id_is_none(incarnation)) {
        report_refused(peer, "accept", "its incarnation is not 16 bytes");
        return false;
    }
    return true;
}

static void relay_answer(struct coordinator *coordinator, const struct use *use, const Taskpool__Accept *accept)
{
    Taskpool__Accept relayed = *accept;
    relayed.room = NULL;
    relayed.node_life = tp__field_of_id(&use->node->life);
    relayed.node_name = use->node->name;
    relayed.incarnation = tp__field_of_id(&use->incarnation);
    if (tp__id_is_none(&use->incarnation))
        relayed.incarnation = tp__field(NULL, 0);
    relayed.workers = accept->workers < WORKERS_LIMIT ? accept->workers : WORKERS_LIMIT;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &relayed;
    (void)session_send(coordinator, use->session, &frame);
}

void offers_accept_received(struct peer *peer, const Taskpool__Accept *accept)
{
    struct coordinator *coordinator = peer->coordinator;
    struct node *node = peer->node;
    struct tp__id incarnation;
    struct session *session = find_session(peer, "accept", &accept->session);
    if (!session || !read_answer(peer, accept, &incarnation))
        return;
    struct use *use = use_find(session, node);
    if (!use && !(use = use_make(coordinator, session, node))) {
        peer_reset(peer, "no memory for its accept");
        return;
    }
    if (use->answers++ >= ANSWERS_LIMIT) {
        report_refused(peer, "accept", "it has answered the same offer %d times", ANSWERS_LIMIT);
        return;
    }
    struct use *taken = tp__id_is_none(&incarnation) ? NULL : use_find_incarnation(session, &incarnation);
    if (taken && taken != use) {
        report_refused(peer, "accept", "another node has that incarnation");
        return;
    }
    const bool is_refusal = tp__id_is_none(&incarnation);
    if (!taken) {
        use_end(coordinator, use, is_refusal ? "the node does not accept the session any more" : NULL);
        if (!is_refusal && !use_accept(use, &incarnation)) {
            peer_reset(peer, "no memory for its accept");
            return;
        }
    }
    if (accept->room && !is_refusal)
        use_limit(use, accept->room);
    programs_node_answered(coordinator, node, session);
    report(coordinator, COORDINATOR_DEBUG, is_refusal ? "refuses" : "accepts", "node=%s driver=%s program=%s",
           node->name, session->name, session->program_name);
    relay_answer(coordinator, use, accept);
    if (!is_refusal && node->draining)
        session_send_node_state(coordinator, session, &use->incarnation, TASKPOOL__NODE_CONDITION__NODE_DRAINING,
                                "it is drained");
}

/* ---- the driver's word ---- */

void offers_use_received(struct peer *peer, const Taskpool__Use *message)
{
    struct coordinator *coordinator = peer->coordinator;
    struct tp__id incarnation;
    if (!tp__id_read(&incarnation, message->incarnation.data, message->incarnation.len)) {
        report_refused(peer, "use", "its incarnation is not 16 bytes");
        return;
    }
    struct use *use = use_find_incarnation(peer->session, &incarnation);
    if (!use) {
        report_late(peer, "use", "no node has that incarnation");
        return;
    }
    if (!use_begin(use)) {
        peer_reset(peer, "no memory to use a node");
        return;
    }
    placement_session_changed(coordinator, peer->session);
    if (!peer->ended)
        placement_pinned_changed(coordinator, use);
}

void offers_forget_received(struct peer *peer, const Taskpool__Forget *message)
{
    struct tp__id id;
    struct tp__id incarnation;
    if (!tp__id_read(&id, message->session.data, message->session.len) || !tp__id_equal(&id, &peer->session->id) ||
        !tp__id_read(&incarnation, message->incarnation.data, message->incarnation.len)) {
        report_refused(peer, "forget", "it is not about an incarnation of its session");
        return;
    }
    struct use *use = use_find_incarnation(peer->session, &incarnation);
    if (!use) {
        report_late(peer, "forget", "no node has that incarnation");
        return;
    }
    struct node *node = use->node;
    use_end(peer->coordinator, use, NULL);
    use->answers = 0;
    Taskpool__Forget forget = *message;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_FORGET;
    frame.forget = &forget;
    (void)peer_send(node->peer, TP__LANE_CONTROL, &frame);
}
