/* SPDX-License-Identifier: MIT */
/* Whatever a coordinator sends, and whatever drivers and processes say meanwhile, the agent's numbers stay right, its
 * memory bounded, and no process that was killed is spoken to. The input is a sequence of steps: a kind, a length, so
 * many bytes. Some steps are frames as they are, others good ones (signed, sealed) whose content the input chooses. */
#include "agent_fixture.h"

/* The next byte, 0 behind the end. */
static uint8_t next(struct tp__reader *in)
{
    return tp__reader_left(in) > 0 ? tp__get_u8(in) : 0;
}

static void raw_frame(struct fixture *fixture, struct tp__reader *in)
{
    uint8_t bytes[300];
    const size_t size = tp__reader_left(in);
    uint8_t *end = bytes;
    *end++ = 1 << 3; /* number */
    for (uint64_t number = ++fixture->number;; number >>= 7) {
        *end++ = (uint8_t)(number & 127) | (number > 127 ? 128 : 0);
        if (number <= 127)
            break;
    }
    end = tp__put_bytes(end, in->at, size);
    agent_receive(fixture->agent, bytes, (size_t)(end - bytes), fixture->now_ms);
}

static void submit(struct fixture *fixture, struct tp__reader *in)
{
    static const uint8_t payload[256];
    struct tp__leaf leaf = {.sequence = 1 + next(in) % 8, .dispatch = 1 + next(in) % 3};
    leaf.flags = next(in) % 8;
    leaf.cell = next(in) % 4;
    leaf.task = next(in);
    leaf.worker = next(in) % 4;
    const unsigned flip = next(in);
    if (leaf.flags & TP__LEAF_LARGE) {
        leaf.length = TP__LEAF_INLINE_LIMIT_BYTES + 1 + next(in) * 1000;
        leaf.payload_hash = tp__hash_of(payload, sizeof payload);
    } else {
        leaf.length = next(in);
        leaf.payload = payload;
    }
    fixture_submit(fixture, &leaf, flip % 4 == 3 ? flip : 0);
}

static void payload(struct fixture *fixture, struct tp__reader *in)
{
    static const uint8_t part[TP__LEAF_INLINE_LIMIT_BYTES + 256000];
    Taskpool__Payload message;
    Taskpool__Frame frame;
    taskpool__payload__init(&message);
    taskpool__frame__init(&frame);
    message.session = tp__field_of_id(&world.offer.session);
    message.sequence = 1 + next(in) % 8;
    message.dispatch = 1 + next(in) % 3;
    message.offset = next(in) * 1000u;
    message.part = tp__field(part, next(in) * 1000u + next(in));
    frame.body_case = TASKPOOL__FRAME__BODY_PAYLOAD;
    frame.payload = &message;
    fixture_receive(fixture, &frame);
}

static void driver_says(struct fixture *fixture, struct tp__reader *in)
{
    struct tp__record record = {.type = next(in)};
    record.task = next(in) % 10;
    record.dispatch = next(in) % 4;
    record.operation = next(in);
    record.body = in->at;
    record.size = (uint32_t)tp__reader_left(in);
    fixture_say(fixture, &record);
}

static void process_says(struct fixture *fixture, struct tp__reader *in)
{
    const size_t place = next(in) % 4;
    struct tp__record record = {.type = next(in), .flags = next(in) % 2};
    record.task = next(in) % 10;
    record.dispatch = next(in) % 4;
    record.body = in->at;
    record.size = (uint32_t)tp__reader_left(in);
    struct tp__buffer bytes = {NULL, 0, 0};
    must(tp__record_append(&bytes, &record));
    fixture_hear(fixture, place, bytes.bytes, bytes.size);
    tp__buffer_free(&bytes);
}

static void process_ends(struct fixture *fixture, struct tp__reader *in)
{
    const size_t place = next(in) % 4;
    const struct agent_suspect suspects[2] = {{next(in) % 10, next(in) % 4, next(in) % 3}, {next(in) % 10, 1, 0}};
    fixture_end_process(fixture, place,
                        &(struct agent_crash){.text = "was killed by SIGSEGV",
                                              .suspects = suspects,
                                              .suspect_count = 2,
                                              .last_output = next(in) % 2 ? "last words" : NULL});
}

static void about_session(struct fixture *fixture, struct tp__reader *in)
{
    Taskpool__Forget forget;
    Taskpool__SessionEnd end;
    Taskpool__Recall recall;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    switch (next(in) % 4) {
    case 0:
        taskpool__forget__init(&forget);
        forget.session = tp__field_of_id(&world.offer.session);
        forget.incarnation = tp__field_of_id(&fixture->incarnation);
        frame.body_case = TASKPOOL__FRAME__BODY_FORGET;
        frame.forget = &forget;
        break;
    case 1:
        taskpool__session_end__init(&end);
        end.session = tp__field_of_id(&world.offer.session);
        frame.body_case = TASKPOOL__FRAME__BODY_SESSION_END;
        frame.session_end = &end;
        break;
    case 2:
        taskpool__recall__init(&recall);
        recall.count = next(in);
        recall.drain = next(in) == 255;
        frame.body_case = TASKPOOL__FRAME__BODY_RECALL;
        frame.recall = &recall;
        break;
    default:
        fixture_offer(fixture);
        return;
    }
    fixture_receive(fixture, &frame);
}

static void step(struct fixture *fixture, unsigned kind, struct tp__reader *in)
{
    switch (kind % 12) {
    case 0:
        raw_frame(fixture, in);
        break;
    case 1:
    case 2:
        submit(fixture, in);
        break;
    case 3:
        payload(fixture, in);
        break;
    case 4:
        driver_says(fixture, in);
        break;
    case 5:
        process_says(fixture, in);
        break;
    case 6:
        process_ends(fixture, in);
        break;
    case 7:
        fixture_ready(fixture, next(in) % 4);
        break;
    case 8:
        about_session(fixture, in);
        break;
    case 9:
        fixture_tick(fixture, next(in) * 300);
        break;
    case 10:
        fixture_connect(fixture);
        break;
    default:
        fixture_open(fixture);
        break;
    }
    if (fixture->wants_socket)
        fixture_connect(fixture);
    fixture_pump(fixture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture fixture;
    fixture_begin(&fixture);
    for (int steps = 0; size >= 2 && steps < 200; steps++) {
        const unsigned kind = data[0];
        size_t length = data[1];
        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        struct tp__reader in = tp__reader_of(data, length);
        step(&fixture, kind, &in);
        fixture_check(&fixture);
        data += length;
        size -= length;
    }
    while (fixture.process_count > 0)
        fixture_end_process(&fixture, 0, &(struct agent_crash){.text = "was killed by SIGKILL"});
    fixture_end(&fixture);
    return 0;
}
