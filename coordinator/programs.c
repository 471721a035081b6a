/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * Sessions may offer the same program, and a node asks for it by its root alone. A driver that lies must not spoil it
 * for the others, so everything is checked here as well: the list of the chunks' hashes and the length against the
 * root, each chunk against the list. A driver that sends something wrong is refused and not asked again.
 *
 * At any time one source is asked, for the list or for some chunks. When its link ends or it does not answer, all that
 * was asked is open again.
 */
#include "programs.h"

#include "fetches.h"
#include "peers.h"
#include "report.h"
#include "sessions.h"
#include "trust/program.h"

#include <stdlib.h>

enum {
    CACHE_LIMIT_BYTES = 64 << 20, /* of chunks that are here or asked for, of all programs */
    ASKED_LIMIT = 4,              /* chunks of a program that are under way from its driver */
    ANSWER_MS = 5000,             /* so long may a source take for its next answer */
    IDLE_MS = 10000               /* a node that asks for nothing for so long has what it needs */
};

/* ---- sources ---- */

static struct program *find_program(const struct coordinator *coordinator, const uint8_t *root, size_t size)
{
    if (size != sizeof(struct tp__hash))
        return NULL;
    struct program *program = coordinator->programs;
    while (program && memcmp(&program->root, root, size) != 0)
        program = program->next;
    return program;
}

bool programs_add_source(struct coordinator *coordinator, struct session *session, const struct tp__offer *offer)
{
    struct program *program = find_program(coordinator, offer->program.bytes, sizeof offer->program);
    if (!program) {
        program = calloc(1, sizeof *program);
        if (!program)
            return false;
        program->root = offer->program;
        program->fetches_tail = &program->fetches;
        program->next = coordinator->programs;
        coordinator->programs = program;
    }
    session->program = program;
    session->program_length = offer->program_length;
    session->next_source = program->sources;
    program->sources = session;
    return true;
}

/* One that can be asked, and `other` only if there is no other. NULL: none. */
static struct session *choose_source(const struct program *program, const struct session *other)
{
    struct session *best = NULL;
    for (struct session *source = program->sources; source; source = source->next_source) {
        if (!source->offered || source->is_bad_source || !source->peer || source->peer->ended)
            continue;
        if (!best || best == other)
            best = source;
    }
    return best;
}

/* ---- what is here ---- */

static void drop_chunk(struct coordinator *coordinator, struct chunk *chunk)
{
    if (!chunk->bytes && !chunk->asked)
        return;
    coordinator->program_bytes -= TP__CHUNK_BYTES;
    free(chunk->bytes);
    chunk->bytes = NULL;
    chunk->asked = false;
}

static void drop_all(struct coordinator *coordinator, struct program *program)
{
    for (uint32_t i = 0; i < program->chunk_count; i++)
        drop_chunk(coordinator, &program->chunks[i]);
    free(program->chunks);
    free(program->list);
    program->chunks = NULL;
    program->list = NULL;
    program->chunk_count = 0;
    program->chunks_asked = 0;
    program->list_asked = false;
    program->asked = NULL;
}

/* What was asked for will not come. */
static void unask(struct coordinator *coordinator, struct program *program)
{
    for (uint32_t i = 0; i < program->chunk_count; i++)
        if (program->chunks[i].asked)
            drop_chunk(coordinator, &program->chunks[i]);
    program->chunks_asked = 0;
    program->list_asked = false;
    program->asked = NULL;
}

/* Room for one chunk more: one that nobody wants now gives way, of the same program or another. */
static bool make_room(struct coordinator *coordinator)
{
    if (coordinator->program_bytes + TP__CHUNK_BYTES <= CACHE_LIMIT_BYTES)
        return true;
    for (struct program *program = coordinator->programs; program; program = program->next)
        for (uint32_t i = 0; i < program->chunk_count; i++)
            if (program->chunks[i].bytes && program->chunks[i].wanted == 0) {
                drop_chunk(coordinator, &program->chunks[i]);
                return true;
            }
    return false;
}

/* ---- asking ---- */

static void send_need(struct coordinator *coordinator, struct program *program, struct session *source, bool list,
                      uint32_t *chunks, size_t count)
{
    Taskpool__Need need;
    taskpool__need__init(&need);
    need.root = tp__field(&program->root, sizeof program->root);
    need.list = list;
    need.chunks = chunks;
    need.n_chunks = count;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_NEED;
    frame.need = &need;
    program->asked = source;
    program->asked_ms = coordinator->now_ms;
    (void)session_send(coordinator, source, &frame);
}

