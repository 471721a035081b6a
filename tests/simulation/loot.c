/* SPDX-License-Identifier: MIT */
#include "loot.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT = 64, KEPT_BYTES = 64 << 10 };

struct loot {
    struct kept {
        uint8_t *bytes;
        size_t size;
    } kept[2][2][KEPT];
};

struct loot *loot_new(void)
{
    return world_alloc(sizeof(struct loot));
}

void loot_free(struct loot *loot)
{
    for (size_t i = 0; i < 2 * 2 * KEPT; i++)
        free(loot->kept[i / (2 * KEPT)][i / KEPT % 2][i % KEPT].bytes);
    free(loot);
}

void loot_keep(struct loot *loot, struct random *random, enum way way, bool is_node, const uint8_t *bytes, size_t size)
{
    if (size > KEPT_BYTES)
        return;
    struct kept *kept = &loot->kept[way][is_node][random_below(random, KEPT)];
    free(kept->bytes);
    kept->bytes = world_alloc(size);
    kept->size = size;
    memcpy(kept->bytes, bytes, size);
}

const uint8_t *loot_pick(const struct loot *loot, struct random *random, enum way way, bool is_node, size_t *size)
{
    const struct kept *kept = &loot->kept[way][is_node][random_below(random, KEPT)];
    *size = kept->size;
    return kept->bytes;
}

/* ---- altering ---- */

static bool alter_bytes(struct random *random, ProtobufCBinaryData *field)
{
    if (field->len == 0)
        return false;
    if (random_chance(random, 100000)) {
        field->len -= 1 + random_below(random, field->len);
        return true;
    }
    field->data[random_below(random, field->len)] ^= (uint8_t)(1u << random_below(random, 8));
    return true;
}

static bool alter_tasks(struct random *random, Taskpool__Tasks *tasks)
{
    switch (random_below(random, 7)) {
    case 0:
        return alter_bytes(random, &tasks->signature);
    case 1:
        return alter_bytes(random, &tasks->proof);
    case 2:
        tasks->batch += 1 + random_below(random, 3);
        return true;
    case 3:
        tasks->count += (uint32_t)random_below(random, 3) + 1;
        return true;
    case 4:
        tasks->first++;
        return true;
    case 5:
        tasks->run += (uint32_t)random_below(random, 2) * 2 - 1;
        return true;
    default:
        return alter_bytes(random, &tasks->leaves);
    }
}

static bool alter_placed(struct random *random, Taskpool__Run *const *runs, size_t count)
{
    if (count == 0)
        return false;
    Taskpool__Run *run = runs[random_below(random, count)];
    switch (random_below(random, 4)) {
    case 0:
        run->first++;
        return true;
    case 1:
        run->run++;
        return true;
    case 2:
        run->batch++;
        return true;
    default:
        return alter_bytes(random, &run->incarnation);
    }
}

static bool alter_stream(struct random *random, Taskpool__StreamFrame *stream)
{
    switch (random_below(random, 5)) {
    case 0:
        stream->position += random_below(random, 3) - 1;
        return true;
    case 1:
        stream->acknowledgement = !stream->acknowledgement;
        return true;
    case 2:
        return alter_placed(random, stream->placed, stream->n_placed);
    default:
        return alter_bytes(random, &stream->sealed);
    }
}

bool loot_alter(struct random *random, Taskpool__Frame *frame)
{
    switch (frame->body_case) {
    case TASKPOOL__FRAME__BODY_OFFER:
        return alter_bytes(random, &frame->offer->signed_offer);
    case TASKPOOL__FRAME__BODY_ACCEPT:
        return alter_bytes(random,
                           random_chance(random, 500000) ? &frame->accept->signed_accept : &frame->accept->incarnation);
    case TASKPOOL__FRAME__BODY_TASKS:
        return alter_tasks(random, frame->tasks);
    case TASKPOOL__FRAME__BODY_PAYLOAD:
        if (random_chance(random, 300000)) {
            frame->payload->offset += (uint32_t)random_below(random, 3) - 1;
            return true;
        }
        return alter_bytes(random, &frame->payload->part);
    case TASKPOOL__FRAME__BODY_STREAM:
        return alter_stream(random, frame->stream);
    case TASKPOOL__FRAME__BODY_PLACED:
        return alter_placed(random, frame->placed->runs, frame->placed->n_runs);
    case TASKPOOL__FRAME__BODY_CHUNK:
        return alter_bytes(random, &frame->chunk->data);
    default:
        return false;
    }
}
