/* SPDX-License-Identifier: MIT */
/* Whatever a peer sends, a link hands on whole frames in order or breaks, and what it sends itself stays well-formed.
 * The first byte chooses between the bytes as one frame, and a conversation: u8 what happens, u8 how much. */
#include "link/link.h"

#include <stdlib.h>
#include <string.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* What was unpacked is packed and unpacked to the same again. */
static void unpack(const uint8_t *bytes, size_t size)
{
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    struct tp__frame_view view;
    const Taskpool__Frame *viewed = tp__frame_view(&view, bytes, size);
    check(frame || !viewed); /* it has less to unpack, and a smaller budget */
    if (!frame)
        return;
    check(frame->body_case != TASKPOOL__FRAME__BODY__NOT_SET);
    check(strcmp(tp__frame_name(frame), "empty") != 0);
    size_t packed_size, again_size;
    uint8_t *packed = tp__frame_pack(frame, &packed_size);
    check(packed != NULL);
    if (viewed) {
        uint8_t *same = tp__frame_pack(viewed, &again_size);
        check(same && again_size == packed_size && memcmp(same, packed, packed_size) == 0);
        free(same);
    }
    tp__frame_view_end(&view);
    Taskpool__Frame *again = tp__frame_unpack(packed, packed_size);
    if (again) {
        uint8_t *twice = tp__frame_pack(again, &again_size);
        check(twice && again_size == packed_size && memcmp(twice, packed, packed_size) == 0);
        free(twice);
        tp__frame_free(again);
    }
    free(packed);
    tp__frame_free(frame);
}

struct end {
    struct tp__link *link;
    uint64_t sent, received;
    unsigned broken;
    bool frees;
};

static void on_transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct end *end = context;
    Taskpool__Frame *frame = tp__frame_unpack(bytes, size);
    check(frame && frame->number == ++end->sent && frame->received >= end->received);
    tp__frame_free(frame);
}

static void on_received(void *context, const Taskpool__Frame *frame)
{
    struct end *end = context;
    check(!end->broken && frame->number > end->received && frame->received <= end->sent);
    check(frame->body_case != TASKPOOL__FRAME__BODY_HEARTBEAT && frame->body_case != TASKPOOL__FRAME__BODY_RESET);
    end->received = frame->number;
    if (end->frees) {
        tp__link_free(end->link);
        end->link = NULL;
    }
}

static void on_broken(void *context, const char *reason)
{
    struct end *end = context;
    check(reason && *reason && ++end->broken == 1);
}

static void send_chunk(struct end *end, enum tp__lane lane, size_t size)
{
    static uint8_t content[256 << 10];
    Taskpool__Chunk chunk = TASKPOOL__CHUNK__INIT;
    chunk.data = tp__field(content, size);
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = &chunk;
    check(tp__link_send(end->link, lane, &frame) != tp__link_is_broken(end->link));
}

/* A frame whose number and acknowledgement are near what is right. */
static void receive_near(struct end *end, uint64_t number, uint64_t received, uint8_t kind, int64_t now_ms)
{
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    Taskpool__Heartbeat heartbeat = TASKPOOL__HEARTBEAT__INIT;
    Taskpool__Credit credit = TASKPOOL__CREDIT__INIT;
    frame.number = number;
    frame.received = received;
    if (kind & 1) {
        frame.body_case = TASKPOOL__FRAME__BODY_HEARTBEAT;
        frame.heartbeat = &heartbeat;
    } else {
        frame.body_case = TASKPOOL__FRAME__BODY_CREDIT;
        frame.credit = &credit;
    }
    size_t size;
    uint8_t *bytes = tp__frame_pack(&frame, &size);
    check(bytes != NULL);
    tp__link_receive(end->link, bytes, size, now_ms);
    free(bytes);
}

static void converse(const uint8_t *data, size_t size)
{
    struct end end = {0};
    const struct tp__link_events events = {
        .transmit = on_transmit, .received = on_received, .broken = on_broken, .context = &end};
    int64_t now_ms = 0;
    uint64_t number = 0;
    end.link = tp__link_new(&events, now_ms);
    check(end.link != NULL);
    while (size >= 2 && end.link) {
        const uint8_t what = data[0] & 7, much = data[1];
        end.frees = data[0] == 0xff;
        data += 2;
        size -= 2;
        switch (what) {
        case 0: { /* raw bytes */
            const size_t length = much < size ? much : size;
            tp__link_receive(end.link, data, length, now_ms);
            data += length;
            size -= length;
            break;
        }
        case 1:
            now_ms += much * 10;
            check(tp__link_tick(end.link, now_ms) > now_ms);
            break;
        case 2:
            send_chunk(&end, TP__LANE_CONTROL, much);
            break;
        case 3:
            send_chunk(&end, TP__LANE_BULK, (size_t)much << 10);
            break;
        case 4:
            send_chunk(&end, TP__LANE_PROGRAM, (size_t)much << 10);
            break;
        case 5: /* an odd number */
            receive_near(&end, number + much, end.sent, much, now_ms);
            break;
        case 6: /* an odd acknowledgement */
            receive_near(&end, ++number, end.sent + 2 - much % 8, much, now_ms);
            break;
        default:
            receive_near(&end, ++number, end.sent, much, now_ms);
            break;
        }
    }
    tp__link_free(end.link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        unpack(data + 1, size - 1);
    else
        converse(data + 1, size - 1);
    return 0;
}
