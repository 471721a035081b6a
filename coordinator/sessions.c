/* SPDX-License-Identifier: MIT */
#include "sessions.h"

#include "peers.h"
#include "placement.h"
#include "programs.h"
#include "query.h"
#include "report.h"
#include "tasks.h"
#include "uses.h"

#include <stdlib.h>

/* ---- coming ---- */

static bool find_slot(struct coordinator *coordinator, uint32_t *slot)
{
    for (*slot = 0; *slot < coordinator->session_slots; ++*slot)
        if (!coordinator->sessions[*slot])
            return true;
    const uint32_t slots = coordinator->session_slots > 0 ? 2 * coordinator->session_slots : 64;
    struct session **sessions = realloc(coordinator->sessions, slots * sizeof(struct session *));
    if (!sessions)
        return false;
    memset(sessions + coordinator->session_slots, 0, (slots - coordinator->session_slots) * sizeof(struct session *));
    coordinator->sessions = sessions;
    coordinator->session_slots = slots;
    return true;
}

static struct session *make_session(struct coordinator *coordinator, const struct tp__id *id)
{
    uint32_t slot;
    struct session *session = find_slot(coordinator, &slot) ? calloc(1, sizeof *session) : NULL;
    if (!session || !map_add(&coordinator->sessions_by_id, id, session)) {
        free(session);
        return NULL;
    }
    session->id = *id;
    session->slot = slot;
    session->incoming_tail = &session->incoming;
    coordinator->sessions[slot] = session;
    coordinator->session_count++;
    return session;
}

static uint32_t count_of_key(const struct coordinator *coordinator, const struct tp__public_key *key)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < coordinator->session_slots; slot++) {
        const struct session *session = coordinator->sessions[slot];
        count += session && memcmp(&session->key, key, sizeof *key) == 0;
    }
    return count;
}

static struct session *find_or_make(struct peer *peer, const struct tp__id *id)
{
    struct coordinator *coordinator = peer->coordinator;
    if (map_find(&coordinator->ended_by_id, id)) {
        peer_refuse(peer, TP_E_SESSION_LOST, "the session has ended: its driver was silent for too long, or closed it");
        return NULL;
    }
    struct session *session = map_find(&coordinator->sessions_by_id, id);
    if (session && memcmp(&session->key, &peer->key, sizeof peer->key) != 0) {
        peer_refuse(peer, TP_E_UNTRUSTED, "this session belongs to another key");
        return NULL;
    }
    if (session)
        return session;
    if (count_of_key(coordinator, &peer->key) >= coordinator->options.sessions_per_key) {
        peer_refuse(peer, TP_E_LIMIT, "this key has %u sessions, and may not have more",
                    coordinator->options.sessions_per_key);
        return NULL;
    }
    session = make_session(coordinator, id);
    if (!session) {
        peer_refuse(peer, TP_E_NOMEM, "the coordinator is out of memory");
        return NULL;
    }
    session->key = peer->key;
    return session;
}

bool session_hello(struct peer *peer, const struct tp__id *id, const char *key_name, const Taskpool__Hello *hello)
{
    struct session *session = find_or_make(peer, id);
    if (!session)
        return false;
    if (session->peer) {
        struct peer *old = session->peer;
        session_unlinked(peer->coordinator, session);
        peer_reset(old, "its session has made a new link");
    }
    report_clean_name(session->name, sizeof session->name, key_name);
    if (!session->program_name[0])
        report_clean_name(session->program_name, sizeof session->program_name, hello->name);
    session->peer = peer;
    peer->session = session;
    for (uint32_t slot = 0; slot < session->use_capacity; slot++)
        if (session->uses[slot])
            session->uses[slot]->answers = 0;
    return true;
}

void session_heard(struct coordinator *coordinator, struct session *session)
{
    if (!session->is_silent)
        return;
    report(coordinator, COORDINATOR_INFO, "session-heard", "driver=%s program=%s", session->name,
           session->program_name);
    placement_session_heard(coordinator, session);
}

void session_unlinked(struct coordinator *coordinator, struct session *session)
{
    session->heard_ms = peer_heard_ms(session->peer);
    session->peer->session = NULL;
    session->peer = NULL;
    session->offered = false;
    session->is_silent = false;
    session->placed_count = 0;
    tasks_drop(coordinator, session);
    programs_source_left(coordinator, session);
    query_session_left(coordinator, session);
}

/* ---- telling ---- */

bool session_send(struct coordinator *coordinator, struct session *session, Taskpool__Frame *frame)
{
    placement_tell(coordinator, session);
    return peer_send(session->peer, TP__LANE_CONTROL, frame);
}

void session_send_node_state(struct coordinator *coordinator, struct session *session, const struct tp__id *incarnation,
                             Taskpool__NodeCondition condition, const char *reason)
{
    Taskpool__NodeState state;
    taskpool__node_state__init(&state);
    state.incarnation = tp__field_of_id(incarnation);
    state.condition = condition;
    state.reason = (char *)(uintptr_t)reason;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_NODE_STATE;
    frame.node_state = &state;
    (void)session_send(coordinator, session, &frame);
}

static void send_end(struct node *node, const struct tp__id *id, const char *reason)
{
    Taskpool__SessionEnd session_end;
    taskpool__session_end__init(&session_end);
    session_end.session = tp__field_of_id(id);
    session_end.reason = (char *)(uintptr_t)reason;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_SESSION_END;
    frame.session_end = &session_end;
    (void)peer_send(node->peer, TP__LANE_CONTROL, &frame);
}

