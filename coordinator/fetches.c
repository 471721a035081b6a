/* SPDX-License-Identifier: MIT */
#include "fetches.h"

#include "peers.h"

#include <stdlib.h>

/* What waits in a node's link, of programs: enough to keep it busy. */
enum { WAITING_LIMIT_BYTES = 2 << 20 };

struct fetch *fetch_find(const struct program *program, const struct node *node)
{
    struct fetch *fetch = node->fetches;
    while (fetch && fetch->program != program)
        fetch = fetch->next_of_node;
    return fetch;
}

struct fetch *fetch_make(struct program *program, struct node *node, int64_t now_ms)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch)
        return NULL;
    fetch->program = program;
    fetch->node = node;
    fetch->moved_ms = now_ms;
    fetch->next_of_node = node->fetches;
    node->fetches = fetch;
    *program->fetches_tail = fetch;
    program->fetches_tail = &fetch->next;
    program->fetch_count++;
    return fetch;
}

static void forget_wanted(struct fetch *fetch, uint32_t index)
{
    fetch->wanted[index / 64] &= ~(UINT64_C(1) << index % 64);
    fetch->wanted_count--;
    if (index < fetch->program->chunk_count)
        fetch->program->chunks[index].wanted--;
}

void fetch_free(struct fetch *fetch)
{
    struct program *program = fetch->program;
    while (fetch->wanted_count > 0)
        forget_wanted(fetch, fetch_next_wanted(fetch, 0));
    struct fetch **place = &program->fetches;
    while (*place != fetch)
        place = &(*place)->next;
    *place = fetch->next;
    if (!fetch->next)
        program->fetches_tail = place;
    program->fetch_count--;
    place = &fetch->node->fetches;
    while (*place != fetch)
        place = &(*place)->next_of_node;
    *place = fetch->next_of_node;
    free(fetch);
}

void fetch_want(struct fetch *fetch, uint32_t index)
{
    const uint64_t bit = UINT64_C(1) << index % 64;
    if (fetch->wanted[index / 64] & bit)
        return;
    fetch->wanted[index / 64] |= bit;
    fetch->wanted_count++;
    if (index < fetch->program->chunk_count)
        fetch->program->chunks[index].wanted++;
}

uint32_t fetch_next_wanted(const struct fetch *fetch, uint32_t index)
{
    for (uint32_t word = index / 64; word < CHUNKS_LIMIT / 64; word++) {
        uint64_t bits = fetch->wanted[word];
        if (word == index / 64)
            bits &= ~UINT64_C(0) << index % 64;
        if (bits != 0)
            return word * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return UINT32_MAX;
}

bool fetch_is_active(const struct fetch *fetch)
{
    const struct fetch *at = fetch->program->fetches;
    for (int i = 0; i < FETCHES_AT_A_TIME && at; i++, at = at->next)
        if (at == fetch)
            return true;
    return false;
}

static bool send_chunk(const struct fetch *fetch, bool list, uint32_t index, const uint8_t *bytes, size_t size)
{
    Taskpool__Chunk chunk;
    taskpool__chunk__init(&chunk);
    chunk.root = tp__field(&fetch->program->root, sizeof fetch->program->root);
    chunk.list = list;
    chunk.index = index;
    chunk.data = tp__field(bytes, size);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    return peer_send(fetch->node->peer, TP__LANE_PROGRAM, &frame);
}

static size_t size_of_chunk(const struct program *program, uint32_t index)
{
    const uint64_t left = program->length - (uint64_t)index * TP__CHUNK_BYTES;
    return left < TP__CHUNK_BYTES ? (size_t)left : TP__CHUNK_BYTES;
}

void fetch_serve(struct fetch *fetch, int64_t now_ms)
{
    struct program *program = fetch->program;
    const struct peer *peer = fetch->node->peer;
    if (!program->list || !peer || peer->ended)
        return;
    if (fetch->wants_list) {
        fetch->wants_list = false;
        fetch->moved_ms = now_ms;
        if (!send_chunk(fetch, true, 0, program->list, program->chunk_count * sizeof(struct tp__hash)))
            return;
    }
    uint32_t index = fetch_next_wanted(fetch, 0);
    for (; index != UINT32_MAX; index = fetch_next_wanted(fetch, index + 1)) {
        if (tp__link_queued(peer->link, TP__LANE_PROGRAM) >= WAITING_LIMIT_BYTES)
            return;
        if (index >= program->chunk_count) {
            forget_wanted(fetch, index); /* there is no such chunk */
        } else if (program->chunks[index].bytes) {
            forget_wanted(fetch, index);
            fetch->moved_ms = now_ms;
            if (!send_chunk(fetch, false, index, program->chunks[index].bytes, size_of_chunk(program, index)))
                return;
        }
    }
}
