/* SPDX-License-Identifier: MIT */
/** @file
 * Batches that wait to be placed: deepest first; within a depth those that are run again, then the others, each in
 * order of arrival. They are cut into runs, which leave in order; a run that is not the whole batch takes a proof along
 * (proof.h).
 */
#ifndef COORDINATOR_QUEUE_H
#define COORDINATOR_QUEUE_H

#include "set.h"
#include "trust/batch.h"

struct payload_part {
    struct payload_part *next;
    uint32_t offset, size;
    uint8_t bytes[];
};

/** Payloads that travel apart from their leaves, in the order of the leaves. */
struct payloads {
    struct payload_part *head, **tail;
    uint32_t leaf_offset;      /* while they come: of the leaf whose payload comes next */
    uint32_t received;         /* of that leaf's payload */
    uint64_t total_bytes;      /* that have come */
    struct tp__id incarnation; /* where the batch is to go; none: anywhere */
};

struct batch {
    struct batch *next;
    uint64_t number;
    struct tp__hash *tree;     /* NULL until it is cut: proof.h */
    struct payloads *payloads; /* NULL: no leaf is LARGE */
    uint32_t size;             /* of the leaves */
    uint32_t counted_size;     /* of the leaves: trust/leaf.h */
    uint32_t offset;           /* of the first leaf that has not gone */
    uint16_t count, first;     /* leaves, and how many have gone */
    uint32_t depth;            /* at most TP__DEPTH_LIMIT */
    bool again;                /* all of its tasks have been dispatched before */
    uint8_t signature[TP__SIGNATURE_BYTES];
    uint8_t leaves[];
};

struct level;

/** Zero it to begin with. */
struct queue {
    struct level **pages; /* of levels, two for each depth; NULL where there are none */
    uint32_t page_room, page_count;
    struct set occupied; /* levels that are not empty */
    uint64_t tasks;
};

/** What batches and payloads take, allocator's overhead included, is added to and taken off `*memory`. */

/** A batch of `count` leaves, which must be as many and well formed: NULL if not, and `*malformed` is true; or without
 *  memory. It has `payloads` if a leaf is LARGE. */
struct batch *batch_new(const uint8_t *leaves, size_t size, uint32_t count, uint64_t *memory, bool *malformed);
void batch_free(struct batch *batch, uint64_t *memory);

enum batch_part { BATCH_PART_TAKEN, BATCH_PART_REFUSED, BATCH_PART_NOMEM };
/** A part of a payload comes: it must be the next one that is due. */
enum batch_part batch_add_part(struct batch *batch, uint64_t sequence, uint32_t dispatch, uint32_t offset,
                               const uint8_t *bytes, size_t size, uint64_t *memory);
/** All payloads have come. */
bool batch_is_complete(const struct batch *batch);
/** What leaves and payloads count for. */
uint64_t batch_counted_bytes(const struct batch *batch);

/** False without memory. */
bool queue_add(struct queue *queue, struct batch *batch, uint64_t *memory) __attribute__((warn_unused_result));
/** The one whose leaves go next; NULL: the queue is empty. */
struct batch *queue_head(const struct queue *queue);

/** A run at the front of the batch that is queue_head. */
struct run {
    uint32_t first, count;
    const uint8_t *leaves;
    size_t size;            /* of the leaves */
    size_t counted_size;    /* of the leaves: trust/leaf.h */
    uint64_t payload_bytes; /* that travel apart */
};
/** At most `limit` (at least 1) leaves, and about `limit_bytes`: one leaf in any case. */
struct run queue_peek(const struct queue *queue, uint32_t limit, size_t limit_bytes);
/** Takes that run off the queue; its parts must have been taken by queue_take_part. Frees a batch that has gone. */
void queue_take(struct queue *queue, const struct run *run, uint64_t *memory);
/** Takes the next payload part off the batch that is queue_head. The caller frees it with part_free. */
struct payload_part *queue_take_part(struct queue *queue);
void part_free(struct payload_part *part, uint64_t *memory);

/** Frees all; returns nothing of interest. */
void queue_clear(struct queue *queue, uint64_t *memory);

#endif
