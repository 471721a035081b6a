/* SPDX-License-Identifier: MIT */
/* Design notes. A session exists from an offer that passes all checks until SessionEnd: also if its program cannot run
 * here, so that a repeated offer gets the same answer. What does not pass is answered and not remembered: whoever may
 * not run code here takes no memory here. `drop_acceptance` leaves the offer only, and `begin` starts from there: for a
 * new offer, after Forget, and when the agent could not keep its word (no memory for a result). */
#include "agent_state.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_SESSIONS_PER_KEY = 16 };

const char *session_name(const struct session *session, char text[33])
{
    tp__id_text(&session->offer.content.session, text);
    return text;
}

struct session *session_find(struct agent *agent, const uint8_t *id, size_t size)
{
    if (size != sizeof(struct tp__id))
        return NULL;
    for (struct session *session = agent->sessions; session; session = session->next)
        if (memcmp(&session->offer.content.session, id, size) == 0)
            return session;
    return NULL;
}

/* ---- answers ---- */

static void answer_refused(struct agent *agent, const struct tp__id *id, const struct tp__problem *problem)
{
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    char reason[sizeof problem->text];
    memcpy(reason, problem->text, sizeof reason);
    accept.session = tp__field_of_id(id);
    accept.status = problem->status;
    accept.reason = reason;
    accept.workers = agent->options.workers;
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &accept;
    (void)uplink_send(agent, TP__LANE_CONTROL, &frame);
}

void session_announce(struct agent *agent, struct session *session)
{
    Taskpool__Room room;
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    accept.session = tp__field_of_id(&session->offer.content.session);
    accept.signed_accept = tp__field(session->accept, session->accept_size);
    accept.incarnation = tp__field_of_id(&session->incarnation);
    accept.workers = agent->options.workers;
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &accept;
    taskpool__room__init(&room);
    room.total = session->room.said = room_of(agent, session);
    session->room.is_said = true;
    accept.room = &room;
    session->announced = uplink_send(agent, TP__LANE_CONTROL, &frame);
    if (session->announced)
        tp__stream_resend(session->talk.stream);
}

/* ---- beginning and dropping ---- */

static void drop_acceptance(struct agent *agent, struct session *session)
{
    workers_abandon(agent, session);
    tasks_clear(agent, session);
    tp__stream_free(session->talk.stream);
    tp__window_free(session->trust.window);
    free(session->names.texts);
    free(session->names.offsets);
    struct session kept = {.next = session->next, .offer = session->offer, .heard_ms = agent->now_ms};
    *session = kept;
}

static void begin(struct agent *agent, struct session *session)
{
    session->state = SESSION_FETCHING;
    program_want(agent, session);
}

void session_start(struct agent *agent, struct session *session)
{
    session->state = SESSION_STARTING;
    struct tp__problem problem = {TP_OK, ""};
    session->common = worker_begin(agent, session, 0, 0, &problem);
    if (!session->common)
        session_refuse(agent, session, problem.status, problem.text);
}

void session_refuse(struct agent *agent, struct session *session, tp_status status, const char *reason)
{
    char name[33];
    drop_acceptance(agent, session);
    session->state = SESSION_REFUSED;
    (void)tp__problem_set(&session->refusal, status, "%s", reason);
    agent_log(agent, AGENT_WARNING, "session-refused", session->refusal.text, "session=%s",
              session_name(session, name));
    answer_refused(agent, &session->offer.content.session, &session->refusal);
}

void session_fail(struct session *session, tp_status status, const char *reason)
{
    if (session->failed.status == TP_OK)
        (void)tp__problem_set(&session->failed, status, "%s", reason);
}

void session_act_on_failure(struct agent *agent, struct session *session)
{
    char name[33];
    const struct tp__problem failed = session->failed;
    if (failed.status != TP_E_NOMEM) {
        session_refuse(agent, session, failed.status, failed.text);
        return;
    }
    agent_log(agent, AGENT_WARNING, "session-begins-anew", failed.text, "session=%s", session_name(session, name));
    drop_acceptance(agent, session);
    begin(agent, session);
}

void session_end(struct agent *agent, struct session *session, const char *reason)
{
    char name[33];
    agent_log(agent, AGENT_INFO, "session-ended", reason, "session=%s tasks=%zu", session_name(session, name),
              session->tasks.count);
    session_free(agent, session);
}

