/* SPDX-License-Identifier: MIT */
/* Which nodes are believed. */
#include "cluster/session_state.h"

#include <sodium.h>

static void send_use(struct tp__session *session, const struct node *node)
{
    Taskpool__Use use;
    taskpool__use__init(&use);
    use.incarnation = tp__field_of_id(&node->incarnation);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_USE;
    frame.use = &use;
    tp__session_send(session, TP__LANE_CONTROL, &frame);
}

void tp__session_forget(struct tp__session *session, const struct tp__id *incarnation)
{
    Taskpool__Forget forget;
    taskpool__forget__init(&forget);
    forget.session = tp__field_of_id(&session->id);
    forget.incarnation = tp__field_of_id(incarnation);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_FORGET;
    frame.forget = &forget;
    if (tp__session_is_linked(session)) /* else it will be said when the node names the incarnation again */
        tp__session_send(session, TP__LANE_CONTROL, &frame);
}

static void use_node(struct tp__session *session, const Taskpool__Accept *accept, const struct tp__accept *content,
                     const struct tp__id *life, const char *name)
{
    const struct tp__hash hash = tp__hash_of(accept->signed_accept.data, accept->signed_accept.len);
    struct tp__stream_keys keys;
    if (!tp__stream_keys_of_driver(&keys, session->keys.exchange_public, session->keys.exchange_secret,
                                   content->exchange_key, &hash)) {
        session->tasks.refused++;
        tp__session_refused(session, life, name, TP_E_UNTRUSTED, "its exchange key is none");
        return;
    }
    struct node *node = tp__session_node_add(session, content, &keys, accept->workers);
    sodium_memzero(&keys, sizeof keys);
    if (!node) {
        tp__session_refused(session, life, name, TP_E_NOMEM, "this driver has no memory for it");
        tp__session_forget(session, &content->incarnation); /* it will accept anew */
        return;
    }
    node->life = *life;
    node->key = content->node;
    node->heard_ms = session->now_ms;
    node->reachable = true;
    tp__session_copy_text(node->name, sizeof node->name, name);
    tp__session_refusal_over(session, life);
    send_use(session, node);
    uint8_t body[4];
    tp__put_u32(body, node->first_worker);
    const struct tp__record open = {.type = TP__RECORD_OPEN, .body = body, .size = sizeof body};
    tp__session_say(session, node, &open);
}

/* Named again, on a new link of its or of ours. */
static void repeated(struct tp__session *session, struct node *node)
{
    send_use(session, node);
    tp__stream_resend(node->stream);
    tp__session_node_again(session, node);
    tp__session_node_dirty(session, node);
    if (node->broken > node->judged)
        tp__session_ask_held(session, node);
}

void tp__session_accepted(struct tp__session *session, const Taskpool__Accept *accept)
{
    struct tp__id id;
    struct tp__id life;
    if (!tp__id_read(&id, accept->session.data, accept->session.len) || !tp__id_equal(&id, &session->id) ||
        !tp__id_read(&life, accept->node_life.data, accept->node_life.len)) {
        session->tasks.refused++;
        return;
    }
    session->wire.answers++;
    if (accept->signed_accept.len == 0) {
        const bool known = accept->status != TP_OK && accept->status <= TP_E_OVERFLOW;
        tp__session_refused(session, &life, accept->node_name, known ? (tp_status)accept->status : TP_E_SESSION_LOST,
                            accept->reason);
        return;
    }
    struct tp__accept content;
    if (!tp__accept_verify(&content, accept->signed_accept.data, accept->signed_accept.len) ||
        memcmp(&content.offer, &session->keys.offer_hash, sizeof content.offer) != 0 ||
        !tp__id_read(&id, accept->incarnation.data, accept->incarnation.len) ||
        !tp__id_equal(&id, &content.incarnation)) {
        session->tasks.refused++;
        tp__session_refused(session, &life, accept->node_name, TP_E_UNTRUSTED,
                            "its acceptance is not signed, or of another offer");
        return;
    }
    const char *name = tp__authorized_find(session->options.authorized, TP__ROLE_NODE, &content.node);
    if (!name) {
        session->tasks.refused++;
        tp__session_refuse_unlisted(session, &life, accept->node_name, &content);
        return;
    }
    struct node *node = tp__session_node_find(session, id.bytes, sizeof id.bytes);
    if (node) {
        repeated(session, node);
        return;
    }
    if (tp__session_node_was_used(session, &id)) {
        tp__session_forget(session, &id);
        return;
    }
    struct node *former = tp__session_node_of_life(session, &life);
    if (former) {
        char why[256];
        (void)snprintf(why, sizeof why, "node '%s' was lost: it began anew", former->name);
        tp__session_node_lost(session, former, why);
    }
    use_node(session, accept, &content, &life, accept->node_name[0] ? accept->node_name : name);
}

void tp__session_authorize(struct tp__session *session, const struct tp__authorized *authorized, int64_t now_ms)
{
    session->now_ms = now_ms;
    session->options.authorized = authorized;
    for (struct ring *ring = session->nodes.ring.next; ring != &session->nodes.ring; ring = ring->next) {
        struct node *node = TP__RING_OF(ring, struct node, ring);
        if (tp__authorized_find(authorized, TP__ROLE_NODE, &node->key))
            continue;
        tp__session_node_failed(node, "its key was removed from this driver's authorized_keys");
        tp__session_node_dirty(session, node);
    }
    tp__session_ask_unlisted(session);
    tp__session_settle(session);
}
