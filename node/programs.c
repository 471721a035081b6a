/* SPDX-License-Identifier: MIT */
/* Design notes. A fetch belongs to a root and a length; the sessions that wait for it are those in FETCHING with the
 * same two. Chunk frames name the root alone, so only one fetch of a root is under way; sessions that claim another
 * length wait for its end and look again. The list of chunk hashes is believed once it leads, with the length, to the
 * signed root, and each chunk once it has its hash: nothing else reaches the cache. A list that proves the length that
 * others claim ends the fetch. Whoever sends what is none can only stall, or after WRONG_LIMIT times make the sessions
 * that wait be refused. */
#include "agent_state.h"

#include <stdlib.h>

enum { ASK_AGAIN_MS = 10000, WRONG_LIMIT = 8 };

static bool waits_for(const struct session *session, const struct fetch *fetch)
{
    return session->state == SESSION_FETCHING && session->offer.content.program_length == fetch->length &&
           memcmp(&session->offer.content.program, &fetch->root, sizeof fetch->root) == 0;
}

static struct fetch *find(const struct agent *agent, const uint8_t *root, size_t size)
{
    if (size != sizeof(struct tp__hash))
        return NULL;
    for (struct fetch *fetch = agent->fetches; fetch; fetch = fetch->next)
        if (memcmp(&fetch->root, root, size) == 0)
            return fetch;
    return NULL;
}

static void drop(struct agent *agent, struct fetch *fetch)
{
    struct fetch **link = &agent->fetches;
    while (*link != fetch)
        link = &(*link)->next;
    *link = fetch->next;
    free(fetch->hashes);
    free(fetch);
}

static void ask(struct agent *agent, struct fetch *fetch, uint32_t *chunks, size_t count)
{
    Taskpool__Need need;
    taskpool__need__init(&need);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    need.root = tp__field(&fetch->root, sizeof fetch->root);
    need.list = !fetch->hashes;
    need.chunks = chunks;
    need.n_chunks = count;
    frame.body_case = TASKPOOL__FRAME__BODY_NEED;
    frame.need = &need;
    fetch->asked_ms = agent->now_ms;
    (void)uplink_send(agent, TP__LANE_CONTROL, &frame);
}

/* Fills up what is under way. */
static void ask_more(struct agent *agent, struct fetch *fetch)
{
    const unsigned before = fetch->under_way_count;
    while (fetch->under_way_count < CHUNKS_UNDER_WAY && fetch->next_chunk < fetch->count)
        fetch->under_way[fetch->under_way_count++] = fetch->next_chunk++;
    if (fetch->under_way_count > before)
        ask(agent, fetch, fetch->under_way + before, fetch->under_way_count - before);
}

static void ask_again(struct agent *agent, struct fetch *fetch)
{
    ask(agent, fetch, fetch->under_way, fetch->under_way_count);
}

/* The fetch is over, well or not: those that waited go on or are refused, those with another length look again. */
static void finish(struct agent *agent, struct fetch *fetch, const struct tp__problem *problem)
{
    const struct fetch done = {.root = fetch->root, .length = fetch->length};
    drop(agent, fetch);
    for (struct session *session = agent->sessions; session; session = session->next) {
        if (waits_for(session, &done)) {
            if (problem)
                session_refuse(agent, session, problem->status, problem->text);
            else
                session_start(agent, session);
        } else if (session->state == SESSION_FETCHING &&
                   !find(agent, session->offer.content.program.bytes, sizeof(struct tp__hash))) {
            program_want(agent, session);
        }
    }
}

void program_want(struct agent *agent, struct session *session)
{
    const struct tp__offer *offer = &session->offer.content;
    const struct agent_actions *actions = &agent->actions;
    if (actions->program_find(actions->context, &offer->program, offer->program_length)) {
        session_start(agent, session);
        return;
    }
    if (find(agent, offer->program.bytes, sizeof offer->program))
        return;
    struct tp__problem problem = {TP_E_NOMEM, "out of memory for a program"};
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch) {
        fetch->root = offer->program;
        fetch->length = offer->program_length;
        fetch->count = tp__program_chunk_count(offer->program_length);
    }
    if (!fetch || !actions->program_begin(actions->context, &offer->program, offer->program_length, &problem)) {
        free(fetch);
        session_refuse(agent, session, problem.status, problem.text);
        return;
    }
    struct fetch **end = &agent->fetches;
    while (*end)
        end = &(*end)->next;
    *end = fetch;
    ask(agent, fetch, NULL, 0);
}

/* ---- what comes ---- */

static void wrong(struct agent *agent, struct fetch *fetch, const char *what)
{
    agent_refuse(agent, REFUSED_CHUNK, what, "wrong=%u", fetch->wrong + 1);
    if (++fetch->wrong < WRONG_LIMIT) {
        ask_again(agent, fetch);
        return;
    }
    struct tp__problem problem;
    (void)tp__problem_set(&problem, TP_E_UNTRUSTED, "the program did not come as it was offered: %s", what);
    finish(agent, fetch, &problem);
}

static bool leads_to(const ProtobufCBinaryData *list, const struct tp__hash *root, uint64_t length)
{
    if (length == 0 || list->len != tp__program_chunk_count(length) * sizeof *root)
        return false;
    struct tp__hash *hashes = malloc(list->len);
    if (!hashes)
        return false;
    memcpy(hashes, list->data, list->len);
    const struct tp__hash is = tp__program_root(hashes, length);
    free(hashes);
    return memcmp(&is, root, sizeof is) == 0;
}