static void ask_chunks(struct coordinator *coordinator, struct program *program, struct session *source)
{
    uint32_t asked[ASKED_LIMIT];
    size_t count = 0;
    const struct fetch *fetch = program->fetches;
    for (int i = 0; i < FETCHES_AT_A_TIME && fetch; i++, fetch = fetch->next) {
        uint32_t index = fetch_next_wanted(fetch, 0);
        for (; index < program->chunk_count; index = fetch_next_wanted(fetch, index + 1)) {
            struct chunk *chunk = &program->chunks[index];
            if (chunk->bytes || chunk->asked)
                continue;
            if (program->chunks_asked >= ASKED_LIMIT || !make_room(coordinator))
                break;
            chunk->asked = true;
            coordinator->program_bytes += TP__CHUNK_BYTES;
            program->chunks_asked++;
            asked[count++] = index;
        }
    }
    if (count > 0)
        send_need(coordinator, program, source, false, asked, count);
}

/* Sends what is here to the nodes whose turn it is, and asks for what is not. */
static void pump(struct coordinator *coordinator, struct program *program)
{
    if (!program->fetches) { /* nobody needs anything */
        drop_all(coordinator, program);
        return;
    }
    struct fetch *fetch = program->fetches;
    for (int i = 0; i < FETCHES_AT_A_TIME && fetch; i++, fetch = fetch->next)
        fetch_serve(fetch, coordinator->now_ms);
    struct session *source = program->asked ? program->asked : choose_source(program, NULL);
    if (!source)
        return;
    if (program->list) {
        ask_chunks(coordinator, program, source);
    } else if (!program->list_asked) {
        program->list_asked = true;
        send_need(coordinator, program, source, true, NULL, 0);
    }
}

/* ---- nodes ---- */

void programs_need_received(struct peer *peer, const Taskpool__Need *need)
{
    struct coordinator *coordinator = peer->coordinator;
    struct program *program = find_program(coordinator, need->root.data, need->root.len);
    if (!program) {
        report_late(peer, "need", "no session offers that program");
        return;
    }
    const uint32_t limit = program->list ? program->chunk_count : CHUNKS_LIMIT;
    for (size_t i = 0; i < need->n_chunks; i++)
        if (need->chunks[i] >= limit) {
            report_refused(peer, "need", "chunk %u of a program that has %u", need->chunks[i], limit);
            return;
        }
    struct fetch *fetch = fetch_find(program, peer->node);
    if (!fetch && !(fetch = fetch_make(program, peer->node, coordinator->now_ms))) {
        peer_reset(peer, "no memory to send it a program");
        return;
    }
    fetch->moved_ms = coordinator->now_ms;
    fetch->wants_list |= need->list;
    for (size_t i = 0; i < need->n_chunks; i++)
        fetch_want(fetch, need->chunks[i]);
    if (fetch_is_active(fetch))
        pump(coordinator, program);
}

void programs_node_ready(struct coordinator *coordinator, struct node *node)
{
    for (struct fetch *fetch = node->fetches; fetch; fetch = fetch->next_of_node)
        if (fetch->wanted_count > 0 && fetch_is_active(fetch))
            fetch_serve(fetch, coordinator->now_ms);
}

static void end_fetch(struct coordinator *coordinator, struct fetch *fetch)
{
    struct program *program = fetch->program;
    fetch_free(fetch);
    pump(coordinator, program);
}

void programs_node_answered(struct coordinator *coordinator, struct node *node, const struct session *session)
{
    struct fetch *fetch = session->program ? fetch_find(session->program, node) : NULL;
    if (fetch)
        end_fetch(coordinator, fetch);
}

void programs_node_left(struct coordinator *coordinator, struct node *node)
{
    while (node->fetches)
        end_fetch(coordinator, node->fetches);
}

/* ---- drivers ---- */

void programs_source_left(struct coordinator *coordinator, struct session *session)
{
    struct program *program = session->program;
    if (!program || program->asked != session)
        return;
    unask(coordinator, program);
    pump(coordinator, program);
}

void programs_source_back(struct coordinator *coordinator, struct session *session)
{
    if (session->program)
        pump(coordinator, session->program);
}

static void free_program(struct coordinator *coordinator, struct program *program)
{
    while (program->fetches)
        fetch_free(program->fetches);
    drop_all(coordinator, program);
    struct program **place = &coordinator->programs;
    while (*place != program)
        place = &(*place)->next;
    *place = program->next;
    free(program);
}

void programs_source_gone(struct coordinator *coordinator, struct session *session)
{
    struct program *program = session->program;
    if (!program)
        return;
    struct session **place = &program->sources;
    while (*place != session)
        place = &(*place)->next_source;
    *place = session->next_source;
    session->program = NULL;
    if (!program->sources) {
        free_program(coordinator, program);
    } else if (program->asked == session) {
        unask(coordinator, program);
        pump(coordinator, program);
    }
}

