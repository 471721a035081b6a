/* SPDX-License-Identifier: MIT */
/* Why nodes do not take this program: the reasons are kept, for the error of tasks that wait for a node in vain. */
#include "cluster/session_state.h"

#include <stdarg.h>
#include <stdio.h>

void tp__session_refusal_over(struct tp__session *session, const struct tp__id *life)
{
    for (size_t i = 0; i < session->nodes.refusal_count; i++)
        if (tp__id_equal(&session->nodes.refusals[i].life, life)) {
            session->nodes.refusals[i] = session->nodes.refusals[--session->nodes.refusal_count];
            return;
        }
}

/* NULL: there are too many. */
static struct refusal *keep(struct tp__session *session, const struct tp__id *life, const char *name, tp_status status,
                            const char *reason)
{
    tp__session_refusal_over(session, life);
    session->nodes.refused_ms = session->now_ms;
    if (session->nodes.refusal_count == TP__REFUSALS_KEPT) {
        session->nodes.refusals_cut = true;
        return NULL;
    }
    struct refusal *refusal = &session->nodes.refusals[session->nodes.refusal_count++];
    *refusal = (struct refusal){.life = *life, .status = status};
    tp__session_copy_text(refusal->name, sizeof refusal->name, name);
    tp__session_copy_text(refusal->reason, sizeof refusal->reason, reason);
    return refusal;
}

void tp__session_refused(struct tp__session *session, const struct tp__id *life, const char *name, tp_status status,
                         const char *reason)
{
    (void)keep(session, life, name, status, reason);
}

void tp__session_refuse_unlisted(struct tp__session *session, const struct tp__id *life, const char *name,
                                 const struct tp__accept *accept)
{
    char key[45];
    char reason[256];
    tp__public_key_text(&accept->node, key);
    (void)snprintf(reason, sizeof reason,
                   "its key is not in this driver's authorized_keys: `taskpool authorize node %s NAME` adds it", key);
    struct refusal *refusal = keep(session, life, name, TP_E_UNTRUSTED, reason);
    if (!refusal)
        return;
    refusal->is_unlisted = true;
    refusal->key = accept->node;
    refusal->incarnation = accept->incarnation;
}

void tp__session_ask_unlisted(struct tp__session *session)
{
    for (size_t i = 0; i < session->nodes.refusal_count; i++) {
        const struct refusal *refusal = &session->nodes.refusals[i];
        if (refusal->is_unlisted &&
            tp__authorized_find(session->options.authorized, TP__ROLE_NODE, &refusal->key) != NULL)
            tp__session_forget(session, &refusal->incarnation);
    }
}

/* It stays so until somebody changes the program, a list of keys, or what is installed there. */
static bool is_lasting(const struct refusal *refusal)
{
    return refusal->status == TP_E_UNSUPPORTED || refusal->status == TP_E_UNTRUSTED;
}

/* Every node that there is has refused for good, and none has ever accepted. */
static bool is_refused_by_all(const struct tp__session *session)
{
    if (!tp__session_is_answered(session) || session->nodes.refusal_count == 0 || session->nodes.refusals_cut ||
        session->nodes.known.count > 0)
        return false;
    for (size_t i = 0; i < session->nodes.refusal_count; i++)
        if (!is_lasting(&session->nodes.refusals[i]))
            return false;
    return true;
}

/* ---- words ---- */

struct text {
    char *bytes;
    size_t size;
    size_t length;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text->bytes + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    text->length += length > 0 ? (size_t)length : 0;
    if (text->length >= text->size)
        text->length = text->size - 1;
}

static bool is_same(const struct refusal *a, const struct refusal *b)
{
    return strcmp(a->reason, b->reason) == 0;
}

/* Nodes that say the same are named together. */
static void add_refusals(const struct tp__session *session, struct text *text)
{
    const struct refusal *refusals = session->nodes.refusals;
    const size_t count = session->nodes.refusal_count;
    for (size_t i = 0; i < count; i++) {
        size_t before = 0;
        size_t same = 0;
        for (size_t j = 0; j < count; j++) {
            before += j < i && is_same(&refusals[i], &refusals[j]);
            same += is_same(&refusals[i], &refusals[j]);
        }
        if (before > 0)
            continue;
        add(text, "; node%s '%s'", same > 1 ? "s" : "", refusals[i].name);
        for (size_t j = i + 1; j < count; j++)
            if (is_same(&refusals[i], &refusals[j]))
                add(text, ", '%s'", refusals[j].name);
        add(text, ": %s", refusals[i].reason);
    }
    if (session->nodes.refusals_cut)
        add(text, "; and others");
}

static tp_status status_of_refusals(const struct tp__session *session)
{
    tp_status status = TP_OK;
    for (size_t i = 0; i < session->nodes.refusal_count; i++) {
        const tp_status one = session->nodes.refusals[i].status;
        status = status == TP_OK || status == one ? one : TP_E_SESSION_LOST;
    }
    return status == TP_OK ? TP_E_SESSION_LOST : status;
}

tp_status tp__session_explain_no_node(const struct tp__session *session, char *bytes, size_t size)
{
    struct text text = {bytes, size, 0};
    if (is_refused_by_all(session))
        add(&text, "every node has refused this program");
    else
        add(&text, "no node has accepted this program for %d s", TP__PATIENCE_MS / 1000);
    add_refusals(session, &text);
    if (session->program.unreadable)
        add(&text, "; the program's file cannot be read any more, so that it cannot be sent to them");
    if (session->nodes.refusal_count == 0)
        add(&text,
            "; coordinator '%s' named none: is a node running and connected to it, and this driver's key in the "
            "node's authorized_keys?",
            session->wire.coordinator);
    return status_of_refusals(session);
}

/* ---- patience ---- */

void tp__session_patience_tick(struct tp__session *session)
{
    const bool wanting = session->nodes.count == 0 && session->tasks.unresolved > 0 && session->wire.welcomed;
    if (!wanting) {
        session->nodes.none_ms = INT64_MAX;
        return;
    }
    if (session->nodes.none_ms == INT64_MAX)
        session->nodes.none_ms = session->now_ms;
    const bool in_vain = is_refused_by_all(session) && session->now_ms - session->nodes.refused_ms >= TP__REFUSED_MS;
    if (!in_vain && session->now_ms - session->nodes.none_ms < TP__PATIENCE_MS)
        return;
    session->nodes.none_ms = INT64_MAX;
    char text[4096];
    const struct tp__session_error error = {
        .status = tp__session_explain_no_node(session, text, sizeof text), .message = text, .worker = -1};
    tp__session_reject_all(session, &error);
}
