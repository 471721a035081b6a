/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * A frame is packed when it is queued, but numbered when it leaves: control passes bulk that waits. Fields of a
 * protobuf message may come in any order, so number and last received number are written in front of the packed body,
 * into headroom left there, and the body is never copied.
 *
 * Bulk under way is counted in `spans`: runs of frames up to a number, with the bytes of bulk in them. Frames join the
 * newest span until it has SPAN_BYTES, so that a fixed ring holds any window: all spans but the newest have at least
 * that many bytes, and together they have less than the window and one frame. An acknowledgement frees whole spans.
 *
 * Each frame counts with FRAME_COST_BYTES on top of its own, for what queues and sockets spend on it: so at most 8,192
 * are under way, and the socket's limit of messages is never reached by bulk.
 *
 * The other end acknowledges with every frame it sends, after ACKNOWLEDGE_BYTES in any case, and with its heartbeat.
 * All that arrives counts for that, as lanes cannot be told apart there: at the latest ACKNOWLEDGE_BYTES < window.
 */
#include "link/link.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HEADROOM_BYTES = 22, /* two tags and two varints of 64 bits */
    FRAME_COST_BYTES = 256,
    SPAN_BYTES = 64 << 10,
    SPANS = TP__LINK_WINDOW_BYTES / SPAN_BYTES + 4,
    ACKNOWLEDGE_BYTES = 256 << 10
};

struct frame {
    struct frame *next;
    size_t size; /* of the body */
    uint8_t bytes[];
};

struct queue {
    struct frame *head;
    struct frame **tail;
    size_t bytes;
};

struct span {
    uint64_t last; /* number */
    size_t bytes;
};

struct tp__link {
    struct tp__link_events events;
    bool broken;
    bool *freed; /* set while a callback runs that may free the link */
    int64_t now_ms, sent_ms, heard_ms;

    uint64_t sent;               /* the last number that went out */
    uint64_t acknowledged;       /* the last of them that the other end has received */
    uint64_t received;           /* the last number that came in */
    size_t unacknowledged_bytes; /* came in since something went out */

    struct queue queues[TP__LANES]; /* control's is always empty */
    struct span spans[SPANS];
    unsigned first_span, span_count;
    size_t under_way_bytes;
};

static void clear(struct queue *queue)
{
    while (queue->head) {
        struct frame *frame = queue->head;
        queue->head = frame->next;
        free(frame);
    }
    queue->tail = &queue->head;
    queue->bytes = 0;
}

struct tp__link *tp__link_new(const struct tp__link_events *events, int64_t now_ms)
{
    struct tp__link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->events = *events;
    link->now_ms = link->sent_ms = link->heard_ms = now_ms;
    for (int lane = 0; lane < TP__LANES; lane++)
        clear(&link->queues[lane]);
    return link;
}

void tp__link_free(struct tp__link *link)
{
    if (!link)
        return;
    if (link->freed)
        *link->freed = true;
    for (int lane = 0; lane < TP__LANES; lane++)
        clear(&link->queues[lane]);
    free(link);
}

static void break_link(struct tp__link *link, const char *reason)
{
    link->broken = true;
    for (int lane = 0; lane < TP__LANES; lane++)
        clear(&link->queues[lane]);
    link->events.broken(link->events.context, reason);
}

/* ---- out ---- */

/* Writes a varint field that ends before `end`, and returns its start. */
static uint8_t *prepend_field(uint8_t *end, unsigned field, uint64_t value)
{
    uint8_t bytes[11];
    size_t size = 0;
    bytes[size++] = (uint8_t)(field << 3 | PROTOBUF_C_WIRE_TYPE_VARINT);
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    memcpy(end - size, bytes, size);
    return end - size;
}

/* Numbers a body with HEADROOM_BYTES in front of it. Returns where it begins now. */
static const uint8_t *number_body(struct tp__link *link, uint8_t *body)
{
    enum { NUMBER = 1, RECEIVED = 2 }; /* taskpool.proto */
    uint8_t *start = prepend_field(body, RECEIVED, link->received);
    link->sent_ms = link->now_ms;
    link->unacknowledged_bytes = 0;
    return prepend_field(start, NUMBER, ++link->sent);
}

/* Numbers and sends a frame, which is gone then. */
static void transmit(struct tp__link *link, struct frame *frame)
{
    uint8_t *body = frame->bytes + HEADROOM_BYTES;
    const uint8_t *start = number_body(link, body);
    const size_t size = frame->size + (size_t)(body - start);
    if (size >= TP__LARGE_FRAME_BYTES && link->events.transmit_block) {
        link->events.transmit_block(link->events.context, frame, start, size);
    } else {
        link->events.transmit(link->events.context, start, size);
        free(frame);
    }
}

static void send_heartbeat(struct tp__link *link)
{
    uint8_t bytes[HEADROOM_BYTES + 2];
    bytes[HEADROOM_BYTES] = TASKPOOL__FRAME__BODY_HEARTBEAT << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    bytes[HEADROOM_BYTES + 1] = 0; /* an empty message */
    const uint8_t *start = number_body(link, bytes + HEADROOM_BYTES);
    link->events.transmit(link->events.context, start, (size_t)(bytes + sizeof bytes - start));
}