void sessions_send_ended(struct coordinator *coordinator, struct node *node)
{
    for (uint32_t i = 0; i < coordinator->ended_count; i++) {
        const struct ended_session *ended = &coordinator->ended[i];
        if (ended->at_ms >= node->heard_ms - TP__LOST_MS)
            send_end(node, &ended->id, "its driver has gone");
    }
}

/* ---- going ---- */

/* The oldest of the remembered gives way: its driver, should it come back, would find its tasks gone all the same. */
static void remember(struct coordinator *coordinator, const struct session *session)
{
    if (!coordinator->ended)
        coordinator->ended = calloc(ENDED_SESSIONS, sizeof *coordinator->ended);
    if (!coordinator->ended)
        return;
    struct ended_session *ended = &coordinator->ended[coordinator->next_ended];
    if (coordinator->ended_count == ENDED_SESSIONS)
        map_remove(&coordinator->ended_by_id, &ended->id);
    *ended = (struct ended_session){session->id, coordinator->now_ms};
    if (!map_add(&coordinator->ended_by_id, &ended->id, ended))
        return;
    coordinator->next_ended = (coordinator->next_ended + 1) % ENDED_SESSIONS;
    if (coordinator->ended_count < ENDED_SESSIONS)
        coordinator->ended_count++;
}

static void free_session(struct coordinator *coordinator, struct session *session)
{
    tasks_drop(coordinator, session);
    programs_source_gone(coordinator, session);
    query_session_left(coordinator, session);
    for (uint32_t slot = 0; slot < session->use_capacity; slot++)
        if (session->uses[slot])
            use_free(coordinator, session->uses[slot]);
    placement_forget(coordinator, session);
    map_remove(&coordinator->sessions_by_id, &session->id);
    coordinator->sessions[session->slot] = NULL;
    coordinator->session_count--;
    map_free(&session->incarnations);
    set_free(&session->nodes);
    free(session->uses);
    free(session->placed);
    free(session->signed_offer);
    free(session);
}

void session_finish(struct coordinator *coordinator, struct session *session, tp_status status, const char *reason)
{
    report(coordinator, COORDINATOR_INFO, "session-ended", "driver=%s program=%s reason=\"%s\"", session->name,
           session->program_name, reason);
    if (session->peer) {
        if (status != TP_OK)
            peer_refuse(session->peer, status, "%s", reason);
        session->peer->session = NULL;
        session->peer = NULL;
    }
    if (session->signed_offer)
        for (uint32_t slot = 0; slot < coordinator->node_slots; slot++)
            if (coordinator->nodes[slot])
                send_end(coordinator->nodes[slot], &session->id, reason);
    remember(coordinator, session);
    free_session(coordinator, session);
}

int64_t sessions_tick(struct coordinator *coordinator)
{
    int64_t due_ms = INT64_MAX;
    for (uint32_t slot = 0; slot < coordinator->session_slots; slot++) {
        struct session *session = coordinator->sessions[slot];
        if (!session)
            continue;
        const int64_t heard_ms = session->peer ? peer_heard_ms(session->peer) : session->heard_ms;
        const int64_t end_ms = heard_ms + coordinator->options.session_lease_ms;
        if (end_ms <= coordinator->now_ms) {
            session_finish(coordinator, session, TP_E_SESSION_LOST, "its driver was silent for too long");
            continue;
        }
        const bool may_fall_silent = session->peer && !session->is_silent;
        if (may_fall_silent && heard_ms + TP__SILENT_MS <= coordinator->now_ms) {
            report(coordinator, COORDINATOR_WARNING, "session-silent", "driver=%s program=%s", session->name,
                   session->program_name);
            placement_session_silent(coordinator, session);
        }
        const int64_t next_ms = session->peer && !session->is_silent ? heard_ms + TP__SILENT_MS : end_ms;
        if (next_ms < due_ms)
            due_ms = next_ms;
    }
    return due_ms;
}

void sessions_authorize(struct coordinator *coordinator)
{
    for (uint32_t slot = 0; slot < coordinator->session_slots; slot++) {
        struct session *session = coordinator->sessions[slot];
        if (session && !tp__authorized_find(coordinator->authorized, TP__ROLE_DRIVER, &session->key))
            session_finish(coordinator, session, TP_E_UNTRUSTED,
                           "its key was removed from the coordinator's authorized_keys");
    }
}

void sessions_free(struct coordinator *coordinator)
{
    for (uint32_t slot = 0; slot < coordinator->session_slots; slot++)
        if (coordinator->sessions[slot])
            free_session(coordinator, coordinator->sessions[slot]);
    free(coordinator->sessions);
    free(coordinator->ended);
    map_free(&coordinator->sessions_by_id);
    map_free(&coordinator->ended_by_id);
}

uint64_t sessions_bytes(const struct coordinator *coordinator)
{
    uint64_t bytes = map_bytes(&coordinator->sessions_by_id) + map_bytes(&coordinator->ended_by_id) +
                     coordinator->session_slots * sizeof(struct session *) +
                     (coordinator->ended ? ENDED_SESSIONS * sizeof *coordinator->ended : 0) +
                     coordinator->use_count * sizeof(struct use);
    for (uint32_t slot = 0; slot < coordinator->session_slots; slot++) {
        const struct session *session = coordinator->sessions[slot];
        if (session)
            bytes += sizeof *session + session->signed_offer_size + map_bytes(&session->incarnations) +
                     set_bytes(&session->nodes) + session->use_capacity * sizeof(struct use *);
    }
    return bytes;
}
