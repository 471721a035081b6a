/* SPDX-License-Identifier: MIT */
/* Design notes: assembly
 *
 * What is held is a short list: each entry owns a buffer of at least TP__PART_BYTES and is counted with all of its
 * capacity, so that limit_bytes also limits the length of the list and with it the time of a search.
 *
 * A body that was refused must not be mistaken for a new one when its next part comes, nor its last part for a whole
 * body: its entry stays, without a buffer, until the last part or tp__assembly_forget. A peer that collects more than
 * REFUSED_LIMIT of them, or one that comes when there is no memory to remember it, gets no record through any more
 * (held_bytes is OVERWHELMED then).
 */
#include "wire/record.h"

#include <stdlib.h>

enum {
    FIXED_BYTES = 6,                                         /* what each begins with: type, flags, size */
    BODY_LIMIT_BYTES = TP__PAYLOAD_LIMIT_BYTES + (64 << 10), /* a payload and the numbers and texts around it */
    REFUSED_LIMIT = 1024
};
#define OVERWHELMED SIZE_MAX

static uint8_t *put_header(uint8_t *to, const struct tp__record *record, uint8_t flags, uint32_t size)
{
    to = tp__put_u8(to, record->type);
    to = tp__put_u8(to, record->operation ? flags | TP__RECORD_NUMBERED : flags);
    to = tp__put_u32(to, size);
    to = tp__put_number(to, record->task);
    to = tp__put_number(to, record->dispatch);
    return record->operation ? tp__put_number(to, record->operation) : to;
}

size_t tp__record_size(const struct tp__record *record)
{
    return FIXED_BYTES + tp__number_size(record->task) + tp__number_size(record->dispatch) +
           (record->operation ? tp__number_size(record->operation) : 0) + record->size;
}

/* Most need one part, and many are written on the small stack of a task. */
bool tp__record_append(struct tp__buffer *buffer, const struct tp__record *record)
{
    if (record->size > TP__PART_BYTES)
        return tp__record_append_headed(buffer, record, NULL, 0);
    if (!tp__buffer_reserve(buffer, tp__record_size(record))) /* no more: a stream's frame has room for just that */
        return false;
    uint8_t *to = put_header(buffer->bytes + buffer->size, record, record->flags, record->size);
    to = tp__put_bytes(to, record->body, record->size);
    buffer->size = (size_t)(to - buffer->bytes);
    return true;
}

bool tp__record_append_headed(struct tp__buffer *buffer, const struct tp__record *record, const uint8_t *head,
                              uint32_t head_size)
{
    const size_t total = (size_t)head_size + record->size;
    const size_t parts = total > 0 ? (total + TP__PART_BYTES - 1) / TP__PART_BYTES : 1;
    if (!tp__buffer_reserve(buffer, parts * TP__RECORD_HEADER_LIMIT_BYTES + total))
        return false;
    uint8_t *to = buffer->bytes + buffer->size;
    const uint8_t *body = record->body;
    size_t left = total;
    for (size_t i = 0; i < parts; i++) {
        const bool last = i + 1 == parts;
        const uint32_t size = last ? (uint32_t)left : TP__PART_BYTES;
        const uint32_t of_head = i == 0 ? head_size : 0;
        to = put_header(to, record, last ? record->flags : TP__RECORD_MORE, size);
        to = tp__put_bytes(to, head, of_head);
        to = tp__put_bytes(to, body, size - of_head);
        if (!last)
            body += size - of_head;
        left -= size;
    }
    buffer->size = (size_t)(to - buffer->bytes);
    return true;
}

enum tp__record_next tp__record_read(struct tp__reader *reader, struct tp__record *record)
{
    *record = (struct tp__record){0};
    if (!reader->ok)
        return TP__RECORD_MALFORMED;
    if (tp__reader_left(reader) < FIXED_BYTES)
        return TP__RECORD_INCOMPLETE;
    struct tp__reader ahead = *reader;
    struct tp__record found = {0};
    found.type = tp__get_u8(&ahead);
    const uint8_t flags = tp__get_u8(&ahead);
    found.size = tp__get_u32(&ahead);
    if ((flags & ~(TP__RECORD_MORE | TP__RECORD_NUMBERED)) != 0 || found.size > TP__PART_BYTES)
        return TP__RECORD_MALFORMED; /* whoever talks nonsense is not listened to until a body is whole */
    const bool is_numbered = flags & TP__RECORD_NUMBERED;
    found.task = tp__get_u64_number(&ahead);
    const uint64_t dispatch = tp__get_u64_number(&ahead);
    const uint64_t operation = is_numbered ? tp__get_u64_number(&ahead) : 0;
    if (!ahead.ok)
        return tp__reader_left(&ahead) == 0 ? TP__RECORD_INCOMPLETE : TP__RECORD_MALFORMED;
    if (dispatch > UINT32_MAX || operation > UINT32_MAX || is_numbered != (operation != 0))
        return TP__RECORD_MALFORMED;
    found.flags = flags & TP__RECORD_MORE;
    found.dispatch = (uint32_t)dispatch;
    found.operation = (uint32_t)operation;
    if (tp__reader_left(&ahead) < found.size)
        return TP__RECORD_INCOMPLETE;
    found.body = tp__get_bytes(&ahead, found.size);
    *record = found;
    *reader = ahead;
    return TP__RECORD_FOUND;
}

/* ---- assembly ---- */

struct tp__assembly_part {
    struct tp__assembly_part *next;
    uint64_t task;
    uint32_t dispatch;
    uint32_t operation;
    uint8_t type;
    bool refused;
    bool complete; /* was handed out by the last call: freed by the next */
    uint32_t size;
    uint32_t capacity;
    uint8_t *bytes;
};

