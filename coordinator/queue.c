/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * A queue has two levels for each depth, with their batches in order of arrival, and the set of the levels that are not
 * empty: the deepest one is found in two or three looks, however many there are. That it is always found matters: tasks
 * that are parked on all nodes may wait for just that one. The upper level of a depth is for tasks that are run again:
 * they have waited before, and whoever awaits a task that crashes is not kept waiting by all that came after it. An
 * empty queue has no memory.
 *
 * Payloads are kept as the parts in which they came: nothing is allocated for bytes that are only promised.
 */
#include "queue.h"

#include "proof.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE_LEVELS = 32,
    ALLOCATION_BYTES = 16, /* what the allocator adds */
    SMALLEST_PART_BYTES = 4096
};

struct level {
    struct batch *head, *tail;
};

/* ---- batches ---- */

static size_t batch_bytes(const struct batch *batch)
{
    return sizeof *batch + batch->size + ALLOCATION_BYTES;
}

static size_t part_bytes(const struct payload_part *part)
{
    return sizeof *part + part->size + ALLOCATION_BYTES;
}

/* Moves on to the next leaf, from `offset` on, whose payload travels apart. */
static void find_large(struct batch *batch, uint32_t offset)
{
    struct tp__reader reader = tp__reader_of(batch->leaves + offset, batch->size - offset);
    batch->payloads->leaf_offset = batch->size;
    batch->payloads->received = 0;
    while (tp__reader_left(&reader) > 0) {
        const uint32_t here = (uint32_t)(reader.at - batch->leaves);
        struct tp__leaf leaf;
        if (!tp__leaf_read(&reader, &leaf))
            return;
        if (leaf.flags & TP__LEAF_LARGE) {
            batch->payloads->leaf_offset = here;
            return;
        }
    }
}

/* What is known of a batch when its leaves have been read. */
struct leaves_facts {
    bool has_large;
    bool again;
    size_t counted_size;
};

static bool check_leaves(const uint8_t *leaves, size_t size, uint32_t count, struct leaves_facts *facts)
{
    struct tp__reader reader = tp__reader_of(leaves, size);
    *facts = (struct leaves_facts){.again = true};
    for (uint32_t i = 0; i < count; i++) {
        struct tp__leaf leaf;
        if (!tp__leaf_read(&reader, &leaf))
            return false;
        facts->has_large |= (leaf.flags & TP__LEAF_LARGE) != 0;
        facts->again &= leaf.dispatch > 1;
        facts->counted_size += tp__leaf_counted_size(&leaf);
    }
    return tp__reader_left(&reader) == 0;
}

struct batch *batch_new(const uint8_t *leaves, size_t size, uint32_t count, uint64_t *memory, bool *malformed)
{
    struct leaves_facts facts;
    *malformed = count == 0 || count > TP__BATCH_LIMIT || size > TP__BATCH_LIMIT_BYTES ||
                 !check_leaves(leaves, size, count, &facts);
    if (*malformed)
        return NULL;
    struct batch *batch = malloc(sizeof *batch + size);
    if (!batch)
        return NULL;
    *batch = (struct batch){.size = (uint32_t)size,
                            .counted_size = (uint32_t)facts.counted_size,
                            .count = (uint16_t)count,
                            .again = facts.again};
    memcpy(batch->leaves, leaves, size);
    if (facts.has_large) {
        batch->payloads = calloc(1, sizeof *batch->payloads);
        if (!batch->payloads) {
            free(batch);
            return NULL;
        }
        batch->payloads->tail = &batch->payloads->head;
        find_large(batch, 0);
        *memory += sizeof *batch->payloads + ALLOCATION_BYTES;
    }
    *memory += batch_bytes(batch);
    return batch;
}

void part_free(struct payload_part *part, uint64_t *memory)
{
    *memory -= part_bytes(part);
    free(part);
}

void batch_free(struct batch *batch, uint64_t *memory)
{
    if (batch->payloads) {
        for (struct payload_part *part = batch->payloads->head; part;) {
            struct payload_part *next = part->next;
            part_free(part, memory);
            part = next;
        }
        *memory -= sizeof *batch->payloads + ALLOCATION_BYTES;
        free(batch->payloads);
    }
    proof_free(batch, memory);
    *memory -= batch_bytes(batch);
    free(batch);
}

enum batch_part batch_add_part(struct batch *batch, uint64_t sequence, uint32_t dispatch, uint32_t offset,
                               const uint8_t *bytes, size_t size, uint64_t *memory)
{
    struct payloads *payloads = batch->payloads;
    struct tp__reader reader =
        tp__reader_of(batch->leaves + payloads->leaf_offset, batch->size - payloads->leaf_offset);
    struct tp__leaf leaf;
    if (!tp__leaf_read(&reader, &leaf) || leaf.sequence != sequence || leaf.dispatch != dispatch ||
        offset != payloads->received || size == 0 || size > leaf.length - payloads->received)
        return BATCH_PART_REFUSED;
    const bool is_last = size == leaf.length - payloads->received;
    if (size > TP__PART_BYTES || (!is_last && size < SMALLEST_PART_BYTES))
        return BATCH_PART_REFUSED;
    struct payload_part *part = malloc(sizeof *part + size);
    if (!part)
        return BATCH_PART_NOMEM;
    *part = (struct payload_part){.offset = offset, .size = (uint32_t)size};
    memcpy(part->bytes, bytes, size);
    *memory += part_bytes(part);
    *payloads->tail = part;
    payloads->tail = &part->next;
    payloads->received += (uint32_t)size;
    payloads->total_bytes += size;
    if (is_last)
        find_large(batch, (uint32_t)(reader.at - batch->leaves));
    return BATCH_PART_TAKEN;
}