void session_free(struct agent *agent, struct session *session)
{
    drop_acceptance(agent, session);
    struct session **link = &agent->sessions;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    sodium_memzero(session, sizeof *session);
    free(session);
}

/* ---- READY: the accept ---- */

static bool accept_session(struct agent *agent, struct session *session)
{
    struct tp__accept accept = {.offer = session->offer.hash, .node = agent->key->public_key};
    uint8_t secret[32];
    struct tp__stream_keys keys;
    accept.incarnation = session->incarnation = tp__id_new();
    crypto_kx_keypair(accept.exchange_key, secret);
    session->accept_size = tp__accept_sign(&accept, agent->key, session->accept);
    const struct tp__hash hash = tp__hash_of(session->accept, session->accept_size);
    const bool good =
        tp__stream_keys_of_node(&keys, accept.exchange_key, secret, session->offer.content.exchange_key, &hash);
    sodium_memzero(secret, sizeof secret);
    if (good) {
        session->talk.stream = tp__stream_new(&keys, &session->offer.content.session, &session->incarnation);
        session->trust.window = tp__window_new();
        if (!session->talk.stream || !session->trust.window)
            session_fail(session, TP_E_NOMEM, "out of memory for a session");
    } else {
        session_fail(session, TP_E_UNTRUSTED, "the offer's exchange key is none");
    }
    sodium_memzero(&keys, sizeof keys);
    return session->failed.status == TP_OK;
}

void session_ready(struct agent *agent, struct session *session)
{
    char name[33], driver[9];
    tp__public_key_brief(&session->offer.content.driver, driver);
    if (!accept_session(agent, session))
        return;
    session->state = SESSION_ACCEPTED;
    session->heard_ms = agent->now_ms;
    agent_log(agent, AGENT_INFO, "session-accepted", NULL, "session=%s driver=%s task_kinds=%u",
              session_name(session, name), driver, session->names.count);
    session_announce(agent, session);
}

/* ---- frames ---- */

static size_t count_of_key(const struct agent *agent, const struct tp__public_key *key)
{
    size_t count = 0;
    for (const struct session *session = agent->sessions; session; session = session->next)
        count += memcmp(&session->offer.content.driver, key, sizeof *key) == 0;
    return count;
}

/* A key that is not listed costs no verification. */
static bool verify_offer(const struct agent *agent, const Taskpool__Offer *offer, const struct tp__id *session,
                         struct tp__offer *content, struct tp__problem *problem)
{
    const ProtobufCBinaryData *bytes = &offer->signed_offer;
    struct tp__public_key driver;
    if (tp__offer_driver(&driver, bytes->data, bytes->len) &&
        !tp__authorized_find(agent->authorized, TP__ROLE_DRIVER, &driver)) {
        char key[9];
        tp__public_key_brief(&driver, key);
        return tp__problem_set(problem, TP_E_UNTRUSTED,
                               "node %s does not run code of the driver key %s...: it is not in its authorized_keys",
                               agent->options.name, key);
    }
    if (!tp__offer_verify(content, bytes->data, bytes->len) || !tp__id_equal(&content->session, session))
        return tp__problem_set(problem, TP_E_UNTRUSTED, "the signature of the offer is wrong");
    return true;
}

/* May this offer have a session here? */
static bool check_offer(const struct agent *agent, const struct tp__offer *offer, struct tp__problem *problem)
{
    const struct agent_options *options = &agent->options;
    char key[9];
    tp__public_key_brief(&offer->driver, key);
    if (offer->protocol != TP__PROTOCOL_VERSION)
        return tp__problem_set(problem, TP_E_UNSUPPORTED, "node %s speaks protocol %d, the program protocol %u",
                               options->name, TP__PROTOCOL_VERSION, offer->protocol);
    if (strncmp(offer->machine, options->machine, sizeof options->machine) != 0)
        return tp__problem_set(problem, TP_E_UNSUPPORTED, "node %s is a machine of type %s, the program is for %.15s",
                               options->name, options->machine, offer->machine);
    if (offer->program_length == 0 || offer->program_length > options->program_limit_bytes)
        return tp__problem_set(problem, TP_E_LIMIT, "a program of %llu bytes; node %s takes %llu",
                               (unsigned long long)offer->program_length, options->name,
                               (unsigned long long)options->program_limit_bytes);
    const size_t sessions = count_of_key(agent, &offer->driver);
    const uint32_t limit = options->sessions_per_key > 0 ? options->sessions_per_key : DEFAULT_SESSIONS_PER_KEY;
    if (sessions >= limit)
        return tp__problem_set(problem, TP_E_LIMIT, "the driver key %s... has %zu sessions on node %s already", key,
                               sessions, options->name);
    if (agent->draining)
        return tp__problem_set(problem, TP_E_SHUTDOWN, "node %s is draining", options->name);
    return true;
}