static bool is_of(const struct tp__assembly_part *part, const struct tp__record *record)
{
    return part->task == record->task && part->dispatch == record->dispatch && part->operation == record->operation &&
           part->type == record->type;
}

static void drop_bytes(struct tp__assembly *assembly, struct tp__assembly_part *part)
{
    if (assembly->held_bytes != OVERWHELMED)
        assembly->held_bytes -= part->capacity;
    free(part->bytes);
    part->bytes = NULL;
    part->size = part->capacity = 0;
}

/* Takes `*link` out of the list. */
static void drop(struct tp__assembly *assembly, struct tp__assembly_part **link)
{
    struct tp__assembly_part *part = *link;
    *link = part->next;
    drop_bytes(assembly, part);
    free(part);
}

/* Frees what the last call handed out, and finds the place of the record's entry: *place is NULL if it has none. */
static struct tp__assembly_part **find(struct tp__assembly *assembly, const struct tp__record *record, size_t *refused)
{
    if (assembly->parts && assembly->parts->complete)
        drop(assembly, &assembly->parts);
    *refused = 0;
    struct tp__assembly_part **place = &assembly->parts;
    struct tp__assembly_part **found = NULL;
    for (; *place; place = &(*place)->next) {
        if (!found && is_of(*place, record))
            found = place;
        *refused += (*place)->refused;
    }
    return found ? found : place;
}

static tp_status grow(struct tp__assembly *assembly, struct tp__assembly_part *part, uint32_t more)
{
    if (more > BODY_LIMIT_BYTES - part->size)
        return TP_E_LIMIT;
    const uint32_t needed = part->size + more;
    if (needed <= part->capacity && part->bytes)
        return TP_OK;
    const size_t others = assembly->held_bytes - part->capacity;
    uint32_t least = needed > TP__PART_BYTES ? needed : TP__PART_BYTES;
    uint32_t capacity = 2 * part->capacity;
    if (capacity < least)
        capacity = least;
    if (capacity > BODY_LIMIT_BYTES)
        capacity = BODY_LIMIT_BYTES;
    if (others > assembly->limit_bytes || capacity > assembly->limit_bytes - others)
        capacity = least;
    if (others > assembly->limit_bytes || capacity > assembly->limit_bytes - others)
        return TP_E_LIMIT;
    uint8_t *bytes = realloc(part->bytes, capacity);
    if (!bytes)
        return TP_E_NOMEM;
    part->bytes = bytes;
    assembly->held_bytes = others + capacity;
    part->capacity = capacity;
    return TP_OK;
}

static bool refuse(struct tp__assembly *assembly, struct tp__assembly_part *part, size_t refused, tp_status why,
                   tp_status *status)
{
    *status = why;
    if (!part || refused >= REFUSED_LIMIT) {
        assembly->held_bytes = OVERWHELMED;
        return false;
    }
    drop_bytes(assembly, part);
    part->refused = true;
    return false;
}

bool tp__assembly_add(struct tp__assembly *assembly, struct tp__record *record, tp_status *status)
{
    *status = TP_OK;
    if (assembly->held_bytes == OVERWHELMED) {
        *status = TP_E_LIMIT;
        return false;
    }
    if (!assembly->parts && !(record->flags & TP__RECORD_MORE))
        return true;
    size_t refused;
    struct tp__assembly_part **place = find(assembly, record, &refused);
    struct tp__assembly_part *part = *place;
    const bool last = !(record->flags & TP__RECORD_MORE);
    if (!part) {
        if (last)
            return true;
        part = calloc(1, sizeof *part);
        if (!part)
            return refuse(assembly, NULL, refused, TP_E_NOMEM, status);
        part->task = record->task;
        part->dispatch = record->dispatch;
        part->operation = record->operation;
        part->type = record->type;
        *place = part;
    }
    if (part->refused) { /* which the caller was told at the part that was too much */
        if (last)
            drop(assembly, place);
        return false;
    }
    const tp_status grown = grow(assembly, part, record->size);
    if (grown != TP_OK) {
        if (last) { /* nothing more comes of it that could be mistaken */
            drop(assembly, place);
            *status = grown;
            return false;
        }
        return refuse(assembly, part, refused, grown, status);
    }
    if (record->size > 0)
        memcpy(part->bytes + part->size, record->body, record->size);
    part->size += record->size;
    if (!last)
        return false;
    part->complete = true; /* and to the front, where the next call looks for it */
    *place = part->next;
    part->next = assembly->parts;
    assembly->parts = part;
    record->body = part->bytes;
    record->size = part->size;
    return true;
}

void tp__assembly_forget(struct tp__assembly *assembly, uint64_t task, uint32_t dispatch)
{
    struct tp__assembly_part **place = &assembly->parts;
    while (*place)
        if ((*place)->task == task && (*place)->dispatch == dispatch)
            drop(assembly, place);
        else
            place = &(*place)->next;
}

void tp__assembly_free(struct tp__assembly *assembly)
{
    while (assembly->parts)
        drop(assembly, &assembly->parts);
    assembly->held_bytes = 0;
}

/* ---- texts ---- */

bool tp__put_text(struct tp__buffer *buffer, const char *text, size_t size)
{
    if (size > UINT32_MAX || !tp__buffer_reserve(buffer, sizeof(uint32_t) + size))
        return false;
    uint8_t *to = tp__put_u32(buffer->bytes + buffer->size, (uint32_t)size);
    to = tp__put_bytes(to, text, size);
    buffer->size = (size_t)(to - buffer->bytes);
    return true;
}

const char *tp__get_text(struct tp__reader *reader, size_t *size)
{
    *size = 0;
    const uint32_t length = tp__get_u32(reader);
    const uint8_t *bytes = tp__get_bytes(reader, length);
    if (bytes)
        *size = length;
    return (const char *)bytes;
}
