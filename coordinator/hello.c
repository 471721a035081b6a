/* SPDX-License-Identifier: MIT */
#include "hello.h"

#include "nodes.h"
#include "peers.h"
#include "report.h"
#include "sessions.h"

#include <stdio.h>

/* The one of a link's roles that its key must have in the list; 0: there is no such role for a peer. */
static enum tp__role role_of(Taskpool__Role role)
{
    switch (role) {
    case TASKPOOL__ROLE__ROLE_DRIVER:
        return TP__ROLE_DRIVER;
    case TASKPOOL__ROLE__ROLE_NODE:
        return TP__ROLE_NODE;
    case TASKPOOL__ROLE__ROLE_ADMIN:
        return TP__ROLE_ADMIN;
    default:
        return 0;
    }
}

static void welcome(struct peer *peer)
{
    struct coordinator *coordinator = peer->coordinator;
    Taskpool__Welcome welcome;
    taskpool__welcome__init(&welcome);
    welcome.life = tp__field_of_id(&coordinator->options.life);
    welcome.name = coordinator->options.name;
    if (peer->role == TP__ROLE_DRIVER) {
        welcome.queue_limit_bytes = coordinator->options.queue_limit_bytes;
        welcome.nodes = coordinator->node_count;
    }
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_WELCOME;
    frame.welcome = &welcome;
    (void)peer_send(peer, TP__LANE_CONTROL, &frame);
}

void hello_received(struct peer *peer, const Taskpool__Hello *hello)
{
    if (peer->role) {
        peer_refuse(peer, TP_E_ARGUMENT, "this link has said its Hello already");
        return;
    }
    const enum tp__role role = role_of(hello->role);
    const char *key_name = role ? tp__authorized_find(peer->coordinator->authorized, role, &peer->key) : NULL;
    struct tp__id life;
    if (hello->protocol != TP__PROTOCOL_VERSION) {
        peer_refuse(peer, TP_E_UNSUPPORTED, "it speaks version %u of the protocol, this coordinator version %d",
                    hello->protocol, TP__PROTOCOL_VERSION);
    } else if (!key_name) {
        peer_refuse(peer, TP_E_UNTRUSTED, "its key has no line as %s in the authorized_keys of this coordinator",
                    role ? tp__role_name(role) : "driver, node or admin");
    } else if (!tp__id_read(&life, hello->life.data, hello->life.len) || tp__id_is_none(&life)) {
        peer_refuse(peer, TP_E_ARGUMENT, "its life is not 16 bytes");
    } else if (role == TP__ROLE_NODE ? !node_hello(peer, &life, key_name, hello)
                                     : role == TP__ROLE_DRIVER && !session_hello(peer, &life, key_name, hello)) {
        return;
    } else {
        peer->role = role;
        report(peer->coordinator, COORDINATOR_INFO, "welcome", "%s role=%s key-name=%s", report_peer(peer).text,
               tp__role_name(role), key_name);
        welcome(peer);
        if (peer->node)
            node_welcomed(peer->node);
    }
}

void hello_bye_received(struct peer *peer, const Taskpool__Bye *bye)
{
    char reason[128];
    report_clean(reason, sizeof reason, bye->reason);
    struct coordinator *coordinator = peer->coordinator;
    struct node *node = peer->node;
    struct session *session = peer->session;
    if (!reason[0])
        (void)snprintf(reason, sizeof reason, "it said Bye");
    peer_drop(peer, reason);
    if (node)
        node_left(coordinator, node, reason);
    if (session)
        session_finish(coordinator, session, TP_OK, "its driver has closed it");
}
