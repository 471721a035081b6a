/* SPDX-License-Identifier: MIT */
#include "cluster/session_state.h"

/* What is asked for is noted as a bit a chunk, so that asking again costs nothing; chunks leave one by one, as the lane
 * of programs takes them. */

void tp__session_need(struct tp__session *session, const Taskpool__Need *need)
{
    const struct tp__hash *root = &session->options.program;
    if (need->root.len != sizeof *root || memcmp(need->root.data, root, sizeof *root) != 0) {
        session->tasks.refused++;
        return;
    }
    session->program.list_needed |= need->list;
    for (size_t i = 0; i < need->n_chunks; i++) {
        const uint32_t index = need->chunks[i];
        if (index >= session->program.count) {
            session->tasks.refused++;
            continue;
        }
        uint8_t *byte = &session->program.needed[index / 8];
        const uint8_t bit = (uint8_t)(1 << index % 8);
        session->program.needed_count += !(*byte & bit);
        *byte |= bit;
    }
}

static void send_chunk(struct tp__session *session, bool list, uint32_t index, const void *bytes, size_t size)
{
    Taskpool__Chunk chunk;
    taskpool__chunk__init(&chunk);
    chunk.root = tp__field(&session->options.program, sizeof session->options.program);
    chunk.list = list;
    chunk.index = index;
    chunk.data = tp__field(bytes, size);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    tp__session_send(session, TP__LANE_PROGRAM, &frame);
}

/* The next one that is needed, from where the last one was: everyone's turn comes. */
static uint32_t take_needed(struct tp__session *session)
{
    for (;;) {
        const uint32_t index = session->program.cursor;
        session->program.cursor = index + 1 < session->program.count ? index + 1 : 0;
        uint8_t *byte = &session->program.needed[index / 8];
        const uint8_t bit = (uint8_t)(1 << index % 8);
        if (!(*byte & bit))
            continue;
        *byte &= (uint8_t)~bit;
        session->program.needed_count--;
        return index;
    }
}

void tp__session_send_chunks(struct tp__session *session)
{
    if (!tp__session_is_linked(session))
        return;
    if (session->program.list_needed) {
        session->program.list_needed = false;
        send_chunk(session, true, 0, session->options.chunk_hashes,
                   session->program.count * sizeof *session->options.chunk_hashes);
    }
    while (session->program.needed_count > 0 && tp__session_is_linked(session) &&
           tp__link_queued(session->wire.link, TP__LANE_PROGRAM) < TP__CHUNK_BYTES) {
        const uint32_t index = take_needed(session);
        size_t size;
        const uint8_t *bytes = session->actions.chunk(session->actions.context, index, &size);
        session->program.unreadable = !bytes || size > TP__CHUNK_BYTES;
        if (!session->program.unreadable)
            send_chunk(session, false, index, bytes, size);
    }
}
