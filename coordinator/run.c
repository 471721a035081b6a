/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "peers.h"
#include "placement.h"
#include "proof.h"

/* Long runs of large tasks are cut, so that other sessions get their turn on the link. */
enum { RUN_LIMIT_BYTES = 1 << 20 };

static void send_tasks(const struct use *use, const struct batch *batch, const struct run *run,
                       const struct tp__hash *proof, uint32_t proof_count)
{
    Taskpool__Tasks tasks;
    taskpool__tasks__init(&tasks);
    tasks.session = tp__field_of_id(&use->session->id);
    tasks.batch = batch->number;
    tasks.count = batch->count;
    tasks.signature = tp__field(batch->signature, sizeof batch->signature);
    tasks.first = run->first;
    tasks.run = run->count;
    tasks.proof = tp__field(proof, proof_count * sizeof *proof);
    tasks.leaves = tp__field(run->leaves, run->size);
    tasks.incarnation = tp__field_of_id(&use->incarnation);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_TASKS;
    frame.tasks = &tasks;
    (void)peer_send(use->node->peer, TP__LANE_BULK, &frame);
}

static void send_part(const struct use *use, const struct tp__leaf *leaf, const struct payload_part *part)
{
    Taskpool__Payload payload;
    taskpool__payload__init(&payload);
    payload.session = tp__field_of_id(&use->session->id);
    payload.sequence = leaf->sequence;
    payload.dispatch = leaf->dispatch;
    payload.offset = part->offset;
    payload.part = tp__field(part->bytes, part->size);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_PAYLOAD;
    frame.payload = &payload;
    (void)peer_send(use->node->peer, TP__LANE_BULK, &frame);
}

/* Takes the payloads of the run off the queue, and sends them unless `use` is NULL. */
static void move_payloads(struct coordinator *coordinator, const struct use *use, struct queue *queue,
                          const struct run *run)
{
    struct tp__reader reader = tp__reader_of(run->leaves, run->size);
    struct tp__leaf leaf = {0};
    uint32_t left = 0; /* of the leaf's payload */
    for (uint64_t moved = 0; moved < run->payload_bytes;) {
        struct payload_part *part = queue_take_part(queue);
        if (!part)
            return;
        while (left == 0) {
            if (!tp__leaf_read(&reader, &leaf)) {
                part_free(part, &coordinator->queued.memory_bytes);
                return;
            }
            left = leaf.flags & TP__LEAF_LARGE ? leaf.length : 0;
        }
        if (use)
            send_part(use, &leaf, part);
        left -= part->size;
        moved += part->size;
        part_free(part, &coordinator->queued.memory_bytes);
    }
}

static uint32_t take(struct coordinator *coordinator, struct use *use, struct queue *queue, const struct run *run)
{
    struct session *session = use->session;
    placement_note(coordinator, session, queue_head(queue)->number, run->first, run->count, &use->incarnation);
    placement_uncount(coordinator, session, run->count, run->counted_size + run->payload_bytes);
    queue_take(queue, run, &coordinator->queued.memory_bytes);
    coordinator->steps += run->count;
    return run->count;
}

uint32_t run_send(struct coordinator *coordinator, struct use *use, struct queue *queue, uint32_t limit)
{
    struct batch *batch = queue_head(queue);
    const struct run run = queue_peek(queue, limit, RUN_LIMIT_BYTES);
    struct tp__hash proof[TP__PROOF_LIMIT];
    uint32_t proof_count = 0;
    if (run.count < batch->count)
        proof_count = proof_of_run(batch, &run, &coordinator->queued.memory_bytes, proof);
    send_tasks(use, batch, &run, proof, proof_count);
    move_payloads(coordinator, use, queue, &run);
    return take(coordinator, use, queue, &run);
}

uint32_t run_give_back(struct coordinator *coordinator, struct use *use, struct queue *queue)
{
    const struct run run = queue_peek(queue, TP__BATCH_LIMIT, SIZE_MAX);
    move_payloads(coordinator, NULL, queue, &run);
    return take(coordinator, use, queue, &run);
}