/* Another session offers the program with another length, and the list proves that one. */
static bool proves_other(const struct agent *agent, const struct fetch *fetch, const ProtobufCBinaryData *list)
{
    for (const struct session *session = agent->sessions; session; session = session->next) {
        const struct tp__offer *offer = &session->offer.content;
        if (session->state == SESSION_FETCHING && offer->program_length != fetch->length &&
            memcmp(&offer->program, &fetch->root, sizeof fetch->root) == 0 &&
            leads_to(list, &fetch->root, offer->program_length))
            return true;
    }
    return false;
}

static void take_list(struct agent *agent, struct fetch *fetch, const Taskpool__Chunk *chunk)
{
    if (fetch->hashes) { /* asked twice, answered twice */
        agent_refuse(agent, REFUSED_CHUNK, "a list that is here already", "chunks=%u", fetch->count);
        return;
    }
    if (!leads_to(&chunk->data, &fetch->root, fetch->length)) {
        const struct tp__problem lie = {TP_E_UNTRUSTED, "the program has another length than was offered"};
        if (proves_other(agent, fetch, &chunk->data))
            finish(agent, fetch, &lie);
        else
            wrong(agent, fetch, "the list of its chunks leads to another root");
        return;
    }
    fetch->hashes = malloc(chunk->data.len);
    if (!fetch->hashes) {
        const struct tp__problem problem = {TP_E_NOMEM, "out of memory for a program"};
        finish(agent, fetch, &problem);
        return;
    }
    memcpy(fetch->hashes, chunk->data.data, chunk->data.len);
    ask_more(agent, fetch);
}

static uint32_t size_of_chunk(const struct fetch *fetch, uint32_t index)
{
    const uint64_t behind = fetch->length - (uint64_t)index * TP__CHUNK_BYTES;
    return behind < TP__CHUNK_BYTES ? (uint32_t)behind : TP__CHUNK_BYTES;
}

static void take_chunk(struct agent *agent, struct fetch *fetch, const Taskpool__Chunk *chunk)
{
    const struct agent_actions *actions = &agent->actions;
    unsigned place = 0;
    while (place < fetch->under_way_count && fetch->under_way[place] != chunk->index)
        place++;
    if (place == fetch->under_way_count) {
        agent_refuse(agent, REFUSED_CHUNK, "it was not asked for", "chunk=%u", chunk->index);
        return;
    }
    const size_t size = chunk->data.len;
    const struct tp__hash hash = tp__program_chunk_hash(chunk->index, chunk->data.data, size);
    if (size != size_of_chunk(fetch, chunk->index) || memcmp(&hash, &fetch->hashes[chunk->index], sizeof hash) != 0) {
        wrong(agent, fetch, "a chunk has another hash");
        return;
    }
    struct tp__problem problem = {TP_OK, ""};
    if (!actions->program_chunk(actions->context, &fetch->root, chunk->index, chunk->data.data, size, &problem)) {
        finish(agent, fetch, &problem);
        return;
    }
    fetch->under_way[place] = fetch->under_way[--fetch->under_way_count];
    fetch->stored++;
    fetch->asked_ms = agent->now_ms;
    for (struct session *session = agent->sessions; session; session = session->next)
        if (waits_for(session, fetch))
            session->heard_ms = agent->now_ms;
    if (fetch->stored < fetch->count) {
        ask_more(agent, fetch);
        return;
    }
    const bool whole = actions->program_complete(actions->context, &fetch->root, &problem);
    finish(agent, fetch, whole ? NULL : &problem);
}

void program_chunk(struct agent *agent, const Taskpool__Chunk *chunk)
{
    struct fetch *fetch = find(agent, chunk->root.data, chunk->root.len);
    if (!fetch || (!chunk->list && !fetch->hashes))
        agent_refuse(agent, REFUSED_CHUNK, "of a program that was not asked for", "chunk=%u", chunk->index);
    else if (chunk->list)
        take_list(agent, fetch, chunk);
    else
        take_chunk(agent, fetch, chunk);
}

void program_ask_again(struct agent *agent)
{
    for (struct fetch *fetch = agent->fetches; fetch; fetch = fetch->next)
        ask_again(agent, fetch);
}

int64_t program_tick(struct agent *agent)
{
    int64_t next = INT64_MAX;
    for (struct fetch *fetch = agent->fetches; fetch; fetch = fetch->next) {
        if (agent->now_ms - fetch->asked_ms >= ASK_AGAIN_MS)
            ask_again(agent, fetch);
        if (fetch->asked_ms + ASK_AGAIN_MS < next)
            next = fetch->asked_ms + ASK_AGAIN_MS;
    }
    return next;
}

void program_sweep(struct agent *agent)
{
    struct fetch *fetch = agent->fetches;
    while (fetch) {
        struct fetch *following = fetch->next;
        bool wanted = false;
        for (const struct session *session = agent->sessions; session && !wanted; session = session->next)
            wanted = waits_for(session, fetch);
        if (!wanted) {
            const struct tp__problem nobody = {TP_OK, ""};
            finish(agent, fetch, &nobody);
        }
        fetch = following;
    }
}