/* It has sent what is not the program: nothing of it is believed any more. */
static void refuse_source(struct peer *peer, struct program *program, const char *what)
{
    peer->session->is_bad_source = true;
    drop_all(peer->coordinator, program);
    for (struct fetch *fetch = program->fetches; fetch; fetch = fetch->next)
        fetch->wants_list = true;
    report_refused(peer, "chunk", "%s", what);
    peer_refuse(peer, TP_E_UNTRUSTED, "%s", what);
    pump(peer->coordinator, program);
}

static void take_list(struct peer *peer, struct program *program, const ProtobufCBinaryData *data)
{
    struct coordinator *coordinator = peer->coordinator;
    const uint64_t length = peer->session->program_length;
    const uint32_t count = tp__program_chunk_count(length);
    const struct tp__hash *hashes = (const struct tp__hash *)data->data;
    struct tp__hash root;
    if (data->len == count * sizeof *hashes)
        root = tp__program_root(hashes, length);
    if (data->len != count * sizeof *hashes || memcmp(&root, &program->root, sizeof root) != 0) {
        refuse_source(peer, program, "the list of its program's chunks does not lead to the program's hash");
        return;
    }
    program->list = malloc(data->len);
    program->chunks = calloc(count, sizeof *program->chunks);
    if (!program->list || !program->chunks) {
        drop_all(coordinator, program);
        return; /* programs_tick asks again */
    }
    memcpy(program->list, data->data, data->len);
    program->length = length;
    program->chunk_count = count;
    program->list_asked = false;
    for (const struct fetch *fetch = program->fetches; fetch; fetch = fetch->next)
        for (uint32_t i = fetch_next_wanted(fetch, 0); i < count; i = fetch_next_wanted(fetch, i + 1))
            program->chunks[i].wanted++;
}

static void take_chunk(struct peer *peer, struct program *program, const Taskpool__Chunk *message)
{
    struct chunk *chunk = &program->chunks[message->index];
    const uint64_t left = program->length - (uint64_t)message->index * TP__CHUNK_BYTES;
    const size_t size = left < TP__CHUNK_BYTES ? (size_t)left : TP__CHUNK_BYTES;
    struct tp__hash hash;
    if (message->data.len == size)
        hash = tp__program_chunk_hash(message->index, message->data.data, size);
    if (message->data.len != size || memcmp(&hash, program->list + message->index * sizeof hash, sizeof hash) != 0) {
        refuse_source(peer, program, "a chunk of its program is not what its hash says");
        return;
    }
    chunk->asked = false;
    program->chunks_asked--;
    chunk->bytes = malloc(size);
    if (chunk->bytes)
        memcpy(chunk->bytes, message->data.data, size);
    else
        peer->coordinator->program_bytes -= TP__CHUNK_BYTES; /* it is asked for again */
}

void programs_chunk_received(struct peer *peer, const Taskpool__Chunk *message)
{
    struct coordinator *coordinator = peer->coordinator;
    struct program *program = peer->session->program;
    if (!program || program->asked != peer->session || message->root.len != sizeof program->root ||
        memcmp(message->root.data, &program->root, sizeof program->root) != 0) {
        report_late(peer, "chunk", "it was not asked for that program");
        return;
    }
    const bool was_asked = message->list
                               ? program->list_asked
                               : message->index < program->chunk_count && program->chunks[message->index].asked;
    if (!was_asked) {
        report_late(peer, "chunk", "it was not asked for that chunk");
        return;
    }
    program->asked_ms = coordinator->now_ms;
    if (message->list)
        take_list(peer, program, &message->data);
    else
        take_chunk(peer, program, message);
    if (!peer->ended)
        pump(coordinator, program);
}

/* ---- time ---- */

static void end_idle(struct coordinator *coordinator, struct program *program)
{
    struct fetch *fetch = program->fetches;
    while (fetch) {
        struct fetch *next = fetch->next;
        const bool is_idle = fetch->wanted_count == 0 && !fetch->wants_list;
        if (is_idle && coordinator->now_ms - fetch->moved_ms >= IDLE_MS)
            fetch_free(fetch);
        fetch = next;
    }
}

int64_t programs_tick(struct coordinator *coordinator)
{
    int64_t due_ms = INT64_MAX;
    for (struct program *program = coordinator->programs; program; program = program->next) {
        if (!program->fetches)
            continue;
        end_idle(coordinator, program);
        const bool is_waiting = program->list_asked || program->chunks_asked > 0;
        if (is_waiting && coordinator->now_ms - program->asked_ms >= ANSWER_MS) {
            struct session *silent = program->asked;
            unask(coordinator, program);
            program->asked = choose_source(program, silent);
        }
        pump(coordinator, program);
        due_ms = coordinator->now_ms + ANSWER_MS / 5;
    }
    return due_ms;
}

void programs_free(struct coordinator *coordinator)
{
    while (coordinator->programs)
        free_program(coordinator, coordinator->programs);
}