bool batch_is_complete(const struct batch *batch)
{
    return !batch->payloads || batch->payloads->leaf_offset == batch->size;
}

uint64_t batch_counted_bytes(const struct batch *batch)
{
    return batch->counted_size + (batch->payloads ? batch->payloads->total_bytes : 0);
}

/* ---- levels ---- */

static uint32_t level_of(const struct batch *batch)
{
    return 2 * batch->depth + batch->again;
}

static struct level *level_at(const struct queue *queue, uint32_t number)
{
    return &queue->pages[number / PAGE_LEVELS][number % PAGE_LEVELS];
}

static size_t levels_bytes(const struct queue *queue)
{
    return queue->page_room * sizeof *queue->pages + queue->page_count * PAGE_LEVELS * sizeof(struct level) +
           set_bytes(&queue->occupied);
}

static void free_levels(struct queue *queue, uint64_t *memory)
{
    *memory -= levels_bytes(queue);
    for (uint32_t i = 0; i < queue->page_room; i++)
        free(queue->pages[i]);
    free(queue->pages);
    set_free(&queue->occupied);
    *queue = (struct queue){0};
}

static bool make_room(struct queue *queue, uint32_t page)
{
    if (page < queue->page_room)
        return true;
    uint32_t room = queue->page_room > 0 ? queue->page_room : 1;
    while (room <= page)
        room *= 2;
    struct level **pages = realloc(queue->pages, room * sizeof *pages);
    if (!pages)
        return false;
    for (uint32_t i = queue->page_room; i < room; i++)
        pages[i] = NULL;
    queue->pages = pages;
    queue->page_room = room;
    return true;
}

/* One batch that is deep takes little more than one that is not: whoever sends it says how deep it is. */
static bool make_level(struct queue *queue, uint32_t number)
{
    const uint32_t page = number / PAGE_LEVELS;
    if (!make_room(queue, page))
        return false;
    if (queue->pages[page])
        return true;
    queue->pages[page] = calloc(PAGE_LEVELS, sizeof(struct level));
    queue->page_count += queue->pages[page] != NULL;
    return queue->pages[page] != NULL;
}

bool queue_add(struct queue *queue, struct batch *batch, uint64_t *memory)
{
    const size_t before = levels_bytes(queue);
    const uint32_t number = level_of(batch);
    const bool has_room = make_level(queue, number) && set_add(&queue->occupied, number);
    *memory += levels_bytes(queue) - before;
    if (!has_room) {
        if (queue->tasks == 0)
            free_levels(queue, memory);
        return false;
    }
    struct level *level = level_at(queue, number);
    batch->next = NULL;
    if (level->head)
        level->tail->next = batch;
    else
        level->head = batch;
    level->tail = batch;
    queue->tasks += batch->count;
    return true;
}

struct batch *queue_head(const struct queue *queue)
{
    return queue->tasks > 0 ? level_at(queue, set_last(&queue->occupied))->head : NULL;
}

struct run queue_peek(const struct queue *queue, uint32_t limit, size_t limit_bytes)
{
    const struct batch *batch = queue_head(queue);
    const uint8_t *start = batch->leaves + batch->offset;
    struct run run = {.first = batch->first, .leaves = start};
    struct tp__reader reader = tp__reader_of(start, batch->size - batch->offset);
    while (run.count < limit && batch->first + run.count < batch->count) {
        struct tp__leaf leaf;
        if (!tp__leaf_read(&reader, &leaf))
            break;
        const size_t size = (size_t)(reader.at - start);
        const uint64_t payload_bytes = run.payload_bytes + (leaf.flags & TP__LEAF_LARGE ? leaf.length : 0);
        if (run.count > 0 && size + payload_bytes > limit_bytes)
            break;
        run.count++;
        run.size = size;
        run.counted_size += tp__leaf_counted_size(&leaf);
        run.payload_bytes = payload_bytes;
    }
    return run;
}

void queue_take(struct queue *queue, const struct run *run, uint64_t *memory)
{
    struct batch *batch = queue_head(queue);
    const uint32_t number = level_of(batch);
    struct level *level = level_at(queue, number);
    batch->first = (uint16_t)(batch->first + run->count);
    batch->offset += (uint32_t)run->size;
    queue->tasks -= run->count;
    if (batch->first < batch->count)
        return;
    level->head = batch->next;
    if (!level->head)
        set_remove(&queue->occupied, number);
    batch_free(batch, memory);
    if (queue->tasks == 0)
        free_levels(queue, memory);
}

struct payload_part *queue_take_part(struct queue *queue)
{
    struct payloads *payloads = queue_head(queue)->payloads;
    struct payload_part *part = payloads ? payloads->head : NULL;
    if (!part)
        return NULL;
    payloads->head = part->next;
    if (!payloads->head)
        payloads->tail = &payloads->head;
    return part;
}

void queue_clear(struct queue *queue, uint64_t *memory)
{
    while (queue->occupied.members > 0) {
        const uint32_t number = set_last(&queue->occupied);
        struct level *level = level_at(queue, number);
        while (level->head) {
            struct batch *next = level->head->next;
            batch_free(level->head, memory);
            level->head = next;
        }
        set_remove(&queue->occupied, number);
    }
    free_levels(queue, memory);
}