void session_check_keys(struct agent *agent)
{
    struct session *session = agent->sessions;
    while (session) {
        struct session *following = session->next;
        if (!tp__authorized_find(agent->authorized, TP__ROLE_DRIVER, &session->offer.content.driver)) {
            session_refuse(agent, session, TP_E_UNTRUSTED, "the driver's key is not authorized any more");
            session_end(agent, session, "its driver's key is not authorized any more");
        }
        session = following;
    }
}

/* A known session's offer again: the same answer again, unless it was only that there was no memory. */
static void answer_again(struct agent *agent, struct session *session)
{
    if (session->state == SESSION_ACCEPTED)
        session_announce(agent, session);
    else if (session->state == SESSION_REFUSED && session->refusal.status == TP_E_NOMEM)
        begin(agent, session);
    else if (session->state == SESSION_REFUSED)
        answer_refused(agent, &session->offer.content.session, &session->refusal);
}

void session_offered(struct agent *agent, const Taskpool__Offer *offer)
{
    char name[33];
    struct tp__offer content = {.protocol = 0};
    struct tp__problem problem;
    struct tp__id named;
    if (!tp__id_read(&named, offer->session.data, offer->session.len)) {
        agent_refuse(agent, REFUSED_OFFER, "its session is not 16 bytes", "bytes=%zu", offer->signed_offer.len);
        return;
    }
    struct session *session = session_find(agent, named.bytes, sizeof named);
    if (!verify_offer(agent, offer, &named, &content, &problem)) {
        agent_refuse(agent, REFUSED_OFFER, problem.text, "bytes=%zu", offer->signed_offer.len);
        if (!session)
            answer_refused(agent, &named, &problem);
        return;
    }
    const struct tp__hash hash = tp__hash_of(offer->signed_offer.data, offer->signed_offer.len);
    if (session && memcmp(&hash, &session->offer.hash, sizeof hash) != 0) {
        agent_refuse(agent, REFUSED_OFFER, "another offer has this session", "session=%s", session_name(session, name));
        return;
    }
    if (session) {
        session->heard_ms = agent->now_ms;
        answer_again(agent, session);
        return;
    }
    if (check_offer(agent, &content, &problem)) {
        session = calloc(1, sizeof *session);
        if (!session)
            (void)tp__problem_set(&problem, TP_E_NOMEM, "node %s is out of memory", agent->options.name);
    }
    if (!session) {
        agent_refuse(agent, REFUSED_OFFER, problem.text, "status=%d", (int)problem.status);
        answer_refused(agent, &named, &problem);
        return;
    }
    session->offer.content = content;
    session->offer.hash = hash;
    session->heard_ms = agent->now_ms;
    struct session **end = &agent->sessions;
    while (*end)
        end = &(*end)->next;
    *end = session;
    begin(agent, session);
}

void session_forgotten(struct agent *agent, const Taskpool__Forget *forget)
{
    char name[33];
    struct session *session = session_find(agent, forget->session.data, forget->session.len);
    struct tp__id incarnation;
    const bool names_one = tp__id_read(&incarnation, forget->incarnation.data, forget->incarnation.len);
    const bool concerns =
        session && (session->state == SESSION_REFUSED || (session->state == SESSION_ACCEPTED && names_one &&
                                                          tp__id_equal(&incarnation, &session->incarnation)));
    if (!concerns) {
        agent_refuse(agent, REFUSED_SESSION, "no such incarnation", "frame=forget");
        return;
    }
    agent_log(agent, AGENT_INFO, "session-forgotten", NULL, "session=%s tasks=%zu", session_name(session, name),
              session->tasks.count);
    drop_acceptance(agent, session);
    begin(agent, session);
}

void session_ended(struct agent *agent, const Taskpool__SessionEnd *end)
{
    struct session *session = session_find(agent, end->session.data, end->session.len);
    if (session)
        session_end(agent, session, end->reason ? end->reason : "");
}