static void count_under_way(struct tp__link *link, size_t bytes)
{
    struct span *span = NULL;
    if (link->span_count > 0)
        span = &link->spans[(link->first_span + link->span_count - 1) % SPANS];
    if (!span || span->bytes >= SPAN_BYTES) {
        span = &link->spans[(link->first_span + link->span_count++) % SPANS];
        span->bytes = 0;
    }
    span->last = link->sent;
    span->bytes += bytes;
    link->under_way_bytes += bytes;
}

/* Sends what waits, bulk before programs, as far as the window allows. */
static void pump(struct tp__link *link)
{
    for (int lane = TP__LANE_BULK; lane < TP__LANES; lane++) {
        struct queue *queue = &link->queues[lane];
        while (queue->head && link->under_way_bytes < TP__LINK_WINDOW_BYTES) {
            struct frame *frame = queue->head;
            queue->head = frame->next;
            if (!queue->head)
                queue->tail = &queue->head;
            queue->bytes -= frame->size;
            const size_t cost = frame->size + FRAME_COST_BYTES;
            transmit(link, frame);
            count_under_way(link, cost);
        }
    }
}

bool tp__link_send(struct tp__link *link, enum tp__lane lane, Taskpool__Frame *message)
{
    if (link->broken || message->body_case == TASKPOOL__FRAME__BODY__NOT_SET)
        return false;
    message->number = 0; /* zeros are not packed */
    message->received = 0;
    const size_t size = taskpool__frame__get_packed_size(message);
    if (size > TP__FRAME_LIMIT_BYTES - HEADROOM_BYTES)
        return false;
    struct frame *frame = malloc(sizeof *frame + HEADROOM_BYTES + size);
    if (!frame)
        return false;
    frame->next = NULL;
    frame->size = taskpool__frame__pack(message, frame->bytes + HEADROOM_BYTES);
    if (lane == TP__LANE_CONTROL) {
        transmit(link, frame);
        return true;
    }
    struct queue *queue = &link->queues[lane];
    *queue->tail = frame;
    queue->tail = &frame->next;
    queue->bytes += frame->size;
    pump(link);
    return true;
}

size_t tp__link_queued(const struct tp__link *link, enum tp__lane lane)
{
    return link->queues[lane].bytes;
}

bool tp__link_is_open(const struct tp__link *link)
{
    return !link->queues[TP__LANE_BULK].head && link->under_way_bytes < TP__LINK_WINDOW_BYTES;
}

/* ---- in ---- */

static void acknowledge(struct tp__link *link, uint64_t received)
{
    link->acknowledged = received;
    while (link->span_count > 0 && link->spans[link->first_span].last <= received) {
        link->under_way_bytes -= link->spans[link->first_span].bytes;
        link->first_span = (link->first_span + 1) % SPANS;
        link->span_count--;
    }
    pump(link);
}

/* False if the frame has no effect but that the link broke. */
static bool accept_frame(struct tp__link *link, const Taskpool__Frame *frame)
{
    char reason[96];
    if (frame->body_case == TASKPOOL__FRAME__BODY_RESET) {
        break_link(link, "the other end does not know this link");
        return false;
    }
    if (frame->number != link->received + 1) {
        (void)snprintf(reason, sizeof reason, "frame %llu came where %llu was due", (unsigned long long)frame->number,
                       (unsigned long long)link->received + 1);
        break_link(link, reason);
        return false;
    }
    if (frame->received < link->acknowledged || frame->received > link->sent) {
        (void)snprintf(reason, sizeof reason, "frame %llu was acknowledged after %llu, of %llu sent",
                       (unsigned long long)frame->received, (unsigned long long)link->acknowledged,
                       (unsigned long long)link->sent);
        break_link(link, reason);
        return false;
    }
    return true;
}

void tp__link_receive(struct tp__link *link, const uint8_t *bytes, size_t size, int64_t now_ms)
{
    if (link->broken)
        return;
    link->now_ms = now_ms;
    struct tp__frame_view view;
    const Taskpool__Frame *frame = tp__frame_view(&view, bytes, size);
    if (!frame) {
        break_link(link, "a frame is malformed, or there is no memory for it");
        return;
    }
    if (!accept_frame(link, frame)) {
        tp__frame_view_end(&view);
        return;
    }
    link->heard_ms = now_ms;
    link->received = frame->number;
    link->unacknowledged_bytes += size;
    acknowledge(link, frame->received);
    bool freed = false;
    if (frame->body_case != TASKPOOL__FRAME__BODY_HEARTBEAT) {
        link->freed = &freed;
        link->events.received(link->events.context, frame);
        if (!freed)
            link->freed = NULL;
    }
    tp__frame_view_end(&view);
    /* after the callback, whose answer may have carried the acknowledgement */
    if (!freed && !link->broken && link->unacknowledged_bytes >= ACKNOWLEDGE_BYTES)
        send_heartbeat(link);
}

int64_t tp__link_tick(struct tp__link *link, int64_t now_ms)
{
    link->now_ms = now_ms;
    if (link->broken)
        return INT64_MAX;
    if (now_ms - link->sent_ms >= TP__HEARTBEAT_MS)
        send_heartbeat(link);
    return link->sent_ms + TP__HEARTBEAT_MS;
}

int64_t tp__link_heard_ms(const struct tp__link *link)
{
    return link->heard_ms;
}

bool tp__link_is_broken(const struct tp__link *link)
{
    return link->broken;
}
